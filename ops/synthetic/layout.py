"""Plan of an invented delta: which land lies where, before anything is bent into place.

The plan is drawn on flat paper, in whole half metres, as rectangles: communes, the canals and roads that cut them,
and between these the rows of lots (rice strips, house plots). Whole numbers make a shared corner the same number for
both its owners; `weave` turns the paper into ground and gives every line its nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np

UNIT_M = 0.5
"""Metres per plan unit. Nothing on the plan is nearer than this to anything else."""


class Axis(IntEnum):
    """The direction in which a row of lots runs on the plan."""

    U = 0
    V = 1


class Use(IntEnum):
    """What a row of lots is mostly used for; decides lot width, land use and holders."""

    RICE = 0
    HOUSE = 1
    ORCHARD = 2
    POND = 3
    TOWN = 4


class Way(IntEnum):
    """Kinds of linear object (đối tượng hình tuyến) between the blocks."""

    RIVER = 0
    CANAL = 1
    DITCH = 2
    ROAD = 3
    PATH = 4


MEAN_WIDTH_M = {Use.RICE: 27.0, Use.HOUSE: 13.0, Use.ORCHARD: 24.0, Use.POND: 48.0, Use.TOWN: 5.5}
"""Usual lot width along the row; the province scales all of them by one factor to meet the number asked for."""

LOTS_PER_RICE_TRACT, LOTS_PER_VILLAGE_TRACT, LOTS_PER_MARKET = 330, 980, 1400
TRACT_M = 1000.0
"""Side of a tract, the square that one 1:2000 map sheet covers."""


class Rect(NamedTuple):
    """A rectangle of the plan, in half metres."""

    u0: int
    v0: int
    u1: int
    v1: int

    def span(self, axis: Axis) -> tuple[int, int]:
        return (self.u0, self.u1) if axis is Axis.U else (self.v0, self.v1)

    def slice(self, axis: Axis, a: int, b: int) -> "Rect":
        return Rect(a, self.v0, b, self.v1) if axis is Axis.U else Rect(self.u0, a, self.u1, b)


class Strip(NamedTuple):
    """A stretch of canal or road."""

    commune: int
    rect: Rect
    way: Way
    axis: Axis
    width_m: float
    number: int


class Band(NamedTuple):
    """A row of lots: cut across `axis` between s0 and s1, t0 and t1 are its front and back."""

    commune: int
    sheet: int
    block: int
    axis: Axis
    s0: int
    s1: int
    t0: int
    t1: int
    use: Use


@dataclass
class Plan:
    """Everything drawn so far."""

    communes: list[Rect] = field(default_factory=list)
    urban: list[bool] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    sheet_commune: list[int] = field(default_factory=list)
    sheet_scale: list[int] = field(default_factory=list)
    blocks: int = 0


class Gap(NamedTuple):
    """What separates two neighbouring blocks."""

    way: Way
    width_m: float


class Row(NamedTuple):
    """A row of lots within a block: its share of the depth and its use."""

    share: float
    use: Use


def other(axis: Axis) -> Axis:
    return Axis.V if axis is Axis.U else Axis.U


def units(metres: float) -> int:
    return round(metres / UNIT_M)


class Surveyor:
    """Draws one commune after the other on the plan."""

    def __init__(self, plan: Plan, rng: np.random.Generator) -> None:
        self.plan = plan
        self.rng = rng
        self.commune = -1

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    # -- dividing

    def stack(self, rect: Rect, axis: Axis, depths: Sequence[float], gaps: Sequence[Gap]) -> list[Rect]:
        """Divide `rect` along `axis` into pieces with ways between them; depths are stretched to fill it."""
        start, end = rect.span(axis)
        widths = [max(units(gap.width_m), 4) for gap in gaps]
        free = end - start - sum(widths)
        edges = np.rint(np.cumsum([0.0, *depths]) / sum(depths) * free).astype(int)
        pieces: list[Rect] = []
        at = start
        for k, (low, high) in enumerate(pairwise(edges.tolist())):
            pieces.append(rect.slice(axis, at, at + high - low))
            at = pieces[-1].span(axis)[1]
            if k < len(gaps):
                self.way(rect.slice(axis, at, at + widths[k]), gaps[k].way, other(axis))
                at += widths[k]
        return pieces

    def way(self, rect: Rect, way: Way, axis: Axis) -> None:
        start, end = rect.span(other(axis))
        number = int(self.rng.integers(1, 60))
        self.plan.strips.append(Strip(self.commune, rect, way, axis, (end - start) * UNIT_M, number))

    def block(self, rect: Rect, axis: Axis, sheet: int, rows: Sequence[Row]) -> None:
        """Rows of lots back to back; they share a line where their cuts do not meet."""
        start, end = rect.span(axis)
        low, high = rect.span(other(axis))
        shares = np.cumsum([0.0, *(row.share for row in rows)]) / sum(row.share for row in rows)
        edges = low + np.rint(shares * (high - low)).astype(int)
        for row, t0, t1 in zip(rows, edges[:-1], edges[1:], strict=True):
            band = Band(self.commune, sheet, self.plan.blocks, axis, start, end, int(t0), int(t1), row.use)
            self.plan.bands.append(band)
        self.plan.blocks += 1

    def sheet(self, scale: int) -> int:
        self.plan.sheet_commune.append(self.commune)
        self.plan.sheet_scale.append(scale)
        return len(self.plan.sheet_scale) - 1

    # -- kinds of country

    def commune_at(self, rect: Rect, *, rows: int, columns: int, urban: bool) -> None:
        """One commune: a border canal, its limit in midstream, and a net of canals with tracts between."""
        self.plan.communes.append(rect)
        self.plan.urban.append(urban)
        self.commune = len(self.plan.communes) - 1
        inner = self.border(rect)
        heights = [self.between(0.8, 1.2) for _ in range(rows)]
        canals = [Gap(Way.CANAL, self.between(10, 26)) for _ in range(rows - 1)]
        tracts = []
        for band in self.stack(inner, Axis.V, heights, canals):
            widths = [self.between(0.8, 1.2) for _ in range(columns)]
            side = [Gap(Way.CANAL, self.between(7, 15)) for _ in range(columns - 1)]
            tracts += self.stack(band, Axis.U, widths, side)
        self.settle(tracts, urban=urban)

    def border(self, rect: Rect) -> Rect:
        width = units(self.between(6, 18))
        inner = Rect(rect.u0 + width, rect.v0 + width, rect.u1 - width, rect.v1 - width)
        self.way(rect._replace(v1=inner.v0), Way.RIVER, Axis.U)
        self.way(rect._replace(v0=inner.v1), Way.RIVER, Axis.U)
        self.way(Rect(rect.u0, inner.v0, inner.u0, inner.v1), Way.RIVER, Axis.V)
        self.way(Rect(inner.u1, inner.v0, rect.u1, inner.v1), Way.RIVER, Axis.V)
        return inner

    def settle(self, tracts: Sequence[Rect], *, urban: bool) -> None:
        """People live in the middle of the commune, rice grows around them."""
        villages, markets = settlement(len(tracts), urban=urban)
        middle = np.mean([(t.u0 + t.u1, t.v0 + t.v1) for t in tracts], axis=0)
        distance = [np.hypot(t.u0 + t.u1 - middle[0], t.v0 + t.v1 - middle[1]) for t in tracts]
        order = np.argsort(np.asarray(distance) * self.rng.uniform(0.5, 1.5, len(tracts)), kind="stable")
        for rank, at in enumerate(order.tolist()):
            if rank < villages:
                self.village(tracts[at], markets=min(2, max(0, markets - 2 * rank)))
            else:
                self.rice(tracts[at])

    def rice(self, rect: Rect) -> None:
        """One sheet at 1:2000: long plots at right angles to the canals, a row of houses on one bank."""
        sheet = self.sheet(2000)
        axis = Axis.U if self.chance(0.6) else Axis.V
        start, end = rect.span(axis)
        pieces = max(1, min(3, round((end - start) * UNIT_M / self.between(320, 700))))
        gaps = [Gap(Way.DITCH if self.chance(0.6) else Way.ROAD, self.between(3.5, 6.5)) for _ in range(pieces - 1)]
        for piece in self.stack(rect, axis, [self.between(0.7, 1.3) for _ in range(pieces)], gaps):
            self.fields(piece, axis, sheet)

    def fields(self, rect: Rect, axis: Axis, sheet: int) -> None:
        low, high = rect.span(other(axis))
        depth = (high - low) * UNIT_M
        houses = min(self.between(38, 62), depth * 0.25)
        count = max(1, round((depth - houses) / self.between(330, 430)))
        depths = [houses, *((depth - houses) / count * self.between(0.8, 1.2) for _ in range(count))]
        gaps = [Gap(Way.ROAD, self.between(4, 7))]
        gaps += [Gap(Way.DITCH if self.chance(0.7) else Way.PATH, self.between(3, 6)) for _ in range(count - 1)]
        if self.chance(0.4):
            depths, gaps = depths[::-1], gaps[::-1]
        for piece in self.stack(rect, other(axis), depths, gaps):
            a, b = piece.span(other(axis))
            self.field(piece, axis, sheet, (b - a) * UNIT_M)

    def field(self, rect: Rect, axis: Axis, sheet: int, depth: float) -> None:
        if depth < 75:
            self.block(rect, axis, sheet, [Row(1, Use.HOUSE)])
            return
        kind = self.rng.random()
        use = Use.POND if kind < 0.08 else Use.ORCHARD if kind < 0.15 else Use.RICE
        rows = max(1, round(depth / (110 if use is Use.POND else 90 if use is Use.ORCHARD else self.between(130, 230))))
        self.block(rect, axis, sheet, [Row(self.between(0.8, 1.2), use) for _ in range(rows)])

    def village(self, rect: Rect, *, markets: int) -> None:
        """Four sheets at 1:1000, or of these some small towns on sheets at 1:500."""
        halves = self.stack(rect, Axis.V, [1, self.between(0.9, 1.1)], [Gap(Way.ROAD, self.between(7, 10))])
        quarters: list[Rect] = []
        for half in halves:
            split = Gap(Way.CANAL if self.chance(0.5) else Way.ROAD, self.between(7, 12))
            quarters += self.stack(half, Axis.U, [1, self.between(0.9, 1.1)], [split])
        for at, quarter in enumerate(quarters):
            if at < markets:
                self.market(quarter)
            else:
                self.hamlet(quarter)

    def hamlet(self, rect: Rect) -> None:
        sheet = self.sheet(1000)
        axis = Axis.U if self.chance(0.5) else Axis.V
        gaps = [Gap(Way.ROAD, self.between(4.5, 6)), Gap(Way.PATH, self.between(3, 4)), Gap(Way.DITCH, 4)]
        pieces = self.stack(rect, other(axis), [85, self.between(120, 160), 85, self.between(130, 180)], gaps)
        houses = [Row(1, Use.HOUSE), Row(self.between(0.7, 1.3), Use.HOUSE)]
        garden = [Row(1, Use.ORCHARD), Row(1, Use.ORCHARD)]
        field = [Row(1, Use.POND if self.chance(0.25) else Use.RICE)]
        for piece, rows in zip(pieces, [houses, garden, houses, field], strict=True):
            share = [self.between(0.35, 0.65)]
            lane = Gap(Way.PATH, self.between(2.5, 4))
            for part in self.stack(piece, axis, [share[0], 1 - share[0]], [lane]):
                self.block(part, axis, sheet, rows)

    def market(self, rect: Rect) -> None:
        """A market town: terraces along narrow streets."""
        gaps = [Gap(Way.ROAD, self.between(8, 12))]
        for half in self.stack(rect, Axis.V, [1, 1], gaps):
            for quarter in self.stack(half, Axis.U, [1, self.between(0.9, 1.1)], gaps):
                self.streets(quarter)

    def streets(self, rect: Rect) -> None:
        sheet = self.sheet(500)
        axis = Axis.U if self.chance(0.5) else Axis.V
        low, high = rect.span(other(axis))
        count = max(2, round((high - low) * UNIT_M / 52))
        gaps = [Gap(Way.ROAD, self.between(5, 8)) for _ in range(count - 1)]
        for piece in self.stack(rect, other(axis), [self.between(0.85, 1.15) for _ in range(count)], gaps):
            lane = [Gap(Way.PATH, self.between(2.5, 4))]
            for part in self.stack(piece, axis, [self.between(0.8, 1.2), 1], lane):
                self.block(part, axis, sheet, [Row(1, Use.TOWN), Row(self.between(0.8, 1.2), Use.TOWN)])


def settlement(tracts: int, *, urban: bool) -> tuple[int, int]:
    """How many of a commune's tracts are villages, and how many quarters of these are market towns."""
    villages = max(1, round(tracts * (0.6 if urban else 0.28))) if tracts > 2 else 0
    return villages, min(2 * villages, (4 if urban else 1) if tracts > 3 else 0)


def expected_lots(tracts: int, *, urban: bool) -> float:
    villages, markets = settlement(tracts, urban=urban)
    quiet = LOTS_PER_VILLAGE_TRACT * (villages - markets / 4)
    return (tracts - villages) * LOTS_PER_RICE_TRACT + quiet + markets * LOTS_PER_MARKET


def draw_plan(parcels: int, rng: np.random.Generator) -> Plan:
    """A province for about `parcels` parcels: communes in uneven columns around the plan's origin."""
    communes = max(2, round(parcels / 10_000))
    columns = max(1, round(communes**0.5))
    plan = Plan()
    surveyor = Surveyor(plan, rng)
    at = units(60_000)
    for column in range(columns):
        members = range(column, communes, columns)
        at = draw_column(surveyor, at, len(members), parcels / communes)
    return plan


def draw_column(surveyor: Surveyor, u0: int, members: int, lots: float) -> int:
    """A column of communes, one above the other; gives the plan coordinate where the next column begins."""
    urban = [surveyor.chance(0.15) for _ in range(members)]
    tracts = [next(t for t in range(2, 400) if expected_lots(t, urban=u) >= lots * 0.97) for u in urban]
    wide = max(1, round(float(np.mean(tracts)) ** 0.5))
    high = [max(1, round(t / wide)) for t in tracts]
    side = [tract_side(lots, wide * h, urban=u) for h, u in zip(high, urban, strict=True)]
    width = units(wide * float(np.mean(side)))
    v0 = units(60_000) - sum(units(h * s) for h, s in zip(high, side, strict=True)) // 2
    for rows, s, town in zip(high, side, urban, strict=True):
        v1 = v0 + units(rows * s)
        surveyor.commune_at(Rect(u0, v0, u0 + width, v1), rows=rows, columns=wide, urban=town)
        v0 = v1
    return u0 + width


def tract_side(lots: float, tracts: int, *, urban: bool) -> float:
    """Smaller tracts where few parcels are asked for, so that plots keep their usual size."""
    return TRACT_M * float(np.clip((lots / expected_lots(tracts, urban=urban)) ** 0.5, 0.3, 1.3))

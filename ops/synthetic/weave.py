"""From the plan to ground: lots are cut, lines get their nodes, and everything is bent into a landscape.

Every line of the plan keeps one sorted list of the nodes on it, whoever put them there. A ring takes whole runs of
these lists, so both sides of a boundary have the same vertices, T junctions included, and the coverage is exact by
construction rather than by tolerance. All work is on flat arrays: a million parcels take seconds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .layout import MEAN_WIDTH_M, UNIT_M, Axis, Band, Plan, Strip, Use

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MIN_WIDTH_UNITS = 6
CENTRE_EN = (546_600.0, 1_058_800.0)
"""Middle of the Sóc Trăng envelope in EPSG:9209, E and N in metres. Source: domain notes, section 3 (E 505 494–587 719,
N 1 017 269–1 100 320)."""
DENSIFY_UNITS = 60


@dataclass(frozen=True)
class Lots:
    """Lots in columns; positions in plan units, `s` along the row at the front (b) and back (t) of the band."""

    band: Ints
    left: Ints
    first: npt.NDArray[np.bool_]
    last: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cuts:
    """The lines between lots, band after band: position at the band's front and back."""

    band: Ints
    front: Ints
    back: Ints


@dataclass(frozen=True)
class Cells:
    """Four-sided things (lots, stretches of way, communes) whose sides are runs of nodes."""

    axis: Ints
    t0: Ints
    t1: Ints
    front: tuple[Ints, Ints]
    back: tuple[Ints, Ints]
    side_cut: tuple[Ints, Ints]
    """Index of the cut that is the left and right side, -1 where the side is a line of the plan."""


@dataclass(frozen=True)
class Rings:
    """Closed rings, anticlockwise, as runs of node numbers."""

    node: Ints
    start: Ints


@dataclass(frozen=True)
class Nodes:
    """All nodes: first those on lines of the plan, sorted by key, then the bends of cuts between lots."""

    key: Ints
    bend_start: Ints
    xy: Floats
    """E, N in metres, EPSG:9209, on whole millimetres."""


def line_key(axis: Ints | int, const: Ints | int, pos: Ints | int) -> Ints:
    """Number of a node: the line it is on (a line of the plan, across or along), then its place there."""
    return (np.asarray(axis, np.int64) << 56) | (np.asarray(const, np.int64) << 28) | np.asarray(pos, np.int64)


def band_columns(bands: list[Band]) -> dict[str, Ints]:
    table = np.asarray(bands, np.int64)
    return {name: table[:, k] for k, name in enumerate(Band._fields)}


# -- cutting rows into lots


def lots_per_band(band: dict[str, Ints], total: int, rng: np.random.Generator) -> Ints:
    """How many lots each row gets, so that they are exactly `total` and widths stay near the usual ones."""
    length = (band["s1"] - band["s0"]) * UNIT_M
    width = np.asarray([MEAN_WIDTH_M[Use(u)] for u in range(len(Use))])[band["use"]]
    most = np.maximum(1, (band["s1"] - band["s0"]) // (2 * MIN_WIDTH_UNITS))
    if total < len(length) or total > int(most.sum()):
        raise ValueError(f"a province of {total} lots does not fit the plan of {len(length)} rows")
    low, high = 0.05, 50.0
    count: Ints = np.ones(len(length), np.int64)
    for _ in range(60):
        middle = (low * high) ** 0.5
        count = np.clip(np.rint(length / (middle * width)), 1, most).astype(np.int64)
        low, high = (middle, high) if count.sum() > total else (low, middle)
    while (rest := total - int(count.sum())) != 0:
        able = np.flatnonzero(count < most if rest > 0 else count > 1)
        count[rng.permutation(able)[: abs(rest)]] += np.sign(rest)
    return count


def cut_lots(band: dict[str, Ints], count: Ints, rng: np.random.Generator) -> tuple[Cuts, Lots]:
    """Lots of uneven width with slanting sides; the ends of a row stay on the block's own lines."""
    of_band = np.repeat(np.arange(len(count)), count + 1)
    start = np.concatenate([[0], np.cumsum(count + 1)])[:-1]
    weight = 0.62 + rng.random(len(of_band)) ** 2 * 1.1
    weight[start] = 0.0
    running = np.cumsum(weight)
    within = running - running[start][of_band]
    share = within / within[start + count][of_band]
    length = (band["s1"] - band["s0"])[of_band]
    front = band["s0"][of_band] + np.rint(share * length).astype(np.int64)
    end = np.zeros(len(of_band), bool)
    end[start] = end[start + count] = True
    room = np.minimum(np.diff(front, prepend=front[0]), np.diff(front, append=front[-1]))
    shift = np.rint(np.clip(rng.normal(0, 0.12, len(of_band)), -0.22, 0.22) * room).astype(np.int64)
    back = front + np.where(end, 0, shift)
    left = np.flatnonzero(~_is_last(start, count, len(of_band)))
    at_start, at_end = np.zeros(len(of_band), bool), np.zeros(len(of_band), bool)
    at_start[start], at_end[start + count] = True, True
    return Cuts(of_band, front, back), Lots(of_band[left], left, at_start[left], at_end[left + 1])


def _is_last(start: Ints, count: Ints, size: int) -> npt.NDArray[np.bool_]:
    last = np.zeros(size, bool)
    last[start + count] = True
    return last


# -- cells


def lot_cells(band: dict[str, Ints], cuts: Cuts, lots: Lots) -> Cells:
    b, left, right = lots.band, lots.left, lots.left + 1
    sides = (np.where(lots.first, -1, left), np.where(lots.last, -1, right))
    front, back = (cuts.front[left], cuts.front[right]), (cuts.back[left], cuts.back[right])
    return Cells(band["axis"][b], band["t0"][b], band["t1"][b], front, back, sides)


def rect_cells(rects: Ints) -> Cells:
    """Cells of plain rectangles, rows (u0, v0, u1, v1)."""
    u0, v0, u1, v1 = rects.T
    none = np.full(len(rects), -1)
    return Cells(np.full(len(rects), int(Axis.U)), v0, v1, (u0, u1), (u0, u1), (none, none))


def strip_rects(strips: list[Strip]) -> Ints:
    return np.asarray([s.rect for s in strips], np.int64)


# -- nodes


def corner_keys(cells: Cells) -> list[Ints]:
    across = 1 - cells.axis
    keys = [line_key(cells.axis, cells.t0, s) for s in cells.front]
    keys += [line_key(cells.axis, cells.t1, s) for s in cells.back]
    for side, cut in zip(cells.front, cells.side_cut, strict=True):
        plain = cut < 0
        keys += [line_key(across[plain], side[plain], t[plain]) for t in (cells.t0, cells.t1)]
    return keys


def way_keys(plan: Plan) -> Ints:
    """Nodes along canals and roads where no lot puts one, so that long sides can bend."""
    keys: list[Ints] = []
    for strip in plan.strips:
        axis, rect = strip.axis, strip.rect
        a, b = rect.span(axis)
        inside = np.arange(a // DENSIFY_UNITS * DENSIFY_UNITS + DENSIFY_UNITS, b, DENSIFY_UNITS)
        across = Axis.V if axis is Axis.U else Axis.U
        keys += [line_key(int(axis), const, inside) for const in rect.span(across)]
    return np.concatenate(keys)


def bend_counts(band: dict[str, Ints], cuts: Cuts, rng: np.random.Generator) -> Ints:
    """How many bends the line between two lots has: more on the long plots."""
    depth = ((band["t1"] - band["t0"]) * UNIT_M)[cuts.band]
    most = np.digitize(depth, [45.0, 110.0, 190.0])
    return np.where(most > 0, rng.integers(0, most + 1), 0).astype(np.int64)


def make_nodes(plan: Plan, band: dict[str, Ints], cuts: Cuts, cells: list[Cells], seed: int) -> Nodes:
    rng = np.random.default_rng([seed, 3])
    every = [key for group in cells for key in corner_keys(group)]
    key, times = np.unique(np.concatenate([*every, way_keys(plan)]), return_counts=True)
    axis, const, pos = key >> 56, (key >> 28) & 0xFFFFFFF, key & 0xFFFFFFF
    u, v = np.where(axis == 0, pos, const), np.where(axis == 0, const, pos)
    bends = bend_counts(band, cuts, rng)
    bend_uv = place_bends(band, cuts, bends, rng)
    ground = Ground(plan, seed)
    xy = ground.at(np.column_stack([u, v]) * UNIT_M + roughness(u, v))
    straight = straight_nodes(band, key, times)
    xy = np.round(xy, 3)
    xy[straight] = between_neighbours(xy, pos, straight)
    both = np.concatenate([xy, ground.at(bend_uv * UNIT_M)])
    return Nodes(key, len(key) + np.concatenate([[0], np.cumsum(bends)]), np.round(both, 3))


def roughness(u: Ints, v: Ints) -> Floats:
    """Small irregularity of a node, the same for all who ask: a hash of its place, at most 12 cm each way."""
    h = (u.astype(np.uint64) << np.uint64(32)) ^ v.astype(np.uint64)
    for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53), (29, 0x9E3779B97F4A7C15)):
        h = (h ^ (h >> np.uint64(shift))) * np.uint64(factor)
    pair = np.column_stack([h >> np.uint64(40), (h >> np.uint64(8)) & np.uint64(0xFFFFFF)])
    return (pair / float(1 << 24) - 0.5) * 0.24


def place_bends(band: dict[str, Ints], cuts: Cuts, bends: Ints, rng: np.random.Generator) -> Floats:
    """Plan positions (u, v) of the bends, along each cut from front to back."""
    cut = np.repeat(np.arange(len(bends)), bends)
    order = np.arange(len(cut)) - np.repeat(np.cumsum(bends) - bends, bends)
    share = (order + 1) / (bends[cut] + 1)
    room = np.minimum(np.diff(cuts.front, prepend=cuts.front[0]), np.diff(cuts.front, append=cuts.front[-1]))[cut]
    room = np.maximum(room, 0)
    s = cuts.front[cut] + (cuts.back - cuts.front)[cut] * share + rng.uniform(-0.05, 0.05, len(cut)) * room
    b = cuts.band[cut]
    t = band["t0"][b] + (band["t1"] - band["t0"])[b] * share
    along_u = band["axis"][b] == int(Axis.U)
    return np.column_stack([np.where(along_u, s, t), np.where(along_u, t, s)])


def straight_nodes(band: dict[str, Ints], key: Ints, times: Ints) -> Ints:
    """Every other T junction on a line between two rows: only one row ends there, so the line runs straight past it."""
    behind = np.r_[band["block"][1:] == band["block"][:-1], False]
    b = {name: column[behind] for name, column in band.items()}
    first = np.searchsorted(key, line_key(b["axis"], b["t1"], b["s0"])) + 1
    stop = np.searchsorted(key, line_key(b["axis"], b["t1"], b["s1"]))
    on = flat_runs(first, np.maximum(stop - first, 0), np.ones(len(first), np.int64))
    # a cut is the corner of the lots on both its sides, so a junction of one row was counted twice
    lonely: Ints = on[(on % 2 == 1) & (times[on] == 2)]
    return lonely


def between_neighbours(xy: Floats, pos: Ints, at: Ints) -> Floats:
    share = (pos[at] - pos[at - 1]) / (pos[at + 1] - pos[at - 1])
    return xy[at - 1] + (xy[at + 1] - xy[at - 1]) * share[:, None]


class Ground:
    """The bending of the plan: slow sines turn and stretch it by metres, so that nothing stays parallel to an axis."""

    def __init__(self, plan: Plan, seed: int) -> None:
        rng = np.random.default_rng([seed, 5])
        corners = np.asarray(plan.communes, float) * UNIT_M
        self.middle = np.array(
            [(corners[:, 0].min() + corners[:, 2].max()) / 2, (corners[:, 1].min() + corners[:, 3].max()) / 2]
        )
        self.turn = float(rng.uniform(0.15, 0.6)) * (1 if rng.random() < 0.5 else -1)
        length = np.array([11_000.0, 4_300.0, 1_700.0, 620.0, 240.0])
        self.wave = 2 * np.pi / length
        self.height = length * np.array([0.030, 0.022, 0.016, 0.014, 0.010])
        self.angle = rng.uniform(0, 2 * np.pi, (len(length), 2))
        self.phase = rng.uniform(0, 2 * np.pi, (len(length), 2))

    def at(self, uv_m: Floats) -> Floats:
        """E, N in metres of a plan position in metres."""
        out = uv_m - self.middle
        u, v = out[:, 0].copy(), out[:, 1].copy()
        for wave, height, angle, phase in zip(self.wave, self.height, self.angle, self.phase, strict=True):
            for k in (0, 1):
                out[:, k] += height * np.sin(wave * (u * np.cos(angle[k]) + v * np.sin(angle[k])) + phase[k])
        c, s = np.cos(self.turn), np.sin(self.turn)
        turned: Floats = np.column_stack([out[:, 0] * c - out[:, 1] * s, out[:, 0] * s + out[:, 1] * c])
        turned += np.array(CENTRE_EN)
        return turned


# -- rings


def flat_runs(start: Ints, count: Ints, step: Ints) -> Ints:
    """start, start+step, … (count of them) for each run, one after the other."""
    offset = np.cumsum(count) - count
    at = np.arange(int(count.sum())) - np.repeat(offset, count)
    return np.repeat(start, count) + np.repeat(step, count) * at


def trace(cells: Cells, nodes: Nodes) -> Rings:
    """Rings of cells: front, right side, back, left side, each a run of nodes that the neighbours take too."""
    f0, f1 = (np.searchsorted(nodes.key, line_key(cells.axis, cells.t0, s)) for s in cells.front)
    b0, b1 = (np.searchsorted(nodes.key, line_key(cells.axis, cells.t1, s)) for s in cells.back)
    left, right = (_side(cells, nodes, k) for k in (0, 1))
    ones = np.ones(len(f0), np.int64)
    starts = np.column_stack([f0, right[0], b1, left[0] + left[1] - 1, f0])
    counts = np.column_stack([f1 - f0 + 1, right[1], b1 - b0 + 1, left[1], ones])
    steps = np.column_stack([ones, ones, -ones, -ones, ones])
    node = flat_runs(starts.ravel(), counts.ravel(), steps.ravel())
    start = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])
    return Rings(_anticlockwise(node, start, cells.axis == int(Axis.V)), start)


def _side(cells: Cells, nodes: Nodes, k: int) -> tuple[Ints, Ints]:
    """First node and number of nodes strictly inside the left (0) or right (1) side, from front to back."""
    cut = cells.side_cut[k]
    plain = cut < 0
    low = np.searchsorted(nodes.key, line_key(1 - cells.axis, cells.front[k], cells.t0)) + 1
    high = np.searchsorted(nodes.key, line_key(1 - cells.axis, cells.front[k], cells.t1))
    bend = np.where(plain, 0, cut)
    first = np.where(plain, low, nodes.bend_start[bend])
    return first, np.where(plain, high - low, nodes.bend_start[bend + 1] - nodes.bend_start[bend])


def _anticlockwise(node: Ints, start: Ints, flipped: npt.NDArray[np.bool_]) -> Ints:
    """Rows that run along V are mirrored on the plan: their rings are turned round."""
    size = np.diff(start)
    at = np.arange(len(node))
    mirror = np.repeat(start[:-1] + start[1:] - 1, size) - at
    return node[np.where(np.repeat(flipped, size), mirror, at)]

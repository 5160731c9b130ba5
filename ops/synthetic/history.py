"""The same commune a few years later: plots divided, joined, sold, put to another use.

Plots are divided only between vertices that they already have, so no neighbour's ring changes and the later state is
as exact a coverage as the first.
"""

from collections.abc import Sequence

import numpy as np
import shapely

from . import people
from .columns import Column, pa
from .land import Change, Parcels
from .weave import Ints

SUBDIVIDED, MERGED, SOLD, CHANGED_USE = 0.010, 0.005, 0.03, 0.01
"""Shares of a commune's parcels that each kind of event touches. Invented."""


def later_state(now: Parcels, seed: int) -> tuple[Parcels, list[Change]]:
    """Parcels of one commune after the events, and the events; new parcels get new numbers and name the old ones."""
    rng = np.random.default_rng([seed, 11])
    book = Book(now)
    free = set(range(len(now.geometry)))
    for row in rng.permutation(len(now.geometry)).tolist():
        if len(book.events) >= SUBDIVIDED * len(now.geometry):
            break
        halves = divide(now.geometry[row])
        if halves is not None:
            book.replace("subdivide", [row], halves)
            free.discard(row)
    merge_some(now, book, free, rng)
    columns = book.columns()
    columns = sell(columns, book, np.asarray(sorted(free)), rng)
    return book.parcels(columns), book.events


class Book:
    """Collects what disappears and what appears."""

    def __init__(self, now: Parcels) -> None:
        self.now = now
        self.gone: list[int] = []
        self.parent: list[int] = []
        self.geometry: list[shapely.Geometry] = []
        self.numbers: list[int] = []
        self.former: list[str] = []
        self.events: list[Change] = []
        self.sheet = now.columns["sheet_no"].to_pylist()
        self.number = now.columns["parcel_no"].to_pylist()
        self.code = now.columns["commune_code"].to_pylist()
        self.highest: dict[str, int] = {}
        for sheet, parcel_no in zip(self.sheet, self.number, strict=True):
            self.highest[sheet] = max(self.highest.get(sheet, 0), int(parcel_no))

    def reference(self, row: int) -> tuple[str, str, str]:
        return self.code[row], self.sheet[row], self.number[row]

    def replace(self, kind: str, old: list[int], new: Sequence[shapely.Geometry]) -> None:
        code, sheet, _ = self.reference(old[0])
        after = []
        for geometry in new:
            self.highest[sheet] += 1
            self.numbers.append(self.highest[sheet])
            self.parent.append(old[0])
            self.geometry.append(geometry)
            self.former.append(", ".join(self.number[row] for row in old))
            after.append((code, sheet, str(self.highest[sheet])))
        self.gone += old
        self.events.append(Change(kind, [self.reference(row) for row in old], after))

    def kept(self) -> Ints:
        return np.setdiff1d(np.arange(len(self.now.geometry)), np.asarray(self.gone, np.int64))

    def columns(self) -> dict[str, Column]:
        """Columns of the later state: kept rows first, then the new parcels, which hold no certificate yet."""
        kept, parent = pa.array(self.kept()), pa.array(self.parent, pa.int64())
        columns = {k: pa.concat_arrays([c.take(kept), c.take(parent)]) for k, c in self.now.columns.items()}
        rows, new = len(kept), len(parent)

        def put(name: str, values: list[object]) -> None:
            columns[name] = pa.concat_arrays([columns[name].slice(0, rows), pa.array(values, columns[name].type)])

        area = [round(shapely.area(g), 1) for g in self.geometry]
        home = [
            None if v is None else round(0.5 * a, 1)
            for v, a in zip(columns["residential_area_m2"].slice(rows).to_pylist(), area, strict=True)
        ]
        put("parcel_no", [str(v) for v in self.numbers])
        put("declared_area_m2", list(area))
        put("residential_area_m2", list(home))
        put("former_sheet_no", [self.sheet[row] for row in self.parent])
        put("former_parcel_no", list(self.former))
        put("source_key", [10_000_000 + k for k in range(new)])
        for name in ("legal_area_m2", "certificate_serial", "certificate_register_no", "certificate_issued_on"):
            put(name, [None] * new)
        return columns

    def parcels(self, columns: dict[str, Column]) -> Parcels:
        geometry = np.concatenate([self.now.geometry[self.kept()], np.asarray(self.geometry, dtype=object)])
        commune = np.full(len(geometry), self.now.commune[0])
        return Parcels(geometry, columns, commune)


def divide(parcel: shapely.Geometry) -> list[shapely.Polygon] | None:
    """Two halves of a plot, cut between two of its own vertices; None where it has no good pair."""
    if not isinstance(parcel, shapely.Polygon) or parcel.interiors or len(parcel.exterior.coords) < 7:
        return None
    ring = np.asarray(parcel.exterior.coords)[:-1]
    best: list[shapely.Polygon] | None = None
    fairest = 0.3
    for a in range(len(ring) - 2):
        for b in range(a + 2, len(ring) - (a == 0)):
            one, two = shapely.Polygon(ring[a : b + 1]), shapely.Polygon(np.vstack([ring[b:], ring[: a + 1]]))
            share = min(one.area, two.area) / parcel.area
            whole = abs(one.area + two.area - parcel.area) < 1e-6
            if share > fairest and whole and one.is_valid and two.is_valid and not one.overlaps(two):
                best, fairest = [one, two], share
    return best


def merge_some(now: Parcels, book: Book, free: set[int], rng: np.random.Generator) -> None:
    """Join pairs of neighbours on one sheet into one parcel."""
    tree = shapely.STRtree(now.geometry)
    wanted = len(book.events) + MERGED * len(now.geometry)
    for row in rng.permutation(sorted(free)).tolist():
        if len(book.events) >= wanted:
            return
        if row not in free:
            continue
        for mate in sorted(tree.query(now.geometry[row], predicate="touches").tolist()):
            joined = shapely.union(now.geometry[row], now.geometry[mate])
            same = book.sheet[row] == book.sheet[mate] and mate in free
            if same and joined.geom_type == "Polygon" and not joined.interiors:
                book.replace("merge", [row, mate], [shapely.orient_polygons(joined)])
                free -= {row, mate}
                break


def sell(columns: dict[str, Column], book: Book, free: Ints, rng: np.random.Generator) -> dict[str, Column]:
    """Some parcels change hands and some rice land becomes fruit garden; references stay."""
    total = len(book.now.geometry)
    place = {int(row): at for at, row in enumerate(book.kept())}
    chosen = rng.permutation(free)
    sold = chosen[: int(total * SOLD)].tolist()
    names = columns["holder_name"].to_pylist()
    identities = columns["holder_identity"].to_pylist()
    uses = columns["land_use"].to_pylist()
    none = pa.nulls(len(sold), pa.string())
    buyers = people.holders(none, none, rng)
    for k, row in enumerate(sold):
        names[place[row]], identities[place[row]] = buyers.name[k].as_py(), buyers.identity[k].as_py()
        book.events.append(Change("transfer", [book.reference(row)], [book.reference(row)]))
    for row in chosen[len(sold) : len(sold) + int(total * CHANGED_USE)].tolist():
        if uses[place[row]] in {"LUC", "LUK"}:
            uses[place[row]] = "CLN"
            book.events.append(Change("change_land_use", [book.reference(row)], [book.reference(row)]))
    changed = {"holder_name": names, "holder_identity": identities, "land_use": uses}
    return columns | {name: pa.array(values, pa.string()) for name, values in changed.items()}

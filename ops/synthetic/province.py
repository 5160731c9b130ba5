"""A made-up province near Sóc Trăng: communes, map sheets, parcels, canals and roads, holders, papers, some history.

For demonstrations, tests and measurements, where real land records must not be used. Same number and seed, same
province: every random choice comes from one seeded generator and nothing reads a clock.

CRS: EPSG:9209 (VN-2000 / TM-3 105-30), E then N, whole millimetres. Communes have codes from 90101 up, which no unit
ever had (real codes end below 33 000), and names that exist nowhere.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from . import people, weave
from .columns import Column, pa, pc
from .history import later_state
from .land import SRID, Change, Communes, Geometries, LinearObjects, Parcels
from .layout import Plan, Use, Way, draw_plan
from .weave import Cells, Floats, Ints, Nodes, Rings

SMALLEST = 80

FIRST_SYLLABLE = ["Mộng", "Giả", "Huyễn", "Ảo", "Thử"]
SECOND_SYLLABLE = [
    "Thạnh",
    "Phú",
    "Tân",
    "Hòa",
    "Lộc",
    "Thuận",
    "Hưng",
    "Mỹ",
    "An",
    "Long",
    "Bình",
    "Vĩnh",
    "Đức",
    "Khánh",
    "Lợi",
    "Phước",
    "Quới",
    "Trị",
    "Thới",
    "Xuyên",
]
WAY_USE = {Way.RIVER: "SON", Way.CANAL: "DTL", Way.DITCH: "DTL", Way.ROAD: "DGT", Way.PATH: "DGT"}
WAY_NAME = {Way.RIVER: "Rạch ranh", Way.CANAL: "Kênh", Way.DITCH: "Mương", Way.ROAD: "Đường", Way.PATH: "Lối đi"}
USE_CODES: dict[Use, list[tuple[str, float]]] = {
    Use.RICE: [("LUC", 0.74), ("LUK", 0.12), ("HNK", 0.07), ("NTS", 0.04), ("ONT+LUC", 0.03)],
    Use.HOUSE: [("ONT+CLN", 0.60), ("ONT", 0.22), ("CLN", 0.13), ("NTS", 0.03), ("@", 0.02)],
    Use.ORCHARD: [("CLN", 0.74), ("ONT+CLN", 0.16), ("NTS", 0.06), ("HNK", 0.035), ("@", 0.005)],
    Use.POND: [("NTS", 0.93), ("ONT+NTS", 0.05), ("RSX", 0.02)],
    Use.TOWN: [("ONT", 0.80), ("TMD", 0.09), ("ONT+CLN", 0.07), ("SKC", 0.02), ("@", 0.02)],
}
"""Present codes. Source: Circular 08/2024/TT-BTNMT; shares invented. "@" is land of an organisation, below; in a ward
(phường) ONT reads ODT."""
ORGANISATIONS: list[tuple[str, str, str, float]] = [
    ("Ủy ban nhân dân", "TSC", "TCQ", 0.30),
    ("Trường Tiểu học", "DGD", "TSN", 0.22),
    ("Trạm Y tế", "DYT", "TSN", 0.10),
    ("Chùa", "TON", "TTG", 0.13),
    ("Miếu Bà, cộng đồng dân cư", "TIN", "CDS", 0.10),
    ("Nghĩa địa, Ủy ban nhân dân", "NTD", "TCQ", 0.10),
    ("Chợ, Ban quản lý chợ", "DCH", "TSN", 0.05),
]
"""(name, land use, holder class, share). Source of classes: Circular 08/2024/TT-BTNMT."""


@dataclass(frozen=True)
class Province:
    seed: int
    communes: Communes
    parcels: Parcels
    linear: LinearObjects
    srid: int = SRID
    _later: dict[int, tuple[Parcels, list[Change]]] = field(default_factory=dict)

    def later(self, commune: int) -> tuple[Parcels, list[Change]]:
        """The same commune some years on: its parcels after subdivisions, mergers and transfers, and these events."""
        if commune not in self._later:
            self._later[commune] = later_state(self.parcels.take(self.parcels.rows(commune)), self.seed + commune)
        return self._later[commune]

    @cached_property
    def changes(self) -> list[Change]:
        """All events of all communes between the two states."""
        return [change for k in range(len(self.communes.code)) for change in self.later(k)[1]]


def make_province(parcels: int, seed: int) -> Province:
    """A province of exactly `parcels` parcels.

    Raises ValueError below 80 parcels.
    """
    if parcels < SMALLEST:
        raise ValueError(f"a province needs at least {SMALLEST} parcels")
    plan = draw_plan(parcels, np.random.default_rng([seed, 1]))
    rng = np.random.default_rng([seed, 2])
    band = weave.band_columns(plan.bands)
    inner, joined = parcels // 400, parcels // 500
    count = weave.lots_per_band(band, parcels - inner + joined, rng)
    cuts, lots = weave.cut_lots(band, count, rng)
    cells = weave.lot_cells(band, cuts, lots)
    ways = weave.rect_cells(weave.strip_rects(plan.strips))
    limits = weave.rect_cells(np.asarray(plan.communes, np.int64))
    nodes = weave.make_nodes(plan, band, cuts, [cells, ways, limits], seed)
    communes = name_communes(plan, polygons(weave.trace(limits, nodes), nodes.xy))
    ground = lot_polygons(cells, band, lots, nodes, inner=inner, rng=rng)
    ground = join_parts(ground, joined, rng)
    table = describe(ground, plan, communes, seed)
    return Province(seed, communes, table, linear_objects(plan, communes, ways, nodes))


# -- geometry


@dataclass(frozen=True)
class Pieces:
    """Parcels before they have numbers."""

    geometry: Geometries
    sheet: Ints
    block: Ints
    use: Ints
    enclosed: npt.NDArray[np.bool_]


def polygons(rings: Rings, xy: Floats) -> Geometries:
    whole = np.arange(len(rings.start))
    made = shapely.from_ragged_array(shapely.GeometryType.POLYGON, xy[rings.node], (rings.start, whole))
    return np.asarray(made, dtype=object)


def lot_polygons(
    cells: Cells, band: dict[str, Ints], lots: weave.Lots, nodes: Nodes, *, inner: int, rng: np.random.Generator
) -> Pieces:
    """Lots as polygons; `inner` of them enclose another parcel (a house or a pond in the garden) as a hole."""
    geometry = polygons(weave.trace(cells, nodes), nodes.xy)
    use = band["use"][lots.band]
    width = np.minimum(cells.front[1] - cells.front[0], cells.back[1] - cells.back[0])
    roomy = np.flatnonzero((width >= 32) & (cells.t1 - cells.t0 >= 80) & (use != int(Use.TOWN)))
    if len(roomy) < inner:
        widest = np.argsort(-np.minimum(width, cells.t1 - cells.t0), kind="stable")
        roomy = widest[: max(inner * 3, 10)]
    host = np.sort(rng.permutation(roomy)[:inner])
    hole = inner_polygons(geometry[host], rng)
    geometry[host] = [
        shapely.Polygon(outer.exterior.coords, [island.exterior.coords[::-1]])
        for outer, island in zip(geometry[host], hole, strict=True)
    ]
    sheet, block = band["sheet"][lots.band], band["block"][lots.band]
    enclosed = np.zeros(len(geometry) + inner, bool)
    enclosed[len(geometry) :] = True
    return Pieces(
        np.concatenate([geometry, hole]),
        np.concatenate([sheet, sheet[host]]),
        np.concatenate([block, block[host]]),
        np.concatenate([use, use[host]]),
        enclosed,
    )


def inner_polygons(host: Geometries, rng: np.random.Generator) -> Geometries:
    """A small copy of each host around a point well inside it, on whole millimetres."""
    if len(host) == 0:
        return np.empty(0, object)
    corners = shapely.get_coordinates(shapely.oriented_envelope(host)).reshape(-1, 5, 2)[:, :4]
    middle = corners.mean(axis=1, keepdims=True)
    scale = rng.uniform(0.18, 0.34, (len(host), 1, 1))
    turn = rng.uniform(-0.02, 0.02, (len(host), 4, 1))
    small = np.round(middle + (corners - middle) * (scale + turn), 3)
    made = np.asarray(shapely.orient_polygons(shapely.polygons(small)), dtype=object)
    # A bent strip may leave the middle of its box outside: there the house stands where the strip is widest.
    astray = np.flatnonzero(~shapely.contains_properly(shapely.buffer(host, -0.5), made))
    made[astray] = [_square_in(one) for one in host[astray]]
    return made


def _square_in(host: shapely.Polygon) -> shapely.Polygon:
    radius = shapely.get_coordinates(shapely.maximum_inscribed_circle(host, tolerance=0.05))
    (x, y), half = np.round(radius[0], 3), np.round(0.4 * np.hypot(*(radius[1] - radius[0])), 3)
    square: shapely.Polygon = shapely.orient_polygons(shapely.box(x - half, y - half, x + half, y + half))
    return square


def join_parts(pieces: Pieces, joined: int, rng: np.random.Generator) -> Pieces:
    """`joined` parcels get a second part elsewhere on their sheet, across a road or canal."""
    if joined == 0:
        return pieces
    whole = np.flatnonzero(~pieces.enclosed & (shapely.get_num_interior_rings(pieces.geometry) == 0))
    order = whole[np.argsort(pieces.sheet[whole], kind="stable")]
    first, last = (np.searchsorted(pieces.sheet[order], pieces.sheet[order], side=s) for s in ("left", "right"))
    a = rng.integers(0, len(order), joined * 40 + 400)
    b = first[a] + (rng.random(len(a)) * (last - first)[a]).astype(np.int64)
    taken: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for p, q in zip(order[a].tolist(), order[b].tolist(), strict=True):
        if pieces.block[p] != pieces.block[q] and p not in taken and q not in taken:
            taken |= {p, q}
            pairs.append((p, q))
            if len(pairs) == joined:
                break
    if len(pairs) < joined:
        raise ValueError("too few blocks for parcels in two parts")
    keep = np.ones(len(pieces.geometry), bool)
    geometry = pieces.geometry.copy()
    for p, q in pairs:
        geometry[p] = shapely.MultiPolygon([geometry[p], geometry[q]])
        keep[q] = False
    return Pieces(geometry[keep], pieces.sheet[keep], pieces.block[keep], pieces.use[keep], pieces.enclosed[keep])


# -- what the files say


def name_communes(plan: Plan, boundary: Geometries) -> Communes:
    urban = np.asarray(plan.urban, bool)
    names = [f"{a} {b}" for b in SECOND_SYLLABLE for a in FIRST_SYLLABLE]
    labels = []
    for k, town in enumerate(urban):
        again = f" {k // len(names) + 1}" if k >= len(names) else ""
        labels.append(("Phường " if town else "Xã ") + names[k % len(names)] + again)
    return Communes([str(90_101 + 3 * k) for k in range(len(urban))], labels, urban, boundary)


def describe(pieces: Pieces, plan: Plan, communes: Communes, seed: int) -> Parcels:
    """Numbers, uses, areas, holders and papers for every parcel; sorts them by commune, sheet, number."""
    rng = np.random.default_rng([seed, 7])
    sheet_commune = np.asarray(plan.sheet_commune, np.int64)
    sheet, number, order = number_parcels(pieces, sheet_commune)
    geometry, use = pieces.geometry[order], pieces.use[order]
    commune = sheet_commune[pieces.sheet[order]]
    size = len(order)
    declared = np.maximum(np.round(shapely.area(geometry), 1), 0.1)
    codes = land_use_codes(use, pieces.enclosed[order], communes.urban[commune], rng)
    organisation, klass, codes = organisations(codes, commune, communes, rng)
    who = people.holders(organisation, klass, rng)
    paper = people.papers(rng, size)
    before = rng.random(size) < 0.3
    columns: dict[str, Column] = {
        "source_key": pa.array(np.arange(1, size + 1)),
        "commune_code": pa.array(communes.code).take(pa.array(commune)),
        "sheet_no": pa.array(sheet).cast(pa.string()),
        "parcel_no": pa.array(number).cast(pa.string()),
        "declared_area_m2": pa.array(declared),
        "legal_area_m2": legal_areas(declared, rng),
        "land_use": codes,
        "residential_area_m2": residential_areas(codes, declared),
        "holder_name": who.name,
        "holder_identity": who.identity,
        "holder_class": who.holder_class,
        "address": addresses(commune, communes, rng),
        "former_sheet_no": numbers_where(before, rng.integers(1, 16, size)),
        "former_parcel_no": numbers_where(before, rng.integers(1, 1500, size)),
        "temporary_no": numbers_where(rng.random(size) < 0.01, rng.integers(1, 900, size)),
        "certificate_serial": paper.serial,
        "certificate_register_no": paper.register_no,
        "certificate_issued_on": paper.issued_on,
        "scale": pa.array(np.asarray(plan.sheet_scale, np.int32)[pieces.sheet[order]]),
    }
    return Parcels(geometry, columns, commune)


def number_parcels(pieces: Pieces, sheet_commune: Ints) -> tuple[Ints, Ints, Ints]:
    """Sheet and parcel numbers, north to south and west to east, and the order of rows that goes with them."""
    envelope = shapely.bounds(pieces.geometry)
    e, n = (envelope[:, 0] + envelope[:, 2]) / 2, (envelope[:, 1] + envelope[:, 3]) / 2
    sheets = len(sheet_commune)
    count = np.bincount(pieces.sheet, minlength=sheets)
    mid_e, mid_n = (np.bincount(pieces.sheet, weights=x, minlength=sheets) / np.maximum(count, 1) for x in (e, n))
    in_order = np.lexsort((mid_e, -np.floor(mid_n / 400.0), sheet_commune))
    running = np.empty(sheets, np.int64)
    running[in_order] = rank_within(sheet_commune[in_order])
    order = np.lexsort((e, -np.floor(n / 40.0), running[pieces.sheet], sheet_commune[pieces.sheet]))
    key = sheet_commune[pieces.sheet[order]] * 100_000 + running[pieces.sheet[order]]
    return running[pieces.sheet[order]], rank_within(key), order


def rank_within(group: Ints) -> Ints:
    """1, 2, 3 … within each run of equal values."""
    begin = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    return np.arange(len(group)) - np.repeat(begin, np.diff(np.r_[begin, len(group)])) + 1


def land_use_codes(
    use: Ints, enclosed: npt.NDArray[np.bool_], urban: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Column:
    chance = rng.random(len(use))
    text = np.full(len(use), "", dtype=object)
    for kind, codes in USE_CODES.items():
        rows = np.flatnonzero(use == int(kind))
        edges = np.cumsum([share for _, share in codes])
        at = np.minimum(np.searchsorted(edges, chance[rows]), len(codes) - 1)
        text[rows] = np.array([code for code, _ in codes], dtype=object)[at]
    text[enclosed] = np.where(chance[enclosed] < 0.6, "ONT", "NTS")
    plain = pa.array(text, pa.string())
    return pc.if_else(pa.array(urban), pc.replace_substring(plain, "ONT", "ODT"), plain)


def organisations(
    codes: Column, commune: Ints, communes: Communes, rng: np.random.Generator
) -> tuple[Column, Column, Column]:
    """Name and class of bodies where one holds the land (null elsewhere), and the land use that goes with it."""
    size = len(codes)
    label, code, klass, share = zip(*ORGANISATIONS, strict=True)
    kind = pa.array(rng.choice(len(label), size, p=np.asarray(share) / sum(share)))
    body = pc.equal(codes, "@")
    name = people.join(pa.array(label).take(kind), " ", pa.array(communes.name).take(pa.array(commune)))
    firm = pc.and_(pc.is_in(codes, pa.array(["SKC", "TMD"])), pa.array(rng.random(size) < 0.5))
    company = people.join("Công ty TNHH ", people.pick(people.COMPANY_WORDS, rng, size))
    none = pa.scalar(None, pa.string())
    holder = pc.if_else(body, name, pc.if_else(firm, company, none))
    holder_class = pc.if_else(body, pa.array(klass).take(kind), pc.if_else(firm, pa.scalar("TKT"), none))
    return holder, holder_class, pc.if_else(body, pa.array(code).take(kind), codes)


def legal_areas(declared: Floats, rng: np.random.Generator) -> Column:
    """The area on the certificate: for half the parcels given, a little off the survey for some."""
    size = len(declared)
    off = np.where(rng.random(size) < 0.4, rng.normal(0, 0.006, size), 0.0)
    area = np.maximum(np.round(declared * (1 + off), 1), 0.1)
    return pa.array(area, mask=rng.random(size) < 0.5)


def residential_areas(codes: Column, declared: Floats) -> Column:
    """Residential part of parcels with two uses: at most 300 m² and 60 % of the parcel; null where one use only."""
    double = pc.match_substring(codes, "+").to_numpy(zero_copy_only=False)
    area = np.maximum(np.round(np.minimum(300.0, declared * 0.6), 1), 0.1)
    return pa.array(area, mask=~double)


def addresses(commune: Ints, communes: Communes, rng: np.random.Generator) -> Column:
    size = len(commune)
    place = people.join("Ấp ", people.pick(people.HAMLETS, rng, size), ", ")
    return people.join(place, pa.array(communes.name).take(pa.array(commune)))


def numbers_where(chosen: npt.NDArray[np.bool_], values: Ints) -> Column:
    return pa.array(values, mask=~chosen).cast(pa.string())


def linear_objects(plan: Plan, communes: Communes, ways: Cells, nodes: Nodes) -> LinearObjects:
    geometry = polygons(weave.trace(ways, nodes), nodes.xy)
    owner = pa.array([s.commune for s in plan.strips])
    columns = {
        "commune_code": pa.array(communes.code).take(owner),
        "kind": pa.array([s.way.name.lower() for s in plan.strips]),
        "name": pa.array([f"{WAY_NAME[s.way]} số {s.number}" for s in plan.strips]),
        "land_use": pa.array([WAY_USE[s.way] for s in plan.strips]),
        "width_m": pa.array([s.width_m for s in plan.strips], pa.float64()),
    }
    return LinearObjects(geometry, columns)


def land_use_with_areas(parcels: Parcels) -> Column:
    """Land use with the area of each part, "ONT 120,5; CLN 80", decimal comma; plain code where there is one use."""
    codes, area = parcels.columns["land_use"], parcels.columns["declared_area_m2"]
    home = parcels.columns["residential_area_m2"]
    rest = pc.round(pc.subtract(area, home), 1)
    split = pc.split_pattern(codes, "+")
    first, last = pc.list_element(split, 0), pc.replace_substring_regex(codes, r"^.*\+", "")
    text = people.join(first, " ", comma(home), "; ", last, " ", comma(rest))
    return pc.coalesce(text, codes)


def comma(values: Column) -> Column:
    return pc.replace_substring(values.cast(pa.string()), ".", ",")

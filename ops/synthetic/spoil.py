"""The ways in which a row is spoiled, one function per kind of fault.

Each takes a row and either spoils it and says what it did, or returns None where the row does not lend itself. All
lengths are metres in the file's own zone; new vertices lie on whole millimetres.
"""

import dataclasses
import struct
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely

from .land import Geometries
from .sheet import Sheet
from .weave import Floats

Rng = np.random.Generator

SUPERSEDED = ("BHK", "NHK", "LUN", "DDT", "DDL", "DSH", "DTS", "SKT", "SKX")
"""Codes of Circular 27/2018/TT-BTNMT that Circular 08/2024/TT-BTNMT dropped."""
UNKNOWN = ("XYZ", "QQQ", "LUX", "ZZ9")
NOT_A_NUMBER = ("*", "khoảng 200", "???", "12O,5", "1,2,3.4.5", "#VALUE!")


@dataclass(frozen=True)
class Spoiled:
    """What was done to a row."""

    detail: str
    field: str | None = None
    raw: str | None = None
    others: list[tuple[int, str, bool]] = dataclasses.field(default_factory=list)
    """(row, code, certain) of rows that suffer with it."""
    partners: list[int] = dataclasses.field(default_factory=list)
    """Rows that are part of the fault and may not be spoiled again."""
    also: list[str] = dataclasses.field(default_factory=list)
    at: int | None = None
    """The faulty row where it is not the one chosen (a copy at the end)."""


# -- helpers of form


def ring_of(sheet: Sheet, row: int) -> Floats:
    """Vertices of the only ring, first not repeated."""
    return shapely.get_coordinates(sheet.geometry[row])[:-1]


def closed(ring: Floats) -> Floats:
    return np.vstack([ring, ring[:1]])


def raw_polygon(rings: list[Floats]) -> bytes:
    """WKB of a polygon with these closed rings, however senseless."""
    head = struct.pack("<BII", 1, 3, len(rings))
    return head + b"".join(struct.pack("<I", len(r)) + np.asarray(r, "<f8").tobytes() for r in rings)


def holes_around(sheet: Sheet, row: int) -> list[tuple[int, str, bool]]:
    """The land of a row that drops out may be reported as a gap beside its neighbours."""
    return [(other, "coverage.gap", False) for other in sheet.neighbours(row)]


def usable(sheet: Sheet, row: int) -> bool:
    return sheet.simple(row) and sheet.geometry[row].area > 60


def survey_again(sheet: Sheet, row: int, geometry: shapely.Polygon) -> None:
    """The office took the area from the drawing, fault and all, so area and drawing agree."""
    sheet.put(row, "declared_area_m2", f"{geometry.area:.1f}")


# -- geometry


def self_intersection(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """Two points in the wrong order: the outline crosses itself."""
    if not usable(sheet, row):
        return None
    ring = ring_of(sheet, row)
    for k in rng.permutation(len(ring)).tolist():
        swapped = ring.copy()
        swapped[[k, (k + 1) % len(ring)]] = swapped[[(k + 1) % len(ring), k]]
        made = shapely.Polygon(swapped)
        if not made.is_valid and shapely.is_valid_reason(made).startswith("Self-intersection"):
            sheet.put_geometry(row, made)
            also = ["area.mismatch", "geometry.spike", "geometry.sliver", "coverage.overlap", "coverage.gap"]
            return Spoiled("two vertices swapped", others=holes_around(sheet, row), also=also)
    return None


def zero_area(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    """All points on one line."""
    if not usable(sheet, row):
        return None
    start = ring_of(sheet, row)[0]
    step = np.array([4.0, 3.0])
    flat = np.round(np.array([start, start + step, start + 3 * step, start]), 3)
    sheet.wkb[row] = raw_polygon([flat])
    also = [
        "area.mismatch",
        "geometry.spike",
        "geometry.self_intersection",
        "geometry.sliver",
        "geometry.outside_commune",
    ]
    return Spoiled("ring collapsed to a line", others=holes_around(sheet, row), also=also)


def missing(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    if not usable(sheet, row):
        return None
    sheet.wkb[row] = None
    return Spoiled("no geometry", others=holes_around(sheet, row))


def too_few_points(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    """There and back: a ring of two different points."""
    if not usable(sheet, row):
        return None
    ring = ring_of(sheet, row)
    sheet.wkb[row] = raw_polygon([ring[[0, 1, 0]]])
    also = ["area.mismatch", "geometry.zero_area", "geometry.unreadable"]
    return Spoiled("ring with two points", others=holes_around(sheet, row), also=also)


def hole_outside(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    if not usable(sheet, row):
        return None
    ring = closed(ring_of(sheet, row))
    width = ring.max(axis=0) - ring.min(axis=0)
    away = np.round((ring - ring[0]) * 0.2 + ring[0] + width * 2, 3)[::-1]
    sheet.wkb[row] = raw_polygon([ring, away])
    others = holes_around(sheet, row)
    return Spoiled("hole far outside its shell", others=others, also=["area.mismatch", "geometry.outside_commune"])


def spike(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    """A needle, 1 cm at its foot, out into a road or canal where it meets no other parcel."""
    if not usable(sheet, row):
        return None
    ring = ring_of(sheet, row)
    around = sheet.geometry[sheet.neighbours(row)]
    for k in range(len(ring)):
        a, b = ring[k], ring[(k + 1) % len(ring)]
        length = float(np.hypot(*(b - a)))
        middle = shapely.Point((a + b) / 2)
        if length < 3 or any(shapely.dwithin(around, middle, 0.2)):
            continue
        along = (b - a) / length
        outward = np.array([along[1], -along[0]]) * outward_sign(ring)
        foot = (a + b) / 2
        needle = np.round([foot - along * 0.005, foot + outward * 1.9, foot + along * 0.005], 3)
        made = shapely.Polygon(np.insert(ring, k + 1, needle, axis=0))
        path = shapely.LineString([foot + outward * 0.05, foot + outward * 2.2])
        if made.is_valid and len(sheet.tree.query(path, predicate="intersects")) == 0:
            sheet.put_geometry(row, made)
            return Spoiled("needle of 1.9 m, foot 1 cm", also=["geometry.outside_commune"])
    return None


def outward_sign(ring: Floats) -> float:
    """1 where the outside lies to the right of the direction of travel (anticlockwise ring), else -1."""
    return 1.0 if shapely.is_ccw(shapely.LinearRing(ring)) else -1.0


def duplicate_vertex(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    if not usable(sheet, row):
        return None
    ring = ring_of(sheet, row)
    k = int(rng.integers(1, len(ring)))
    sheet.wkb[row] = raw_polygon([closed(np.insert(ring, k, ring[k], axis=0))])
    return Spoiled("one vertex written twice")


def outside_commune(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """Five kilometres off, or further where that is still within the file's land."""
    if not usable(sheet, row):
        return None
    west, south, east, north = sheet.extent
    angle = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(angle), np.sin(angle)])
    reach = 5_000.0
    low = np.array(sheet.geometry[row].bounds[:2])
    while shapely.box(west, south, east, north).dwithin(shapely.Point(low + way * reach), 1_500):
        reach += 1_000.0
    moved = np.round(ring_of(sheet, row) + np.round(way * reach, 3), 3)
    sheet.put_geometry(row, shapely.Polygon(moved))
    detail = f"moved by {reach:.0f} m"
    return Spoiled(detail, others=holes_around(sheet, row), also=["geometry.outside_zone", "area.mismatch"])


# -- coverage


def overlap(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """One vertex moved into the neighbours' land."""
    return move_vertex(sheet, row, rng, outward=True)


def gap(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """One vertex drawn back, so that land belongs to nobody."""
    return move_vertex(sheet, row, rng, outward=False)


def move_vertex(sheet: Sheet, row: int, rng: Rng, *, outward: bool) -> Spoiled | None:
    """Only where both edges at the vertex are shared with neighbours: the fault is then wholly between parcels."""
    if not usable(sheet, row) or not sheet.single_use(row):
        return None
    before = sheet.geometry[row]
    ring = ring_of(sheet, row)
    near = sheet.neighbours(row)
    if not near or any(shapely.get_num_interior_rings(sheet.geometry[near]) > 0):
        return None
    shared = shared_edges(ring, sheet.geometry[near])
    for k in rng.permutation(len(ring)).tolist():
        if not (shared[k - 1] and shared[k]):
            continue
        made = pushed(ring, k, rng.uniform(0.5, 1.6), outward=outward)
        gained, lost = shapely.area(shapely.difference([made, before], [before, made])) if made.is_valid else (0.0, 0.0)
        wanted, other = (gained, lost) if outward else (lost, gained)
        if wanted < 0.8 or other > 1e-4:
            continue
        hit = struck(sheet, near, made, before) if outward else beside(sheet, near, before, made)
        if hit is None:
            continue
        sheet.put_geometry(row, made)
        survey_again(sheet, row, made)
        kind = "coverage.overlap" if outward else "coverage.gap"
        also = ["coverage.missing_node", "geometry.spike", "geometry.sliver"]
        return Spoiled(f"{wanted:.2f} m²", others=[(other_row, kind, True) for other_row in hit], also=also)
    return None


def shared_edges(ring: Floats, near: Geometries) -> list[bool]:
    """For each edge k → k+1: does a neighbour have both its ends one after the other?"""
    edges: set[tuple[tuple[float, float], tuple[float, float]]] = set()
    for geometry in shapely.get_parts(near):
        points = [tuple(p) for p in shapely.get_coordinates(geometry.exterior).tolist()]
        edges |= set(pairwise(points))
    own = [tuple(p) for p in ring.tolist()]
    following = own[1:] + own[:1]
    return [(a, b) in edges or (b, a) in edges for a, b in zip(own, following, strict=True)]


def pushed(ring: Floats, k: int, metres: float, *, outward: bool) -> shapely.Polygon:
    """The ring with vertex k moved away from the inside (or into it), square to the line between its neighbours."""
    a, b, c = ring[k - 1], ring[k], ring[(k + 1) % len(ring)]
    arms = [(p - b) / np.hypot(*(p - b)) for p in (a, c)]
    inward = arms[0] + arms[1]
    if np.hypot(*inward) < 0.2:
        chord = (c - a) / np.hypot(*(c - a))
        inward = np.array([-chord[1], chord[0]]) * outward_sign(ring)
    elif not shapely.Polygon(ring).contains(shapely.Point(b + inward * 0.01)):
        inward = -inward
    moved = ring.copy()
    moved[k] = np.round(b + inward / np.hypot(*inward) * (-metres if outward else metres), 3)
    return shapely.Polygon(moved)


def struck(sheet: Sheet, near: list[int], made: shapely.Geometry, before: shapely.Geometry) -> list[int] | None:
    """Rows that lose land to the moved outline; None where some of it is nobody's or a sliver is all they lose."""
    taken = shapely.difference(made, before)
    loss = shapely.area(shapely.intersection(sheet.geometry[near], taken))
    rows = [row for row, area in zip(near, loss.tolist(), strict=True) if area > 0]
    clear = all(area == 0 or area > 0.05 for area in loss.tolist())
    return rows if clear and abs(float(loss.sum()) - taken.area) < 1e-4 else None


def beside(sheet: Sheet, near: list[int], before: shapely.Geometry, made: shapely.Geometry) -> list[int] | None:
    """Rows along the land that was given up."""
    left = shapely.difference(before, made)
    along = shapely.length(shapely.intersection(sheet.geometry[near], left))
    rows = [row for row, length in zip(near, along.tolist(), strict=True) if length > 0]
    return rows or None


def missing_node(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    """A straight boundary loses the vertex where a neighbour's line meets it."""
    if not usable(sheet, row):
        return None
    ring = ring_of(sheet, row)
    near = sheet.neighbours(row)
    if len(ring) < 5:
        return None
    for k in range(len(ring)):
        a, b, c = ring[k - 1], ring[k], ring[(k + 1) % len(ring)]
        off = shapely.LineString([a, c]).distance(shapely.Point(b))
        sharing = [n for n in near if b.tolist() in shapely.get_coordinates(sheet.geometry[n]).tolist()]
        if off <= 0.001 and len(sharing) >= 2:
            sheet.put_geometry(row, shapely.Polygon(np.delete(ring, k, axis=0)))
            others = [(n, "coverage.missing_node", True) for n in sharing]
            return Spoiled(f"vertex left out, {off * 1000:.1f} mm off the line", others=others)
    return None


# -- references


def duplicate_reference(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """The sheet and number of another row of the same file."""
    other = free_row(sheet, row, rng)
    if other is None:
        return None
    for name in ("sheet_no", "parcel_no", "scale"):
        sheet.columns[sheet.style[name]][row] = sheet.get(other, name)
    raw = f"{sheet.get(other, 'sheet_no')}/{sheet.get(other, 'parcel_no')}"
    others = [(other, "parcel.duplicate_reference", True)]
    return Spoiled("reference of another row", "parcel_no", raw, others, [other])


def free_row(sheet: Sheet, row: int, rng: Rng) -> int | None:
    for other in rng.integers(0, sheet.original_rows, 50).tolist():
        same = sheet.get(other, "commune_code") == sheet.get(row, "commune_code")
        if other != row and same and other not in sheet.taken and not sheet.spoiled & set(sheet.neighbours(other)):
            return int(other)
    return None


def duplicate_geometry(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    """The same outline once more at the end of the file, under a new number."""
    if not usable(sheet, row):
        return None
    number = str(max(int(n) for n in sheet.numbers_on_sheet(row) if n.isdigit()) + 1 + len(sheet.spoiled))
    copy = sheet.add_copy(row)
    sheet.put(copy, "parcel_no", number)
    for name in ("certificate_serial", "certificate_register_no", "certificate_issued_on"):
        sheet.columns[sheet.style[name]][copy] = None
    others = [(row, "parcel.duplicate_geometry", True)]
    also = ["coverage.overlap"]
    return Spoiled("outline of another row", others=others, partners=[copy], also=also, at=copy)


def number_missing(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    sheet.put(row, "parcel_no", None)
    return Spoiled("no parcel number", "parcel_no", others=holes_around(sheet, row))


def number_malformed(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    number = str(sheet.get(row, "parcel_no"))
    raw = str(rng.choice([number + "*", "?", f"{number}??", "#REF!"]))
    sheet.put(row, "parcel_no", raw)
    return Spoiled("not a parcel number", "parcel_no", raw, holes_around(sheet, row))


def sheet_missing(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    sheet.put(row, "sheet_no", None)
    return Spoiled("no sheet number", "sheet_no", others=holes_around(sheet, row))


def sheet_malformed(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    raw = str(rng.choice([f"{sheet.get(row, 'sheet_no')}*", "??", "#N/A"]))
    sheet.put(row, "sheet_no", raw)
    return Spoiled("not a sheet number", "sheet_no", raw, holes_around(sheet, row))


def wrong_commune(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """Another commune's code; only in a file that is of one commune."""
    elsewhere = [code for code in sheet.communes if code != sheet.get(row, "commune_code")]
    if sheet.commune is None or not elsewhere:
        return None
    raw = str(rng.choice(elsewhere))
    sheet.put(row, "commune_code", raw)
    return Spoiled("code of another commune", "commune_code", raw, holes_around(sheet, row))


# -- areas and land use


def area_missing(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    if not sheet.single_use(row):
        return None
    sheet.put(row, "declared_area_m2", None)
    return Spoiled("no area", "declared_area_m2")


def area_not_a_number(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    if not sheet.single_use(row):
        return None
    raw = str(rng.choice(NOT_A_NUMBER))
    sheet.put(row, "declared_area_m2", raw)
    others = holes_around(sheet, row)
    return Spoiled("text instead of an area", "declared_area_m2", raw, others, also=["area.missing"])


def area_mismatch(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """Far beyond any tolerance: at least a third more, and at least 60 m²."""
    value = sheet.area(row)
    if value is None or not usable(sheet, row) or not sheet.single_use(row):
        return None
    raw = f"{value * rng.uniform(1.35, 1.9) + 60:.1f}"
    sheet.put(row, "declared_area_m2", raw)
    return Spoiled(f"drawn {value:.1f} m²", "declared_area_m2", raw)


def area_negative(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    value = sheet.area(row)
    if value is None or not sheet.single_use(row):
        return None
    raw = f"-{value:.1f}"
    sheet.put(row, "declared_area_m2", raw)
    return Spoiled("area below zero", "declared_area_m2", raw, holes_around(sheet, row), also=["area.mismatch"])


def land_use_missing(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    if not sheet.single_use(row):
        return None
    sheet.put(row, "land_use", None)
    return Spoiled("no land use", "land_use")


def land_use_unknown(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    return recode(sheet, row, str(rng.choice(UNKNOWN)), "code that no list has", blocking=True)


def land_use_superseded(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    return recode(sheet, row, str(rng.choice(SUPERSEDED)), "code of the list before 2025", blocking=False)


def recode(sheet: Sheet, row: int, raw: str, detail: str, *, blocking: bool) -> Spoiled | None:
    if not sheet.single_use(row):
        return None
    sheet.put(row, "land_use", raw)
    return Spoiled(detail, "land_use", raw, holes_around(sheet, row) if blocking else [])


def land_use_area_sum(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """ "ONT 120,5; CLN 80" whose parts no longer make up the whole."""
    text = sheet.get(row, "land_use") or ""
    if ";" not in text:
        return None
    head, last = text.rsplit(" ", 1)
    wrong = float(last.replace(",", ".")) * rng.uniform(1.4, 2.0) + 40
    raw = f"{head} {wrong:.1f}".replace(".", ",")
    sheet.put(row, "land_use", raw)
    return Spoiled("parts do not add up to the whole", "land_use", raw)


# -- text


def control_characters(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    name = sheet.get(row, "holder_name")
    at = int(rng.integers(2, len(name) - 1))
    odd = str(rng.choice(["\x07", "\x0b", "\x1b", "\x1f"]))
    sheet.columns[sheet.style["holder_name"]][row] = name[:at] + odd + name[at:]
    return Spoiled(f"control character U+{ord(odd):04X}", "holder_name")


def undecodable(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """Bytes that mean nothing in the file's encoding, at the start of the holder's name."""
    choices = [b"\xff\xfe", b"\xc3\x28", b"\xf0\x9f"] if sheet.encoding == "utf-8" else [b"\x81\x8d", b"\x90\x81"]
    value = choices[int(rng.integers(len(choices)))]
    sheet.raw_bytes.append((row, sheet.style["holder_name"], value))
    return Spoiled(f"bytes {value.hex(' ')}", "holder_name", also=["text.control_characters"])


def not_nfc(sheet: Sheet, row: int, _rng: Rng) -> Spoiled | None:
    """Letters and marks apart, as some keyboards write them."""
    name = sheet.get(row, "holder_name")
    apart = unicodedata.normalize("NFD", name)
    if apart == name:
        return None
    sheet.put(row, "holder_name", apart)
    return Spoiled("decomposed letters", "holder_name", apart)


# -- certificates


def serial_malformed(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    if sheet.get(row, "certificate_serial") is None:
        return None
    raw = str(rng.choice(["DX 1234", "12345678", "DXW 123456", "D? 123456", "DX 12345A"]))
    if raw in sheet.columns[sheet.style["certificate_serial"]]:
        return None
    sheet.put(row, "certificate_serial", raw)
    return Spoiled("no serial has this form", "certificate_serial", raw)


def duplicate_serial(sheet: Sheet, row: int, rng: Rng) -> Spoiled | None:
    """The serial of a parcel of somebody else."""
    other = free_row(sheet, row, rng)
    if other is None or sheet.get(other, "certificate_serial") is None:
        return None
    raw = str(sheet.get(other, "certificate_serial"))
    sheet.put(row, "certificate_serial", raw)
    others = [(other, "certificate.duplicate_serial", True)]
    return Spoiled("serial of another row", "certificate_serial", raw, others, [other])

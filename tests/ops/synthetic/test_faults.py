"""The answer key is true: every row it names is faulty, seen with shapely and GDAL alone; all other rows are sound."""

import collections
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyogrio
import pytest
import shapely

from ops.synthetic.command import write_province
from ops.synthetic.dbf import Dbf

OLD_CODES = {"BHK", "NHK", "LUN", "DDT", "DDL", "DSH", "DTS", "SKT", "SKX"}
BROKEN_GEOMETRY = {
    "geometry.self_intersection",
    "geometry.zero_area",
    "geometry.missing",
    "geometry.too_few_points",
    "geometry.hole_outside",
}


@dataclass
class Written:
    folder: Path
    key: dict[str, Any]
    manifest: dict[str, Any]

    def answers(self, file: str) -> list[dict[str, Any]]:
        return [a for a in self.key["answers"] if a["file"] == file]


@dataclass
class Rows:
    wkb: Any
    columns: dict[str, Any]

    def geometry(self, row: int) -> Any:
        return shapely.from_wkb(self.wkb[row - 1])

    def text(self, row: int, column: str) -> str:
        value = self.columns[column][row - 1]
        return "" if value is None or str(value) == "nan" else str(value)


@pytest.fixture(
    scope="module",
    params=[
        ("gpkg", "utf-8", 1),
        ("shp", "tcvn3", 2),
        ("shp", "utf-8", 3),
        ("geojson", "utf-8", 4),
        ("fgb", "utf-8", 5),
    ],
    ids=lambda p: f"{p[0]}-{p[1]}",
)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    file_format, encoding, seed = request.param
    folder = tmp_path_factory.mktemp(file_format)
    write_province(folder, 6_000, seed, (file_format,), 0.02, encoding)
    key = orjson.loads((folder / "answers.json").read_bytes())
    return Written(folder, key, orjson.loads((folder / "manifest.json").read_bytes()))


def read(written: Written, entry: dict[str, Any]) -> Rows:
    layer = entry["layer"]
    raw = "ISO-8859-1" if entry["format"] == "shp" else None  # spoiled bytes must survive the reading
    meta, _, wkb, fields = pyogrio.raw.read(written.folder / entry["path"], layer=layer, encoding=raw)
    if entry["format"] == "shp" and entry["encoding"] == "utf-8":
        fields = [np.array([utf8(v) for v in values], dtype=object) for values in fields]
    return Rows(wkb, dict(zip(meta["fields"].tolist(), fields, strict=True)))


def utf8(value: Any) -> Any:
    return value.encode("latin-1").decode("utf-8", "replace") if isinstance(value, str) else value


def test_many_kinds_in_every_format(written: Written) -> None:
    kinds = collections.Counter(a["kind"] for a in written.key["answers"])
    entry = written.manifest["files"][0]
    every = {"gpkg": 30, "geojson": 30, "fgb": 29, "shp": 28 if entry["encoding"] == "tcvn3" else 30}
    assert len(kinds) == every[entry["format"]]
    assert sum(kinds.values()) == 120
    assert min(kinds.values()) >= 3
    rows = [(a["file"], a["row"]) for a in written.key["answers"]]
    assert len(set(rows)) == len(rows)


def test_every_answer_is_true(written: Written) -> None:
    for entry in written.manifest["files"]:
        rows = read(written, entry)
        for answer in written.answers(entry["path"]):
            wrong = CHECKS[answer["kind"]](written, rows, answer)
            assert wrong, answer


def test_rows_that_are_not_named_are_sound(written: Written) -> None:
    """Valid, referenced once, area as drawn, and together an exact coverage but for the faults."""
    for entry in written.manifest["files"]:
        rows = read(written, entry)
        named = {a["row"] for a in written.answers(entry["path"])}
        decoys = {d["row"] for d in written.key["decoys"] if d["file"] == entry["path"]}
        sound = [r for r in range(1, len(rows.wkb) + 1) if r not in named]
        geometry = np.array([rows.geometry(r) for r in sound])
        assert shapely.is_valid(geometry).all()
        assert shapely.coverage_is_valid(shapely.get_parts(geometry))
        area = column_of(written, rows, "declared_area_m2")
        for r, g in zip(sound, geometry, strict=True):
            if r not in decoys:
                assert abs(float(rows.text(r, area)) - g.area) < 0.0501
        sheet, number = (column_of(written, rows, name) for name in ("sheet_no", "parcel_no"))
        references = [(rows.text(r, sheet), rows.text(r, number)) for r in sound]
        assert len(set(references)) == len(references)
        serial = column_of(written, rows, "certificate_serial")
        serials = [rows.text(r, serial) for r in sound if rows.text(r, serial)]
        assert len(set(serials)) == len(serials)


def test_decoys_are_the_same_number_in_vietnamese(written: Written) -> None:
    assert written.key["decoys"]
    for entry in written.manifest["files"]:
        rows = read(written, entry)
        for decoy in written.key["decoys"]:
            if decoy["file"] == entry["path"]:
                assert rows.text(decoy["row"], decoy["column"]) == decoy["raw"]
                assert float(decoy["raw"].replace(".", "").replace(",", ".")) == decoy["value"]


def test_other_seeds_spoil_other_rows(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_province(tmp_path / str(seed), 1_000, seed, ("fgb",), 0.02)
    one, two = (orjson.loads((tmp_path / s / "answers.json").read_bytes())["answers"] for s in ("1", "2"))
    assert [(a["kind"], a["row"]) for a in one] != [(a["kind"], a["row"]) for a in two]


# -- what makes a row faulty, said again without the maker's code


def column_of(written: Written, rows: Rows, name: str) -> str:
    from ops.synthetic.files import STYLES

    column = STYLES[written.manifest["files"][0]["style"]][name]
    assert column in rows.columns
    return column


def field(written: Written, rows: Rows, answer: dict[str, Any]) -> str:
    return rows.text(answer["row"], answer["column"])


def other_geometries(rows: Rows, answer: dict[str, Any]) -> list[Any]:
    return [rows.geometry(other["row"]) for other in answer["others"] if other["certain"]]


def self_intersection(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    return shapely.is_valid_reason(rows.geometry(a["row"])).startswith("Self-intersection")


def few_points(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    return int.from_bytes(rows.wkb[a["row"] - 1][9:13], "little") == 3


def hole_outside(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    shape = rows.geometry(a["row"])
    return not shapely.Polygon(shape.exterior).intersects(shapely.Polygon(shape.interiors[0]))


def spike(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    ring = np.asarray(rows.geometry(a["row"]).exterior.coords)[:-1]
    before, after = np.roll(ring, 1, axis=0) - ring, np.roll(ring, -1, axis=0) - ring
    cosine = (before * after).sum(axis=1) / np.hypot(*before.T) / np.hypot(*after.T)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).min()) < 0.5


def duplicate_vertex(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    ring = np.asarray(rows.geometry(a["row"]).exterior.coords)
    return bool((np.abs(np.diff(ring, axis=0)).sum(axis=1) == 0).any())


def outside(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    province = shapely.union_all([shapely.from_wkb(b) for b in rows.wkb if b is not None and len(b) > 140][:2000])
    return rows.geometry(a["row"]).distance(province.envelope) >= 0 and far(rows, a)


def far(rows: Rows, a: dict[str, Any]) -> bool:
    middles = np.array([shapely.get_coordinates(shapely.from_wkb(b))[0] for b in rows.wkb[:500:5] if b is not None])
    start = shapely.get_coordinates(rows.geometry(a["row"]))[0]
    return float(np.median(np.hypot(*(middles - start).T))) > 1_500


def overlap(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    shape = rows.geometry(a["row"])
    areas = [shape.intersection(o).area for o in other_geometries(rows, a)]
    if not drawn_as_declared(_w, rows, a):
        return False
    return (
        bool(areas) and min(areas) > 0.04 and shape.is_valid and abs(sum(areas) - float(a["detail"].split()[0])) < 0.01
    )


def gap(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    """A closed face between outlines that no parcel covers; it may touch a road at its two ends."""
    group = [rows.geometry(a["row"]), *other_geometries(rows, a)]
    lines = shapely.node(shapely.GeometryCollection([g.boundary for g in group]))
    faces = shapely.get_parts(shapely.polygonize([lines])).tolist()
    bare = [f for f in faces if not any(g.covers(f.representative_point()) for g in group)]
    there = any(abs(f.area - float(a["detail"].split()[0])) < 0.01 for f in bare)
    return there and drawn_as_declared(_w, rows, a)


def drawn_as_declared(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    """One fault per row: the area must agree with the spoiled outline."""
    declared = float(rows.text(a["row"], column_of(w, rows, "declared_area_m2")))
    return abs(declared - rows.geometry(a["row"]).area) < 0.0501


def missing_node(_w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    own = rows.geometry(a["row"])
    mine = {tuple(p) for p in shapely.get_coordinates(own).tolist()}
    sets = [{tuple(p) for p in shapely.get_coordinates(g).tolist()} for g in other_geometries(rows, a)]
    common = set.intersection(*sets) - mine
    return any(own.exterior.distance(shapely.Point(p)) <= 0.001 for p in common)


def same_reference(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    columns = [column_of(w, rows, name) for name in ("sheet_no", "parcel_no")]
    other = a["others"][0]["row"]
    return all(rows.text(a["row"], c) == rows.text(other, c) != "" for c in columns)


def same_geometry(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    other = a["others"][0]["row"]
    number = column_of(w, rows, "parcel_no")
    return rows.wkb[a["row"] - 1] == rows.wkb[other - 1] and rows.text(a["row"], number) != rows.text(other, number)


def same_serial(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    return field(w, rows, a) == rows.text(a["others"][0]["row"], a["column"]) != ""


def not_a_number(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    try:
        float(field(w, rows, a).replace(".", "").replace(",", "."))
    except ValueError:
        return field(w, rows, a) != ""
    return False


def off(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    return float(field(w, rows, a)) > 1.3 * rows.geometry(a["row"]).area


def parts_differ(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    parts = [float(p.split()[1].replace(",", ".")) for p in field(w, rows, a).split(";")]
    area = float(rows.text(a["row"], column_of(w, rows, "declared_area_m2")))
    return abs(sum(parts) - area) > 30


def undecodable(w: Written, _rows: Rows, a: dict[str, Any]) -> bool:
    raw = Dbf.open((w.folder / a["file"]).with_suffix(".dbf")).get(a["row"], a["column"])
    if w.manifest["files"][0]["encoding"] == "tcvn3":
        return any(0x80 <= byte < 0xA1 for byte in raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def has_control(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    return any(unicodedata.category(c) == "Cc" for c in field(w, rows, a))


def strange_serial(w: Written, rows: Rows, a: dict[str, Any]) -> bool:
    letters, _, figures = field(w, rows, a).rpartition(" ")
    good = (len(letters), len(figures)) in {(1, 6), (2, 6), (2, 8)}
    return not (good and letters.isalpha() and figures.isdigit())


CHECKS = {
    "geometry.self_intersection": self_intersection,
    "geometry.zero_area": lambda _w, r, a: shapely.area(r.geometry(a["row"])) == 0,
    "geometry.missing": lambda _w, r, a: r.wkb[a["row"] - 1] is None,
    "geometry.too_few_points": few_points,
    "geometry.hole_outside": hole_outside,
    "geometry.spike": spike,
    "geometry.duplicate_vertex": duplicate_vertex,
    "geometry.outside_commune": lambda _w, r, a: far(r, a),
    "coverage.overlap": overlap,
    "coverage.gap": gap,
    "coverage.missing_node": missing_node,
    "parcel.duplicate_reference": same_reference,
    "parcel.duplicate_geometry": same_geometry,
    "parcel.number_missing": lambda w, r, a: field(w, r, a) == "",
    "parcel.number_malformed": lambda w, r, a: not field(w, r, a).isalnum(),
    "parcel.sheet_missing": lambda w, r, a: field(w, r, a) == "",
    "parcel.sheet_malformed": lambda w, r, a: not field(w, r, a).isalnum(),
    "parcel.wrong_commune": lambda w, r, a: field(w, r, a) not in {"", a["file"][:5]},
    "area.missing": lambda w, r, a: field(w, r, a) == "",
    "area.not_a_number": not_a_number,
    "area.mismatch": off,
    "area.negative": lambda w, r, a: float(field(w, r, a)) < 0,
    "land_use.missing": lambda w, r, a: field(w, r, a) == "",
    "land_use.unknown": lambda w, r, a: field(w, r, a) in {"XYZ", "QQQ", "LUX", "ZZ9"},
    "land_use.superseded": lambda w, r, a: field(w, r, a) in OLD_CODES,
    "land_use.area_sum": parts_differ,
    "text.control_characters": has_control,
    "text.undecodable": undecodable,
    "text.not_nfc": lambda w, r, a: unicodedata.normalize("NFC", field(w, r, a)) != field(w, r, a),
    "certificate.serial_malformed": strange_serial,
    "certificate.duplicate_serial": same_serial,
}

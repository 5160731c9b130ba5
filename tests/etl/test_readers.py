"""Files in, batches out: every format once round, every fault of a whole file once, and the tricks of hostile uploads."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from etl import readers
from etl.batch import Batch, Origin, Rings, no_faults, rings_from_shapes
from etl.readers import faults, formats, process, shapefile
from etl.readers.source import Source
from landdb.errors import LandError

SQUARE = shapely.box(551000, 1061000, 551010, 1061020)
HOLED = shapely.Polygon(
    shapely.box(551100, 1061000, 551200, 1061100).exterior, [shapely.box(551120, 1061020, 551130, 1061030).exterior]
)
TWO_PARTS = shapely.MultiPolygon(
    [shapely.box(551300, 1061000, 551310, 1061010), shapely.box(551320, 1061000, 551330, 1061010)]
)
SHAPES = [SQUARE, HOLED, TWO_PARTS]
NAMES = ["Nguyễn Văn Ánh", "Trần Thị Thủy", None]


def write(
    path: Path,
    shapes: list[object] | None = None,
    driver: str | None = None,
    crs: str | None = "EPSG:9209",
    kind: str = "Unknown",
    **options: object,
) -> Path:
    shapes = SHAPES if shapes is None else shapes
    fields = [
        np.array([str(i) for i in range(1, len(shapes) + 1)], object),
        np.array((NAMES * len(shapes))[: len(shapes)], object),
    ]
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array(shapes, object)),
        fields,
        ["SOTHUA", "TENCHU"],
        driver=driver,
        crs=crs,
        geometry_type=kind,
        **options,
    )
    return path


def rows_of(path: Path, layer: str | None = None) -> Batch:
    batches = list(readers.read(path, layer))
    assert len({batch.origin for batch in batches}) == 1
    return batches[0]


def fault_of(act: Callable[[], object]) -> LandError:
    with pytest.raises(LandError) as caught:
        act()
    return caught.value


def zipped(target: Path, *files: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return target


# --- every format ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "driver", "kind"),
    [
        ("a.shp", None, "Polygon"),
        ("a.gpkg", None, "Unknown"),
        ("a.fgb", None, "Unknown"),
        ("a.tab", "MapInfo File", "Unknown"),
        ("a.mif", "MapInfo File", "Unknown"),
        ("a.gml", "GML", "Unknown"),
    ],
)
def test_a_format_comes_back_as_it_was_written(tmp_path: Path, name: str, driver: str | None, kind: str) -> None:
    path = write(tmp_path / name, driver=driver, kind=kind)
    batch = rows_of(path)
    assert batch.origin.file == name
    assert batch.row_no.tolist() == [1, 2, 3]
    batch = batch.take(np.argsort(batch.columns["SOTHUA"].to_pylist()))  # FlatGeobuf orders by place
    assert batch.columns["SOTHUA"].to_pylist() == ["1", "2", "3"]
    assert [name or None for name in batch.columns["TENCHU"].to_pylist()] == NAMES
    for found, wanted in zip(batch.rings.polygons(), SHAPES, strict=True):
        # TAB keeps whole steps of a grid over the bounds that its writer chose: about a centimetre here.
        assert shapely.hausdorff_distance(found, wanted) < (0.02 if name == "a.tab" else 1e-6)
    np.testing.assert_allclose(batch.rings.areas(), shapely.area(SHAPES), rtol=2e-3)
    assert batch.geometry_fault.null_count == 3


@pytest.mark.parametrize(("name", "driver"), [("a.geojson", None), ("a.json", "GeoJSON"), ("a.kml", "LIBKML")])
def test_lon_lat_formats(tmp_path: Path, name: str, driver: str | None) -> None:
    box = shapely.box(105.9, 9.6, 105.91, 9.61)
    batch = rows_of(write(tmp_path / name, [box], driver=driver, crs="EPSG:4326"))
    assert batch.columns["TENCHU"].to_pylist() == NAMES[:1]
    assert shapely.equals_exact(shapely.normalize(batch.rings.polygons()[0]), shapely.normalize(box), tolerance=1e-9)
    assert batch.rings.xy[:, 0].min() == pytest.approx(105.9)


def test_inspect_tells_layers_fields_crs_and_rows(tmp_path: Path) -> None:
    source = readers.inspect(write(tmp_path / "a.gpkg"), name="Bản đồ xã.gpkg")
    assert (source.file, source.format, source.driver) == ("Bản đồ xã.gpkg", "geopackage", "GPKG")
    layer = source.layers[0]
    assert (layer.rows, layer.crs_wkt) == (3, "EPSG:9209")
    assert [field.name for field in layer.fields] == ["SOTHUA", "TENCHU"]
    assert Source.from_json(json.loads(json.dumps(source.to_json()))) == source


def test_batches_are_cut_by_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 10, kind="Polygon")
    batches = list(readers.read(path, rows=4))
    assert [batch.rows for batch in batches] == [4, 4, 2]
    assert np.concatenate([batch.row_no for batch in batches]).tolist() == list(range(1, 11))


def test_a_zipped_shapefile_reads_like_a_loose_one(tmp_path: Path) -> None:
    write(tmp_path / "thua.shp", kind="Polygon")
    path = zipped(tmp_path / "thua.zip", *tmp_path.glob("thua.*"))
    batch = rows_of(path)
    assert batch.origin == Origin("thua.zip", "thua")
    assert batch.rows == 3


def test_curves_of_a_layer_that_declares_them_become_straight_edges(tmp_path: Path) -> None:
    gml = tmp_path / "arc.gml"
    gml.write_text(
        '<ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/" xmlns:gml="http://www.opengis.net/gml"><gml:featureMember>'
        '<ogr:a><ogr:g><gml:Surface srsName="EPSG:9209"><gml:patches><gml:PolygonPatch><gml:exterior>'
        "<gml:Ring><gml:curveMember><gml:Curve>"
        "<gml:segments><gml:Arc><gml:posList>0 0 10 10 20 0</gml:posList></gml:Arc><gml:LineStringSegment>"
        "<gml:posList>20 0 0 0</gml:posList>"
        "</gml:LineStringSegment></gml:segments></gml:Curve></gml:curveMember></gml:Ring></gml:exterior></gml:PolygonPatch></gml:patches>"
        "</gml:Surface></ogr:g><ogr:SOTHUA>7</ogr:SOTHUA></ogr:a></gml:featureMember></ogr:FeatureCollection>"
    )
    batch = rows_of(gml)
    assert batch.rings.areas()[0] == pytest.approx(np.pi * 50, rel=0.01)


def test_a_curve_that_was_not_declared_is_a_fault_of_its_row() -> None:
    arc = struct.pack("<BIIBII6d", 1, 10, 1, 1, 8, 3, 0, 0, 5, 5, 0, 0)
    rings, codes = Rings.from_wkb(pa.array([arc, shapely.to_wkb(SQUARE)], pa.binary()))
    assert codes.to_pylist() == ["geometry.unreadable", None]
    assert rings.has_geometry().tolist() == [False, True]


# --- shapefile details ----------------------------------------------------------------------------------------------


def dbf(
    path: Path,
    fields: list[tuple[str, str, int, int]],
    rows: list[tuple[bytes, ...]],
    ldid: int = 0,
    deleted: tuple[int, ...] = (),
) -> None:
    record = 1 + sum(width for _, _, width, _ in fields)
    head = struct.pack("<B3BLHH16xBB2x", 3, 120, 1, 1, len(rows), 32 + 32 * len(fields) + 1, record, 0, ldid)
    body = b"".join(struct.pack("<11sc4xBB14x", n.encode(), k.encode(), w, d) for n, k, w, d in fields) + b"\r"
    for i, row in enumerate(rows):
        body += b"*" if i in deleted else b" "
        body += b"".join(value.ljust(width) for value, (_, _, width, _) in zip(row, fields, strict=True))
    path.write_bytes(head + body + b"\x1a")


def test_numbers_that_are_none_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 4, kind="Polygon")
    (tmp_path / "a.cpg").unlink()
    dbf(tmp_path / "a.dbf", [("SOTHUA", "N", 6, 0), ("DIENTICH", "N", 10, 1), ("DTPL", "N", 10, 2)],
        [(b"1", b"100.5", b"1.5"), (b"", b"1.234,5", b""), (b"3", b"**********", b" 2"), (b"4", b"", b"7")])  # fmt: skip
    columns = rows_of(path).columns
    assert columns["SOTHUA"].to_pylist() == [1, None, 3, 4]
    assert columns["DIENTICH"].to_pylist() == ["100.5", "1.234,5", "**********", None]
    assert columns["DTPL"].to_pylist() == [1.5, None, 2.0, 7.0]


def test_a_column_may_change_its_type_between_batches(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 4, kind="Polygon")
    dbf(tmp_path / "a.dbf", [("DT", "N", 10, 1)], [(b"1.5",), (b"2.5",), (b"*",), (b"3",)])
    batches = list(readers.read(path, rows=2))
    assert [batch.columns["DT"].to_pylist() for batch in batches] == [[1.5, 2.5], ["*", "3"]]


def test_text_stays_bytes_without_a_certain_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE], kind="Polygon")
    (tmp_path / "a.cpg").unlink()
    raw = bytes.fromhex("4e677579d46e2056a86e20b86e68")
    dbf(tmp_path / "a.dbf", [("TENCHU", "C", 30, 0)], [(raw,)])
    batch = rows_of(path)
    assert batch.columns["TENCHU"].type == pa.binary()
    assert batch.columns["TENCHU"].to_pylist() == [raw]
    assert readers.inspect(path).layers[0].encoding is None
    (tmp_path / "a.cpg").write_text("UTF-8")  # a lie: the bytes stay bytes
    assert rows_of(path).columns["TENCHU"].to_pylist() == [raw]


def test_deleted_records_are_left_out_and_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 3, kind="Polygon")
    dbf(tmp_path / "a.dbf", [("T", "C", 5, 0)], [(b"a",), (b"b",), (b"c",)], deleted=(1,))
    reading = readers.read(path)
    assert [batch.row_no.tolist() for batch in reading] == [[1, 3]]
    assert [(n.code, n.params["rows"]) for n in reading.notices if n.code == "file.deleted_rows"] == [
        ("file.deleted_rows", 1)
    ]


def shp(path: Path, records: list[bytes]) -> Path:
    """A shapefile of raw polygon records, as no library would write it."""
    body, index, at = b"", b"", 100
    for number, content in enumerate(records, 1):
        index += struct.pack(">ii", at // 2, len(content) // 2)
        body += struct.pack(">ii", number, len(content) // 2) + content
        at += 8 + len(content)

    def head(size: int) -> bytes:
        return struct.pack(">i20xi", 9994, size // 2) + struct.pack("<ii8d", 1000, 5, *[0.0] * 8)

    path.write_bytes(head(100 + len(body)) + body)
    path.with_suffix(".shx").write_bytes(head(100 + len(index)) + index)
    dbf(path.with_suffix(".dbf"), [("T", "C", 5, 0)], [(b"x",)] * len(records))
    return path


def record(*rings: list[tuple[float, float]]) -> bytes:
    starts = np.cumsum([0, *map(len, rings)])
    points = [value for ring in rings for point in ring for value in point]
    return struct.pack(
        f"<i4dii{len(rings)}i{len(points)}d", 5, 0, 0, 0, 0, len(rings), starts[-1], *starts[:-1], *points
    )


def loop(x: float, y: float, size: float, clockwise: bool = True) -> list[tuple[float, float]]:
    ring = [(x, y), (x, y + size), (x + size, y + size), (x + size, y), (x, y)]
    return ring if clockwise else ring[::-1]


def test_rings_find_their_shells(tmp_path: Path) -> None:
    path = shp(tmp_path / "r.shp", [
        record(loop(0, 0, 10), loop(2, 2, 2, clockwise=False)),  # shell and hole
        record(loop(2, 2, 2, clockwise=False), loop(0, 0, 10)),  # hole first
        record(loop(0, 0, 10), loop(20, 0, 10), loop(22, 2, 2, clockwise=False)),  # the hole is the second one's
        record(loop(0, 0, 10, clockwise=False), loop(2, 2, 2, clockwise=False)),  # all the wrong way round
        record(loop(0, 0, 10, clockwise=False), loop(2, 2, 2)),  # exactly reversed
        record(loop(0, 0, 10), loop(2, 2, 2)),  # two shells, one in the other: the file says so, the rules will complain
        record(loop(0, 0, 10), loop(2, 2, 6, clockwise=False), loop(3, 3, 2)),  # an island in a hole
    ])  # fmt: skip
    batch = rows_of(path)
    assert batch.rings.areas().tolist() == [96, 96, 196, 96, 96, 104, 68]
    parts = np.diff(batch.rings.row_start).tolist()
    assert parts == [1, 1, 2, 1, 1, 2, 2]
    holes = [len(shape.geoms[1].interiors) for shape in batch.rings.polygons()[[2]]]
    assert holes == [1]


def test_broken_records_are_faults_of_their_rows_only(tmp_path: Path) -> None:
    good = record(loop(0, 0, 10))
    path = shp(tmp_path / "r.shp", [
        good,
        struct.pack("<i", 0),
        struct.pack("<i2d", 1, 5.0, 5.0),
        struct.pack("<i4dii", 5, 0, 0, 0, 0, 1, 1_000_000),  # more points than the record has room for
        record(loop(0, 0, 10), loop(2, 2, 2))[:52 - 8] + struct.pack("<ii", 0, 99) + b"\0" * 160,  # ring offsets nonsense
        struct.pack("<i4dii", 5, 0, 0, 0, 0, 0, 0),
        good,
    ])  # fmt: skip
    reading = readers.read(path)
    batch = next(reading)
    assert batch.geometry_fault.to_pylist() == [
        None, "geometry.missing", "geometry.not_polygon", "geometry.unreadable", "geometry.unreadable", "geometry.empty", None,
    ]  # fmt: skip
    assert batch.rings.has_geometry().tolist() == [True, False, False, False, False, False, True]
    assert list(reading) == []
    assert "file.mixed_geometry" in {notice.code for notice in reading.notices}


def test_a_missing_index_is_rebuilt_and_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", kind="Polygon")
    (tmp_path / "a.shx").unlink()
    reading = readers.read(path)
    assert sum(batch.rows for batch in reading) == 3
    assert "file.index_rebuilt" in {notice.code for notice in reading.notices}


def test_no_prj_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", kind="Polygon")
    (tmp_path / "a.prj").unlink()
    source = readers.inspect(path)
    assert source.layers[0].crs_wkt is None
    assert [notice.code for notice in source.notices] == ["file.no_prj"]


def test_records_out_of_order_and_far_apart(tmp_path: Path) -> None:
    path = shp(tmp_path / "r.shp", [record(loop(float(i), 0, 1)) for i in range(3)])
    body = path.read_bytes()
    moved = body + b"\0" * 200_000 + body[100:]
    moved = moved[:24] + struct.pack(">i", len(moved) // 2) + moved[28:]
    path.write_bytes(moved)
    index = path.with_suffix(".shx").read_bytes()
    pairs = np.frombuffer(index, ">i4", offset=100).reshape(-1, 2).copy()
    pairs[1, 0] += (len(moved) - len(body)) // 2 + 0  # the second record lives in the copy at the end
    path.with_suffix(".shx").write_bytes(index[:100] + pairs[[2, 1, 0]].tobytes())
    batch = rows_of(path)
    assert [shape.bounds[0] for shape in batch.rings.polygons()] == [2.0, 1.0, 0.0]


VRT = b'<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
ENTITY = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    b'<gml xmlns="http://www.opengis.net/gml">&a;</gml>'
)

# --- faults of whole files ------------------------------------------------------------------------------------------


def test_empty_blank_and_missing(tmp_path: Path) -> None:
    (tmp_path / "a.shp").touch()
    assert fault_of(lambda: readers.inspect(tmp_path / "a.shp")).code == "file.empty"
    assert fault_of(lambda: readers.inspect(tmp_path / "none.shp")).code == "file.not_found"


def test_200_mb_of_nothing_answers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "nothing.geojson"
    with path.open("wb") as file:
        file.truncate(200 << 20)
    fault = fault_of(lambda: readers.inspect(path))
    assert (fault.code, fault.params["bytes"]) == ("file.empty", 200 << 20)


def test_a_shape_header_and_nothing_behind_it(tmp_path: Path) -> None:
    path = shp(tmp_path / "r.shp", [])
    with path.open("r+b") as file:
        file.truncate(200 << 20)
    assert fault_of(lambda: list(readers.read(path))).code == "file.no_rows"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("vrt.shp", VRT, "file.disguised"),
        ("vrt.geojson", b"<OGRVRTDataSource></OGRVRTDataSource>", "file.disguised"),
        ("vrt.kml", b"<?xml version='1.0'?><!-- <kml> --><OGRVRTDataSource/>", "file.disguised"),
        ("json.shp", b'{"type":"FeatureCollection","features":[]}', "file.disguised"),
        ("text.gpkg", b"hello there", "file.disguised"),
        ("rar.zip", b"Rar!\x1a\x07\x01\0", "file.disguised"),
        ("a.pdf", b"%PDF-1.7", "file.unsupported_format"),
        ("a.dgn", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "file.drawing_not_supported"),
        ("a.dwg", b"AC1032\0\0", "file.drawing_not_supported"),
        ("a.dxf", b"  0\r\nSECTION\r\n", "file.drawing_not_supported"),
        ("a.dbf", b"\x03\x5f\x07\x1a", "file.part_missing"),
        ("evil.gml", ENTITY, "file.unsafe_content"),
        ("topo.json", b'{"type":"Topology","objects":{}}', "file.disguised"),
        ("cut.geojson", b'{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Pol', "file.damaged"),
        ("cut.gpkg", b"SQLite format 3\0" + b"\0" * 52 + b"GPKG", "file.damaged"),
        ("cut.fgb", b"fgb\x03fgb\x00\xff\xff\xff\x7f", "file.damaged"),
    ],
)  # fmt: skip
def test_what_is_not_what_it_says(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    fault = fault_of(lambda: list(readers.read(tmp_path / name)))
    assert fault.code == code
    assert fault.params["file"] == name
    assert str(tmp_path) not in str(fault.params)


def test_unsupported_names_what_is(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"hello there")
    assert "GeoPackage (.gpkg)" in fault_of(lambda: readers.inspect(tmp_path / "a.docx")).params["supported"]


def test_parts_that_are_missing_or_do_not_belong_together(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", kind="Polygon")
    dbf_file = tmp_path / "a.dbf"
    whole = dbf_file.read_bytes()
    dbf_file.write_bytes(whole[:-40])
    assert fault_of(lambda: readers.inspect(path)).code == "file.truncated"
    dbf(dbf_file, [("T", "C", 5, 0)], [(b"a",), (b"b",)])
    fault = fault_of(lambda: readers.inspect(path))
    assert (fault.code, fault.params["shapes"], fault.params["records"]) == ("file.counts_differ", 3, 2)
    dbf_file.unlink()
    fault = fault_of(lambda: readers.inspect(path))
    assert (fault.code, fault.params["part"]) == ("file.part_missing", ".dbf")
    dbf_file.write_bytes(whole)
    path.write_bytes(path.read_bytes()[:-60])
    assert fault_of(lambda: readers.inspect(path)).code == "file.truncated"
    path.write_bytes(b"\0\0\x27\x0a")
    assert fault_of(lambda: readers.inspect(path)).code == "file.truncated"


def test_an_index_that_reads_one_record_ten_thousand_times(tmp_path: Path) -> None:
    path = shp(tmp_path / "r.shp", [record(loop(0, 0, 10))])
    index = path.with_suffix(".shx").read_bytes()
    path.with_suffix(".shx").write_bytes(index[:100] + index[100:] * 10_000)
    assert fault_of(lambda: list(readers.read(path))).code == "file.damaged"


def test_a_mapinfo_table_needs_its_parts(tmp_path: Path) -> None:
    write(tmp_path / "a.tab", driver="MapInfo File")
    (tmp_path / "a.dat").unlink()
    assert fault_of(lambda: readers.inspect(tmp_path / "a.tab")).params["part"] == ".dat"


def test_points_and_empty_layers(tmp_path: Path) -> None:
    points = write(tmp_path / "p.shp", [shapely.Point(1, 1)], kind="Point")
    assert fault_of(lambda: readers.read(points).__next__()).code == "file.no_polygons"
    hidden = write(tmp_path / "p.geojson", [shapely.Point(1, 1)], crs="EPSG:4326")
    assert fault_of(lambda: list(readers.read(hidden))).code == "file.no_polygons"
    nothing = write(tmp_path / "n.gpkg", [])
    assert fault_of(lambda: list(readers.read(nothing))).code == "file.no_rows"


def test_several_layers_are_listed_and_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", layer="thua_cu")
    write(path, [SQUARE], layer="thua_moi", append=True)
    fault = fault_of(lambda: list(readers.read(path)))
    assert (fault.code, fault.params["layers"]) == ("file.several_layers", "thua_cu, thua_moi")
    assert len(readers.inspect(path).layers) == 2
    assert rows_of(path, "thua_moi").rows == 1
    assert fault_of(lambda: list(readers.read(path, "x"))).code == "file.layer_unknown"


def test_one_polygon_layer_among_others_needs_no_choice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", layer="thua", kind="MultiPolygon", promote_to_multi=True)
    write(path, [shapely.Point(1, 1)], layer="nhan", append=True, kind="Point")
    assert rows_of(path).origin.layer == "thua"


# --- archives -------------------------------------------------------------------------------------------------------


def archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries.items():
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"../../evil.shp": b"x"}, "path_leaves_archive"),
        ({"/etc/evil.shp": b"x"}, "path_leaves_archive"),
        ({"..\\evil.shp": b"x"}, "path_leaves_archive"),
        ({"C:\\evil.shp": b"x"}, "path_leaves_archive"),
        ({"inner.zip": b"PK\x03\x04"}, "nested_archive"),
        ({"a.shp": b"\0" * (200 << 20)}, "ratio"),
        ({f"{i}.dbf": b"" for i in range(3000)}, "too_many_files"),
        ({"\u0110\u1ea5t.shp": b"a", "\u0110a\u0302\u0301T.SHP": b"b"}, "same_name_twice"),
        ({"a\u202egnp.shp": b"a"}, "odd_name"),
        ({"x" * 300 + ".shp": b"a"}, "odd_name"),
    ],
)  # fmt: skip
def test_a_hostile_archive_is_refused_before_it_is_unpacked(
    tmp_path: Path, entries: dict[str, bytes], reason: str
) -> None:
    path = archive(tmp_path / "a.zip", entries)
    fault = fault_of(lambda: readers.inspect(path))
    assert (fault.code, fault.params["reason"]) == ("file.zip_unsafe", reason)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_encrypted_links_and_broken_archives(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a.shp": b"x" * 100})
    body = bytearray(path.read_bytes())
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(bytes(body))
    assert fault_of(lambda: readers.inspect(tmp_path / "b.zip")).params["reason"] == "encrypted"
    link = zipfile.ZipInfo("a.shp")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as target:
        target.writestr(link, "/etc/passwd")
    assert fault_of(lambda: readers.inspect(tmp_path / "c.zip")).params["reason"] == "link"
    write(tmp_path / "thua.shp", [SQUARE] * 200, kind="Polygon")
    whole = zipped(tmp_path / "d.zip", *tmp_path.glob("thua.*")).read_bytes()
    (tmp_path / "d.zip").write_bytes(whole[: len(whole) // 2])
    assert fault_of(lambda: readers.inspect(tmp_path / "d.zip")).code == "file.zip_broken"
    flipped = bytearray(whole)
    flipped[120] ^= 0xFF
    (tmp_path / "e.zip").write_bytes(bytes(flipped))
    assert fault_of(lambda: list(readers.read(tmp_path / "e.zip"))).code == "file.zip_broken"


def test_a_zip_with_two_layers_asks_which(tmp_path: Path) -> None:
    write(tmp_path / "thua.shp", kind="Polygon")
    write(tmp_path / "quy_hoach.shp", [SQUARE], kind="Polygon")
    path = zipped(tmp_path / "a.zip", *tmp_path.glob("*.shp"), *tmp_path.glob("*.shx"), *tmp_path.glob("*.dbf"))
    fault = fault_of(lambda: list(readers.read(path)))
    assert fault.code == "file.several_layers"
    assert sorted(fault.params["layers"].split(", ")) == ["quy_hoach", "thua"]
    assert rows_of(path, "quy_hoach").rows == 1


def test_zip_without_dbf_and_zip_with_a_vrt(tmp_path: Path) -> None:
    write(tmp_path / "thua.shp", kind="Polygon")
    path = zipped(tmp_path / "a.zip", tmp_path / "thua.shp", tmp_path / "thua.shx")
    assert fault_of(lambda: readers.inspect(path)).params["part"] == ".dbf"
    path = archive(tmp_path / "b.zip", {"x.shp": b"<OGRVRTDataSource></OGRVRTDataSource>", "x.dbf": b"x"})
    assert fault_of(lambda: readers.inspect(path)).code == "file.disguised"
    path = archive(tmp_path / "c.zip", {"__MACOSX/._thua.shp": b"x", "Thumbs.db": b"y"})
    assert fault_of(lambda: readers.inspect(path)).code == "file.empty"


# --- the child process ----------------------------------------------------------------------------------------------


def test_a_killed_reader_is_an_error_of_ours_and_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 50_000, kind="Polygon")
    reading = readers.read(path, rows=10)
    next(reading)
    reading._child.kill()
    fault = fault_of(lambda: list(reading))
    assert (fault.code, fault.params["reason"]) == ("file.reader_died", "signal 9")
    assert not Path(reading._scratch.name).exists()


def test_a_reader_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 50_000, kind="Polygon")
    monkeypatch.setattr(readers, "_NEXT_WORD_S", 0.5)
    reading = readers.read(path, rows=10)
    next(reading)
    os.kill(reading._child.pid, 19)  # SIGSTOP: alive, and silent once the pipe is drained
    fault = fault_of(lambda: list(reading))
    assert (fault.code, fault.params["reason"]) == ("file.reader_died", "timeout")


def test_the_reader_ends_with_its_parent(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 50_000, kind="Polygon")
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom etl import readers\n"
        f"r = readers.read(Path({str(path)!r}), rows=10)\nnext(r)\nprint(r._child.pid, flush=True)\ntime.sleep(60)\n"
    )
    root = str(Path(readers.__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the reader outlived its parent")


def test_a_reader_that_waits_is_used_once_and_confined_like_any(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 20, kind="Polygon")
    readers.keep_ready()
    readers.keep_ready()
    ((waiting, _),) = process._ready
    with readers.read(path) as reading:
        assert reading._child is waiting
        assert process._ready == []
        limits = Path(f"/proc/{waiting.pid}/limits").read_text()
        assert re.search(r"Max core file size\s+0\s+0", limits)
        assert not re.search(r"Max address space\s+unlimited", limits)
        if os.geteuid() == 0:
            assert Path(f"/proc/{waiting.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        assert sum(batch.rows for batch in reading) == 20
    assert waiting.poll() is not None


def test_a_reader_that_died_while_it_waited_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp", [SQUARE] * 20, kind="Polygon")
    readers.keep_ready()
    ((waiting, scratch),) = process._ready
    waiting.kill()
    waiting.wait()
    assert sum(batch.rows for batch in readers.read(path)) == 20
    assert not Path(scratch.name).exists()


def test_closing_early_stops_the_child(tmp_path: Path) -> None:
    with readers.read(write(tmp_path / "a.shp", [SQUARE] * 50_000, kind="Polygon"), rows=10) as reading:
        next(reading)
    assert reading._child.poll() is not None
    assert list(reading) == []


def test_the_child_sees_no_secrets_and_only_our_drivers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LANDDB_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.setenv("GDAL_DATA", "/somewhere")
    environment = process.environment(str(tmp_path))
    assert not {"LANDDB_DATABASE_URL", "PGPASSWORD", "GDAL_DATA", "PROJ_DATA", "PROJ_LIB"} & set(environment)
    code = (
        "import json, pyogrio, fiona\nwith fiona.Env() as env: seen = set(env.drivers())\n"
        "print(json.dumps(sorted(seen | set(pyogrio.list_drivers()))))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert set(json.loads(done.stdout)) <= formats.ALLOWED_DRIVERS | formats.INTERNAL_DRIVERS


def test_every_driver_of_the_libraries_is_known() -> None:
    assert set(pyogrio.list_drivers()) <= formats.KNOWN_DRIVERS


def test_the_child_has_no_network() -> None:
    """As root or where user namespaces are allowed; elsewhere only the settings stand between GDAL and the network."""
    code = (
        "import socket\nfrom pathlib import Path\nfrom etl.readers import child\nchild._leave_network()\n"
        "print([name for _, name in socket.if_nameindex()])"
    )
    root = str(Path(readers.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, capture_output=True, check=True
    )
    if os.geteuid() == 0:
        assert done.stdout.strip() == b"['lo']"


# --- messages, batches ----------------------------------------------------------------------------------------------


def test_every_fault_has_its_text_in_both_languages() -> None:
    folder = Path(sys.modules["landdb.errors"].__file__ or "").parent / "messages"
    texts = [tomllib.loads((folder / language / "reading.toml").read_text("utf-8")) for language in ("vi", "en")]
    assert set(texts[0]) == set(texts[1])
    assert set(faults._BY_CODE) <= set(texts[0])
    assert {"crs.unknown", "crs.ambiguous", "crs.no_fit", "crs.wrong_declared", "profile.unknown"} <= set(texts[0])
    assert all(set(text) == {"title", "detail", "action"} for language in texts for text in language.values())


def test_wkb_there_and_back() -> None:
    shapes = np.array([SQUARE, None, TWO_PARTS, HOLED, shapely.force_3d(SQUARE, 5.0)], object)
    raw = pa.array([None if s is None else shapely.to_wkb(s) for s in shapes], pa.binary())
    rings, codes = Rings.from_wkb(raw)
    assert codes.to_pylist() == [None, "geometry.missing", None, None, None]
    for multi in (False, True):
        offsets, data = rings.wkb(9209, multi=multi)
        back = [shapely.from_wkb(data[a:b].tobytes()) if b > a else None for a, b in pairwise(offsets.tolist())]
        assert [None if s is None else shapely.get_srid(s) for s in back] == [9209, None, 9209, 9209, 9209]
        assert all(shapely.equals(a, b) for a, b in zip(back, shapes, strict=True) if a is not None)
    assert back[0].geom_type == "MultiPolygon"


def test_what_is_no_polygon_is_named() -> None:
    odd = [shapely.to_wkb(shapely.Point(1, 1)), shapely.to_wkb(shapely.Polygon()), b"\x01\x03garbage", b""]
    rings, codes = Rings.from_wkb(pa.array(odd, pa.binary()))
    assert codes.to_pylist() == ["geometry.not_polygon", "geometry.empty", "geometry.unreadable", "geometry.missing"]
    assert rings.areas().tolist() == [0, 0, 0, 0]


def test_open_rings_are_closed_and_short_ones_left_out_of_shapely() -> None:
    xy = np.array([[0, 0], [10, 0], [10, 10], [5, 5], [5, 5.0]])
    rings = Rings.from_single(xy, np.array([3, 2])).closed()
    assert rings.areas().tolist() == [50.0, 0.0]
    shapes = rings.polygons()
    assert shapes[0].area == 50
    assert shapes[1] is None


def test_a_batch_survives_arrow_and_take() -> None:
    batch = Batch(
        Origin("tệp.shp", "thửa"),
        np.array([1, 2, 3]),
        {"A": pa.array(["x", None, "z"])},
        rings_from_shapes(np.array(SHAPES, object)),
        9209,
        no_faults(3),
    )
    back = Batch.from_arrow(batch.to_arrow())
    assert (back.origin, back.srid, back.columns["A"].to_pylist()) == (batch.origin, 9209, ["x", None, "z"])
    np.testing.assert_array_equal(back.rings.xy, batch.rings.xy)
    some = back.take(np.array([2, 0]))
    assert some.row_no.tolist() == [3, 1]
    np.testing.assert_allclose(some.rings.areas(), [200, 200])
    assert back.take(np.array([False, True, False])).rings.areas().tolist() == pytest.approx([9900])


def test_nothing_is_left_beside_the_client_s_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gml", driver="GML")
    for extra in tmp_path.glob("*.xsd"):
        extra.unlink()
    before = sorted(p.name for p in tmp_path.iterdir())
    rows_of(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


# --- files by other hands -------------------------------------------------------------------------------------------

real = pytest.mark.skipif(
    not os.environ.get("LANDDB_REAL_DATA"), reason="LANDDB_REAL_DATA does not point at foreign files"
)


@real
def test_real_shapefiles_read_as_gdal_reads_them(tmp_path: Path) -> None:
    seen = 0
    for path in sorted(Path(os.environ["LANDDB_REAL_DATA"], "parcels").rglob("*.shp")):
        layer = shapefile.open_shapefile(path).layer()
        if not layer.may_hold_polygons:
            continue
        _, _, wkb, _ = pyogrio.raw.read(path)
        found = np.concatenate([batch.rings.polygons() for batch in readers.read(path)])
        for ours, theirs in zip(found, shapely.force_2d(shapely.from_wkb(wkb)), strict=True):
            assert shapely.equals_exact(shapely.normalize(ours), shapely.normalize(theirs), tolerance=0)
        seen += len(found)
    assert seen > 4000


@real
def test_no_real_file_brings_the_reader_down(tmp_path: Path) -> None:
    """Whatever lies in the folder of formats and broken files: rows, or a refusal with a code of ours."""
    outcomes: dict[str, int] = {}
    folder = Path(os.environ["LANDDB_REAL_DATA"])
    wanted = {extension for row in formats.FORMATS.values() for extension in row.extensions}
    files = [
        p
        for part in ("formats", "broken", "parcels")
        for p in sorted((folder / part).rglob("*"))
        if p.suffix.lower() in wanted
    ]
    for path in files[:: max(1, len(files) // 60)]:
        copy = tmp_path / "one"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for part in path.parent.glob(f"{path.stem}.*"):
            if part.is_file():
                shutil.copy(part, copy)
        try:
            sum(batch.rows for batch in readers.read(copy / path.name))
            outcome = "read"
        except LandError as fault:
            outcome = fault.code
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes.get("file.reader_died", 0) == 0, outcomes
    assert outcomes["read"] > 10


def test_speed_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No assertion on time: the figure is for people."""
    n = 200_000
    corner = np.random.default_rng(1).uniform(0, 50_000, (n, 2)).round(3)
    path = tmp_path / "big.shp"
    boxes = shapely.to_wkb(shapely.box(corner[:, 0], corner[:, 1], corner[:, 0] + 9, corner[:, 1] + 9))
    pyogrio.raw.write(
        path,
        boxes,
        [np.arange(n), np.array(["Nguyễn Văn Ánh"] * n, object)],
        ["SOTHUA", "TENCHU"],
        geometry_type="Polygon",
        crs="EPSG:9209",
    )
    shape = shapefile.open_shapefile(path)
    began = time.perf_counter()
    assert sum(batch.rows for batch in shapefile.batches(shape, Origin("big.shp", "big"), 65536)) == n
    direct = time.perf_counter() - began
    began = time.perf_counter()
    assert sum(batch.rows for batch in readers.read(path)) == n
    piped = time.perf_counter() - began
    with capsys.disabled():
        sys.stdout.write(
            f"\nshapefile, {n:,} rows: {n / direct:,.0f}/s in one process, {n / piped:,.0f}/s through the child\n"
        )

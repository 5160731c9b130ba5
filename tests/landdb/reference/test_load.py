"""Loading reference files: what is new, changed or equal is counted; one bad row loads nothing and is named."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

import landdb.reference
from landdb.db.transaction import Tx
from landdb.reference import store
from landdb.reference.load import BoundaryOptions, load_table
from landdb.reference.model import (
    ColumnMissing,
    FileEmpty,
    FileMalformed,
    FileUnreadable,
    RowTwice,
    TableUnknown,
    ValidityOverlaps,
    ZoneDefinitionWrong,
)
from landdb.reference.sheets import SHEETS

DATA = Path(landdb.reference.__file__).parent / "data"
HOLIDAYS = "on_date,kind,name_vi,name_en,confirmed,source\n"
CODES = "code_list,code,name_vi,name_en,parent_code,valid_from,valid_to,attributes,confirmed,source\n"
TOLERANCES = "kind,scale,value,valid_from,valid_to,confirmed,source\n"
SQUARE = [[[105.9, 9.5], [106.0, 9.5], [106.0, 9.6], [105.9, 9.6], [105.9, 9.5]]]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("name", SHEETS)
def test_the_committed_file_changes_nothing_in_a_new_register(tx: Tx, name: str) -> None:
    report = load_table(tx, name, DATA / f"{name}.csv")
    assert (report.added, report.changed, report.unchanged) == (0, 0, report.rows)
    assert load_table(tx, name, DATA / f"{name}.csv").already_loaded


def test_new_changed_and_equal_rows_are_counted(tx: Tx, write: Any) -> None:
    path = write(
        HOLIDAYS
        + "01/01/2028,holiday,Tết Dương lịch,New Year's Day,true,Bộ luật Lao động 2019 Đ112\n"
        + "2026-09-01,holiday,Quốc khánh (ngày liền kề),National Day (adjacent day),true,Quyết định của năm\n"
    )
    report = load_table(tx, "holiday", path)
    assert (report.rows, report.added, report.changed, report.unchanged) == (2, 1, 1, 0)
    assert store.calendar(tx, dt.date(2028, 1, 1), dt.date(2028, 1, 1))[dt.date(2028, 1, 1)].confirmed


def test_going_back_to_an_earlier_file_is_a_change_not_a_repetition(tx: Tx, write: Any) -> None:
    first = write(HOLIDAYS + "2028-01-01,holiday,Một,One,true,s\n", "a.csv")
    second = write(HOLIDAYS + "2028-01-01,holiday,Hai,Two,true,s\n", "b.csv")
    assert load_table(tx, "holiday", first).added == 1
    assert load_table(tx, "holiday", second).changed == 1
    assert load_table(tx, "holiday", first).changed == 1


def test_one_file_closes_a_code_and_opens_its_follower(tx: Tx, write: Any) -> None:
    path = write(
        CODES
        + "change_kind,CN,Chuyển nhượng,Transfer (sale),,,2027-01-01,,true,test\n"
        + "change_kind,CN,Chuyển nhượng quyền,Transfer of right,,2027-01-01,,,true,test\n"
    )
    report = load_table(tx, "code_value", path)
    assert (report.added, report.changed) == (1, 1)
    assert store.get_code(tx, "change_kind", "CN", dt.date(2026, 12, 31)).name_vi == "Chuyển nhượng"
    assert store.get_code(tx, "change_kind", "CN", dt.date(2027, 1, 1)).name_vi == "Chuyển nhượng quyền"


def test_a_second_row_in_force_is_refused(tx: Tx, write: Any) -> None:
    path = write(CODES + "change_kind,CN,Chuyển nhượng,Transfer,,2027-01-01,,,true,test\n")
    with pytest.raises(ValidityOverlaps):
        load_table(tx, "code_value", path)


@pytest.mark.parametrize(
    ("table", "content", "row", "column", "value"),
    [
        ("holiday", HOLIDAYS + "2028-02-30,holiday,a,b,true,s\n", 2, "on_date", "2028-02-30"),
        ("holiday", HOLIDAYS + "2028-01-01,holiday,a,b,true,s\n2028-01-02,feast,a,b,true,s\n", 3, "kind", "feast"),
        ("holiday", HOLIDAYS + "2028-01-01,holiday,a,b,true,\n", 2, "source", ""),
        ("holiday", HOLIDAYS + "2028-01-01,holiday,a\n", 2, "name_en", ""),
        ("code_value", CODES + "change_kind,ZZ,a,b,,,,[1],true,s\n", 2, "attributes", "[1]"),
        ("code_value", CODES + "no_such_list,ZZ,a,b,,,,,true,s\n", 2, "code_list", "no_such_list"),
        ("code_value", CODES + "change_kind,ZZ,a,b,,2027-01-01,2026-01-01,,true,s\n", 2, "valid_to", "2026-01-01"),
        ("tolerance", TOLERANCES + "overlap_width_m,500,NaN,,,true,s\n", 2, "value", "NaN"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_loaded(
    tx: Tx, write: Any, table: str, content: str, row: int, column: str, value: str
) -> None:
    before = {loaded.table: loaded.rows for loaded in store.loaded_tables(tx)}
    with pytest.raises(FileMalformed) as refusal:
        load_table(tx, table, write(content))
    assert {key: refusal.value.params[key] for key in ("row", "column", "value")} == {
        "row": row,
        "column": column,
        "value": value,
    }
    assert {loaded.table: loaded.rows for loaded in store.loaded_tables(tx)} == before


@pytest.mark.parametrize(
    ("kind", "code", "parent", "column"),
    [
        ("commune", "123", "33", "code"),
        ("commune", "12a45", "33", "code"),
        ("commune", "12345", "", "parent_id"),
        ("commune", "12345", "7777", "parent_id"),
    ],
)
def test_a_unit_must_have_a_code_of_its_kind_and_a_parent(
    tx: Tx, write: Any, kind: str, code: str, parent: str, column: str
) -> None:
    heading = "admin_unit_id,kind,code,name,full_name,other_names,parent_id,valid_from,valid_to,source\n"
    with pytest.raises(FileMalformed) as refusal:
        load_table(tx, "admin_unit", write(heading + f"9001,{kind},{code},Thử,Xã Thử,,{parent},,,test\n"))
    assert refusal.value.params["column"] == column


def test_a_loaded_unit_is_found_without_diacritics(tx: Tx, write: Any) -> None:
    heading = "admin_unit_id;kind;code;name;full_name;other_names;parent_id;valid_from;valid_to;source\n"
    rows = "9002;commune;99998;Đường Thử;Xã Đường Thử;;9001;;;test\n9001;province;99;Thử;Tỉnh Thử;;;;;test\n"
    assert load_table(tx, "admin_unit", write("\ufeff" + heading + rows)).added == 2
    assert store.resolve_commune(tx, "duong thu").path == "Xã Đường Thử, Tỉnh Thử"


def test_files_that_are_no_such_file(tx: Tx, write: Any, tmp_path: Path) -> None:
    with pytest.raises(TableUnknown):
        load_table(tx, "parcel", write(HOLIDAYS))
    with pytest.raises(FileEmpty):
        load_table(tx, "holiday", write(""))
    with pytest.raises(FileEmpty):
        load_table(tx, "holiday", write(HOLIDAYS))
    with pytest.raises(FileUnreadable):
        load_table(tx, "holiday", write(HOLIDAYS.encode() + b"2028-01-01,holiday,T\xd5t,b,true,s\n"))
    with pytest.raises(FileUnreadable):
        load_table(tx, "holiday", tmp_path / "absent.csv")
    with pytest.raises(ColumnMissing) as refusal:
        load_table(tx, "holiday", write("on_date,kind,name_vi\n2028-01-01,holiday,a\n"))
    assert refusal.value.params["columns"] == "name_en, confirmed, source"
    with pytest.raises(RowTwice) as twice:
        load_table(tx, "holiday", write(HOLIDAYS + "2028-01-01,holiday,a,b,true,s\n01/01/2028,holiday,a,b,true,s\n"))
    assert (twice.value.params["row"], twice.value.params["first_row"]) == (3, 2)


def test_a_change_by_hand_is_set_back_by_the_same_file(tx: Tx, write: Any) -> None:
    path = write(HOLIDAYS + "2028-01-01,holiday,Một,One,true,s\n")
    load_table(tx, "holiday", path)
    tx.execute("UPDATE working_day_exception SET name_en = 'Changed' WHERE on_date = '2028-01-01'")
    report = load_table(tx, "holiday", path)
    assert (report.changed, report.already_loaded) == (1, False)
    assert load_table(tx, "holiday", path).already_loaded


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_zone_file_pins_the_database_again(tx: Tx, loaded_before: bool) -> None:
    if loaded_before:
        load_table(tx, "coordinate_zone", DATA / "coordinate_zone.csv")
    tx.execute("DELETE FROM spatial_ref_sys WHERE srid = 9209")
    with pytest.raises(ZoneDefinitionWrong):
        store.check_zones(tx)
    load_table(tx, "coordinate_zone", DATA / "coordinate_zone.csv")
    store.check_zones(tx)


def collection(*features: tuple[str, Any]) -> str:
    rows = [{"type": "Feature", "properties": {"code": code}, "geometry": geometry} for code, geometry in features]
    return json.dumps({"type": "FeatureCollection", "features": rows})


def test_boundaries_are_loaded_under_the_unit_of_their_day(tx: Tx, write: Any) -> None:
    path = write(collection(("31507", {"type": "Polygon", "coordinates": SQUARE})), "b.geojson")
    options = BoundaryOptions(on=dt.date(2025, 6, 30), accuracy_m=50, source="test")
    assert load_table(tx, "admin_unit_boundary", path, options).added == 1
    old, new = store.find_units_by_code(tx, "31507")
    assert store.boundary(tx, old.admin_unit_id).area == pytest.approx(0.01)
    assert store.boundaries(tx, [new.admin_unit_id]) == {}
    assert load_table(tx, "admin_unit_boundary", path, options).already_loaded


@pytest.mark.parametrize(
    ("code", "geometry", "column"),
    [
        ("00000", {"type": "Polygon", "coordinates": SQUARE}, "code"),
        ("31507", {"type": "Point", "coordinates": [106, 9.5]}, "geometry"),
        ("31507", None, "geometry"),
        (
            "31507",
            {"type": "Polygon", "coordinates": [[[9.5, 105.9], [9.5, 106.0], [9.6, 106.0], [9.5, 105.9]]]},
            "geometry",
        ),
        ("31507", {"type": "Polygon", "coordinates": "nonsense"}, "geometry"),
    ],
)
def test_a_bad_boundary_is_named(tx: Tx, write: Any, code: str, geometry: Any, column: str) -> None:
    good = ("31510", {"type": "Polygon", "coordinates": SQUARE})
    with pytest.raises(FileMalformed) as refusal:
        load_table(tx, "admin_unit_boundary", write(collection(good, (code, geometry)), "b.geojson"))
    assert (refusal.value.params["row"], refusal.value.params["column"]) == (2, column)


@pytest.mark.parametrize("content", ["{", "[]", '{"features": 3}', "1", "\xff"])
def test_what_is_no_geojson_is_unreadable(tx: Tx, write: Any, content: str) -> None:
    with pytest.raises(FileUnreadable):
        load_table(tx, "admin_unit_boundary", write(content.encode("latin-1"), "b.geojson"))


def test_the_real_boundary_file_of_can_tho(tx: Tx, real_data: Path) -> None:
    path = real_data.parent / "admin" / "cantho_92_wards_post_simplified.geojson"
    if not path.exists():
        pytest.skip("no boundary file beside LANDDB_REAL_DATA")
    report = load_table(tx, "admin_unit_boundary", path)
    assert (report.rows, report.added) == (103, 103)

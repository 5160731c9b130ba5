"""Reading the reference tables on real PostGIS: units of two eras, names without diacritics, codes, tolerances, holidays."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest

import landdb.reference
from landdb.db.transaction import Tx
from landdb.reference import store
from landdb.reference.model import (
    BoundaryUnknown,
    CodeUnknown,
    LandUseStatus,
    UnitAmbiguous,
    UnitCodeMoved,
    UnitKind,
    UnitUnknown,
    fold,
    is_working_day,
)

DATA = Path(landdb.reference.__file__).parent / "data"
BEFORE, AFTER = dt.date(2025, 6, 30), dt.date(2025, 7, 1)


def test_a_unit_knows_its_path_and_province_in_both_eras(tx: Tx) -> None:
    old = store.resolve_commune(tx, "31690")
    assert (old.path, old.province_code) == ("Xã Đại Tâm, Huyện Mỹ Xuyên, Tỉnh Sóc Trăng", "94")
    new = store.resolve_commune(tx, "31684", on=AFTER)
    assert (new.path, new.province_code) == ("Phường Mỹ Xuyên, Thành phố Cần Thơ", "92")
    assert store.get_admin_unit(tx, old.admin_unit_id) == old
    assert store.get_admin_units(tx, [old.admin_unit_id, -1]) == {old.admin_unit_id: old}
    with pytest.raises(UnitUnknown):
        store.get_admin_unit(tx, -1)


def test_one_code_two_territories(tx: Tx) -> None:
    old, new = store.find_units_by_code(tx, "31507")
    assert (old.full_name, new.full_name) == ("Phường 6", "Phường Sóc Trăng")
    assert store.find_units_by_code(tx, "31507", on=BEFORE) == [old]
    assert store.find_units_by_code(tx, "31507", on=AFTER) == [new]
    assert store.find_units_by_code(tx, "92", kind=UnitKind.COMMUNE) == []
    with pytest.raises(UnitAmbiguous) as refusal:
        store.resolve_commune(tx, "31507")
    assert {c["name"] for c in refusal.value.params["candidates"]} == {old.path, new.path}
    assert store.resolve_commune(tx, "31507@2025-06-30", on=AFTER) == old
    assert store.resolve_commune(tx, "31507", on=AFTER) == new


def test_a_commune_left_as_it_was_needs_no_date(tx: Tx) -> None:
    assert store.resolve_commune(tx, "31537").province_code == "92"
    assert store.resolve_commune(tx, "31537", on=BEFORE).province_code == "94"


def test_an_old_code_on_a_new_day_names_the_heir(tx: Tx) -> None:
    with pytest.raises(UnitCodeMoved) as refusal:
        store.resolve_commune(tx, "31690", on=AFTER)
    assert "Phường Mỹ Xuyên, Thành phố Cần Thơ" in refusal.value.params["names"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("xa dai tam", "31690"),
        ("Đại Tâm", "31690"),
        ("Phường 1, Ngã Năm", "31732"),
        ("phuong 1, vinh chau, soc trang", "31783"),
        ("Thị trấn Mỹ Xuyên", "31684"),
        ("Xã Hòa Tú II", "31729"),
    ],
)
def test_communes_by_name(tx: Tx, text: str, code: str) -> None:
    assert store.resolve_commune(tx, text, on=BEFORE).code == code


def test_a_name_of_three_wards_is_ambiguous_and_an_unknown_one_unknown(tx: Tx) -> None:
    with pytest.raises(UnitAmbiguous) as refusal:
        store.resolve_commune(tx, "Phường 1")
    assert len(refusal.value.params["candidates"]) == 3
    with pytest.raises(UnitUnknown):
        store.resolve_commune(tx, "Xã Không Có")
    with pytest.raises(UnitUnknown):
        store.resolve_commune(tx, "99999")


def test_search_prefers_whole_names_and_units_in_force(tx: Tx) -> None:
    found = store.search_units(tx, "My Xuyen", kind=UnitKind.COMMUNE)
    assert [unit.full_name for unit in found[:2]] == ["Phường Mỹ Xuyên", "Thị trấn Mỹ Xuyên"]
    assert [unit.full_name for unit in store.search_units(tx, "thoi lai")] == [
        "Xã Thới Lai",
        "Huyện Thới Lai",
        "Thị trấn Thới Lai",
    ]
    assert store.search_units(tx, "dai tam, my xuyen")[0].code == "31690"
    assert store.search_units(tx, "%") == []
    assert store.search_units(tx, " ") == []
    assert len(store.search_units(tx, "xa", limit=3)) == 3


def test_stored_names_are_folded_as_questions_are(tx: Tx) -> None:
    for row in tx.execute("SELECT name, full_name, other_names, name_folded, search_folded FROM admin_unit"):
        others = row.other_names.split(";") if row.other_names else []
        assert row.name_folded == fold(row.name)
        assert row.search_folded == "|".join(map(fold, [row.full_name, *others]))


def test_lineage_of_units(tx: Tx) -> None:
    split = store.resolve_commune(tx, "31178", on=BEFORE)
    heirs = store.successors(tx, split.admin_unit_id)
    assert [(heir.unit.code, heir.partial) for heir in heirs] == [("31120", True), ("31168", True)]
    soc_trang = store.resolve_commune(tx, "31507", on=AFTER)
    assert [past.unit.full_name for past in store.predecessors(tx, soc_trang.admin_unit_id)] == [
        "Phường 5",
        "Phường 7",
        "Phường 8",
        "Phường 6",
    ]
    assert store.successors(tx, soc_trang.admin_unit_id) == []


def test_units_are_listed_by_day(tx: Tx) -> None:
    assert len(store.list_units(tx, UnitKind.PROVINCE, AFTER)) == 34
    can_tho = store.find_units_by_code(tx, "92", AFTER)[0]
    assert len(store.list_units(tx, UnitKind.COMMUNE, AFTER, can_tho.admin_unit_id)) == 103
    assert store.list_units(tx, UnitKind.DISTRICT, AFTER) == []


def test_a_boundary_that_was_not_loaded_is_said_to_be_unknown(tx: Tx) -> None:
    with pytest.raises(BoundaryUnknown):
        store.boundary(tx, 2001)


@pytest.mark.parametrize(
    ("code", "status", "present", "candidates"),
    [
        ("LUC", LandUseStatus.PRESENT, "LUC", ("LUC",)),
        ("NNP", LandUseStatus.GROUP, None, ()),
        ("BHK", LandUseStatus.SUPERSEDED, "HNK", ("HNK",)),
        ("SKX", LandUseStatus.SUPERSEDED, None, ("SKC", "SKS")),
        ("2L", LandUseStatus.OLD_MAP, "LUC", ("LUC",)),
        ("T", LandUseStatus.OLD_MAP, None, ("ODT", "ONT")),
        ("DHT", LandUseStatus.PLANNING, None, ()),
    ],
)
def test_land_use_of_three_generations(
    tx: Tx, code: str, status: LandUseStatus, present: str | None, candidates: tuple[str, ...]
) -> None:
    found = store.land_use_codes(tx)[code]
    assert (found.status, found.present_code, found.present_codes) == (status, present, candidates)


def test_codes_have_dates(tx: Tx) -> None:
    tx.execute(
        "UPDATE code_value SET valid = daterange(NULL, '2024-08-01') WHERE code_list = 'land_use_2014' AND code = 'BHK'"
    )
    assert (
        store.get_code(tx, "land_use_2014", "BHK", dt.date(2024, 7, 31)).name_vi == "Đất bằng trồng cây hàng năm khác"
    )
    with pytest.raises(CodeUnknown):
        store.get_code(tx, "land_use_2014", "BHK", dt.date(2024, 8, 1))


def test_tolerances_of_the_circular(tx: Tx) -> None:
    of_1000 = store.tolerance_for(tx, 1000)
    assert (of_1000.boundary_point_m, of_1000.boundary_point_agricultural_m, of_1000.confirmed) == (0.15, 0.225, False)
    assert store.tolerance_for(tx, 500).boundary_point_agricultural_m == 0.07
    assert store.tolerance_for(tx, 1500).scale == 2000


def test_the_calendar_of_2026(tx: Tx) -> None:
    days = store.calendar(tx, dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert not is_working_day(dt.date(2026, 2, 17), days)
    assert not is_working_day(dt.date(2026, 4, 27), days)
    assert is_working_day(dt.date(2026, 2, 23), days)
    assert [day.on_date.isoformat() for day in days.values() if not day.confirmed] == ["2026-09-01"]


def test_every_committed_row_is_in_the_database(tx: Tx) -> None:
    tables = {"holiday": "working_day_exception"}
    for path in DATA.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            expected = sum(1 for _ in csv.DictReader(file))
        table = tables.get(path.stem, path.stem)
        assert next(t.rows for t in store.loaded_tables(tx) if t.table == table) == expected

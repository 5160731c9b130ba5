"""The committed reference rows: each has a source, each link ends somewhere, nothing holds twice on one day."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

import landdb.reference
from landdb import messages
from landdb.errors import LandError
from landdb.reference import model, procedure

DATA = Path(landdb.reference.__file__).parent / "data"
FILES = sorted(path.stem for path in DATA.glob("*.csv"))
MERGER = "2025-07-01"


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


UNITS = {row["admin_unit_id"]: row for row in rows("admin_unit")}
LINKS = rows("admin_unit_succession")


def test_every_file_is_known() -> None:
    assert FILES == [
        "admin_unit",
        "admin_unit_succession",
        "code_list",
        "code_mapping",
        "code_value",
        "coordinate_zone",
        "holiday",
        "procedure",
        "procedure_paper",
        "procedure_stage",
        "procedure_step",
        "province_meridian",
        "tolerance",
        "working_hours",
    ]


@pytest.mark.parametrize("name", FILES)
def test_every_row_has_a_source_and_clean_text(name: str) -> None:
    for row in rows(name):
        assert row["source"].strip()
        for text in row.values():
            assert text == unicodedata.normalize("NFC", " ".join(text.split()))
            assert not re.search(r"\[source|\[unverified|github|gitlab|https?:", text, re.IGNORECASE)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("admin_unit", ("kind", "code")),
        ("code_value", ("code_list", "code")),
        ("tolerance", ("kind", "scale")),
        ("province_meridian", ("province_name", "purpose")),
        ("procedure", ("code", "province_code")),
        ("working_hours", ("weekday", "opens_at")),
    ],
)
def test_nothing_holds_twice_on_one_day(name: str, key: tuple[str, ...]) -> None:
    by_key: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows(name):
        by_key.setdefault(tuple(row[column] for column in key), []).append(row)
    for same in by_key.values():
        for earlier, later in pairwise(sorted(same, key=lambda row: row["valid_from"])):
            assert earlier["valid_to"]
            assert earlier["valid_to"] <= later["valid_from"]


def test_units_of_both_eras_are_complete() -> None:
    def count(kind: str, code: str, *, old: bool) -> int:
        return sum(
            u["kind"] == kind and u["code"].startswith(code) and bool(u["valid_to"]) is old for u in UNITS.values()
        )

    assert count("province", "", old=False) == 34
    assert count("commune", "", old=False) == 103
    assert count("district", "", old=False) == 0
    soc_trang = next(u for u in UNITS.values() if u["kind"] == "province" and u["code"] == "94")
    assert soc_trang["valid_to"] == MERGER
    districts = {i for i, u in UNITS.items() if u["parent_id"] == soc_trang["admin_unit_id"]}
    assert len(districts) == 11
    assert sum(u["parent_id"] in districts for u in UNITS.values()) == 108


def test_a_child_hangs_under_the_next_level_that_held_at_its_time() -> None:
    for unit in UNITS.values():
        parent = UNITS.get(unit["parent_id"])
        if unit["kind"] == "province":
            assert parent is None
        else:
            assert parent is not None
            expected = "district" if unit["kind"] == "commune" and unit["valid_to"] else "province"
            assert (parent["kind"], parent["valid_to"]) == (expected, unit["valid_to"])


def test_every_old_commune_leads_to_a_new_one_and_every_new_one_has_a_past() -> None:
    old = {i for i, u in UNITS.items() if u["kind"] == "commune" and u["valid_to"]}
    new = {i for i, u in UNITS.items() if u["kind"] == "commune" and not u["valid_to"]}
    between = [link for link in LINKS if UNITS[link["old_unit_id"]]["kind"] == "commune"]
    assert {link["old_unit_id"] for link in between} == old
    assert {link["new_unit_id"] for link in between} == new
    for link in LINKS:
        assert UNITS[link["old_unit_id"]]["code"] == link["old_code"]
        assert UNITS[link["new_unit_id"]]["code"] == link["new_code"]
        assert (
            UNITS[link["old_unit_id"]]["valid_to"] == UNITS[link["new_unit_id"]]["valid_from"] == link["effective_on"]
        )


def test_the_three_split_communes_are_flagged_and_only_they_have_two_heirs() -> None:
    heirs = Counter(link["old_code"] for link in LINKS if len(link["old_code"]) == 5)
    split = {code for code, count in heirs.items() if count > 1}
    assert split == {"31178", "31183", "31207"}
    assert {link["old_code"] for link in LINKS if link["partial"] == "true"} == split


def test_eight_communes_were_left_as_they_were_under_their_own_code() -> None:
    kept = [link for link in LINKS if link["same_territory"] == "true"]
    assert len(kept) == 8
    made_of = Counter(link["new_unit_id"] for link in LINKS)
    assert all(link["old_code"] == link["new_code"] and made_of[link["new_unit_id"]] == 1 for link in kept)


def test_codes_belong_to_a_list_parents_and_mappings_end_somewhere() -> None:
    lists = {row["code_list"] for row in rows("code_list")}
    codes = {(row["code_list"], row["code"]) for row in rows("code_value")}
    assert {code_list for code_list, _ in codes} == lists
    assert all((r["code_list"], r["parent_code"]) in codes for r in rows("code_value") if r["parent_code"])
    mappings = rows("code_mapping")
    assert all((m["from_list"], m["from_code"]) in codes and (m["to_list"], m["to_code"]) in codes for m in mappings)
    for old in ("land_use_2014", "land_use_old_map"):
        mapped = {m["from_code"] for m in mappings if m["from_list"] == old and m["to_list"] == "land_use_2024"}
        assert mapped == {code for code_list, code in codes if code_list == old}


def test_a_mapping_with_several_targets_says_whether_one_or_all_are_meant() -> None:
    targets: dict[tuple[str, str, str], set[str]] = {}
    for m in rows("code_mapping"):
        targets.setdefault((m["from_list"], m["from_code"], m["to_list"]), set()).add(m["kind"])
    counts = Counter((m["from_list"], m["from_code"], m["to_list"]) for m in rows("code_mapping"))
    for key, kinds in targets.items():
        assert len(kinds) == 1
        assert (kinds <= {"one_of", "split"}) is (counts[key] > 1)


def test_both_languages_have_a_text_for_every_refusal() -> None:
    codes = {kind.code for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, LandError)}
    codes = {code for code in codes if code.startswith("reference.")}
    codes |= {kind.code for kind in vars(procedure).values() if isinstance(kind, type) and issubclass(kind, LandError)}
    assert len(codes) >= 23
    for language in messages.LANGUAGES:
        assert codes <= set(messages.catalogue(language))

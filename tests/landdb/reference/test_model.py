"""The rules of the reference model that need no database: folded names, what a commune's text means, zones, the calendar."""

from __future__ import annotations

import datetime as dt
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landdb.reference.model import (
    AdminUnit,
    CalendarDay,
    CommuneUnreadable,
    Succession,
    Tolerance,
    UnitAmbiguous,
    UnitCodeMoved,
    UnitKind,
    UnitUnknown,
    Validity,
    choose_unit,
    fold,
    is_working_day,
    read_commune,
    scale_class,
)

MERGER = dt.date(2025, 7, 1)
TODAY = dt.date(2026, 3, 1)


def unit(admin_unit_id: int, name: str, start: dt.date | None = None, end: dt.date | None = None) -> AdminUnit:
    return AdminUnit(
        admin_unit_id, UnitKind.COMMUNE, "31507", name, name, 1, Validity(start, end), f"{name}, Cần Thơ", "92", "test"
    )


OLD, NEW = unit(1, "Phường 6", end=MERGER), unit(2, "Phường Sóc Trăng", start=MERGER)


def link(to: AdminUnit, *, same_territory: bool = False) -> Succession:
    return Succession(to, False, same_territory, MERGER, None, False)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Xã Đại  Tâm", "xa dai tam"),
        ("ĐẶNG THÙY TRÂM", "dang thuy tram"),
        (unicodedata.normalize("NFD", "Hoà Tú 2"), "hoa tu 2"),
        ("Hòa Tú 2", "hoa tu 2"),
        ("  ", ""),
    ],
)
def test_fold_forgets_diacritics_case_and_spaces(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_fold_is_stable_and_blind_to_normal_form(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


def test_a_commune_is_read_as_code_name_place_and_date() -> None:
    assert read_commune("31690").code == "31690"
    assert read_commune("7954").code == "07954"
    named = read_commune("Xã Đại Tâm, Mỹ Xuyên, Sóc Trăng")
    assert (named.code, named.folded, named.above, named.on) == (None, "xa dai tam", ("my xuyen", "soc trang"), None)
    dated = read_commune("31507 @ 2025-06-30")
    assert (dated.code, dated.on) == ("31507", dt.date(2025, 6, 30))


@pytest.mark.parametrize("text", ["", "  ", ",", "@2025-06-30", "31507@2025-13-01"])
def test_a_text_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(CommuneUnreadable):
        read_commune(text)


def test_a_code_that_moved_is_never_guessed() -> None:
    with pytest.raises(UnitAmbiguous) as refusal:
        choose_unit("31507", [OLD, NEW], {1: [link(NEW)]}, on=None, today=TODAY)
    assert [c["admin_unit_id"] for c in refusal.value.params["candidates"]] == [1, 2]
    assert "Phường 6" in refusal.value.params["names"]
    assert "Phường Sóc Trăng" in refusal.value.params["names"]


def test_a_date_decides_and_the_day_of_the_change_belongs_to_the_new_unit() -> None:
    assert choose_unit("31507", [OLD, NEW], {}, on=MERGER - dt.timedelta(days=1), today=TODAY) is OLD
    assert choose_unit("31507", [OLD, NEW], {}, on=MERGER, today=TODAY) is NEW


def test_a_unit_left_as_it_was_means_todays_row() -> None:
    assert choose_unit("31537", [OLD, NEW], {1: [link(NEW, same_territory=True)]}, on=None, today=TODAY) is NEW


def test_an_ended_code_on_a_later_day_names_what_became_of_it() -> None:
    with pytest.raises(UnitCodeMoved) as refusal:
        choose_unit("31690", [OLD], {1: [link(NEW)]}, on=TODAY, today=TODAY)
    assert "Phường Sóc Trăng" in refusal.value.params["names"]


def test_no_candidate_is_not_found() -> None:
    with pytest.raises(UnitUnknown):
        choose_unit("99999", [], {}, on=None, today=TODAY)


def test_a_map_scale_falls_in_the_next_coarser_class() -> None:
    classes = {200, 500, 1000, 2000, 5000, 10000}
    assert [scale_class(s, classes) for s in (100, 500, 501, 1500, 10000, 25000)] == [
        200,
        500,
        1000,
        2000,
        10000,
        10000,
    ]


def test_area_tolerance_grows_with_the_root_of_the_area_and_never_below_a_tenth() -> None:
    tolerance = Tolerance(1000, 0.1, 1, 0.3, 0.15, 0.225, False, "test")
    assert tolerance.area_difference_m2(10_000) == pytest.approx(30)
    assert tolerance.area_difference_m2(0) == 0.1


def test_working_days_follow_the_week_unless_the_calendar_differs() -> None:
    monday, saturday = dt.date(2026, 4, 27), dt.date(2026, 8, 22)
    off = CalendarDay(monday, "in_lieu", "Nghỉ bù", "In lieu", True, "test")
    worked = CalendarDay(saturday, "working_day", "Làm bù", "Worked", True, "test")
    assert is_working_day(monday, {})
    assert not is_working_day(monday, {monday: off})
    assert not is_working_day(saturday, {})
    assert is_working_day(saturday, {saturday: worked})

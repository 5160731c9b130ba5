"""Numbers, days and outlines as pages write them."""

from __future__ import annotations

import datetime as dt

import pytest

from api.pages import jobs, wording
from api.pages.frame import local_path


def test_numbers_as_vietnamese_write_them() -> None:
    assert wording.number(1234567.25, 1) == "1.234.567,2"
    assert wording.number(1234567.25, 1, language="en") == "1,234,567.2"
    assert wording.area(1234.5) == "1.234,5\u00a0m²"
    assert wording.area(None) == "–"
    assert wording.signed_area(-2.31) == "−2,3\u00a0m²"


def test_days_are_days_in_vietnam() -> None:
    assert wording.day(dt.date(2026, 11, 21)) == "21/11/2026"
    assert wording.day("2026-11-21T18:30:00+00:00") == "22/11/2026"
    assert wording.moment("2026-11-21T18:30:00+00:00") == "22/11/2026 01:30"
    assert wording.day(None) == ""


def test_a_sketch_fits_and_has_north_up() -> None:
    square = {"type": "Polygon", "coordinates": [[[105, 9], [105.001, 9], [105.001, 9.001], [105, 9.001], [105, 9]]]}
    first = wording.sketch(square)[1:].split("L")[0].split()
    assert float(first[1]) == pytest.approx(80, abs=0.5)  # the south-west corner lies at the bottom
    assert wording.sketch(None) == ""
    assert wording.sketch({"type": "Polygon", "coordinates": []}) == ""
    point = {"type": "Polygon", "coordinates": [[[105, 9], [105, 9], [105, 9]]]}
    assert wording.sketch(point) == ""


@pytest.mark.parametrize("foreign", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "", None])
def test_after_sign_in_nobody_leaves_the_site(foreign: str | None) -> None:
    assert local_path(foreign) == "/"
    assert local_path("/map?parcel=1") == "/map?parcel=1"


def test_progress_says_what_is_known() -> None:
    known = {"done": 132000, "total": 1000000, "rows_per_second": 41230, "seconds_left": 21}
    assert jobs.progress_sentence(known, "vi") == "132.000 / 1.000.000 dòng · 41.230 dòng/giây · còn 21 giây"
    unknown = {"done": 0, "total": None, "rows_per_second": None, "seconds_left": None}
    assert jobs.progress_sentence(unknown, "vi") == ""
    assert "còn 2 phút" in jobs.progress_sentence({**known, "seconds_left": 95}, "vi")

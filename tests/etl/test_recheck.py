"""What a row that is judged again is made of: what a person wrote, else what was staged, else the file's own text."""

from __future__ import annotations

from typing import Any

import pytest

from etl.recheck import Substitute, _overwrite, _substitute, _text


def row(**fields: Any) -> dict[str, Any]:
    return {"sheet_no": "1", "parcel_no": "2", "land_uses": None, "holder_name": None, "raw": {}, "mended": None,
            "shape": b"x", "geometry_fault": None, **fields}  # fmt: skip


def test_staged_before_raw() -> None:
    assert _text(row(raw={"parcel_no": " 2 "}), "parcel_no") == "2"
    assert _text(row(parcel_no=None, raw={"parcel_no": "hai"}), "parcel_no") == "hai"


@pytest.mark.parametrize(("written", "read"), [("7", "7"), (None, None), ("  ", None)])
def test_what_a_person_wrote_comes_first(written: str | None, read: str | None) -> None:
    one = row(raw={"parcel_no": "hai"})
    _overwrite(one, {"parcel_no": written})
    assert _text(one, "parcel_no") == read


def test_staged_land_uses_become_text_again() -> None:
    uses = [{"code": "ONT", "area_m2": 100.0}, {"code": "CLN", "area_m2": None}]
    assert _text(row(land_uses=uses), "land_use") == "ONT 100.0; CLN"
    one = row(land_uses=uses)
    _overwrite(one, {"land_use": "LUC"})
    assert _text(one, "land_use") == "LUC"


def test_a_row_of_the_second_file_stands_in_for_that_of_its_number() -> None:
    rows = [
        row(),
        row(parcel_no=None, raw={"parcel_no": "9"}, shape=None, geometry_fault="geometry.missing"),
        row(parcel_no="5"),
    ]
    used = _substitute(
        rows,
        {
            ("1", "9"): Substitute({"holder_name": "Hà"}, b"shape"),
            ("1", "2"): Substitute({}, None),
            ("1", "77"): Substitute({}, b"nobody's"),
        },
    )
    assert used == {("1", "9"), ("1", "2")}
    assert [r["shape"] for r in rows] == [b"x", b"shape", b"x"]
    assert (_text(rows[1], "holder_name"), rows[1]["geometry_fault"]) == ("Hà", None)


def test_a_number_that_a_person_gave_finds_the_row_of_the_second_file() -> None:
    one = row(parcel_no="??", mended={"parcel_no": "9"})
    assert _substitute([one], {("1", "9"): Substitute({}, b"new")}) == {("1", "9")}

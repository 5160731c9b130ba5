"""What each text in the search box is read as, without a database."""

from __future__ import annotations

import pytest

from landdb.views.search_query import (
    CertificateQuestion,
    LonLatQuestion,
    ParcelQuestion,
    PlaceQuestion,
    PlaneQuestion,
    Question,
    SearchUnreadable,
    read_question,
)

BOTH = (("12", "45"), ("45", "12"))


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("thửa 45 tờ 12 Đại Tâm", ParcelQuestion((("12", "45"),), "dai tam")),
        ("thua 45 to 12", ParcelQuestion((("12", "45"),))),
        ("tờ 12 thửa 45 xã Đại Tâm", ParcelQuestion((("12", "45"),), "xa dai tam")),
        ("Thửa đất số 45, tờ bản đồ số 12, xã Đại Tâm", ParcelQuestion((("12", "45"),), "xa dai tam")),
        ("số thửa: 45a; số tờ: 12", ParcelQuestion((("12", "45a"),))),
        ("thửa 45 ở Đại Tâm, Mỹ Xuyên", ParcelQuestion(((None, "45"),), "dai tam, my xuyen")),
        ("tờ 12 phường 5", ParcelQuestion((("12", None),), "phuong 5")),
        ("45/12 dai tam", ParcelQuestion(BOTH, "dai tam")),
        ("12-45", ParcelQuestion(BOTH[::-1])),
        ("105/10", ParcelQuestion((("10", "105"), ("105", "10")))),
        ("12/12", ParcelQuestion((("12", "12"),))),
        ("31690.12.45", ParcelQuestion((("12", "45"),), commune_code="31690")),
        ("Xã Đại Tâm", PlaceQuestion("xa dai tam")),
        ("31690", PlaceQuestion("31690")),
        ("Phường 5", PlaceQuestion("phuong 5")),
    ],
)
def test_parcels_and_places(text: str, reading: Question) -> None:
    found = read_question(text)
    if isinstance(reading, ParcelQuestion) and len(reading.numbers) == 2:
        assert isinstance(found[0], ParcelQuestion)
        assert set(found[0].numbers) == set(reading.numbers)
        assert found[0].place == reading.place
    else:
        assert found == (reading,)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("AA 06654954", CertificateQuestion(serial_folded="AA06654954")),
        ("aa06654954", CertificateQuestion(serial_folded="AA06654954")),
        ("BC 123456", CertificateQuestion(serial_folded="BC123456")),
        ("A 123456", CertificateQuestion(serial_folded="A123456")),
        ("Số phát hành: CD 123 456", CertificateQuestion(serial_folded="CD123456")),
        ("CH 03730", CertificateQuestion(register_nos=("CH 03730", "CH03730"))),
        ("T10100000001", None),
        ("3169011000123", CertificateQuestion(barcode="3169011000123")),
        (
            "01-02-2025-08-30-00|31690|VBDLIS|000123.CN.001|AA 06654954|T19400000001||abc",
            CertificateQuestion(serial_folded="AA06654954", national_code="T19400000001"),
        ),
    ],
)
def test_certificates(text: str, reading: CertificateQuestion | None) -> None:
    expected = reading or CertificateQuestion(national_code="T10100000001")
    assert expected in read_question(text)


def test_register_number_of_six_digits_may_also_be_a_serial() -> None:
    assert read_question("CH 123456") == (
        CertificateQuestion(serial_folded="CH123456"),
        CertificateQuestion(register_nos=("CH 123456", "CH123456")),
    )


@pytest.mark.parametrize(
    ("text", "east_north"),
    [
        ("551587.665 1061541.377", (551587.665, 1061541.377)),
        ("1061541.377 551587.665", (551587.665, 1061541.377)),
        ("X=1061541,377; Y=551587,665", (551587.665, 1061541.377)),
        ("X: 1.061.541,377 Y: 551.587,665", (551587.665, 1061541.377)),
        ("551587 1061541", (551587.0, 1061541.0)),
    ],
)
def test_plane_coordinates_in_either_order(text: str, east_north: tuple[float, float]) -> None:
    assert read_question(text) == (PlaneQuestion(*east_north),)


@pytest.mark.parametrize(
    "text",
    [
        "9.598985, 105.971781",
        "105.971781 9.598985",
        "105,971781; 9,598985",
        "9°35'56.346\" 105°58'18.4116\"",
        "105°58'18.4116\"Đ 9°35'56.346\"B",
    ],
)
def test_degrees(text: str) -> None:
    (found,) = read_question(text)
    assert isinstance(found, LonLatQuestion)
    assert found.lon == pytest.approx(105.971781, abs=1e-9)
    assert found.lat == pytest.approx(9.598985, abs=1e-9)


@pytest.mark.parametrize("text", ["", "   ", "x" * 301])
def test_unreadable(text: str) -> None:
    with pytest.raises(SearchUnreadable):
        read_question(text)

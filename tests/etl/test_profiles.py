"""Fields of other programs become ours; numbers and dates are read as people wrote them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from etl import profiles
from etl.batch import Batch, Origin, Rings, no_faults
from etl.encodings import recognise_columns
from etl.profiles.numbers import parse_date, parse_integer, parse_number

VILIS = ["THUAID", "XAID", "SHBANDO", "SHTHUA", "DIENTICH", "DIENTICHPL", "KHLOAIDAT", "TENCHU", "DIACHI", "DTSD"]
GCADAS = ["thuaDatId", "soHieuToBa", "soThuTuThu", "dienTich", "dienTichPh", "mucDichSuD", "TamX", "TamY"]


def batch(**columns: pa.Array) -> Batch:
    rows = len(next(iter(columns.values())))
    return Batch(Origin("a.shp", "a"), np.arange(1, rows + 1), columns, Rings.none(rows), None, no_faults(rows))


@pytest.mark.parametrize(
    ("text", "number", "raw"),
    [
        ("1234.5", 1234.5, None),
        ("  7 ", 7.0, None),
        ("-3", -3.0, None),
        ("1.234,5", 1234.5, "1.234,5"),
        ("1.234.567,25", 1234567.25, "1.234.567,25"),
        ("1 234,5", 1234.5, "1 234,5"),
        ("1\u00a0234", 1234.0, "1\u00a0234"),
        ("1,234.5", 1234.5, "1,234.5"),
        ("12,5", 12.5, "12,5"),
        ("1.234.567", 1234567.0, "1.234.567"),
        ("120 m2", 120.0, "120 m2"),
        ("120m²", 120.0, "120m²"),
        ("*", None, "*"),
        ("**********", None, "**********"),
        ("abc", None, "abc"),
        ("nan", None, "nan"),
        ("1e999", None, "1e999"),
        ("1.2.3", None, "1.2.3"),
        ("", None, None),
        ("   ", None, None),
        (None, None, None),
    ],
)
def test_numbers(text: str | None, number: float | None, raw: str | None) -> None:
    values, kept = parse_number(pa.array([text], pa.string()))
    assert (values.to_pylist(), kept.to_pylist()) in (([number], [raw]), ([number], [None] if raw is None else [raw]))


def test_one_dot_groups_thousands_only_where_a_comma_says_so() -> None:
    assert parse_number(pa.array(["1.234", "2.5"]))[0].to_pylist() == [1.234, 2.5]
    values, raw = parse_number(pa.array(["1.234", "2,5"]))
    assert values.to_pylist() == [1234.0, 2.5]
    assert raw.to_pylist() == ["1.234", "2,5"]


def test_numbers_that_are_numbers() -> None:
    assert parse_number(pa.array([1, None, 3]))[0].to_pylist() == [1.0, None, 3.0]
    assert parse_number(pa.array([1.5, float("inf"), float("nan")]))[0].to_pylist() == [1.5, None, None]
    assert parse_integer(pa.array(["1:1000", "500", "x", "2.5", None]))[0].to_pylist() == [1000, 500, None, None, None]
    assert parse_integer(pa.array(["1:1000", "500", "x", "2.5", None]))[1].to_pylist() == [None, None, "x", "2.5", None]


def test_dates() -> None:
    values, raw = parse_date(
        pa.array(["20190131", "31/01/2019", "31-1-2019", "2019-01-31", "2019", "31/02/2019", "", None])
    )
    assert values.to_pylist() == [dt.date(2019, 1, 31)] * 4 + [None] * 4
    assert raw.to_pylist() == [None] * 4 + ["2019", "31/02/2019", None, None]
    assert parse_date(pa.array([dt.date(2019, 1, 31)]))[0].to_pylist() == [dt.date(2019, 1, 31)]


@pytest.mark.parametrize(
    ("fields", "winner"),
    [
        (VILIS, "vilis"),
        ([name.lower() for name in VILIS], "vilis"),
        (GCADAS, "gcadas"),
        (["soHieuToBanDo", "soThuTuThua", "dienTich", "soPhatHanh", "soVaoSo", "hoTen"], "vbdlis"),
        (["SO_TO", "SO_THUA", "LOAIDAT", "DTICH"], "general"),
        (["Số tờ", "Số thửa", "Mục đích sử dụng", "Diện tích"], "general"),
    ],
)
def test_the_right_profile_wins(fields: list[str], winner: str) -> None:
    ranked = profiles.score(fields)
    assert ranked[0].profile.name == winner
    assert {"sheet_no", "parcel_no", "declared_area_m2"} <= set(ranked[0].mapped)
    assert ranked[0].score > ranked[1].score or winner == "general"
    assert any("→ parcel_no" in reason for reason in ranked[0].why)


def test_a_sample_that_disagrees_costs_points() -> None:
    names = batch(THUA=pa.array(["Nguyễn", "Trần"]), SOTO=pa.array(["1", "2"]))
    numbers = batch(THUA=pa.array([" 12", "7a"]), SOTO=pa.array(["1", "2"]))
    general = [profiles.load("general")]
    assert (
        profiles.score(["THUA", "SOTO"], names, profiles=general)[0].score
        < profiles.score(["THUA", "SOTO"], numbers, profiles=general)[0].score
    )


def test_fields_that_nobody_reads_are_listed() -> None:
    assert profiles.score([*VILIS, "MSCOLOR"])[0].unread == ("MSCOLOR",)


def test_canonical_columns_are_all_there_and_typed() -> None:
    raw = batch(
        SHBANDO=pa.array([12.0, None]),
        SHTHUA=pa.array([7, 8]),
        DIENTICH=pa.array(["1.234,5", "*"]),
        KHLOAIDAT=pa.array([" ONT+CLN ", ""]),
        TYLE=pa.array(["1:2000", None]),
    )
    done = profiles.apply(raw, profiles.load("vilis"))
    assert set(profiles.CANONICAL) <= set(done.columns)
    assert done.columns["sheet_no"].to_pylist() == ["12", None]
    assert done.columns["parcel_no"].to_pylist() == ["7", "8"]
    assert done.columns["land_use"].to_pylist() == ["ONT+CLN", None]
    assert done.columns["declared_area_m2"].to_pylist() == [1234.5, None]
    assert done.columns["declared_area_m2__raw"].to_pylist() == ["1.234,5", "*"]
    assert done.columns["scale"].to_pylist() == [2000, None]
    assert done.columns["scale"].type == pa.int32()
    assert done.columns["certificate_issued_on"].type == pa.date32()
    assert all(done.columns[name].type == pa.string() for name in profiles.TEXT_COLUMNS)
    empty = profiles.apply(batch(X=pa.nulls(2, pa.string())), profiles.load("general"))
    assert [c.type for c in empty.columns.values()] == [c.type for c in done.columns.values()]


def test_legacy_text_is_decoded_and_its_bytes_kept() -> None:
    bytes_ = [b"Nguy\xd4n V\xa8n An", b"Tr\xc7n Th\xde B\xddch", None]
    raw = batch(SHTHUA=pa.array([1, 2, 3]), TENCHU=pa.array(bytes_, pa.binary()))
    done = profiles.apply(raw, profiles.load("vilis"), recognise_columns(raw.columns))
    assert done.columns["holder_name"].to_pylist() == ["Nguyễn Văn An", "Trần Thị Bích", None]
    assert done.columns["holder_name__raw"].to_pylist() == bytes_
    assert "address__raw" not in done.columns


def test_a_profile_of_the_user_s_own(tmp_path: Path) -> None:
    path = tmp_path / "phap.toml"
    path.write_text(
        'title = "Pháp"\n[columns]\nparcel_no = "numero"\ndeclared_area_m2 = ["contenance"]\n'
        '[templates]\nsheet_no = "{prefixe}{section}"\nsource_key = "{id}"\n[constants]\nscale = "1000"\n', "utf-8"
    )  # fmt: skip
    profile = profiles.load(path)
    raw = batch(
        prefixe=pa.array(["000", None]),
        section=pa.array(["AB", None]),
        numero=pa.array(["37", "1"]),
        contenance=pa.array([254881, 5]),
    )
    done = profiles.apply(raw, profile).columns
    assert done["sheet_no"].to_pylist() == ["000AB", None]
    assert done["scale"].to_pylist() == [1000, 1000]
    assert done["source_key"].to_pylist() == [None, None]
    fixed = profiles.apply(raw, profile.fixed({"sheet_no": "9"})).columns
    assert fixed["sheet_no"].to_pylist() == ["9", "9"]


def test_profiles_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(profiles.ProfileUnknown):
        profiles.load("nope")
    with pytest.raises(profiles.ProfileUnknown):
        profiles.load("../secrets")
    with pytest.raises(profiles.ProfileUnknown):
        profiles.load(tmp_path / "none.toml")
    for text in ("[columns]\nwrong_name = ['X']", "not toml", "columns = 5"):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(profiles.ProfileInvalid):
            profiles.load(tmp_path / "bad.toml")
    with pytest.raises(profiles.ProfileInvalid):
        profiles.load("general").fixed({"wrong_name": "1"})


def test_built_in_profiles_know_the_aliases_of_the_table() -> None:
    general = profiles.load("general")
    table = {
        "sheet_no": "SHBANDO SHTOBD SOTO TOBD SOBANDO SO_TO TO_BD SOHIEUTOBANDO To",
        "parcel_no": "SHTHUA SOTHUA SO_THUA THUA SOTHUTUTHUA Thua",
        "declared_area_m2": "DIENTICH DTICH AREA Shape_Area",
        "legal_area_m2": "DIENTICHPL DTPL",
        "land_use": "KHLOAIDAT MALOAIDAT LOAIDAT MDSD KH2003 MDSD2003",
        "holder_name": "TENCHU HOTEN HO_TEN CHU",
        "address": "DIACHI DIADANH",
        "temporary_no": "SHTHUATAM",
    }
    for column, names in table.items():
        for name in names.split():
            assert profiles.mapping(general, [name]) == {column: name}
    assert {profile.name for profile in profiles.built_in()} == {"general", "gcadas", "landdb", "vbdlis", "vilis"}

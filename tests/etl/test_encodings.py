"""Old Vietnamese encodings: told from each other, from foreign languages, and from text that another tool misread."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyogrio
import pytest

from etl.encodings import (
    Recognised,
    decode_as,
    decode_column,
    is_syllable,
    recognise,
    recognise_columns,
    to_nfc,
)

TEXTS = [
    "Nguyễn Văn An",
    "Trần Thị Bích Thủy",
    "Đất ở tại nông thôn",
    "xã Đại Tâm, huyện Mỹ Xuyên",
    "Thạch Sà Rết",
    "Thốt Nốt",
]

# Written by hand from the tables of the two standards, not by our own encoder.
TCVN3 = [b"Nguy\xd4n V\xa8n An", b"Tr\xc7n Th\xde B\xddch Th\xf1y", b"\xa7\xcat \xeb t\xb9i n\xabng th\xabn",
         b"x\xb7 \xa7\xb9i T\xa9m, huy\xd6n M\xfc Xuy\xaan", b"Th\xb9ch S\xb5 R\xd5t", b"Th\xe8t N\xe8t"]  # fmt: skip
VNI = [b"Nguye\xe3n Va\xean An", b"Tra\xe0n Th\xf2 B\xedch Thu\xfby", b"\xd1a\xe1t \xf4\xfb ta\xefi no\xe2ng tho\xe2n",
       b"xa\xf5 \xd1a\xefi Ta\xe2m, huye\xe4n My\xf5 Xuye\xe2n", b"Tha\xefch Sa\xf8 Re\xe1t", b"Tho\xe1t No\xe1t"]  # fmt: skip


def binary(values: list[bytes | None]) -> pa.Array:
    return pa.array(values, pa.binary())


@pytest.mark.parametrize(("name", "raw"), [("tcvn3", TCVN3), ("vni", VNI)])
def test_a_legacy_column_is_recognised_and_decoded(name: str, raw: list[bytes]) -> None:
    column = decode_column(binary([*raw, None, b"ascii only"]))
    assert (column.encoding, column.misread) == (name, False)
    assert column.values.to_pylist() == [*TEXTS, None, "ascii only"]
    assert column.confidence > 0.95
    assert column.evidence.share == 1.0
    assert column.evidence.surnames >= 2
    assert (raw[0].decode("latin-1"), TEXTS[0]) in column.samples
    assert len(column.undecodable) == 0


@pytest.mark.parametrize(("name", "raw"), [("tcvn3", TCVN3), ("vni", VNI)])
@pytest.mark.parametrize("page", ["latin-1", "cp1252"])
def test_text_that_was_decoded_with_the_wrong_page(name: str, raw: list[bytes], page: str) -> None:
    column = decode_column(pa.array([value.decode(page) for value in raw]))
    assert (column.encoding, column.misread, column.values.to_pylist()) == (name, True, TEXTS)


def test_utf8_in_its_three_states() -> None:
    assert recognise(binary([text.encode() for text in TEXTS])).encoding == "utf-8"
    assert recognise(pa.array(TEXTS)).encoding == "utf-8"
    broken = decode_column(pa.array([text.encode().decode("latin-1") for text in TEXTS]))
    assert (broken.encoding, broken.misread, broken.values.to_pylist()) == ("utf-8-as-cp1252", True, TEXTS)


def test_decomposed_text_becomes_nfc() -> None:
    loose = pa.array([unicodedata.normalize("NFD", text) for text in TEXTS])
    assert decode_column(loose).values.to_pylist() == TEXTS
    assert to_nfc(loose)[1] == len([text for text in TEXTS if not text.isascii()])


def test_cp1258_is_its_own_page() -> None:
    raw = [
        b"Nguy\xea\xden V\xe3n An",
        b"Tr\xe2\xccn Th\xf2 B\xedch",
        b"\xd0\xe2\xect \xf5\xd2 n\xf4ng th\xf4n",
        b"Th\xf4\xect N\xf4\xect",
        b"Ph\xf9\xf5ng Ph\xfa",
    ]
    column = decode_column(binary(raw), "cp1258")
    assert column.encoding == "cp1258"
    assert column.values[3].as_py() == "Thốt Nốt"


@pytest.mark.parametrize(
    "texts",
    [
        ["Müller Straße", "Größe", "Flurstück für Häuser", "Köln", "Äcker", "über dem Bach"],
        ["Señor Muñoz", "José Peña", "Calle del Año", "está aquí", "Córdoba", "Camión"],
        ["Né à l'école", "côté du pré", "forêt", "Les Prés", "La Vallée", "thé", "dès l'été"],
        ["né", "thé", "pré", "dès"],
        ["Lot 4, section B", "Crown land", "façade", "naïve"],
        ["São João", "Avenida da Conceição", "Três Irmãos"],
        ["Göteborg", "Ängelholm", "Malmö", "Åre"],
    ],
)
def test_other_languages_are_left_alone(texts: list[str]) -> None:
    column = decode_column(binary([text.encode("latin-1") for text in texts]), "cp1252")
    assert (column.encoding, column.values.to_pylist()) == ("cp1252", texts)
    assert column.confidence < 0.75
    assert decode_column(pa.array(texts)).values.to_pylist() == texts


def test_the_declaration_is_believed_only_if_it_fits() -> None:
    assert recognise(binary(TCVN3), "utf-8").encoding == "tcvn3"
    assert recognise(binary(TCVN3), "cp1252").encoding == "tcvn3"
    assert recognise(binary(["Größe".encode("cp850")]), "cp850").encoding == "cp850"
    assert recognise(binary(["Größe".encode("latin-1")]), "no-such-page").encoding == "cp1252"


def test_a_short_column_follows_the_clear_ones() -> None:
    found = recognise_columns({"TENCHU": binary(TCVN3), "LOAI": binary([b"v\xad\xeen", None]), "SO": pa.array([1, 2])})
    assert {name: one.encoding for name, one in found.items()} == {"TENCHU": "tcvn3", "LOAI": "tcvn3"}
    alone = recognise(binary([b"v\xad\xeen"]))
    assert alone.confidence < 0.75


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"NGUY\xd4N V\xa1N \xb8NH", "NGUYỄN VĂN ÁNH"),
        (b"Nguy\xd4n V\xa8n \xb8nh", "Nguyễn Văn Ánh"),
        (b"L\xaa \xb8nh", "Lê Ánh"),
        (b"Th\xabn Thanh \xcam", "Thôn Thanh Ấm"),
        (b"\xa7\xcat \xeb", "Đất ở"),
        (b"\xa7\xcat \xeb n\xabng th\xabn", "Đất ở nông thôn"),
    ],
)
def test_capitals_that_tcvn3_cannot_write(raw: bytes, text: str) -> None:
    found = recognise(binary(TCVN3))
    assert decode_as(binary([raw]), found).values.to_pylist() == [text]


def test_rows_that_cannot_be_read_are_named_and_the_others_stay() -> None:
    column = decode_column(binary([*TCVN3, None, b"Nguy\xd4n \x90\xff", TCVN3[0]]))
    assert column.encoding == "tcvn3"
    assert column.undecodable.tolist() == [7]
    assert "\ufffd" in column.values[7].as_py()
    assert column.values[8].as_py() == TEXTS[0]
    cut = decode_column(binary([*[text.encode() for text in TEXTS] * 3, "Thị".encode()[:-1]]))
    assert (cut.encoding, cut.undecodable.tolist()) == ("utf-8", [18])


def test_a_column_that_looked_plain_at_first() -> None:
    found = recognise(binary([b"12", b"Kho"]))
    assert found.encoding == "ascii"
    assert found.decode(binary(TCVN3)).values.to_pylist() == TEXTS


@pytest.mark.parametrize(
    "values",
    [
        ["Nguyễn Văn Ánh", None, "Đất ở", ""],
        ["Nguyễn Văn Ánh", unicodedata.normalize("NFD", "Nguyễn Văn Ánh")],
        ["xã", "\u0301a", "e"],
        ["một \ufffd hai", "ba"],
        ["a", None],
        ["Å", "\u212b"],
    ],
)
def test_a_whole_column_reads_as_its_values_one_by_one(values: list[str | None]) -> None:
    found = Recognised("utf-8", 1.0)
    raw = [None if value is None else value.encode() for value in values]
    for column in (pa.array(values, pa.string()), pa.array(raw, pa.binary())):
        for part in (column, column.slice(1)):
            normal = [None if v is None else unicodedata.normalize("NFC", v) for v in values[len(values) - len(part) :]]
            decoded = decode_as(part, found)
            assert decoded.values.to_pylist() == normal
            assert decoded.undecodable.tolist() == [i for i, v in enumerate(normal) if v is not None and "\ufffd" in v]


def test_a_letter_cut_in_two_is_not_mended_by_its_neighbour() -> None:
    letter = "ễ".encode()
    decoded = decode_as(pa.array([letter[:1], letter[1:]], pa.binary()), Recognised("utf-8", 1.0))
    assert decoded.undecodable.tolist() == [0, 1]


def test_nothing_and_separators() -> None:
    assert decode_column(pa.nulls(3, pa.binary())).values.to_pylist() == [None] * 3
    assert decode_column(binary([])).values.to_pylist() == []
    assert decode_column(binary([TCVN3[0] + b"\x1e" + TCVN3[1], *TCVN3])).values[1].as_py() == TEXTS[0]


def test_syllables() -> None:
    good = "nguyễn thủy quốc giếng gì khuỷu nghiêng ương yên huyền đường ẩn oanh xoong thuở quýt Ơn hoà hòa"
    bad = "müller größe straße señor mạt̉ nguyễnn màt zạ fi strạ école bảc tạiviệt"
    assert [word for word in good.split() if not is_syllable(word)] == []
    assert [word for word in bad.split() if is_syllable(word)] == []


real = pytest.mark.skipif(
    not os.environ.get("LANDDB_REAL_DATA"), reason="LANDDB_REAL_DATA does not point at foreign files"
)


@real
def test_real_tcvn3_documents() -> None:
    """The .rtf files hold TCVN3 as \\'xx escapes; their transcripts were made by other hands."""
    folder = Path(os.environ["LANDDB_REAL_DATA"], "vn-encoding", "viparse-corpus")
    for rtf in sorted((folder / "corpus" / "public-domain" / "tcvn3").glob("*.rtf")):
        source = re.sub(r"\r?\n", "", rtf.read_text("latin-1"))
        lines = [
            re.sub(r"\\'([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), part)
            for part in re.split(r"\\par\b|\\cell\b", source)
        ]
        lines = [re.sub(r"\\[a-z]+-?\d* ?|[{}]", "", line).strip() for line in lines]
        raw = [line.encode("latin-1") for line in lines if any(letter >= "\xb5" for letter in line)]
        column = decode_column(binary(raw))
        assert column.encoding == "tcvn3"
        assert column.evidence.share > 0.9
        wanted = set(
            re.findall(
                r"\w+",
                unicodedata.normalize("NFC", (folder / "transcript" / f"{rtf.stem}.txt").read_text("utf-8")).lower(),
            )
        )
        found = {word for line in column.values.to_pylist() for word in re.findall(r"\w+", line.lower())}
        assert len(wanted & found) > 0.9 * len({word for word in wanted if not word.isascii()})


@real
def test_no_foreign_cadastre_turns_vietnamese() -> None:
    seen = 0
    for path in sorted(Path(os.environ["LANDDB_REAL_DATA"], "parcels").rglob("*")):
        if path.suffix.lower() not in (".geojson", ".json", ".shp", ".gml", ".gpkg"):
            continue
        try:
            _, table = pyogrio.raw.read_arrow(path)
        except Exception:  # not every file of that folder is a map
            continue
        for name, column in zip(table.column_names, table.columns, strict=True):
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                found = recognise(column.combine_chunks().cast(pa.string()))
                assert found.encoding in ("ascii", "utf-8"), (path.name, name, found)
                seen += 1
    assert seen > 100

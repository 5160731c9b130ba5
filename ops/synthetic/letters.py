"""Writing Vietnamese the way old cadastral software did: TCVN3 (ABC) and VNI bytes.

The two tables below are our own compact form of public facts. Source: TCVN 5712:1993 (VN3) and the VNI-Windows
convention; checked byte by byte against the encoding tables of the project's notes (74 bytes, 140 sequences).

TCVN3 has no capitals with tone marks, so "Ấp" is written with a small letter ("ấp") as real files have it; only
Ă Â Ê Ô Ơ Ư Đ exist. VNI writes base letter and mark as two bytes.
"""

from .columns import Column, pa

TCVN3_LETTERS = (
    "A1ĂÂÊÔƠƯĐăâêôơưđ B5àảãáạ BBằẳẵắ C6ặầẩẫấậ CCè CEẻẽéẹềểễếệìỉ DCĩíịò E1ỏõóọồổỗốộờởỡớ EEợù F1ủũúụừửữứựỳỷỹýỵ"
)
"""Runs of letters on consecutive bytes; each run begins with its first byte in hexadecimal."""

VNI_SINGLE = {
    "ỉ": "æ", "ì": "ì", "í": "í", "ỵ": "î", "đ": "ñ", "ị": "ò", "ĩ": "ó", "ơ": "ô", "ư": "ö",
}  # fmt: skip
VNI_BASE = {
    "a": {"à": "ø", "á": "ù", "ả": "û", "ã": "õ", "ạ": "ï", "â": "â", "ầ": "à", "ấ": "á", "ẩ": "å", "ẫ": "ã", "ậ": "ä",
          "ă": "ê", "ằ": "è", "ắ": "é", "ẳ": "ú", "ẵ": "ü", "ặ": "ë"},
    "e": {"è": "ø", "é": "ù", "ẻ": "û", "ẽ": "õ", "ẹ": "ï", "ê": "â", "ề": "à", "ế": "á", "ể": "å", "ễ": "ã", "ệ": "ä"},
    "o": {"ò": "ø", "ó": "ù", "ỏ": "û", "õ": "õ", "ọ": "ï", "ô": "â", "ồ": "à", "ố": "á", "ổ": "å", "ỗ": "ã", "ộ": "ä"},
    "ô": {"ờ": "ø", "ớ": "ù", "ở": "û", "ỡ": "õ", "ợ": "ï"},
    "u": {"ù": "ø", "ú": "ù", "ủ": "û", "ũ": "õ", "ụ": "ï"},
    "ö": {"ừ": "ø", "ứ": "ù", "ử": "û", "ữ": "õ", "ự": "ï"},
    "y": {"ỳ": "ø", "ý": "ù", "ỷ": "û", "ỹ": "õ"},
}  # fmt: skip


def tcvn3_table() -> dict[int, str]:
    """Unicode letter → the byte, as the Latin-1 character that carries it; capitals with a tone go small."""
    table: dict[int, str] = {}
    for run in TCVN3_LETTERS.split():
        first = int(run[:2], 16)
        table.update({ord(letter): chr(first + k) for k, letter in enumerate(run[2:])})
    for letter in [chr(c) for c in table]:
        table.setdefault(ord(letter.upper()), table[ord(letter)])
    return table


def vni_table() -> dict[int, str]:
    """Unicode letter → one or two bytes, as the Latin-1 characters that carry them."""
    table = {ord(letter): code for letter, code in VNI_SINGLE.items()}
    for base, marks in VNI_BASE.items():
        table.update({ord(letter): base + mark for letter, mark in marks.items()})
    table.update({ord(chr(c).upper()): code.upper() for c, code in list(table.items())})
    return table


TABLES = {"tcvn3": tcvn3_table(), "vni": vni_table()}


def as_carrier(text: str, encoding: str) -> str:
    """The text whose Latin-1 bytes are `text` in the old encoding ("tcvn3" or "vni")."""
    return text.translate(TABLES[encoding])


def column_as_carrier(column: Column, encoding: str) -> Column:
    """A whole text column; each different value is converted once, all in one piece of text."""
    coded = column.dictionary_encode()
    words = as_carrier("\n".join(coded.dictionary.to_pylist()), encoding).split("\n")
    return pa.array(words, pa.string()).take(coded.indices) if len(coded.dictionary) else column

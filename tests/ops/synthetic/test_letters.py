"""Old letters: what we write is what the old software wrote."""

import codecs

import pytest

from ops.synthetic.letters import TABLES, as_carrier

LETTERS = "àảãáạằẳẵắặăầẩẫấậâèẻẽéẹềểễếệêìỉĩíịòỏõóọồổỗốộôờởỡớợơùủũúụừửữứựưỳỷỹýỵđ"


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Nguyễn Văn An", "tcvn3", "NguyÔn V¨n An"),
        ("Thốt Nốt", "tcvn3", "Thèt Nèt"),
        ("Thôn Thanh Ấm", "tcvn3", "Th«n Thanh Êm"),
        ("Đỗ Thị Út", "tcvn3", "§ç ThÞ ót"),
        ("Nguyễn Thị Hường", "vni", "Nguyeãn Thò Höôøng"),
        ("Đặng Văn Ước", "vni", "Ñaëng Vaên Öôùc"),
    ],
)
def test_known_words(text: str, encoding: str, expected: str) -> None:
    assert as_carrier(text, encoding) == expected


def test_every_letter_has_its_own_bytes() -> None:
    for table in TABLES.values():
        codes = [table[ord(letter)] for letter in LETTERS]
        assert len(set(codes)) == len(LETTERS) == 67


def test_tcvn3_small_letters_agree_with_the_systems_own_converter() -> None:
    """iconv knows TCVN 5712-1; compared through it where the machine has it."""
    import shutil
    import subprocess

    if shutil.which("iconv") is None:
        pytest.skip("iconv is not installed")
    raw = as_carrier(LETTERS, "tcvn3").encode("latin-1")
    back = subprocess.run(["iconv", "-f", "TCVN5712-1", "-t", "UTF-8"], input=raw, capture_output=True, check=True)
    assert codecs.decode(back.stdout, "utf-8") == LETTERS

"""Finds out how a column's text is encoded, says why it thinks so, and turns it into Unicode (NFC).

Old cadastral files hold Vietnamese in fonts' own codes (TCVN3, VNI) and say nothing about it; others were opened once
with the wrong code page and saved as Unicode. A guess here is never silent: it comes with the share of words that are
possible Vietnamese syllables, with samples before and after, and with the rows that it could not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.batch import binary_parts

# TCVN 5712:1993, the single-byte set of the .Vn fonts: byte → letter. Source: codes/tcvn3_unicode.csv (74 rows,
# agreeing with iconv TCVN5712-1). Of the accented capitals it has only Ă Â Ê Ô Ơ Ư Đ; the others are lower case in another font.
_TCVN3_BYTES = bytes.fromhex(
    "A1A2A3A4A5A6A7A8A9AAABACADAEB5B6B7B8B9BBBCBDBEC6C7C8C9CACBCCCECFD0D1D2D3D4D5D6D7D8DCDDDEDF"
    "E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF1F2F3F4F5F6F7F8F9FAFBFCFDFE"
)
_TCVN3_LETTERS = "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ"

# VNI Windows fonts: a base letter, then a mark with a code of its own. Source: codes/vni_unicode.csv (140 sequences).
# Two characters in, one letter out; below them the letters of one character.
_VNI_PAIRS = """
    aàầ aáấ aââ aãẫ aäậ aåẩ aèằ aéắ aêă aëặ aïạ aõã aøà aùá aúẳ aûả aüẵ eàề eáế eâê eãễ eäệ eåể eïẹ eõẽ eøè eùé
    eûẻ iøì iùí oàồ oáố oâô oãỗ oäộ oåổ oïọ oõõ oøò oùó oûỏ uïụ uõũ uøù uùú uûủ yïỵ yõỹ yøỳ yùý yûỷ ôïợ ôõỡ ôøờ
    ôùớ ôûở öïự öõữ öøừ öùứ öûử
    """
_VNI_SINGLES = "æỉ ìì íí îỵ ñđ òị óĩ ôơ öư"

# Our own tables of what a syllable may begin with and rhyme on, tones left aside. Checked against 2,400 distinct words
# of four official texts: the 32 that they refuse are abbreviations and typing errors.
_ONSETS = "b c ch d đ g gh gi h k kh l m n ng ngh nh p ph qu r s t th tr v x"
_RHYMES = """
    a ai ao au ay ac ach am an ang anh ap at ă ăc ăm ăn ăng ăp ăt â âc âm ân âng âp ât âu ây e ec em en eng eo ep
    et ê êch êm ên êng ênh êp êt êu i ia ich iêc iêm iên iêng iêp iêt iêu im in inh ip it iu o oc oi om on ong ooc
    oong op ot oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oe oen oeo oet ô ôc ôi ôm ôn
    ông ôp ôt ơ ơi ơm ơn ơp ơt u ua uc ui um un ung up ut uân uâng uât uây uê uêch uênh uêt uơ uy uya uych uyên
    uyêt uyn uynh uyt uyp uyu uôc uôi uôm uôn uông uôt ư ưa ưc ưi ưm ưn ưng ưt ưu ươc ươi ươm ươn ương ươp ươt ươu
    y yên yêt yêm yêng yêu yn ynh yt ych
    """
_ONSET_LIST = _ONSETS.split()
_RHYME_SET = frozenset(_RHYMES.split())
_STOPPED = ("c", "ch", "p", "t")
_TONES = {"\u0300": "huyền", "\u0301": "sắc", "\u0303": "ngã", "\u0309": "hỏi", "\u0323": "nặng"}

_SURNAMES = """
    nguyễn trần lê phạm hoàng huỳnh phan vũ võ đặng bùi đỗ hồ ngô dương lý đinh trương đoàn lâm mai trịnh đào
    phùng thạch sơn kim danh châu tạ tô hà cao lương lưu quách thái từ ông triệu vương
    """
SURNAMES = frozenset(_SURNAMES.split())
"""Common family names, Khmer ones of the Mekong delta included; they tip the balance for very short columns."""

_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_SAMPLE = 3000
_ENOUGH = 0.75
_SEPARATOR = "\x1e"
_GAP = "\ufffd"


@dataclass(frozen=True)
class Evidence:
    """Why a column is thought to be in an encoding.

    words: distinct words with letters beyond ASCII that were tried. valid: those that are possible Vietnamese
    syllables once decoded. surnames: common family names among them. rivals: share of valid words in other encodings.
    """

    words: int = 0
    valid: int = 0
    surnames: int = 0
    rivals: dict[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Valid words among all tried, 0..1."""
        return self.valid / self.words if self.words else 0.0


@dataclass(frozen=True)
class Recognised:
    """A column's encoding. confidence 0..1; below 0.75 it is a guess that a person should confirm.

    encoding: ascii, utf-8, tcvn3, vni, cp1258, utf-8-as-cp1252, or a declared single-byte page.
    misread: the text came as Unicode, but had been decoded with the wrong page before it reached us.
    """

    encoding: str
    confidence: float
    evidence: Evidence = field(default_factory=Evidence)
    misread: bool = False

    @property
    def is_legacy(self) -> bool:
        """Whether the text had to be turned from something other than Unicode."""
        return self.encoding not in ("ascii", "utf-8")

    def decode(self, values: pa.Array) -> DecodedColumn:
        """A column (one batch of it) read in this encoding."""
        return decode_as(values, self)


@dataclass(frozen=True)
class DecodedColumn:
    """A column as Unicode. undecodable: indices of rows whose text has characters that the encoding does not know.

    In such rows the unreadable places hold U+FFFD; the raw column stays with the caller. samples: (raw, decoded).
    """

    values: pa.Array
    encoding: str
    confidence: float
    evidence: Evidence
    samples: list[tuple[str, str]]
    undecodable: npt.NDArray[np.int64]
    misread: bool = False


def decode_column(values: pa.Array, declared: str | None = None) -> DecodedColumn:
    """Recognises and decodes one column. Null stays null. declared: what the file says, believed only if it fits."""
    found = recognise(values, declared)
    return decode_as(values, found)


def decode_as(values: pa.Array, found: Recognised) -> DecodedColumn:
    """Decodes a column in an encoding that is already known, so that all batches of a file are read alike."""
    if not found.misread and not found.is_legacy and _is_plain(values, ascii_only=found.encoding == "ascii"):
        return _as_it_is(values, found)
    encoded = values.dictionary_encode()
    raw = encoded.dictionary.to_pylist()
    if found.encoding == "ascii" and not all(value.isascii() for value in raw):
        found = _recognise(raw, None)  # the rows seen before had nothing to tell by
    texts = _decode_all(raw, found)
    bad = np.array([_GAP in text for text in texts], bool)
    decoded = pc.take(pa.array(texts, pa.string()), encoded.indices)
    rows = np.zeros(0, np.int64)
    if bad.any():
        index = np.asarray(encoded.indices.fill_null(0)).astype(np.int64)
        rows = np.flatnonzero(bad[index] & np.asarray(encoded.indices.is_valid()))
    return DecodedColumn(
        decoded, found.encoding, found.confidence, found.evidence, _samples(raw, texts), rows, found.misread
    )


def _is_plain(values: pa.Array, *, ascii_only: bool) -> bool:
    """Whether a whole column is sound UTF-8 in NFC: told from its bytes at once, where text by text takes fifty times as long."""
    offsets, data = binary_parts(values)
    high = data >= 0x80
    if not high.any():
        return True
    if ascii_only:
        return False
    begins = data[np.minimum(offsets[:-1], len(data) - 1)][np.diff(offsets) > 0]
    if ((begins & 0xC0) == 0x80).any():
        return False  # a letter cut in two by the border of two values looks whole in the joined bytes
    try:
        text = data.tobytes().decode("utf-8")
    except UnicodeDecodeError:
        return False
    # A part of a text in NFC is in NFC.
    return _GAP not in text and unicodedata.is_normalized("NFC", text)


def _as_it_is(values: pa.Array, found: Recognised) -> DecodedColumn:
    texts = values.cast(pa.string())
    raw = pc.unique(values.slice(0, _SAMPLE)).drop_null()
    samples = _samples(raw.to_pylist(), raw.cast(pa.string()).to_pylist())
    none = np.zeros(0, np.int64)
    return DecodedColumn(texts, found.encoding, found.confidence, found.evidence, samples, none, found.misread)


def recognise(values: pa.Array, declared: str | None = None) -> Recognised:
    """The encoding of one column of binary or string values, by its distinct values only."""
    raw = [value for value in pc.unique(values).to_pylist() if value is not None]
    return _recognise(raw, declared)


def recognise_columns(columns: Mapping[str, pa.Array], declared: str | None = None) -> dict[str, Recognised]:
    """The encodings of all text columns of a layer. Columns with too little text follow the layer's clear ones."""
    textual = {name: column for name, column in columns.items() if _is_text(column.type)}
    found = {name: recognise(column, declared) for name, column in textual.items()}
    clear = [one for one in found.values() if one.is_legacy and one.confidence >= _ENOUGH and one.evidence.words]
    if not clear:
        return found
    leader = max(clear, key=lambda one: one.evidence.words)
    for name, one in found.items():
        unsure = one.encoding not in ("ascii", leader.encoding) and one.confidence < _ENOUGH
        if unsure and one.evidence.rivals.get(leader.encoding, 0.0) >= 0.5:
            found[name] = Recognised(leader.encoding, _ENOUGH, one.evidence, leader.misread)
    return found


def is_syllable(word: str) -> bool:
    """Can this be a Vietnamese syllable? Any case, any Unicode form."""
    return _syllable(unicodedata.normalize("NFC", word).lower())


def to_nfc(values: pa.Array) -> tuple[pa.Array, int]:
    """A string column in NFC, and how many of its rows were not."""
    normal = pc.utf8_normalize(values, form="NFC")
    changed = pc.sum(pc.not_equal(normal, values)).as_py()
    return normal, int(changed or 0)


# --- recognising ----------------------------------------------------------------------------------------------------


def _is_text(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (pa.types.is_binary, pa.types.is_string, pa.types.is_large_binary, pa.types.is_large_string)
    )


def _recognise(raw: Sequence[bytes | str], declared: str | None) -> Recognised:
    telling = [value for value in raw if not value.isascii()]
    if not telling:
        return Recognised("ascii", 1.0)
    step = max(1, len(telling) // _SAMPLE)
    sample = telling[::step]
    if isinstance(sample[0], str):
        return _of_text([str(value) for value in sample])
    return _of_bytes([value for value in sample if isinstance(value, bytes)], declared)


def _of_bytes(sample: list[bytes], declared: str | None) -> Recognised:
    utf8 = sum(_is_utf8(value) for value in sample) / len(sample)
    # Hardly any text in another encoding is valid UTF-8 by chance. A few values may be cut in the middle of a letter.
    if utf8 >= 0.7:
        joined = [value.decode("utf-8", "ignore") for value in sample]
        inner = _of_text(joined)
        return inner if inner.is_legacy else Recognised("utf-8", utf8, inner.evidence)
    carriers = [value.decode("latin-1") for value in sample]
    scores = {name: _score(carriers, name) for name in ("tcvn3", "vni", "cp1258")}
    return _best(scores, fallback=_page(declared), misread=False)


def _of_text(sample: list[str]) -> Recognised:
    """Text that is Unicode already: right as it is, or decoded with the wrong page by an earlier tool."""
    as_is = _measure(sample, sample)
    if any(ord(letter) > 0x17F and unicodedata.category(letter)[0] == "L" for value in sample for letter in value):
        # ễ, ư and the like cannot come out of a wrong Western page.
        return Recognised("utf-8", 1.0, as_is)
    carriers = [carrier for value in sample if (carrier := _as_carrier(value)) is not None]
    if not carriers:
        return Recognised("utf-8", 1.0, as_is)
    double = [value for value in carriers if _is_utf8(value.encode("latin-1"))]
    if len(double) >= 0.9 * len(carriers):
        again = [value.encode("latin-1").decode("utf-8") for value in double]
        evidence = _measure(double, again)
        return Recognised("utf-8-as-cp1252", _confidence(evidence, 0.0), evidence, misread=True)
    scores = {name: _score(carriers, name) for name in ("tcvn3", "vni")}
    scores["utf-8"] = as_is
    return _best(scores, fallback="utf-8", misread=True)


def _best(scores: dict[str, Evidence], *, fallback: str, misread: bool) -> Recognised:
    name, best = max(scores.items(), key=lambda item: (item[1].share, item[0] == "utf-8"))
    rivals = {other: round(evidence.share, 3) for other, evidence in scores.items()}
    second = max((share for other, share in rivals.items() if other != name), default=0.0)
    evidence = Evidence(best.words, best.valid, best.surnames, rivals)
    sure = _confidence(best, second)
    if name == "utf-8" or sure < _ENOUGH:
        settled = 1.0 if misread else max(0.0, 0.5 - best.share / 2)
        return Recognised(fallback, settled, evidence)
    return Recognised(name, sure, evidence, misread)


def _confidence(evidence: Evidence, second: float) -> float:
    """Near 1 with many valid words and no rival; one valid word proves little, a family name more."""
    if evidence.share < 0.7 or evidence.share <= second:
        return 0.0
    weight = evidence.valid + 2 * evidence.surnames
    return round(evidence.share * (1 - 0.5**weight), 3)


def _page(declared: str | None) -> str:
    name = (declared or "").lower()
    if name in ("", "utf-8", "ascii"):
        return "cp1252"
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name


def _score(carriers: list[str], encoding: str) -> Evidence:
    return _measure(carriers, [_DECODERS[encoding](value) for value in carriers])


def _measure(before: list[str], after: list[str]) -> Evidence:
    """Counts only the words that had letters beyond ASCII: the others say nothing about the encoding."""
    words: set[str] = set()
    for raw, text in zip(before, after, strict=True):
        if raw.isascii():
            continue
        words.update(word for word in _words(text) if not word.isascii())
    valid = {word for word in words if _syllable(word)}
    return Evidence(len(words), len(valid), len(valid & SURNAMES))


def _words(text: str) -> list[str]:
    # A gap or a leftover symbol glued to letters is part of the word, and so makes it invalid.
    normal = unicodedata.normalize("NFC", text).lower()
    return re.findall(r"[^\s\d_!-/:-@\[-`{-~]+", normal)


@lru_cache(maxsize=200_000)
def _syllable(word: str) -> bool:
    plain = unicodedata.normalize("NFD", word)
    tones = [letter for letter in plain if letter in _TONES]
    base = unicodedata.normalize("NFC", "".join(letter for letter in plain if letter not in _TONES))
    if len(tones) > 1 or not 1 <= len(base) <= 7:
        return False
    tone = _TONES[tones[0]] if tones else ""
    # A syllable closed by p, t, c or ch carries sắc or nặng and nothing else.
    if tone in ("huyền", "hỏi", "ngã") and base.endswith(_STOPPED):
        return False
    return (
        base in _RHYME_SET
        or any(
            base.startswith(onset) and (base[len(onset) :] in _RHYME_SET or (onset == "gi" and base == "gi"))
            for onset in _ONSET_LIST
        )
        or (base.startswith("gi") and "i" + base[2:] in _RHYME_SET)
    )


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _as_carrier(text: str) -> str | None:
    """The single-byte text behind a misread value, a character per byte; None where it cannot be one."""
    if all(ord(letter) < 0x100 for letter in text):
        return text
    try:
        return text.encode("cp1252").decode("latin-1")
    except UnicodeEncodeError:
        return None


# --- decoding -------------------------------------------------------------------------------------------------------


def _tcvn3_table() -> dict[int, str]:
    table = dict.fromkeys(range(0x80, 0x100), _GAP)
    table[0xA0] = " "
    table.update(zip(_TCVN3_BYTES, _TCVN3_LETTERS, strict=True))
    return table


def _vni_sequences() -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in (_VNI_PAIRS + _VNI_SINGLES).split():
        raw, letter = entry[:-1], entry[-1]
        table[raw] = letter
        table[raw.upper()] = letter.upper()
        if len(raw) == 2:  # some hands type a small mark on a capital
            table[raw[0].upper() + raw[1]] = letter.upper()
    return table


_TCVN3 = _tcvn3_table()
_VNI = _vni_sequences()
_VNI_PATTERN = re.compile("|".join([*sorted(map(re.escape, _VNI), key=len, reverse=True), "[\u0080-\u00ff]"]))


def _from_tcvn3(carrier: str) -> str:
    return carrier.translate(_TCVN3)


def _from_vni(carrier: str) -> str:
    return _VNI_PATTERN.sub(lambda match: _VNI.get(match[0], " " if match[0] == "\xa0" else _GAP), carrier)


def _from_cp1258(carrier: str) -> str:
    return unicodedata.normalize("NFC", carrier.encode("latin-1").decode("cp1258", "replace"))


def _from_utf8(carrier: str) -> str:
    return carrier.encode("latin-1").decode("utf-8", "replace")


_DECODERS: dict[str, Callable[[str], str]] = {
    "tcvn3": _from_tcvn3,
    "vni": _from_vni,
    "cp1258": _from_cp1258,
    "utf-8-as-cp1252": _from_utf8,
}


def _decode_all(raw: Sequence[bytes | str], found: Recognised) -> list[str]:
    """All distinct values in one go where possible: one translation of a long text beats a million short ones."""
    carriers = [_carrier(value, found) for value in raw]
    decoder = _DECODERS.get(found.encoding)
    joined = _SEPARATOR.join(carriers)
    if joined.count(_SEPARATOR) != max(len(carriers) - 1, 0):
        texts = [_nfc(decoder(value) if decoder else value) for value in carriers]
    else:
        texts = _nfc(decoder(joined) if decoder else joined).split(_SEPARATOR) if carriers else []
    return [_recased(text) for text in texts] if found.encoding == "tcvn3" else texts


def _carrier(value: bytes | str, found: Recognised) -> str:
    if isinstance(value, bytes):
        if found.encoding in ("ascii", "utf-8") or (found.misread and _is_utf8(value)):
            text = value.decode("utf-8", "replace")
            return text if not found.misread else _as_carrier(text) or text
        return value.decode("latin-1") if found.encoding in _DECODERS else value.decode(found.encoding, "replace")
    if found.encoding in _DECODERS:
        return _as_carrier(value) or value
    return value


def _nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


_LOWER_ACCENTED = "".join(letter for letter in _TCVN3_LETTERS if letter.islower())
_SUSPECT = re.compile(rf"[A-ZĂÂÊÔƠƯĐ][{_LOWER_ACCENTED}]|[{_LOWER_ACCENTED}][A-ZĂÂÊÔƠƯĐ]|(?:^|\s)[{_LOWER_ACCENTED}]")


def _recased(text: str) -> str:
    """Mends the case that TCVN3 cannot write: its accented capitals are small letters shown in a capital font.

    NGUYễN VăN áNH → NGUYỄN VĂN ÁNH, and Nguyễn Văn ánh → Nguyễn Văn Ánh where all other words begin with a capital.
    "Đất ở" stays as it is: one word alone proves nothing.
    """
    if text.isascii() or not _SUSPECT.search(text):
        return text
    plain = [letter for letter in text if letter.isascii() and letter.isalpha()]
    if len(plain) >= 2 and all(letter.isupper() for letter in plain):
        return text.upper()
    words = text.split(" ")
    letters = [word for word in words if word[:1].isalpha()]
    small = [word for word in letters if word[0] in _LOWER_ACCENTED]
    others = [word for word in letters if word[0] not in _LOWER_ACCENTED]
    named = bool(letters) and letters[0].lower() in SURNAMES
    if small and (len(others) >= 2 or (named and others)) and all(word[0].isupper() for word in others):
        return " ".join(word[:1].upper() + word[1:] if word in small else word for word in words)
    return text


def _samples(raw: Sequence[bytes | str], texts: list[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for value, text in zip(raw, texts, strict=True):
        if value is None or value.isascii():
            continue
        shown = value.decode("latin-1") if isinstance(value, bytes) else value
        pairs.append((shown, text))
        if len(pairs) == 5:
            break
    return pairs

"""What a person may have meant by the text in the search box, read without a database.

One text may have several readings ("12-45" is sheet 12 parcel 45, or the other way round): all are returned, none is guessed.
Formats of serials, register numbers, QR text and bar code: TT 10/2024/TT-BTNMT and the forms before it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from landdb.errors import Malformed
from landdb.reference.model import fold

MAX_LENGTH = 300


class SearchUnreadable(Malformed):
    """The text is empty or longer than any reference. Params: ``max_length``."""

    code = "search.unreadable"


@dataclass(frozen=True)
class ParcelQuestion:
    """A parcel called by its numbers (số tờ, số thửa), perhaps with a place.

    ``numbers`` holds each reading as (sheet_no, parcel_no); null: that number was not given. ``place`` is folded, empty
    where none was given; ``commune_code`` is set only by the working key "31690.12.45".
    """

    numbers: tuple[tuple[str | None, str | None], ...]
    place: str = ""
    commune_code: str | None = None


@dataclass(frozen=True)
class CertificateQuestion:
    """A certificate (giấy chứng nhận) by what is printed on it; each null where that is not what was typed.

    ``serial_folded`` has no blanks and capital letters; ``register_nos`` are spellings under which the number may stand.
    ``national_code`` (mã GCN) and ``barcode`` are recognised, and answered as unknown where no file has brought them.
    """

    serial_folded: str | None = None
    register_nos: tuple[str, ...] = ()
    national_code: str | None = None
    barcode: str | None = None


@dataclass(frozen=True)
class LonLatQuestion:
    """A point in WGS 84, degrees."""

    lon: float
    lat: float


@dataclass(frozen=True)
class PlaneQuestion:
    """A point in metres of some VN-2000 zone; which zone is not in the text."""

    east_m: float
    north_m: float


@dataclass(frozen=True)
class PlaceQuestion:
    """The name or code of a commune, district or province, folded."""

    place: str


Question = ParcelQuestion | CertificateQuestion | LonLatQuestion | PlaneQuestion | PlaceQuestion


def read_question(text: str) -> tuple[Question, ...]:
    """Every reading of ``text``, the most specific first; a text that is nothing else is a place.

    Raises: SearchUnreadable.
    """
    clean = " ".join(unicodedata.normalize("NFC", text).replace("\ufeff", "").split())
    if not clean or len(clean) > MAX_LENGTH:
        raise SearchUnreadable(max_length=MAX_LENGTH)
    certain = _point(clean) or _qr(clean)
    if certain is not None:
        return (certain,)
    parcel = _parcel(fold(clean))
    readings: list[Question] = [*_certificates(clean)]
    if parcel is not None:
        readings.append(parcel)
    return tuple(readings) or (PlaceQuestion(fold(clean)),)


# ------------------------------------------------------------------ parcels

_NO = r"(?P<{name}>\d+[a-z]{{0,2}}(?:[-.]\d+[a-z]?)?)(?![\d])"
_PARCEL = re.compile(r"\b(?:so )?thua(?: dat)?(?: so)?\s*[:.]?\s*" + _NO.format(name="no"))
_SHEET = re.compile(r"\b(?:so )?(?:to|tbd)(?: ban do)?(?: so)?\s*[:.]?\s*" + _NO.format(name="no"))
_PAIR = re.compile(r"^(?P<a>\d{1,4}[a-z]?)\s*[-/,; ]\s*(?P<b>\d{1,4}[a-z]?)(?:[\s,;-]+(?P<place>[^\d].*))?$")
_WORKING_KEY = re.compile(r"^(?P<code>\d{5})[.\s/-](?P<sheet>\d+[a-z]?)[./-](?P<parcel>\d+[a-z]?)$")
_NOT_PLACE = re.compile(r"^(?:(?:o|tai|thuoc|cua)\b|[\s,;.:\-–/])+|[\s,;.:\-–/]+$")


def _parcel(folded: str) -> ParcelQuestion | None:
    key = _WORKING_KEY.match(folded)
    if key:
        return ParcelQuestion(((key["sheet"], key["parcel"]),), commune_code=key["code"])
    named = _named_parcel(folded)
    if named:
        return named
    pair = _PAIR.match(folded)
    if not pair:
        return None
    a, b = pair["a"], pair["b"]
    orders = ((b, a), (a, b)) if a != b else ((a, b),)
    return ParcelQuestion(orders, _place(pair["place"] or ""))


def _named_parcel(folded: str) -> ParcelQuestion | None:
    parcel, sheet = _PARCEL.search(folded), _SHEET.search(folded)
    if parcel is None and sheet is None:
        return None
    rest = folded
    for found in sorted((m for m in (parcel, sheet) if m), key=lambda m: -m.start()):
        rest = rest[: found.start()] + " " + rest[found.end() :]
    return ParcelQuestion(((sheet["no"] if sheet else None, parcel["no"] if parcel else None),), _place(rest))


def _place(text: str) -> str:
    """What is left once the numbers are gone, without the little words and signs that joined them."""
    inner = re.sub(r"\s*,[\s,]*", ", ", " ".join(text.split()))
    return _NOT_PLACE.sub("", inner).strip()


# ------------------------------------------------------------------ certificates

_SERIAL = re.compile(r"^(?:[A-ZĐ]{1,2}\d{6}|[A-Z]{2}\d{8})$")
_REGISTER = re.compile(r"^(?P<book>CT|CH|VP|CN|CS)(?P<number>\d{1,8})$")
_NATIONAL = re.compile(r"^[TH][123]\d{10}$")
_BARCODE = re.compile(r"^(?:\d{13}|\d{15})$")
_CALLED = re.compile(r"^(?:gcn|giay chung nhan|so phat hanh|seri(?:al)?|so vao so|ma vach|ma gcn)(?: so)?\s*[:.]?\s*")


def _certificates(clean: str) -> list[CertificateQuestion]:
    # A folded character may differ in length from its letter only under decomposition, and ``clean`` is composed.
    called = _CALLED.match(fold(clean))
    bare = re.sub(r"[\s.\-]", "", clean[called.end() if called else 0 :]).upper()
    found: list[CertificateQuestion] = []
    if _SERIAL.match(bare):
        found.append(CertificateQuestion(serial_folded=bare))
    register = _REGISTER.match(bare)
    if register:
        spellings = (f"{register['book']} {register['number']}", bare)
        found.append(CertificateQuestion(register_nos=spellings))
    if _NATIONAL.match(bare):
        found.append(CertificateQuestion(national_code=bare))
    if _BARCODE.match(bare):
        found.append(CertificateQuestion(barcode=bare))
    return found


def _qr(clean: str) -> CertificateQuestion | None:
    """The text of the QR code: eight fields, the fifth is the serial, the sixth the national code."""
    fields = [field.strip() for field in clean.split("|")]
    if len(fields) != 8:
        return None
    serial = re.sub(r"\s", "", fields[4]).upper()
    return CertificateQuestion(serial_folded=serial or None, national_code=fields[5] or None)


# ------------------------------------------------------------------ coordinates

_DEGREES = re.compile(
    r"(?P<d>\d{1,3})\s*[°º]\s*(?:(?P<m>\d{1,2}(?:[.,]\d+)?)\s*['′’]\s*)?"
    r"(?:(?P<s>\d{1,2}(?:[.,]\d+)?)\s*(?:[\"″”]|''|’’))?\s*(?P<side>[NEBĐ](?![^\W\d_]))?",
    re.IGNORECASE,
)
# 551587.665 · 551587,665 · 1.061.541,377 · 1,061,541.377
_NUMBER = re.compile(
    r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}|\d+[.,]\d+|\d+"
)
_LABEL = re.compile(r"\b(?:x|y|e|n|lat|lon|lng|long|vi do|kinh do|toa do|vn-?2000|wgs-?84)\b\s*[:=(]?", re.IGNORECASE)
# Vietnam with its seas: enough to tell latitude from longitude, and easting from northing, whatever the order.
_LAT, _LON = (6.0, 24.0), (101.0, 118.0)
_EAST, _NORTH = (100_000.0, 870_000.0), (870_000.0, 2_700_000.0)


def _point(clean: str) -> LonLatQuestion | PlaneQuestion | None:
    degrees = _degrees(clean)
    values = degrees or _numbers(clean)
    if values is None:
        return None
    # "105/10" is a parcel and a sheet: degrees show their sign or their decimals.
    if degrees is None and all(value.is_integer() for value in values) and values[0] < 1000:
        return None
    for first, second in (values, values[::-1]):
        if _within(first, _LON) and _within(second, _LAT):
            return LonLatQuestion(first, second)
    low, high = sorted(values)
    if _within(low, _EAST) and _within(high, _NORTH):
        return PlaneQuestion(low, high)
    return None


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _degrees(clean: str) -> tuple[float, float] | None:
    parts = list(_DEGREES.finditer(clean))
    if len(parts) != 2:
        return None
    first, second = (
        float(p["d"]) + float((p["m"] or "0").replace(",", ".")) / 60 + float((p["s"] or "0").replace(",", ".")) / 3600
        for p in parts
    )
    return first, second


def _numbers(clean: str) -> tuple[float, float] | None:
    """Two numbers and nothing else but labels and separators; null otherwise. Commas may be decimal ones."""
    bare = _LABEL.sub(" ", fold(clean))
    found = list(_NUMBER.finditer(bare))
    if len(found) != 2 or _NUMBER.sub("", bare).strip(" ,;:/()=m|") != "":
        return None
    first, second = (_value(match[0]) for match in found)
    return first, second


def _value(text: str) -> float:
    dots, commas = text.count("."), text.count(",")
    if dots and commas:
        thousands = "." if text.rfind(",") > text.rfind(".") else ","
        return float(text.replace(thousands, "").replace(",", "."))
    if dots > 1 or commas > 1:
        return float(text.replace(".", "").replace(",", ""))
    return float(text.replace(",", "."))

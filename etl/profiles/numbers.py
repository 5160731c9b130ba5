"""Numbers and dates as people wrote them, in columns: read where the meaning is plain, kept as raw text where it is not."""

from __future__ import annotations

import datetime as dt
import re

import pyarrow as pa
import pyarrow.compute as pc

_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_COMMA_DECIMALS = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+$"
_DOT_GROUPS = r"^[+-]?\d{1,3}(\.\d{3}){2,}$"
_COMMA_GROUPS = r"^[+-]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})$"
_ONE_DOT_GROUP = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
_UNIT = r"(?i)\s*(m2|m²|m)?\s*$"
_SPACES = "[\\s\u00a0\u202f]"


def parse_number(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """(float64, raw text) of a text or number column.

    1.234,5 is 1234.5; 1 234,5 too; 1,234.5 too. A value such as 1.234 alone is 1.234, unless a value with a decimal comma
    in the same batch shows that dots group thousands there. Null number: nothing given, or not a number such as "*".
    Raw is null where the text was a plain number or blank, so every value that needed reading can be shown.
    """
    if not _is_text(values.type):
        number = values.cast(pa.float64())
        finite = pc.is_finite(number)
        return pc.if_else(finite, number, None), pa.nulls(len(values), pa.string())
    text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    text = pc.if_else(pc.equal(text, ""), None, text)
    plain = pc.match_substring_regex(text, _PLAIN)
    if pc.all(plain, min_count=0).as_py() is not False:
        number = text.cast(pa.float64())
        if pc.all(pc.is_finite(number), min_count=0).as_py() is not False:
            return number, pa.nulls(len(values), pa.string())
    return _read_odd(text, plain)


def _read_odd(text: pa.Array, plain: pa.Array) -> tuple[pa.Array, pa.Array]:
    bare = pc.replace_substring_regex(pc.replace_substring_regex(text, _UNIT, ""), _SPACES, "")
    decimal_comma = pc.match_substring_regex(bare, _COMMA_DECIMALS)
    dots = pc.match_substring_regex(bare, _DOT_GROUPS)
    if pc.any(decimal_comma, min_count=0).as_py():
        dots = pc.or_(dots, pc.match_substring_regex(bare, _ONE_DOT_GROUP))
    commas = pc.match_substring_regex(bare, _COMMA_GROUPS)
    no_dots = pc.replace_substring(bare, ".", "")
    bare = pc.if_else(
        decimal_comma,
        pc.replace_substring(no_dots, ",", "."),
        pc.if_else(dots, no_dots, pc.if_else(commas, pc.replace_substring(bare, ",", ""), bare)),
    )
    number = pc.if_else(pc.match_substring_regex(bare, _PLAIN), bare, None).cast(pa.float64())
    number = pc.if_else(pc.is_finite(number), number, None)
    untouched = pc.and_(pc.and_(plain, number.is_valid()), pc.invert(dots))
    return number, pc.if_else(untouched, None, text)


def parse_integer(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """(int32, raw text): whole numbers such as a map's scale. "1:1000" is 1000."""
    if _is_text(values.type):
        values = pc.replace_substring_regex(values.cast(pa.string()), r"^\s*1\s*[:/]\s*", "")
    number, raw = parse_number(values)
    whole = pc.and_(pc.equal(pc.floor(number), number), pc.less(pc.abs(number), 2**31))
    text = raw if not _is_text(values.type) else pc.coalesce(raw, pc.if_else(whole, None, values.cast(pa.string())))
    return pc.if_else(whole, number, None).cast(pa.int32()), text


def parse_date(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """(date32, raw text): 20190131, 31/01/2019, 31-1-2019, 31.01.2019 or ISO. A year alone is not a date."""
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        return values.cast(pa.date32(), safe=False), pa.nulls(len(values), pa.string())
    encoded = values.cast(pa.string()).dictionary_encode()
    texts = [text.strip() or None if text is not None else None for text in encoded.dictionary.to_pylist()]
    days = [_day(text) for text in texts]
    raws = [text if day is None else None for text, day in zip(texts, days, strict=True)]
    return (
        pc.take(pa.array(days, pa.date32()), encoded.indices),
        pc.take(pa.array(raws, pa.string()), encoded.indices),
    )


_DAY_FIRST = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$")
_YEAR_FIRST = re.compile(r"^(\d{4})[/-]?(\d{2})[/-]?(\d{2})(?:[T ].*)?$")


def _day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    day_first, year_first = _DAY_FIRST.match(text), _YEAR_FIRST.match(text)
    try:
        if day_first:
            day, month, year = (int(part) for part in day_first.groups())
            return dt.date(year, month, day)
        if year_first:
            year, month, day = (int(part) for part in year_first.groups())
            return dt.date(year, month, day) if year >= 1000 else None
    except ValueError:
        return None
    return None


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null))

"""What a parcel is called by: commune, sheet and parcel number, written as the register writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.batch import Batch, Mask
from etl.rules.context import Findings, RuleContext, column, is_blank

_NUMBER = r"^[1-9][0-9]{0,6}[A-Za-z]?$|^[1-9][0-9]{0,6}-[1-9][0-9]{0,4}$"
"""45, 45a, 12-1: digits with an optional letter, or a number with a part; sheets and parcels alike (file practice)."""
_NAMED_SHEET = r"^[0-9]{0,5}[A-ZĐ]{1,2}[0-9]{0,4}$"
"""DC12: sheets alone may also be called by one or two capitals with figures; so are the sections of French maps (000AB)."""


@dataclass(frozen=True, eq=False)
class References:
    """Normalised reference columns; null where missing or malformed. complete: both numbers are sound."""

    commune_code: pa.Array
    sheet_no: pa.Array
    parcel_no: pa.Array
    complete: Mask


def check_references(batch: Batch, context: RuleContext, findings: Findings) -> References:
    """Numbers must be there and readable; a commune code, where given, must be this import's. All blocking."""
    sheet = _checked_number(batch, "sheet_no", "parcel.sheet", findings, normal_sheet)
    parcel = _checked_number(batch, "parcel_no", "parcel.number", findings, normal_number)
    commune = _checked_commune(batch, context, findings)
    complete = np.asarray(pc.and_(sheet.is_valid(), parcel.is_valid()))
    return References(commune, sheet, parcel, complete)


def normal_number(texts: pa.Array) -> pa.Array:
    """Sheet or parcel numbers without blanks, leading zeros and a float's ".0"; null where they are not numbers.

    A letter stays as written ("45A" and "45a" are told apart only on paper: see `number_key`).
    """
    bare = _bare(texts)
    return pc.if_else(pc.match_substring_regex(bare, _NUMBER), bare, pa.scalar(None, pa.string()))


def normal_sheet(texts: pa.Array) -> pa.Array:
    """Sheet numbers in the same way; sheets may have names of letters and figures too."""
    bare = _bare(texts)
    named = pc.match_substring_regex(bare, _NAMED_SHEET)
    return pc.if_else(pc.or_(named, pc.match_substring_regex(bare, _NUMBER)), bare, pa.scalar(None, pa.string()))


def number_key(numbers: pa.Array) -> pa.Array:
    """Numbers for comparison: letters in lower case."""
    return pc.utf8_lower(numbers)


def _bare(texts: pa.Array) -> pa.Array:
    bare = pc.replace_substring_regex(texts, r"\s+", "")
    bare = pc.replace_substring_regex(bare, r"^(\d+)[.,]0+$", r"\1")
    bare = pc.replace_substring_regex(bare, r"^0+([1-9])", r"\1")
    return pc.replace_substring_regex(bare, r"-0+([0-9])", r"-\1")


def _checked_number(
    batch: Batch, name: str, code: str, findings: Findings, normal_form: Callable[[pa.Array], pa.Array]
) -> pa.Array:
    texts = column(batch, name, pa.string())
    distinct = texts.dictionary_encode()
    normal = normal_form(distinct.dictionary).take(distinct.indices)
    blank = is_blank(distinct.dictionary.take(distinct.indices))
    findings.add(f"{code}_missing", blank, field=name)
    findings.add(f"{code}_malformed", ~blank & np.asarray(normal.is_null()), field=name)
    return normal


def _checked_commune(batch: Batch, context: RuleContext, findings: Findings) -> pa.Array:
    texts = pc.utf8_trim_whitespace(column(batch, "commune_code", pa.string()))
    distinct = texts.dictionary_encode()
    full = pc.replace_substring_regex(distinct.dictionary, r"\.0+$", "")
    # Spreadsheets drop the leading zero of 07954.
    full = pc.if_else(pc.match_substring_regex(full, r"^\d{1,4}$"), pc.utf8_lpad(full, 5, "0"), full)
    codes = full.take(distinct.indices)
    if context.commune_codes:
        known = np.asarray(pc.is_in(codes, pa.array(sorted(context.commune_codes), pa.string())))
        wrong = ~known & ~is_blank(codes)
        findings.add(
            "parcel.wrong_commune",
            wrong,
            field="commune_code",
            params={"expected": ", ".join(sorted(context.commune_codes))},
        )
    return codes

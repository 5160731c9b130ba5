"""Signs that a text was read wrongly, found in the raw bytes of whole columns."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa

from etl.batch import Batch, Bytes, Ints, Mask, binary_parts, combining
from etl.rules.context import Findings

_TEXT = (pa.types.is_string, pa.types.is_large_string)
_RAW = (pa.types.is_binary, pa.types.is_large_binary)


def check_text(batch: Batch, findings: Findings) -> None:
    """Undecodable text blocks its row (a name would be lost); control characters are a warning, other forms a note."""
    for name, values in batch.columns.items():
        if name.endswith("__raw"):
            _check_form(name.removesuffix("__raw"), batch, findings)
            continue
        if any(test(values.type) for test in _RAW):
            offsets, data = binary_parts(values)
            findings.add("text.undecodable", _rows_with(offsets, data >= 0x80, batch.rows), field=name)
        elif any(test(values.type) for test in _TEXT):
            _check_column(name, values, findings)


def _check_column(name: str, values: pa.Array, findings: Findings) -> None:
    offsets, data = binary_parts(values)
    rows = len(values)
    findings.add("text.undecodable", _rows_with(offsets, _replacement(data), rows), field=name)
    findings.add("text.control_characters", _rows_with(offsets, _control(data), rows), field=name)
    maybe = np.flatnonzero(_rows_with(offsets, combining(data), rows))
    other = [i for i in maybe.tolist() if not unicodedata.is_normalized("NFC", values[i].as_py())]
    findings.add("text.not_nfc", np.array(other, np.int64), field=name)


def _check_form(name: str, batch: Batch, findings: Findings) -> None:
    """Notes rows whose raw bytes say the same as the text, but in another Unicode form."""
    raw, text = batch.columns[f"{name}__raw"], batch.columns.get(name)
    if text is None or not pa.types.is_binary(raw.type):
        return
    offsets, data = binary_parts(raw)
    maybe = np.flatnonzero(_rows_with(offsets, combining(data), batch.rows))
    other = [i for i in maybe.tolist() if _is_other_form(raw[i].as_py(), text[i].as_py())]
    findings.add("text.not_nfc", np.array(other, np.int64), field=name)


def _is_other_form(raw: bytes, text: str | None) -> bool:
    try:
        given = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    normal = unicodedata.normalize("NFC", given)
    return normal != given and normal.strip() == text


def _replacement(data: Bytes) -> Mask:
    """Where the replacement character (EF BF BD) begins."""
    out: Mask = data == 0xEF
    if out.any():
        out[:-2] &= (data[1:-1] == 0xBF) & (data[2:] == 0xBD)
        out[-2:] = False
    return out


def _control(data: Bytes) -> Mask:
    """C0 controls other than tab and line ends, DEL, and C1 controls (C2 80 … C2 9F)."""
    out: Mask = ((data < 0x20) & (data != 9) & (data != 10) & (data != 13)) | (data == 0x7F)
    lead = np.flatnonzero(data[:-1] == 0xC2)
    out[lead[(data[lead + 1] >= 0x80) & (data[lead + 1] <= 0x9F)]] = True
    return out


def _rows_with(offsets: Ints, marks: Mask, rows: int) -> Mask:
    """Rows that contain a marked byte."""
    out = np.zeros(rows, bool)
    at = np.flatnonzero(marks)
    if len(at):
        out[np.searchsorted(offsets, at, side="right") - 1] = True
    return out

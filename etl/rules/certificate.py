"""Serial and register numbers of certificates: do they look like any that were ever issued?"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.batch import Batch, without
from etl.rules.context import BLANKS, Findings, column, is_blank

_SERIAL = r"^[A-ZĐ]{1,2}[0-9]{6}$|^[A-Z]{2}[0-9]{8}$|^[TH][1-3][0-9]{10}$"
"""1–2 letters + 6 digits (laws of 1993, 2003, 2013), 2 letters + 8 (from 2025-01-01), or the 12-character certificate
code. Source: TT 10/2024/TT-BTNMT Đ15 k3 for the code; the serials from certificates of each period."""

_REGISTER_NO = r"^(CT|CH|VP|CN)?[0-9]{1,8}$"
"""Source: TT 10/2024/TT-BTNMT Đ38; older books number without letters. Others may exist, so another form is only noted."""


def check_certificates(batch: Batch, findings: Findings) -> pa.Array:
    """An odd serial is a warning, an odd register number a note. Returns serials without blanks, in capitals."""
    register = _bare(column(batch, "certificate_register_no", pa.string()))
    _note(register, _REGISTER_NO, "certificate.register_no_unusual", "certificate_register_no", findings)
    serial = _bare(column(batch, "certificate_serial", pa.string()))
    _note(serial, _SERIAL, "certificate.serial_malformed", "certificate_serial", findings)
    return pc.if_else(pa.array(is_blank(serial)), pa.scalar(None, pa.string()), serial)


def _bare(texts: pa.Array) -> pa.Array:
    return pc.utf8_upper(without(texts, BLANKS + b".")) if texts.null_count < len(texts) else texts


def _note(bare: pa.Array, pattern: str, code: str, field: str, findings: Findings) -> None:
    odd = ~np.asarray(pc.fill_null(pc.match_substring_regex(bare, pattern), True)) & ~is_blank(bare)
    findings.add(code, odd, field=field)

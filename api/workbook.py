"""Lists as XLSX, as officers take them along: one sheet, a bold head, every text a text.

A cell that begins with =, +, - or @ would run as a formula in the reader's program; such text is stored with the quote prefix,
so it shows unchanged and does nothing. Numbers stay numbers.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
# Control characters cannot stand in the XML of a workbook.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def workbook(head: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "LandDB") -> bytes:
    """The file's bytes. Null is an empty cell; lists are joined by semicolons."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(_CONTROL.sub("", title)[:31])
    sheet.freeze_panes = "A2"

    def cell(value: Any, *, bold: bool = False) -> Any:
        made = WriteOnlyCell(sheet, value=_value(value))
        if isinstance(made.value, str):
            made.data_type = "s"  # openpyxl would make a formula of "=…"
            made.quotePrefix = made.value.startswith(_FORMULA)
        if bold:
            made.font = Font(bold=True)
        return made

    sheet.append([cell(text, bold=True) for text in head])
    for row in rows:
        sheet.append([cell(value) for value in row])
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def _value(value: Any) -> Any:
    if isinstance(value, dt.datetime):  # a workbook's instants carry no offset
        return value.isoformat(timespec="seconds")
    if value is None or isinstance(value, bool | int | float | dt.date):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return "; ".join(str(_value(each)) for each in value)
    return _CONTROL.sub("", str(value))


def download(content: bytes, name: str) -> Response:
    """The workbook as a file to save."""
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return Response(content, media_type=XLSX, headers={"Content-Disposition": disposition, "Cache-Control": "no-store"})

"""CSV and XLSX: the columns without the shapes, for those who count and write letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv

from landdb.errors import Invalid

if TYPE_CHECKING:
    from etl.writers import LayerRows

MAX_LINES = 1_048_576
"""Lines of one worksheet. Source: specification of the program that made the format."""
_BOM = b"\xef\xbb\xbf"


class TooManyRows(Invalid):
    """params: layer, limit."""

    code = "export.too_many_rows"


def write_csv(path: Path, layer: LayerRows) -> None:
    """One table, UTF-8 with the mark that spreadsheets need to see it."""
    with path.open("wb") as out:
        out.write(_BOM)
        with csv.CSVWriter(out, layer.schema) as writer:
            for batch in layer.batches:
                writer.write_batch(batch)


def write_workbook(path: Path, layers: Iterable[LayerRows]) -> None:
    """A workbook with one sheet a table. Raises: ``export.too_many_rows``."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for layer in layers:
        sheet = book.create_sheet(layer.name[:31])
        sheet.append(layer.schema.names)
        sheet.freeze_panes = "A2"
        for line, values in enumerate(_lines(layer.batches), start=2):
            if line > MAX_LINES:
                raise TooManyRows(layer=layer.name, limit=MAX_LINES)
            sheet.append([_cell(sheet, value) for value in values])
    book.save(path)


def _lines(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(sheet: Any, value: Any) -> Any:
    """Text stays text: a name that begins with "=" must not become a formula."""
    if not isinstance(value, str) or value[:1] not in ("=", "+", "-", "@"):
        return value
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=value)
    cell.data_type = "s"
    return cell

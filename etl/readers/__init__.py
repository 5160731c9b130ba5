"""Reads clients' files through a child process: what a file is (`inspect`), and its rows in column batches (`read`).

Whatever happens to the child (killed, crashed, out of memory, stuck), the caller sees a `LandError`, nothing else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pyarrow as pa

from etl.batch import Batch
from etl.readers import faults
from etl.readers.formats import SUPPORTED_TEXT
from etl.readers.process import dismiss, keep_ready, take
from etl.readers.source import Field, Layer, Notice, Source
from landdb.errors import LandError

__all__ = ["SUPPORTED_TEXT", "Field", "Layer", "Notice", "Reading", "Source", "inspect", "keep_ready", "read"]

ROWS_PER_BATCH = 16384
"""Few enough that the arrays of a batch stay in the processor's cache, and that memory stays small."""
_FIRST_WORD_S = 300.0
_NEXT_WORD_S = 120.0
_GIB_S = 600.0
"""Seconds to wait: for the first word, for each further one, and on top of both per GiB of the file."""


def inspect(path: Path, *, name: str | None = None) -> Source:
    """What the file is: format, layers, fields, declared CRS and encoding, number of rows.

    name: what the client called it, if it is stored under another name. Raises: the faults of `etl.readers.faults`.
    """
    with Reading(path, name=name, mode="inspect") as reading:
        return reading.source


def read(path: Path, layer: str | None = None, *, name: str | None = None, rows: int = ROWS_PER_BATCH) -> Reading:
    """The rows of one layer as an iterator of batches, read as they are asked for.

    layer: may be left out where only one layer can hold polygons. Raises (here or while iterating): the faults of
    `etl.readers.faults`.
    """
    return Reading(path, layer=layer, name=name, rows=rows)


class Reading(Iterator[Batch]):
    """One child process at work. `source` is known at once; `notices` is complete when the last batch is out.

    Close it, use it in `with`, or read it to its end: each stops the child and removes its scratch folder.
    """

    def __init__(
        self,
        path: Path,
        *,
        layer: str | None = None,
        name: str | None = None,
        mode: str = "read",
        rows: int = ROWS_PER_BATCH,
    ) -> None:
        self._path = Path(path)
        self._name = name or self._path.name
        if not self._path.is_file():
            raise faults.FileMissing(file=self._name)
        self._patience_s = _GIB_S * self._path.stat().st_size / (1 << 30)
        request = {"path": str(self._path.resolve()), "name": self._name, "layer": layer, "mode": mode, "rows": rows}
        self._child, self._scratch = take(request)
        self._stream: pa.RecordBatchReader | None = None
        self._timed_out = False
        self._closed = False
        self._mode = mode
        self._layer_read = ""
        self.rows = 0
        self._with_geometry = 0
        self._not_polygons = 0
        try:
            self.source = Source.from_json(self._message(_FIRST_WORD_S)["source"])
        except BaseException:
            self.close()
            raise
        self.notices: list[Notice] = list(self.source.notices)

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        try:
            while True:
                if self._stream is None and not self._open_stream():
                    self._finish()
                    raise StopIteration
                record = self._record()
                if record is not None and record.num_rows:
                    return self._count(Batch.from_arrow(record))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stops the child, if it still runs, and removes its scratch folder."""
        self._closed = True
        dismiss(self._child, self._scratch)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _open_stream(self) -> bool:
        message = self._message(_NEXT_WORD_S)
        if "end" in message:
            self._layer_read = str(message["end"]["layer"])
            return False
        with _Patience(self, _NEXT_WORD_S):
            self._stream = self._arrow(lambda: pa.ipc.open_stream(self._out))
        return True

    def _record(self) -> pa.RecordBatch | None:
        with _Patience(self, _NEXT_WORD_S):
            record = self._arrow(self._next_or_none)
        if record is None:
            self._stream = None
        return record

    def _next_or_none(self) -> pa.RecordBatch | None:
        assert self._stream is not None
        try:
            return self._stream.read_next_batch()
        except StopIteration:
            return None

    def _arrow(self, step: Any) -> Any:
        try:
            return step()
        except (pa.ArrowException, OSError, EOFError) as error:
            raise self._death() from error

    def _message(self, wait_s: float) -> dict[str, Any]:
        with _Patience(self, wait_s):
            line = self._out.readline()
        if not line.endswith(b"\n"):
            raise self._death()
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise faults.fault_from(message["error"], message["params"])
        return message

    def _death(self) -> LandError:
        if self._child.poll() is None:
            self._child.kill()
        code = self._child.wait()
        reason = "timeout" if self._timed_out else f"signal {-code}" if code < 0 else f"exit {code}"
        return faults.ReaderDied(file=self._name, reason=reason, rows=self.rows)

    def _count(self, batch: Batch) -> Batch:
        self.rows += batch.rows
        self._with_geometry += int(batch.rings.has_geometry().sum())
        fault = batch.geometry_fault
        if fault.null_count < batch.rows:
            self._not_polygons += sum(code == "geometry.not_polygon" for code in fault.to_pylist())
        return batch

    def _finish(self) -> None:
        if not self.rows:
            raise faults.NoRows(file=self._name, layer=self._layer_read)
        if not self._with_geometry:
            raise faults.NoPolygons(file=self._name, found="–")
        told = next((layer.rows for layer in self.source.layers if layer.name == self._layer_read), None)
        if self.source.format == "shapefile" and told is not None and told > self.rows:
            self.notices.append(Notice("file.deleted_rows", {"file": self._name, "rows": told - self.rows}))
        if self._not_polygons:
            self.notices.append(Notice("file.mixed_geometry", {"file": self._name, "rows": self._not_polygons}))

    @property
    def _out(self) -> IO[bytes]:
        assert self._child.stdout is not None
        return self._child.stdout


class _Patience:
    """Kills the child when one step takes too long. Time that the caller spends between batches does not count."""

    def __init__(self, reading: Reading, wait_s: float) -> None:
        self._reading = reading
        self._timer = threading.Timer(wait_s + reading._patience_s, self._give_up)
        self._timer.daemon = True

    def _give_up(self) -> None:
        self._reading._timed_out = True
        self._reading._child.kill()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

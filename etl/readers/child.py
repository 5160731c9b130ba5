"""The process that opens a client's file, and can do nothing else.

GDAL is a large body of C++ that has to trust what it reads, so it runs here: limits that grow with the file, drivers
switched off but the table's own, no network, no database settings, an own scratch folder. The parent reads a line of
JSON, Arrow IPC streams of batches, and a closing line of JSON from this process's standard output.

    python -m etl.readers.child [--ahead]    a line of JSON on standard input: path, name, layer, scratch, mode, rows

With --ahead the libraries are loaded before the request is there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from landdb.errors import LandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from etl.batch import Batch

_GIB = 1 << 30
_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000


def main() -> None:
    """Answers one request on standard output, then ends."""
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)  # whatever a library prints must not get between the batches
    _leave_network()  # before any thread begins: a process with threads cannot
    if "--ahead" in sys.argv:
        _load_libraries()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        os._exit(0)  # the parent is gone
    request = json.loads(line)
    _limit(Path(request["path"]))
    _end_with_parent()
    try:
        _answer(request, out)
    except LandError as error:
        _line(out, {"error": error.code, "params": error.params})
    except MemoryError:
        _line(out, {"error": "file.too_large", "params": {"file": request["name"]}})
    except BrokenPipeError:
        os._exit(0)
    except BaseException as error:  # a driver may raise anything; the parent must hear of it
        reason = f"{type(error).__name__}: {error}"[:300].replace(request["path"], request["name"])
        _line(out, {"error": "file.damaged", "params": {"file": request["name"], "reason": reason}})
    with contextlib.suppress(BrokenPipeError):
        out.flush()
    os._exit(0)  # no tear-down of libraries that may be in any state


def _end_with_parent() -> None:
    """Standard input is a pipe that only the parent holds: its end is ours, even after a kill -9."""

    def wait() -> None:
        os.read(0, 1)
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def _load_libraries() -> None:
    import pyogrio  # noqa: F401 - for the loading

    from etl.readers import drivers  # noqa: F401


def _limit(path: Path) -> None:
    """Memory, time and disk that grow with the file."""
    size = path.stat().st_size if path.exists() else 0
    zipped = 10 if path.suffix.lower() in (".zip", ".kmz") else 1
    limits = {
        resource.RLIMIT_AS: 4 * _GIB + min(30 * size * zipped, 60 * _GIB),
        resource.RLIMIT_CPU: 60 + zipped * size // (1 << 20),
        resource.RLIMIT_FSIZE: (64 << 20) + 120 * size,
        resource.RLIMIT_NOFILE: 128,
        resource.RLIMIT_CORE: 0,
    }
    for what, limit in limits.items():
        _, hard = resource.getrlimit(what)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (allowed, allowed))


def _leave_network() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # Without root a new network needs a new user namespace first; where neither is allowed, the settings must do.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _answer(request: dict[str, Any], out: IO[bytes]) -> None:
    from etl.readers import drivers

    opened = drivers.open_any(Path(request["path"]), request["name"], Path(request["scratch"]))
    _line(out, {"source": opened.source.to_json()})
    if request["mode"] != "read":
        return
    layer = drivers.choose_layer(opened.source, request["layer"])
    rows = _stream(opened.batches(layer, request["rows"]), out)
    _line(out, {"end": {"rows": rows, "layer": layer.name}})


def _stream(batches: Iterator[Batch], out: IO[bytes]) -> int:
    """Writes the batches. A column may change its type from one batch to the next; then a new stream begins."""
    import pyarrow as pa

    writer: pa.RecordBatchStreamWriter | None = None
    schema: pa.Schema | None = None
    rows = 0
    try:
        for batch in batches:
            record = batch.to_arrow()
            if writer is None or record.schema != schema:
                if writer is not None:
                    writer.close()
                _line(out, {"stream": True})
                schema = record.schema
                writer = pa.ipc.new_stream(out, schema)
            writer.write_batch(record)
            out.flush()
            rows += batch.rows
            del batch, record  # a batch is large: none is kept here while the next one is read
    finally:
        if writer is not None:
            writer.close()
    return rows


def _line(out: IO[bytes], message: dict[str, Any]) -> None:
    out.write(json.dumps(message, ensure_ascii=False, default=str).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    main()

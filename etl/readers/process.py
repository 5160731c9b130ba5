"""Starts the processes that open clients' files, and keeps one ready where it is asked to.

A reader needs most of a second to load its libraries. A worker that waits for imports has the next reader wait too: confined
already, its libraries loaded, no file known to it. Each reads one file and ends.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, TypeAlias

from etl.readers.formats import drivers_to_skip

Started: TypeAlias = "tuple[subprocess.Popen[bytes], tempfile.TemporaryDirectory[str]]"
"""A reader and the scratch folder that it may write to."""

_PIPE_BYTES = 1 << 20
_lock = threading.Lock()
_ready: list[Started] = []


def keep_ready() -> None:
    """Starts a reader for the next file, unless one waits already."""
    with _lock:
        if not _ready:
            _ready.append(_start("--ahead"))


@atexit.register
def keep_none() -> None:
    """Lets the reader that waits go."""
    with _lock:
        while _ready:
            dismiss(*_ready.pop())


def take(request: dict[str, Any]) -> Started:
    """A reader at work on this request: the one that waits, else a new one."""
    with _lock:
        waiting = _ready.pop() if _ready else None
    if waiting is not None:
        if _ask(waiting, request):
            return waiting
        dismiss(*waiting)
    started = _start()
    _ask(started, request)
    return started


def dismiss(child: subprocess.Popen[bytes], scratch: tempfile.TemporaryDirectory[str]) -> None:
    """Stops a reader, if it still runs, and removes its scratch folder."""
    if child.poll() is None:
        child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    scratch.cleanup()


def _start(*options: str) -> Started:
    scratch = tempfile.TemporaryDirectory(prefix="landdb-read-")
    child = subprocess.Popen(
        [sys.executable, "-m", "etl.readers.child", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=scratch.name,
        env=environment(scratch.name),
        bufsize=1 << 20,
    )
    assert child.stdout is not None
    with contextlib.suppress(OSError):  # the system may allow less; then the two only take turns more often
        fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return child, scratch


def _ask(started: Started, request: dict[str, Any]) -> bool:
    """Hands a reader its request; whether it was there to take it."""
    child, scratch = started
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps({**request, "scratch": scratch.name}).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return False
    return child.poll() is None


def environment(scratch: str) -> dict[str, str]:
    """The child's whole environment. No database settings; no paths to another GDAL's or PROJ's data."""
    root = str(Path(__file__).resolve().parents[2])
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": root,
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "HOME": scratch,
        "TMPDIR": scratch,
        "GDAL_SKIP": drivers_to_skip(),
        "GDAL_HTTP_TIMEOUT": "1",
        "GDAL_VRT_ENABLE_PYTHON": "NO",
        "GML_DOWNLOAD_SCHEMA": "NO",
        "GML_SKIP_RESOLVE_ELEMS": "ALL",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
        "OGR_SQLITE_LOAD_EXTENSIONS": "NO",
        "OGR_GEOJSON_MAX_OBJ_SIZE": "200",
        # More threads each read batches ahead, over and above the one of ours; reading is never what an import waits for.
        "OGR_GPKG_NUM_THREADS": "1",
        "PROJ_NETWORK": "OFF",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
    }

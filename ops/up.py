"""``landdb up``: the whole system on one machine, as ``./run`` starts it, until Ctrl-C.

The API and the worker are processes of their own, so that either may be killed and started again; this one watches both and stops
whatever it started.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from etl.worker import Worker
from landdb.config import Settings, settings
from landdb.db.transaction import connect
from landdb.errors import Unavailable
from landdb.files import FileStore
from ops.demo import ACCOUNTS, PASSWORD, load_demo
from ops.migrate import migrate
from ops.output import progress, say
from ops.session import database_url

READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 15.0


class PortTaken(Unavailable):
    """params: port."""

    code = "up.port_taken"


class DemoRefused(Unavailable):
    code = "up.demo_in_production"


class NotReady(Unavailable):
    """params: seconds."""

    code = "up.not_ready"


def up(*, port: int, data: Path | None, empty: bool, with_worker: bool) -> None:
    """Start everything, load the demo unless ``empty``, and serve until told to stop."""
    if data is not None:
        os.environ["LANDDB_DATA"] = str(data.resolve())
        settings.cache_clear()
    configured = settings()
    configured.data.mkdir(parents=True, exist_ok=True)
    _refuse_taken(port)
    with _stoppable(), database_url() as url:
        os.environ["LANDDB_DATABASE_URL"] = url
        settings.cache_clear()
        migrate(url)
        if not empty:
            _demo(settings(), url)
        _serve(port, with_worker=with_worker)


def _demo(configured: Settings, url: str) -> None:
    if configured.env == "production":
        raise DemoRefused()
    worker = Worker(configured, url)
    database = connect(url)
    try:
        with progress("Tỉnh giả lập / demo province") as tell:
            load_demo(database, FileStore(configured.files_dir), worker, configured.data / "demo", tell)
    finally:
        database.dispose()
        worker.database.dispose()


def _serve(port: int, *, with_worker: bool) -> None:
    commands = [["serve", "--port", str(port)], *([["worker"]] if with_worker else [])]
    processes = [subprocess.Popen([sys.executable, "-m", "ops.cli", *command]) for command in commands]
    try:
        _await_ready(port, processes[0])
        for line in _words(port):
            print(line, flush=True)
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
    except KeyboardInterrupt:
        say("Đang dừng / stopping")
    finally:
        _stop(processes)


def _words(port: int) -> Iterator[str]:
    yield f"Bản đồ / map        http://127.0.0.1:{port}/map"
    yield f"Nhập dữ liệu        http://127.0.0.1:{port}/imports"
    yield f"API                 http://127.0.0.1:{port}/docs"
    if settings().env == "demo":
        names = ", ".join(login for login, *_ in ACCOUNTS)
        yield f"Tài khoản thử / demo accounts: {names} · mật khẩu / password: {PASSWORD}"
    yield f"ready http://127.0.0.1:{port}"


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(port=port) from error


def _await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise NotReady(seconds=int(READY_WITHIN_S))


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM stop us as Ctrl-C does, so that what we started is stopped too."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

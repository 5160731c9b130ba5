"""An API worker that may be killed at any moment, forked from a parent that has everything loaded.

The parent imports the application once and holds the listening socket; whenever its child is gone it forks the next at once,
which serves after some hundredths of a second. So what is killed each second still does nearly a second of work, and calls that
arrive meanwhile wait in the socket's queue.

    with Preloaded(url, folder) as api:
        api.kill()            # kill -9 of the child that serves now
        api.port              # the same for all children

``without`` names an invariant whose guards are all taken away in the parent before it forks (``GUARDS``): what they keep out must
then be seen to happen.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
CONNECTIONS = 8


# ── seen from the test ──────────────────────────────────────────────────────────────────────────────────────────────


class Preloaded:
    """The parent and the child that serves now."""

    def __init__(self, url: str, folder: Path, without: str = "") -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        told, tells = os.pipe()
        said = {"socket": self._socket.fileno(), "tells": tells, "url": url, "folder": str(folder), "without": without}
        self.log = folder / "api.log"
        with self.log.open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.preloaded", json.dumps(said)],
                cwd=ROOT,
                pass_fds=(self._socket.fileno(), tells),
                stdout=log,
                stderr=log,
            )
        os.close(tells)
        self._serving = threading.Condition()
        self._child = 0
        self._ended = False
        self._listener = threading.Thread(target=self._listen, args=(told,), daemon=True)
        self._listener.start()

    def __enter__(self) -> Preloaded:
        self.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The parent first, lest it fork once more; the child follows it (see ``_die_with_parent``).
        self._parent.kill()
        self._parent.wait()
        self._listener.join(PATIENCE_S)
        self._socket.close()

    def wait(self) -> int:
        """The child that serves now, as soon as there is one."""
        with self._serving:
            served = self._serving.wait_for(lambda: self._child or self._ended, PATIENCE_S)
            if not served or self._ended:
                raise AssertionError(self.log.read_text("utf-8", "replace")[-4000:])
            return self._child

    def kill(self) -> None:
        """Kill the child that serves now, in whatever it does."""
        child = self.wait()
        with self._serving:
            self._child = 0
        os.kill(child, signal.SIGKILL)

    def _listen(self, told: int) -> None:
        with os.fdopen(told) as lines:
            for line in lines:
                with self._serving:
                    self._child = int(line)
                    self._serving.notify_all()
        with self._serving:
            self._ended = True
            self._serving.notify_all()


# ── the parent and its children ─────────────────────────────────────────────────────────────────────────────────────


def main(said: dict[str, Any]) -> None:
    """Load everything, then fork one child after the other."""
    _die_with_parent()
    GUARDS[said["without"]]()
    config = uvicorn.Config(_application(said["url"], Path(said["folder"])), log_level="warning", access_log=False)
    config.load()  # what it imports, a child need not
    gc.collect()
    gc.freeze()
    while True:
        child = os.fork()
        if child == 0:
            _die_with_parent()
            _serve(config, said["socket"], said["tells"])
            os._exit(0)
        os.waitpid(child, 0)


def _application(url: str, folder: Path) -> Any:
    """As in an office; no connection is open yet, so that children share none."""
    from api.app import create_app
    from landdb.config import Settings
    from landdb.db.transaction import connect
    from landdb.files import FileStore
    from tests.dossier_make import KEYS

    database = connect(url, pool_size=CONNECTIONS, application_name="landdb-api")
    return create_app(database, FileStore(folder / "files"), keys=KEYS, settings=Settings(data=folder))


class _Telling(uvicorn.Server):
    """A server that says when it serves."""

    def __init__(self, config: uvicorn.Config, tells: int) -> None:
        super().__init__(config)
        self._tells = tells

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        os.write(self._tells, f"{os.getpid()}\n".encode())


def _serve(config: uvicorn.Config, listening: int, tells: int) -> None:
    _Telling(config, tells).run(sockets=[socket.socket(fileno=listening)])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# ── taking guards away ──────────────────────────────────────────────────────────────────────────────────────────────

CUSTODY_GUARDS = """
DROP INDEX handover_open_key;
DROP INDEX handover_done_key;
DROP INDEX custody_open_key;
DROP TRIGGER handover_guard ON handover;
ALTER TABLE dossier_event DROP CONSTRAINT dossier_event_pkey CASCADE;
"""
"""What of custody the database itself guards. (That a receipt is issued once, and an epoch begun once, is left to it.)"""


def nothing() -> None:
    """Every guard stays."""


def custody() -> None:
    """Neither row is locked, and nobody compares state, epoch or number before moving it (indexes: ``CUSTODY_GUARDS``)."""
    from landdb.dossier import model, store

    store.LOCK = store.LOCK_BOTH = ""
    model._same_epoch = lambda _now, _epoch: None
    model._opened = lambda now, _handover_id: now.open
    read, add = store.statement_file, store.Tx.execute

    def unguarded(folder: Path, verb: str) -> str:
        text = read(folder, verb)
        return text.replace(" AND state = 'offered'", "").replace(" AND epoch = :epoch", "")

    def blind(self: Any, statement: Any, *params: Any, **named: Any) -> Any:
        if isinstance(statement, str):
            statement = re.sub(
                r" AND event_no = CAST\(:event_no AS integer\) - 1 AND event_hash = :prev_hash", "", statement
            )
        return add(self, statement, *params, **named)

    store.statement_file = unguarded
    store.Tx.execute = blind  # type: ignore[method-assign]


def outbox() -> None:
    """Messages leave "after the commit": a thread writes them later, in transactions of its own."""
    from landdb.db.transaction import Database, Tx
    from landdb.dossier import record
    from landdb.exchange.send import post

    waiting: list[Any] = []
    databases: list[Database] = []
    begin = Database.begin

    def remember(self: Database, *actor: Any) -> Any:
        if not databases:
            databases.append(self)
            threading.Thread(target=relay, daemon=True).start()
        return begin(self, *actor)

    def relay() -> None:
        while True:
            time.sleep(0.05)
            while waiting:
                with begin(databases[0]) as tx:
                    post(tx, waiting[0])
                del waiting[0]

    def later(_tx: Tx, messages: Sequence[Any]) -> None:
        waiting.append(messages)

    record.post = later
    Database.begin = remember  # type: ignore[method-assign]


def idempotency() -> None:
    """No answer is kept, and no key is known a second time."""
    from landdb.access import kept_answer

    kept_answer.take = lambda _tx, _key, _digest: None
    kept_answer.keep = lambda _tx, _key, _answer: None


GUARDS: dict[str, Callable[[], None]] = {
    "": nothing,
    "custody": custody,
    "outbox": outbox,
    "idempotency": idempotency,
}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

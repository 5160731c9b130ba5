"""What the measurements of dossiers share: a durable register that leaves nothing behind, offices, people, dossiers."""

from __future__ import annotations

import hashlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from landdb.access.add_office import add_office  # noqa: E402
from landdb.access.add_staff import add_staff  # noqa: E402
from landdb.access.grant_role import grant_role  # noqa: E402
from landdb.access.permissions import permissions_of  # noqa: E402
from landdb.db.transaction import SYSTEM, Actor, Database, Tx  # noqa: E402
from landdb.dossier import store  # noqa: E402
from landdb.dossier.add_document import Looked, link  # noqa: E402
from landdb.dossier.receive import Application, PaperGiven, Person, receive  # noqa: E402
from landdb.dossier.store import Blob  # noqa: E402
from landdb.sealing.keys import Keys  # noqa: E402
from ops import embedded  # noqa: E402
from ops.migrate import migrate  # noqa: E402

PROCEDURE = "local.transfer"
PAPERS = ("DDKBD", "GCN")


@contextmanager
def durable_register(name: str) -> Iterator[tuple[embedded.Server, Path]]:
    """A durable cluster with a migrated register in a temporary folder; both are gone at the end (but after ``kill -9``)."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    folder = Path(tempfile.mkdtemp(prefix=f"landdb-{name}-"))
    folder.chmod(0o755)  # root hands the server to another user, who must be able to pass through
    try:
        with embedded.start(folder / "db", durable=True) as server:
            migrate(server.url)
            yield server, folder
    finally:
        embedded.stop(folder / "db")
        shutil.rmtree(folder, ignore_errors=True)


def _end(_signal: int, _frame: Any) -> None:
    sys.exit("interrupted")


def durability(database: Database) -> str:
    """What the server promises of a commit, as it says itself."""
    with database.begin(SYSTEM) as tx:
        named = {name: tx.execute(f"SHOW {name}").scalar_one() for name in ("synchronous_commit", "fsync")}
    assert set(named.values()) == {"on"}, named
    return ", ".join(f"{name}={value}" for name, value in named.items())


def office(tx: Tx, code: str, kind: str) -> int:
    return add_office(tx, code=code, name=f"{kind} {code}", kind=kind)


def person(tx: Tx, login: str, office_id: int, *roles: str) -> Actor:
    """Somebody with roles, as sign-in would give them."""
    staff_id = add_staff(tx, login=login, full_name=login.title(), office_id=office_id)
    for role in roles:
        grant_role(tx, staff_id, role)
    may = permissions_of(frozenset(roles))
    return Actor("staff", staff_id=staff_id, office_id=office_id, name=login, permissions=may)


def received(tx: Tx, keys: Keys, number: int) -> UUID:
    """A dossier at the actor's desk, its papers not scanned."""
    asked = Application(
        PROCEDURE,
        Person(f"Người Thử {number}", phone="0900000000"),
        papers=[PaperGiven(each) for each in PAPERS],
        summary="Chuyển nhượng",
    )
    return receive(tx, keys, asked).dossier.dossier_id


def scanned(tx: Tx, dossier_id: UUID, kinds: Sequence[str]) -> None:
    """Papers with their events and without their bytes: what a hand-over lists, cheaply."""
    dossier = store.lock_dossier(tx, dossier_id)
    for kind in kinds:
        digest = hashlib.sha256(f"{dossier_id} {kind}".encode()).hexdigest()
        paper = Looked(f"{kind.lower()}.pdf", Blob(digest, 482113, "application/pdf", "verified", None), None)
        _, dossier = link(tx, dossier, kind, paper)

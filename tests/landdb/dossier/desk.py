"""A desk for tests of work on dossiers: one rolled-back transaction, seen by whom one likes, at whatever time one likes."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from landdb.db.transaction import VIETNAM, Actor, Tx
from landdb.dossier import clock, store
from landdb.dossier.accept import accept
from landdb.dossier.model import Dossier, Handover
from landdb.dossier.offer import offer
from landdb.dossier.receive import Application, PaperGiven, Person, Received, receive
from landdb.dossier.take_step import actions_for, take_step
from landdb.files import FileStore, StoredFile
from landdb.reference import store as reference
from tests.dossier_make import KEYS, PROCEDURE_CODE, Places, place

NAME = "Nguyễn Thị Ánh"
NUMBER = "094092001234"
EVERY_PAPER = (PaperGiven("DON"),)


def vn(day: int, hour: int = 8, minute: int = 0, *, month: int = 3, year: int = 2026) -> dt.datetime:
    """A moment in Vietnam. 2 March 2026 is a Monday without holidays near."""
    return dt.datetime(year, month, day, hour, minute, tzinfo=VIETNAM)


def application(**said: Any) -> Application:
    """An application for the made-up procedure, complete unless said otherwise."""
    given = {"procedure_code": PROCEDURE_CODE, "applicant": Person(NAME, NUMBER, "0912345678"), "papers": EVERY_PAPER}
    return Application(**{**given, **said})


@dataclass
class Work:
    """Who does what, when; all in one transaction."""

    tx: Tx
    places: Places

    def by(self, actor: Actor, now: dt.datetime | None = None) -> Tx:
        """The transaction as this person has it."""
        return replace(self.tx, actor=actor, now=now or self.tx.now)

    def go(self, now: dt.datetime) -> None:
        """Let it be this time from now on."""
        self.tx = replace(self.tx, now=now)

    def receive(self, actor: Actor | None = None, *, accept_incomplete: bool = False, **said: Any) -> Dossier:
        return self.received(actor, accept_incomplete=accept_incomplete, **said).dossier

    def received(self, actor: Actor | None = None, *, accept_incomplete: bool = False, **said: Any) -> Received:
        by = self.by(actor or self.places.clerk)
        return receive(by, KEYS, application(**said), accept_incomplete=accept_incomplete)

    def at_branch(self, **said: Any) -> Dossier:
        """A dossier received by the branch itself."""
        with_duty = replace(self.places.officer, permissions=self.places.officer.permissions | {"dossier:receive"})
        return self.receive(with_duty, **said)

    def step(self, dossier: Dossier, action: str, actor: Actor | None = None, **said: Any) -> Dossier:
        return take_step(self.by(actor or self.places.officer), KEYS, dossier.dossier_id, action, **said)

    def offered(self, dossier: Dossier, actor: Actor | None = None) -> dict[str, str | None]:
        """The actions shown, each with why it is not allowed."""
        now = self.get(dossier)
        return {a.action: a.why_not for a in actions_for(self.by(actor or self.places.officer), now)}

    def hand_over(self, dossier: Dossier, to_office: int, accepted: bool = True) -> Handover:
        now = self.get(dossier)
        (done,) = offer(self.by(self.places.at(now.holder_office_id)), KEYS, [dossier.dossier_id], to_office)
        assert done.handover is not None, done.refusal
        return (
            accept(self.by(self.places.at(to_office)), KEYS, done.handover.handover_id) if accepted else done.handover
        )

    def get(self, dossier: Dossier | UUID) -> Dossier:
        return store.get_dossier(self.tx, dossier.dossier_id if isinstance(dossier, Dossier) else dossier)

    def ask(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self.tx.execute(sql, params).mappings()]


def work(tx: Tx, now: dt.datetime | None = None) -> Work:
    """The made-up province at a time."""
    reference.forget_procedures()
    clock.forget_calendars()
    return Work(replace(tx, now=now or vn(2)), place(tx))


def keep(files: FileStore, name: str, content: bytes) -> StoredFile:
    """Bytes in the store."""
    return files.add(name, io.BytesIO(content), max_bytes=1 << 30)


def file_store(folder: Path) -> FileStore:
    return FileStore(folder / "files")


PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
"""The head of a picture: enough for its kind."""

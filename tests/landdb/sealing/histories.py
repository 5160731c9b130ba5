"""Histories of dossiers for tests of evidence: offices, a clerk, dossiers with events through the product's own ``record``."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.db.transaction import SYSTEM, Actor, Tx, new_id
from landdb.dossier import store
from landdb.dossier.record import record
from landdb.sealing.chain import canonical, instant
from landdb.sealing.keys import Keys
from landdb.sealing.seal import seal
from landdb.sealing.signing_keys import ensure_key

KEYS = Keys(((1, bytes(range(32))),))
PROCEDURE = 990_001
STAGES = ("in_process", "to_sign", "signed", "ready")


class Province:
    """Two offices, a clerk in each, and a procedure; dossiers are numbered from 1."""

    def __init__(self, tx: Tx, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.desk = add_office(tx, code="T98", name="Bộ phận một cửa Thử", kind="commune_desk")
        self.branch = add_office(tx, code="T99", name="Chi nhánh Thử", kind="branch")
        self.clerks = {
            office: add_staff(tx, login=f"clerk{office}", full_name="Trần Thử", office_id=office)
            for office in (self.desk, self.branch)
        }
        tx.execute(
            """INSERT INTO procedure (procedure_id, code, name_vi, name_en, needs_registration, valid, confirmed, source)
               VALUES (:id, 'T.1', 'Thử', 'Trial', false, '(,)', false, 'test')""",
            id=PROCEDURE,
        )
        self.count = 0

    def as_clerk(self, tx: Tx, office: int, minutes: int = 0) -> Tx:
        """The same transaction for an office's clerk, so much later."""
        actor = Actor("staff", self.clerks[office], office_id=office, permissions=SYSTEM.permissions)
        return replace(tx, actor=actor, now=tx.now + dt.timedelta(minutes=minutes))

    def dossier(self, tx: Tx, events: int) -> UUID:
        """A dossier with so many events."""
        self.count += 1
        clerk = self.as_clerk(tx, self.desk)
        found = store.add_dossier(
            clerk, code=f"T98-261122-{self.count:04}", procedure_id=PROCEDURE, stage="received", channel=1,
            intake_office_id=self.desk,
        )  # fmt: skip
        for number in range(1, events + 1):
            clerk = self.as_clerk(tx, self.random.choice([self.desk, self.branch]), number)
            stage = self.random.choice(STAGES) if self.random.random() < 0.5 else None
            payload = {"note": f"ghi chú {self.random.randrange(10**6)}", "papers": [number, None], "urgent": True}
            found = record(clerk, found, "received" if number == 1 else "noted", payload, to_stage=stage)
        return found.dossier_id

    def handover(self, tx: Tx, dossier_id: UUID, keys: Keys = KEYS, paper: bytes = b"%PDF") -> UUID:
        """A hand-over from the desk to the branch, accepted, with its manifest and its four receipts."""
        dossier = store.get_dossier(tx, dossier_id)
        handover_id = new_id()
        manifest = canonical(
            {
                "v": 1, "handover_id": str(handover_id), "dossier_id": str(dossier_id), "dossier_code": dossier.code, "epoch": 1,
                "from_office": self.desk, "to_office": self.branch, "created_at_claimed": instant(tx.now),
                "event_no": dossier.event_no, "event_head": dossier.event_hash.hex(),
                "items": [{"n": 1, "doc_type": "REQUEST", "name": "đơn.pdf", "sha256": hashlib.sha256(paper).hexdigest(),
                           "bytes": len(paper)}],
            }
        )  # fmt: skip
        kid = ensure_key(tx, keys, self.desk)
        tx.execute(
            """INSERT INTO handover (handover_id, batch_id, dossier_id, epoch, from_office_id, to_office_id, state, manifest,
                                     manifest_sha256, seal_jws, seal_kid, offered_at, closed_at)
               VALUES (:id, :id, :dossier, 1, :desk, :branch, 'accepted', :manifest, :sha256, :jws, :kid, :now, :now)""",
            id=handover_id, dossier=dossier_id, desk=self.desk, branch=self.branch, manifest=manifest, kid=kid, now=tx.now,
            sha256=hashlib.sha256(manifest).digest(), jws=seal(keys, self.desk, manifest).jws,
        )  # fmt: skip
        for kind, party in (
            ("stored", self.desk),
            ("delivered", self.branch),
            ("released", self.desk),
            ("granted", self.branch),
        ):
            self._receipt(tx, keys, dossier, handover_id, manifest, kind, party)
        return handover_id

    def _receipt(
        self, tx: Tx, keys: Keys, dossier: store.Dossier, handover_id: UUID, manifest: bytes, kind: str, party: int
    ) -> None:
        kid, receipt_id = ensure_key(tx, keys, None), new_id()
        body = canonical(
            {
                "v": 1, "receipt_id": str(receipt_id), "kind": kind, "party_office": party, "handover_id": str(handover_id),
                "dossier_id": str(dossier.dossier_id), "epoch": 1, "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
                "request_sha256": "00" * 32, "event_no": dossier.event_no, "event_hash": dossier.event_hash.hex(),
                "hub_time": instant(tx.now),
            }
        )  # fmt: skip
        tx.execute(
            """INSERT INTO receipt (receipt_id, handover_id, kind, party_office_id, body, jws, kid, issued_at)
               VALUES (:id, :handover, :kind, :party, :body, :jws, :kid, :now)""",
            id=receipt_id, handover=handover_id, kind=kind, party=party, body=body, jws=seal(keys, None, body).jws, kid=kid,
            now=tx.now,
        )  # fmt: skip


def given(tx: Tx, handover_id: UUID) -> dict[str, object]:
    """What an office takes home from a hand-over: receipts, manifest, seal."""
    handover = store.get_handover(tx, handover_id)
    receipts = [{"body": r.body.decode(), "jws": r.jws} for r in store.list_receipts(tx, handover_id)]
    return {"receipts": receipts, "manifest": handover.manifest.decode(), "seal": handover.seal_jws}


def write(path: Path, text: str | bytes) -> Path:
    """A file with this content."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def unguarded(tx: Tx) -> None:
    """Take the triggers off, as somebody with the database's own rights could."""
    tx.execute("SET LOCAL session_replication_role = replica")

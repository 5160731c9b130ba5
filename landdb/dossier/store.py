"""All SQL of dossiers: the dossier itself, custody and hand-overs, the history, work, papers, clocks.

Every change of a dossier happens under the lock of its row (``lock_dossier``, ``lock_handover``) and goes into its history by
``landdb.dossier.record``. Only ``landdb.dossier`` and ``landdb.views`` read these tables.
"""

# ruff: noqa: S608 -- statements are put together from the fixed column lists of this file; values are always parameters

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

from landdb.db.constraints import register
from landdb.db.transaction import Tx, new_id, statement_file
from landdb.dossier.model import (
    AlreadyOffered,
    Clocks,
    Custody,
    CustodyState,
    Deadline,
    Document,
    DocumentUnknown,
    Dossier,
    DossierPerson,
    DossierUnknown,
    Event,
    ExternalId,
    ExternalIdTaken,
    Fee,
    ForceMove,
    ForceOpen,
    ForceUnknown,
    Handover,
    HandoverClosed,
    HandoverState,
    HandoverUnknown,
    Note,
    Notice,
    Open,
    Pause,
    Receipt,
    ReceiptKind,
    Upload,
)

HERE: Final = Path(__file__).parent

register("handover_open_key", AlreadyOffered)
register("handover_done_key", HandoverClosed)
register("custody_open_key", HandoverClosed)
register("force_move_open_key", ForceOpen)
register("dossier_external_id_pkey", ExternalIdTaken)

# ═══ Dossier ════════════════════════════════════════════════════════════════════════════════════════════════════════

_DOSSIER = """d.dossier_id, d.code, d.procedure_id,
    (SELECT p.code FROM procedure p WHERE p.procedure_id = d.procedure_id) AS procedure_code, d.stage, d.custody_state,
    d.holder_office_id, d.epoch, d.event_no, d.event_hash, d.assignee_id, d.intake_office_id, d.received_at, d.received_by,
    d.channel, d.commune_id, d.parcel_id, d.certificate_serial, d.summary, d.paper_place, d.due_at, d.due_provisional,
    d.supplement_count, d.finished_at, d.closed_at"""

# The limits of a transaction that moves a dossier (custody.md §3). They stand before the lock, in one message to the server.
_LIMITS = """
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15s';
SET LOCAL idle_in_transaction_session_timeout = '30s';
"""

# Two that move one dossier follow one another. Tests take the lock away to see what it keeps out.
LOCK = "FOR UPDATE OF d"
LOCK_BOTH = "FOR UPDATE OF d, h"

# Custody, stage and history change by ``landdb.dossier.record`` and the verbs of hand-over alone.
_FREE: Final = frozenset(
    {
        "assignee_id",
        "commune_id",
        "parcel_id",
        "certificate_serial",
        "summary",
        "paper_place",
        "due_at",
        "due_provisional",
        "supplement_count",
        "finished_at",
        "closed_at",
    }
)


def _dossier(row: Mapping[Any, Any]) -> Dossier:
    values = {name: value for name, value in row.items() if name in Dossier.__dataclass_fields__}
    values["custody_state"] = CustodyState(values["custody_state"])
    values["event_hash"] = bytes(values["event_hash"])
    return Dossier(**values)


def get_dossier(tx: Tx, dossier_id: UUID) -> Dossier:
    """One dossier, not locked. Raises: ``DossierUnknown``."""
    row = tx.execute(f"SELECT {_DOSSIER} FROM dossier d WHERE d.dossier_id = :id", id=dossier_id).mappings().first()
    if row is None:
        raise DossierUnknown(dossier=str(dossier_id))
    return _dossier(row)


def find_dossier(tx: Tx, code: str) -> Dossier | None:
    """The dossier that bears a code (agency-yyMMdd-sequence); null: none."""
    row = tx.execute(f"SELECT {_DOSSIER} FROM dossier d WHERE d.code = :code", code=code).mappings().first()
    return None if row is None else _dossier(row)


def lock_dossier(tx: Tx, dossier_id: UUID) -> Dossier:
    """One dossier, held until the transaction ends, as it is after all who held it before. Raises: ``DossierUnknown``."""
    found = lock_dossiers(tx, [dossier_id])
    if not found:
        raise DossierUnknown(dossier=str(dossier_id))
    return found[dossier_id]


def lock_dossiers(tx: Tx, dossier_ids: Iterable[UUID]) -> dict[UUID, Dossier]:
    """Dossiers by id, locked in the order of their ids so that two batches never wait in a circle; unknown ones are left out."""
    rows = tx.execute(
        f"""{_LIMITS} SELECT {_DOSSIER} FROM dossier d WHERE d.dossier_id = ANY (CAST(:ids AS uuid[]))
            ORDER BY d.dossier_id {LOCK}""",
        ids=list(dossier_ids),
    ).mappings()
    return {row["dossier_id"]: _dossier(row) for row in rows}


def get_dossiers(tx: Tx, dossier_ids: Iterable[UUID]) -> dict[UUID, Dossier]:
    """Dossiers by id, not locked; unknown ones are left out."""
    rows = tx.execute(
        f"SELECT {_DOSSIER} FROM dossier d WHERE d.dossier_id = ANY (CAST(:ids AS uuid[]))", ids=list(dossier_ids)
    ).mappings()
    return {row["dossier_id"]: _dossier(row) for row in rows}


def add_dossier(tx: Tx, **columns: Any) -> Dossier:
    """A new dossier without history, held by its intake office; its first custody begins with it.

    Give ``dossier_id`` (or a new one is made), ``code``, ``procedure_id``, ``stage``, ``intake_office_id``, ``channel`` and what
    else is known. The caller records ``received`` next.
    """
    dossier_id: UUID = columns.pop("dossier_id", None) or new_id()
    values = {"received_at": tx.now, "received_by": tx.actor.staff_id, **columns}
    unknown = values.keys() - _FREE - {"code", "procedure_id", "stage", "intake_office_id", "channel"}
    if unknown - {"received_at", "received_by"}:
        raise ValueError(f"no columns of a new dossier: {sorted(unknown)}")
    names = ", ".join(values)
    tx.execute(
        f"""{_LIMITS}
            WITH made AS (
                INSERT INTO dossier (dossier_id, custody_state, holder_office_id, epoch, event_no, event_hash, {names})
                VALUES (:dossier_id, 'held', :intake_office_id, 1, 0, :genesis, {", ".join(f":{name}" for name in values)})
                RETURNING dossier_id, holder_office_id, received_at
            )
            INSERT INTO custody (dossier_id, epoch, office_id, started_at)
            SELECT dossier_id, 1, holder_office_id, received_at FROM made""",
        {"dossier_id": dossier_id, "genesis": bytes(32), **values},
    )
    return get_dossier(tx, dossier_id)


def set_dossier(tx: Tx, dossier_id: UUID, **changes: Any) -> None:
    """Change what is no part of custody, stage or history. The caller holds the lock and records the change."""
    if changes.keys() - _FREE:
        raise ValueError(f"not to be changed by hand: {sorted(changes.keys() - _FREE)}")
    assignments = ", ".join(f"{name} = :{name}" for name in changes)
    tx.execute(
        f"UPDATE dossier SET {assignments} WHERE dossier_id = :dossier_id", {"dossier_id": dossier_id, **changes}
    )


# ═══ Custody ════════════════════════════════════════════════════════════════════════════════════════════════════════


@dataclass(frozen=True)
class CustodyInterval:
    """The time for which one office held a dossier. ``ended_at`` null: it holds it now; ``via_handover_id`` null: the first."""

    epoch: int
    office_id: int
    office_name: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
    via_handover_id: UUID | None


def get_custody(tx: Tx, dossier: Dossier) -> Custody:
    """Its place in the custody machine, with the hand-over that is open."""
    return Custody(dossier.custody_state, dossier.holder_office_id, dossier.epoch, get_open(tx, dossier))


def get_open(tx: Tx, dossier: Dossier) -> Open | None:
    """Its open hand-over; null while it is held."""
    if dossier.custody_state is CustodyState.HELD:
        return None
    row = tx.execute(
        """SELECT handover_id, epoch, from_office_id, to_office_id FROM handover
           WHERE dossier_id = :id AND state = 'offered'""",
        id=dossier.dossier_id,
    ).first()
    return row and Open(**row._mapping)


def list_custody(tx: Tx, dossier_id: UUID) -> list[CustodyInterval]:
    """Who has held it, from the first on."""
    rows = tx.execute(
        """SELECT c.epoch, c.office_id, o.name AS office_name, c.started_at, c.ended_at, c.via_handover_id
           FROM custody c JOIN office o USING (office_id) WHERE c.dossier_id = :id ORDER BY c.epoch""",
        id=dossier_id,
    )
    return [CustodyInterval(**row._mapping) for row in rows]


def took_part(tx: Tx, dossier_id: UUID, office_id: int) -> bool:
    """Whether an office has held the dossier or was a party of one of its hand-overs."""
    return bool(
        tx.execute(
            """SELECT EXISTS (SELECT FROM custody WHERE dossier_id = :id AND office_id = :office)
                   OR EXISTS (SELECT FROM handover WHERE dossier_id = :id AND :office IN (from_office_id, to_office_id))""",
            id=dossier_id,
            office=office_id,
        ).scalar_one()
    )


# ═══ Handover ═══════════════════════════════════════════════════════════════════════════════════════════════════════

_HANDOVER = """h.handover_id, h.batch_id, h.dossier_id, h.epoch, h.from_office_id, h.to_office_id, h.state, h.manifest,
    h.manifest_sha256, h.seal_jws, h.seal_kid, h.note, h.offered_at, h.offered_by, h.due_at, h.closed_at, h.closed_by,
    h.reason_code, h.reason_note"""
_PREFIXED_HANDOVER = ", ".join(f"{name} AS h_{name[2:]}" for name in _HANDOVER.replace(",", " ").split())


@dataclass(frozen=True)
class Receiver:
    """An office to which somebody wants to hand over. ``valid_to`` null: open; ``heirs`` serve its communes now."""

    office_id: int
    name: str
    kind: str
    valid_from: dt.date | None
    valid_to: dt.date | None
    heirs: tuple[str, ...]

    def is_open(self, on: dt.date) -> bool:
        """Whether it exists on a day."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)


@dataclass(frozen=True)
class Paper:
    """A live document as a manifest lists it. ``verified`` is false where its bytes are in quarantine."""

    sha256: str
    doc_type: str
    name: str
    size_bytes: int
    media_type: str
    verified: bool


@dataclass(frozen=True)
class HandoverLine:
    """A hand-over in a list, with what people call its dossier and its offices."""

    handover: Handover
    dossier_code: str
    procedure_code: str
    from_office: str
    to_office: str


def _handover(row: Mapping[Any, Any], prefix: str = "") -> Handover:
    values = {name: row[prefix + name] for name in Handover.__dataclass_fields__}
    values["state"] = HandoverState(values["state"])
    values["manifest"] = bytes(values["manifest"])
    values["manifest_sha256"] = bytes(values["manifest_sha256"])
    return Handover(**values)


def get_handover(tx: Tx, handover_id: UUID) -> Handover:
    """One hand-over, open or closed. Raises: ``HandoverUnknown``."""
    row = tx.execute(f"SELECT {_HANDOVER} FROM handover h WHERE handover_id = :id", id=handover_id).mappings().first()
    if row is None:
        raise HandoverUnknown(handover=str(handover_id))
    return _handover(row)


@dataclass(frozen=True)
class Locked:
    """A hand-over with its dossier, both held; ``receiver_ends`` is the first day without the receiver, null: it is open."""

    dossier: Dossier
    handover: Handover
    receiver_ends: dt.date | None

    @property
    def custody(self) -> Custody:
        """The dossier's place in the custody machine."""
        of = self.handover
        opened = Open(of.handover_id, of.epoch, of.from_office_id, of.to_office_id)
        return replace(self.dossier.custody, open=opened if of.state is HandoverState.OFFERED else None)


def lock_handover(tx: Tx, handover_id: UUID) -> Locked:
    """A hand-over with its dossier, both held until the transaction ends. Raises: ``HandoverUnknown``."""
    found = lock_handovers(tx, [handover_id])
    if not found:
        raise HandoverUnknown(handover=str(handover_id))
    return found[handover_id]


def lock_handovers(tx: Tx, handover_ids: Iterable[UUID]) -> dict[UUID, Locked]:
    """Hand-overs with their dossiers by id, locked in the order of the dossiers' ids; unknown ones are left out.

    Both rows are locked: what waited for the dossier's lock must not judge by the hand-over as it was before.
    """
    rows = tx.execute(
        f"""{_LIMITS} SELECT {_DOSSIER}, {_PREFIXED_HANDOVER},
                (SELECT upper(o.valid) FROM office o WHERE o.office_id = h.to_office_id) AS receiver_ends
            FROM dossier d JOIN handover h ON h.dossier_id = d.dossier_id
            WHERE h.handover_id = ANY (CAST(:ids AS uuid[])) ORDER BY d.dossier_id, h.handover_id {LOCK_BOTH}""",
        ids=list(handover_ids),
    ).mappings()
    return {row["h_handover_id"]: Locked(_dossier(row), _handover(row, "h_"), row["receiver_ends"]) for row in rows}


def get_receiver(tx: Tx, office_id: int) -> Receiver | None:
    """An office as a receiver, with its heirs where it is closed; null: there is no such office."""
    row = tx.execute(statement_file(HERE, "receiver"), office_id=office_id, today=tx.today).first()
    return row and Receiver(**{**row._mapping, "heirs": tuple(row.heirs)})


def papers_to_hand_over(tx: Tx, dossier_ids: Iterable[UUID]) -> dict[UUID, list[Paper]]:
    """The live documents of dossiers, in the order in which they were added."""
    rows = tx.execute(
        f"""SELECT d.dossier_id, d.sha256, d.doc_type, d.name, b.size_bytes, b.media_type, b.state = 'verified' AS verified
           FROM document d JOIN blob b USING (sha256)
           WHERE d.dossier_id = ANY (CAST(:ids AS uuid[])) AND {_LIVE} ORDER BY d.added_at, d.document_id""",
        ids=list(dossier_ids),
    )
    papers: dict[UUID, list[Paper]] = {}
    for row in rows:
        values = dict(row._mapping)
        papers.setdefault(values.pop("dossier_id"), []).append(Paper(**values))
    return papers


def add_handover(tx: Tx, handover: Handover, papers: Sequence[Paper], receipts: Sequence[Receipt]) -> None:
    """An offer with its papers and its receipts. Raises: ``AlreadyOffered``."""
    tx.execute(
        statement_file(HERE, "add_handover"),
        {**_columns(handover), **_receipt_columns(receipts), **_paper_columns(papers)},
    )


def set_closed(tx: Tx, handover: Handover, receipts: Sequence[Receipt]) -> None:
    """End an open hand-over without a change of custody, with its receipts. Raises: ``HandoverClosed`` where it is not open."""
    _one_closed(
        tx.execute(statement_file(HERE, "close_handover"), {**_columns(handover), **_receipt_columns(receipts)})
    )


def set_moved(tx: Tx, handover: Handover, receipts: Sequence[Receipt]) -> None:
    """End an open hand-over by the receiver's taking custody of the next epoch. Raises: ``HandoverClosed`` where it is not open.

    The new interval begins when the old one ends, and never before it began: a clock set back must not tear the history.
    """
    _one_closed(tx.execute(statement_file(HERE, "move_custody"), {**_columns(handover), **_receipt_columns(receipts)}))


def add_forced(tx: Tx, handover: Handover, papers: Sequence[Paper], receipts: Sequence[Receipt]) -> None:
    """A forced move: a hand-over that was never open, and custody of the next epoch.

    Raises: ``HandoverClosed`` where no custody of its epoch runs.
    """
    add_handover(tx, handover, papers, receipts)
    _one_closed(tx.execute(statement_file(HERE, "next_custody"), _columns(handover)))


def _one_closed(done: Any) -> None:
    if done.rowcount != 1:
        raise HandoverClosed()


def _columns(handover: Handover) -> dict[str, Any]:
    return {**{name: getattr(handover, name) for name in Handover.__dataclass_fields__}, "state": handover.state.value}


def _paper_columns(papers: Sequence[Paper]) -> dict[str, list[Any]]:
    return {
        "paper_sha256": [paper.sha256 for paper in papers],
        "paper_type": [paper.doc_type for paper in papers],
        "paper_name": [paper.name for paper in papers],
        "paper_bytes": [paper.size_bytes for paper in papers],
    }


def search_handovers(
    tx: Tx,
    office_id: int | None,
    box: Literal["incoming", "sent", "closed"] = "incoming",
    *,
    after: UUID | None = None,
    limit: int = 100,
) -> list[HandoverLine]:
    """The hand-overs of an office, newest first: offered to it, offered by it, or closed with it as a party.

    ``after`` is the last id of the page before; a null office has all (oversight).
    """
    of_box = {
        "incoming": "h.state = 'offered' AND (:all OR h.to_office_id = :office)",
        "sent": "h.state = 'offered' AND (:all OR h.from_office_id = :office)",
        "closed": "h.state <> 'offered' AND (:all OR :office IN (h.from_office_id, h.to_office_id))",
    }[box]
    rows = tx.execute(
        f"""SELECT {_HANDOVER}, d.code AS dossier_code, p.code AS procedure_code, f.name AS from_office, t.name AS to_office
            FROM handover h
            JOIN dossier d USING (dossier_id)
            JOIN procedure p USING (procedure_id)
            JOIN office f ON f.office_id = h.from_office_id
            JOIN office t ON t.office_id = h.to_office_id
            WHERE {of_box} AND (CAST(:after AS uuid) IS NULL OR h.handover_id < :after)
            ORDER BY h.handover_id DESC LIMIT :limit""",
        all=office_id is None,
        office=-1 if office_id is None else office_id,
        after=after,
        limit=limit,
    ).mappings()
    return [
        HandoverLine(_handover(row), row["dossier_code"], row["procedure_code"], row["from_office"], row["to_office"])
        for row in rows
    ]


def list_handovers(tx: Tx, dossier_id: UUID) -> list[Handover]:
    """Every attempt to hand a dossier over, the first first."""
    rows = tx.execute(
        f"SELECT {_HANDOVER} FROM handover h WHERE h.dossier_id = :id ORDER BY h.offered_at, h.handover_id",
        id=dossier_id,
    ).mappings()
    return [_handover(row) for row in rows]


def list_batch(tx: Tx, batch_id: UUID) -> list[HandoverLine]:
    """The hand-overs of one act, as its minutes list them."""
    rows = tx.execute(
        f"""SELECT {_HANDOVER}, d.code AS dossier_code, p.code AS procedure_code, f.name AS from_office, t.name AS to_office
            FROM handover h
            JOIN dossier d USING (dossier_id)
            JOIN procedure p USING (procedure_id)
            JOIN office f ON f.office_id = h.from_office_id
            JOIN office t ON t.office_id = h.to_office_id
            WHERE h.batch_id = :batch ORDER BY d.code""",
        batch=batch_id,
    ).mappings()
    return [
        HandoverLine(_handover(row), row["dossier_code"], row["procedure_code"], row["from_office"], row["to_office"])
        for row in rows
    ]


def get_winner(tx: Tx, handover: Handover) -> str:
    """The name of the office that closed a hand-over; of a forced end, the office of the person who confirmed it."""
    of_state = {HandoverState.ACCEPTED: "to", HandoverState.REFUSED: "to", HandoverState.RECALLED: "from"}
    side = "person" if handover.reason_code == FORCED else of_state.get(handover.state, "person")
    return str(
        tx.execute(
            """SELECT coalesce((SELECT name FROM office WHERE office_id = CASE CAST(:side AS text)
                                   WHEN 'to' THEN :to_office WHEN 'from' THEN :from_office
                                   ELSE (SELECT office_id FROM staff WHERE staff_id = :person) END), '–')""",
            side=side,
            to_office=handover.to_office_id,
            from_office=handover.from_office_id,
            person=handover.closed_by,
        ).scalar_one()
    )


FORCED: Final = "forced"
"""Reason code of an open hand-over that ended because the dossier was moved by force."""

# ── forced moves ────────────────────────────────────────────────────────────────────────────────────────────────────

_FORCE = """f.force_move_id, f.dossier_id, f.epoch, f.to_office_id, f.reason_code, f.reason_note, f.document_id, f.proposed_by,
    f.proposed_at, f.confirmed_by, f.confirmed_at, f.dropped_at"""


def get_force_move(tx: Tx, force_move_id: UUID) -> ForceMove:
    """One proposal. Raises: ``ForceUnknown``."""
    row = tx.execute(f"SELECT {_FORCE} FROM force_move f WHERE force_move_id = :id", id=force_move_id).first()
    if row is None:
        raise ForceUnknown(force_move=str(force_move_id))
    return ForceMove(**row._mapping)


def search_force_moves(tx: Tx, *, dossier_id: UUID | None = None, open_only: bool = True) -> list[ForceMove]:
    """Proposals, newest first; of one dossier or of all."""
    rows = tx.execute(
        f"""SELECT {_FORCE} FROM force_move f
            WHERE (CAST(:dossier AS uuid) IS NULL OR dossier_id = :dossier)
              AND (NOT :open_only OR (confirmed_at IS NULL AND dropped_at IS NULL))
            ORDER BY force_move_id DESC LIMIT 1000""",
        dossier=dossier_id,
        open_only=open_only,
    )
    return [ForceMove(**row._mapping) for row in rows]


def add_force_move(tx: Tx, move: ForceMove) -> None:
    """A new proposal. Raises: ``ForceOpen`` where the dossier has one."""
    names = tuple(ForceMove.__dataclass_fields__)
    tx.execute(
        f"INSERT INTO force_move ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})",
        {name: getattr(move, name) for name in names},
    )


def set_force_confirmed(tx: Tx, force_move_id: UUID) -> None:
    """The second person has agreed. Raises: ``ForceUnknown`` where the proposal is open no longer."""
    _one_force(
        tx.execute(
            """UPDATE force_move SET confirmed_by = :by, confirmed_at = :now
               WHERE force_move_id = :id AND confirmed_at IS NULL AND dropped_at IS NULL""",
            id=force_move_id,
            by=tx.actor.staff_id,
            now=tx.now,
        ),
        force_move_id,
    )


def set_force_dropped(tx: Tx, force_move_id: UUID) -> None:
    """The proposal is withdrawn. Raises: ``ForceUnknown`` where it is open no longer."""
    _one_force(
        tx.execute(
            """UPDATE force_move SET dropped_at = :now
               WHERE force_move_id = :id AND confirmed_at IS NULL AND dropped_at IS NULL""",
            id=force_move_id,
            now=tx.now,
        ),
        force_move_id,
    )


def _one_force(done: Any, force_move_id: UUID) -> None:
    if done.rowcount != 1:
        raise ForceUnknown(force_move=str(force_move_id))


def has_document(tx: Tx, dossier_id: UUID, document_id: UUID) -> bool:
    """Whether a document is a live one of this dossier."""
    return bool(
        tx.execute(
            """SELECT EXISTS (SELECT FROM document WHERE document_id = :document AND dossier_id = :id
                                AND withdrawn_at IS NULL)""",
            document=document_id,
            id=dossier_id,
        ).scalar_one()
    )


# ═══ Event ══════════════════════════════════════════════════════════════════════════════════════════════════════════

_EVENT = """e.dossier_id, e.event_no, e.kind, e.at, e.staff_id, e.office_id, e.from_stage, e.to_stage, e.payload, e.payload_salt,
    e.payload_commit, e.messages, e.prev_hash, e.hash"""


@dataclass(frozen=True)
class CustodyChange:
    """What an event does to the dossier's own custody columns; ``assignee_id`` goes with a new holder."""

    state: CustodyState
    holder_office_id: int
    epoch: int


def _event(row: Mapping[Any, Any]) -> Event:
    values = dict(row)
    for name in ("payload_salt", "payload_commit", "prev_hash", "hash"):
        values[name] = None if values[name] is None else bytes(values[name])
    return Event(**values)


def add_event(tx: Tx, event: Event, stage: str, custody: CustodyChange | None = None) -> bool:
    """Append an event and let the dossier's row follow it; false where the row no longer has the event before this one.

    Only ``landdb.dossier.record`` calls this.
    """
    change = (
        "custody_state = :state, holder_office_id = :holder, epoch = :epoch,"
        " assignee_id = CASE WHEN epoch = :epoch THEN assignee_id END,"
        if custody
        else ""
    )
    params: dict[str, Any] = {name: getattr(event, name) for name in Event.__dataclass_fields__}
    params["payload"] = json.dumps(event.payload, ensure_ascii=False)
    params["stage"] = stage
    if custody:
        params |= {"state": custody.state.value, "holder": custody.holder_office_id, "epoch": custody.epoch}
    return (
        tx.execute(
            f"""WITH bumped AS (
                    UPDATE dossier SET {change} stage = :stage, event_no = :event_no, event_hash = :hash
                    WHERE dossier_id = :dossier_id AND event_no = CAST(:event_no AS integer) - 1 AND event_hash = :prev_hash
                    RETURNING dossier_id
                )
                INSERT INTO dossier_event (dossier_id, event_no, kind, at, staff_id, office_id, from_stage, to_stage, payload,
                                           payload_salt, payload_commit, messages, prev_hash, hash)
                SELECT dossier_id, :event_no, :kind, :at, :staff_id, :office_id, :from_stage, :to_stage, CAST(:payload AS jsonb),
                       :payload_salt, :payload_commit, :messages, :prev_hash, :hash
                FROM bumped""",
            params,
        ).rowcount
        == 1
    )


def list_events(tx: Tx, dossier_id: UUID, *, after: int = 0, limit: int = 1000) -> list[Event]:
    """The history of a dossier in its order, from the event after ``after`` on."""
    rows = tx.execute(
        f"""SELECT {_EVENT} FROM dossier_event e WHERE e.dossier_id = :id AND e.event_no > :after
            ORDER BY e.event_no LIMIT :limit""",
        id=dossier_id,
        after=after,
        limit=limit,
    ).mappings()
    return [_event(row) for row in rows]


# ═══ Receipt ════════════════════════════════════════════════════════════════════════════════════════════════════════

_RECEIPT = "r.receipt_id, r.handover_id, r.kind, r.party_office_id, r.body, r.jws, r.kid, r.issued_at"


def _receipt_columns(receipts: Sequence[Receipt]) -> dict[str, Any]:
    return {
        "receipt_ids": [receipt.receipt_id for receipt in receipts],
        "receipt_kinds": [receipt.kind.value for receipt in receipts],
        "receipt_parties": [receipt.party_office_id for receipt in receipts],
        "receipt_bodies": [receipt.body for receipt in receipts],
        "receipt_seals": [receipt.jws for receipt in receipts],
        "receipt_kids": [receipt.kid for receipt in receipts],
        "issued_at": receipts[0].issued_at,
    }


def list_receipts(tx: Tx, handover_id: UUID, *, party_office_id: int | None = None) -> list[Receipt]:
    """The receipts of a hand-over in the order of issue; those of one party, or of both."""
    rows = tx.execute(
        f"""SELECT {_RECEIPT} FROM receipt r WHERE r.handover_id = :id
              AND (CAST(:party AS integer) IS NULL OR r.party_office_id = :party)
            ORDER BY r.issued_at, r.receipt_id""",
        id=handover_id,
        party=party_office_id,
    ).mappings()
    return [Receipt(**{**row, "kind": ReceiptKind(row["kind"]), "body": bytes(row["body"])}) for row in rows]


def tally_receipts(tx: Tx, batch_id: UUID) -> dict[str, dict[str, int]]:
    """How many receipts of each kind were issued in one act of handing over, by the key that signed them."""
    rows = tx.execute(
        """SELECT r.kid, r.kind, count(*) AS n FROM receipt r JOIN handover h USING (handover_id)
           WHERE h.batch_id = :batch GROUP BY r.kid, r.kind ORDER BY r.kid, min(r.issued_at), r.kind""",
        batch=batch_id,
    )
    tally: dict[str, dict[str, int]] = {}
    for row in rows:
        tally.setdefault(row.kid, {})[row.kind] = row.n
    return tally


# ═══ Work ═══════════════════════════════════════════════════════════════════════════════════════════════════════════


@dataclass(frozen=True)
class NewPerson:
    """A person of a new dossier with the number already sealed."""

    role: str
    name: str
    name_folded: str
    identity_encrypted: bytes | None
    identity_index: bytes | None
    phone: str | None
    address: str | None


def next_number(tx: Tx, office_id: int, day: dt.date) -> int:
    """The next number of a desk on a day, from 1. The row stays locked, so a number is taken with the dossier or not at all."""
    return int(
        tx.execute(
            """INSERT INTO dossier_number (office_id, day, last_no) VALUES (:office_id, :day, 1)
               ON CONFLICT (office_id, day) DO UPDATE SET last_no = dossier_number.last_no + 1 RETURNING last_no""",
            office_id=office_id,
            day=day,
        ).scalar_one()
    )


@dataclass(frozen=True)
class LandNamed:
    """The parcel in force that an application names."""

    parcel_id: UUID
    commune_id: int


def find_land(tx: Tx, parcel_id: UUID) -> LandNamed | None:
    """A parcel in force; null: none of this id."""
    row = tx.execute(
        "SELECT parcel_id, admin_unit_id AS commune_id FROM parcel WHERE parcel_id = :id AND status = 'in_force'",
        id=parcel_id,
    ).first()
    return row and LandNamed(**row._mapping)


def add_person(tx: Tx, dossier_id: UUID, person: NewPerson) -> None:
    """Keep who applies or acts for them."""
    tx.execute(
        """INSERT INTO dossier_person (dossier_id, role, name, name_folded, identity_encrypted, identity_index, phone, address)
           VALUES (:dossier_id, :role, :name, :name_folded, :identity_encrypted, :identity_index, :phone, :address)""",
        {"dossier_id": dossier_id, **{name: getattr(person, name) for name in NewPerson.__dataclass_fields__}},
    )


def list_people(tx: Tx, dossier_id: UUID) -> list[DossierPerson]:
    """The applicant, then the proxy if there is one."""
    rows = tx.execute(
        """SELECT role, name, phone, address, identity_index IS NOT NULL AS has_identity
           FROM dossier_person WHERE dossier_id = :id ORDER BY role""",
        id=dossier_id,
    )
    return [DossierPerson(**row._mapping) for row in rows]


def sealed_identity(tx: Tx, dossier_id: UUID, role: str) -> bytes | None:
    """The sealed number of a person of the dossier; null: none was given."""
    sealed = tx.execute(
        "SELECT identity_encrypted FROM dossier_person WHERE dossier_id = :id AND role = :role",
        id=dossier_id,
        role=role,
    ).scalar_one_or_none()
    return None if sealed is None else bytes(sealed)


def add_external_id(tx: Tx, dossier_id: UUID, system: str, value: str) -> None:
    """What another system calls the dossier. Raises: ``ExternalIdTaken`` where another dossier bears it."""
    tx.execute(
        """INSERT INTO dossier_external_id (dossier_id, system, value, added_at)
           VALUES (:dossier_id, :system, :value, :now)""",
        dossier_id=dossier_id,
        system=system,
        value=value,
        now=tx.now,
    )


def list_external_ids(tx: Tx, dossier_id: UUID) -> list[ExternalId]:
    """All that other systems call it."""
    rows = tx.execute(
        "SELECT system, value, added_at FROM dossier_external_id WHERE dossier_id = :id ORDER BY system, value",
        id=dossier_id,
    )
    return [ExternalId(**row._mapping) for row in rows]


def add_note(tx: Tx, note: Note) -> None:
    """Keep a note."""
    tx.execute(
        """INSERT INTO dossier_note (note_id, dossier_id, body, at, staff_id, office_id)
           VALUES (:note_id, :dossier_id, :body, :at, :staff_id, :office_id)""",
        {name: getattr(note, name) for name in Note.__dataclass_fields__},
    )


def list_notes(tx: Tx, dossier_id: UUID) -> list[Note]:
    """The notes of a dossier, the oldest first."""
    rows = tx.execute(
        """SELECT note_id, dossier_id, body, at, staff_id, office_id FROM dossier_note
           WHERE dossier_id = :id ORDER BY at, note_id""",
        id=dossier_id,
    )
    return [Note(**row._mapping) for row in rows]


def add_fee(tx: Tx, fee: Fee) -> None:
    """Note a fee."""
    tx.execute(
        """INSERT INTO dossier_fee (fee_id, dossier_id, name, amount_vnd, paid_at)
           VALUES (:fee_id, :dossier_id, :name, :amount_vnd, :paid_at)""",
        {name: getattr(fee, name) for name in Fee.__dataclass_fields__},
    )


def set_fee_paid(tx: Tx, dossier_id: UUID, fee_id: UUID) -> Fee | None:
    """A fee is paid now; null where the dossier has no such unpaid fee."""
    row = tx.execute(
        """UPDATE dossier_fee SET paid_at = :now WHERE fee_id = :fee_id AND dossier_id = :dossier_id AND paid_at IS NULL
           RETURNING fee_id, dossier_id, name, amount_vnd, paid_at""",
        fee_id=fee_id,
        dossier_id=dossier_id,
        now=tx.now,
    ).first()
    return row and Fee(**row._mapping)


def list_fees(tx: Tx, dossier_id: UUID) -> list[Fee]:
    """The fees of a dossier in the order in which they were noted."""
    rows = tx.execute(
        "SELECT fee_id, dossier_id, name, amount_vnd, paid_at FROM dossier_fee WHERE dossier_id = :id ORDER BY fee_id",
        id=dossier_id,
    )
    return [Fee(**row._mapping) for row in rows]


_NOTICE = "notice_id, dossier_id, kind, language, body, created_at, sent_at, failure"


def add_notice(tx: Tx, notice: Notice) -> None:
    """A text for the citizen, to be sent after the transaction."""
    tx.execute(
        f"""INSERT INTO notice ({_NOTICE})
            VALUES (:notice_id, :dossier_id, :kind, :language, :body, :created_at, :sent_at, :failure)""",
        {name: getattr(notice, name) for name in Notice.__dataclass_fields__},
    )


def list_notices(tx: Tx, dossier_id: UUID) -> list[Notice]:
    """The texts to the citizen, the oldest first."""
    rows = tx.execute(
        f"SELECT {_NOTICE} FROM notice WHERE dossier_id = :id ORDER BY created_at, notice_id", id=dossier_id
    )
    return [Notice(**row._mapping) for row in rows]


def lock_waiting_notices(tx: Tx, limit: int) -> list[Notice]:
    """Texts that wait to be sent and that no other sender has in hand."""
    rows = tx.execute(
        f"""SELECT {_NOTICE} FROM notice WHERE sent_at IS NULL ORDER BY created_at, notice_id LIMIT :limit
            FOR UPDATE SKIP LOCKED""",
        limit=limit,
    )
    return [Notice(**row._mapping) for row in rows]


def set_notice(tx: Tx, notice_id: UUID, *, sent_at: dt.datetime | None, failure: str | None) -> None:
    """A text was sent, or the channel refused it and it waits still."""
    tx.execute(
        "UPDATE notice SET sent_at = :sent_at, failure = :failure WHERE notice_id = :id",
        id=notice_id,
        sent_at=sent_at,
        failure=failure,
    )


def has_registration(tx: Tx, dossier_id: UUID) -> bool:
    """Whether an act of the register belongs to the dossier."""
    return bool(
        tx.execute(
            "SELECT EXISTS (SELECT FROM dossier_registration WHERE dossier_id = :id)", id=dossier_id
        ).scalar_one()
    )


# ═══ Documents ══════════════════════════════════════════════════════════════════════════════════════════════════════

_DOCUMENT = """d.document_id, d.dossier_id, d.sha256, d.doc_type, d.name, d.version, d.supersedes_id, b.size_bytes, b.media_type,
    b.state, d.signature, d.added_at, d.added_by, d.added_office_id, d.withdrawn_at"""
_LIVE = """d.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM document n WHERE n.dossier_id = d.dossier_id AND n.supersedes_id = d.document_id
                      AND n.withdrawn_at IS NULL)"""


@dataclass(frozen=True)
class Blob:
    """Bytes that documents name: examined, and verified or in quarantine."""

    sha256: str
    size_bytes: int
    media_type: str
    state: str
    scan_result: str | None


def add_blob(tx: Tx, blob: Blob) -> None:
    """Bytes that were examined now. Known bytes stay what they are, but for a newer scan."""
    tx.execute(
        """INSERT INTO blob (sha256, size_bytes, media_type, state, scan_result, verified_at)
           VALUES (:sha256, :size_bytes, :media_type, :state, :scan_result, :now)
           ON CONFLICT (sha256) DO UPDATE SET scan_result = coalesce(excluded.scan_result, blob.scan_result)""",
        {**{name: getattr(blob, name) for name in Blob.__dataclass_fields__}, "now": tx.now},
    )


def is_blob_linked(tx: Tx, sha256: str) -> bool:
    """Whether some document or some import names these bytes: the two share one store of files."""
    return bool(
        tx.execute(
            """SELECT EXISTS (SELECT FROM document WHERE sha256 = :sha256)
                   OR EXISTS (SELECT FROM import_file WHERE sha256 = :sha256)""",
            sha256=sha256,
        ).scalar_one()
    )


def add_document(tx: Tx, document: Document) -> None:
    """Link bytes to a dossier; they stand in ``blob`` already."""
    tx.execute(
        """INSERT INTO document (document_id, dossier_id, sha256, doc_type, name, version, supersedes_id, signature, added_at,
                                 added_by, added_office_id)
           VALUES (:document_id, :dossier_id, :sha256, :doc_type, :name, :version, :supersedes_id, CAST(:signature AS jsonb),
                   :added_at, :added_by, :added_office_id)""",
        {
            **{name: getattr(document, name) for name in Document.__dataclass_fields__},
            "signature": None if document.signature is None else json.dumps(document.signature, ensure_ascii=False),
        },
    )


def get_document(tx: Tx, dossier_id: UUID, document_id: UUID) -> Document:
    """One paper of a dossier, live or not. Raises: ``DocumentUnknown``."""
    row = tx.execute(
        f"""SELECT {_DOCUMENT} FROM document d JOIN blob b USING (sha256)
            WHERE d.document_id = :document_id AND d.dossier_id = :dossier_id""",
        document_id=document_id,
        dossier_id=dossier_id,
    ).first()
    if row is None:
        raise DocumentUnknown(document=str(document_id))
    return Document(**row._mapping)


def list_documents(tx: Tx, dossier_id: UUID, *, all_versions: bool = False) -> list[Document]:
    """The papers of a dossier in the order in which they came; superseded and withdrawn ones only if asked for."""
    rows = tx.execute(
        f"""SELECT {_DOCUMENT} FROM document d JOIN blob b USING (sha256)
            WHERE d.dossier_id = :id AND (:all_versions OR ({_LIVE})) ORDER BY d.added_at, d.document_id""",
        id=dossier_id,
        all_versions=all_versions,
    )
    return [Document(**row._mapping) for row in rows]


def set_withdrawn(tx: Tx, document_id: UUID) -> None:
    """Take a paper out; its row and its bytes stay."""
    tx.execute("UPDATE document SET withdrawn_at = :now WHERE document_id = :id", id=document_id, now=tx.now)


_UPLOAD = "upload_id, caller, dossier_id, name, doc_type, size_bytes, offset_bytes, created_at, finished_at, sha256"


def add_upload(tx: Tx, upload: Upload) -> None:
    """An upload begins."""
    tx.execute(
        f"""INSERT INTO upload ({_UPLOAD})
            VALUES (:upload_id, :caller, :dossier_id, :name, :doc_type, :size_bytes, :offset_bytes, :created_at, :finished_at,
                    :sha256)""",
        {name: getattr(upload, name) for name in Upload.__dataclass_fields__},
    )


def get_upload(tx: Tx, upload_id: UUID, *, lock: bool = False) -> Upload | None:
    """An upload, under way or finished."""
    row = tx.execute(
        f"SELECT {_UPLOAD} FROM upload WHERE upload_id = :id {'FOR UPDATE' if lock else ''}", id=upload_id
    ).first()
    return row and Upload(**row._mapping)


def set_upload(tx: Tx, upload_id: UUID, offset_bytes: int, sha256: str | None) -> None:
    """How far an upload has come; with a digest it is finished."""
    tx.execute(
        """UPDATE upload SET offset_bytes = :offset_bytes, sha256 = :sha256,
                  finished_at = CASE WHEN CAST(:sha256 AS text) IS NOT NULL THEN CAST(:now AS timestamptz) END
           WHERE upload_id = :id""",
        id=upload_id,
        offset_bytes=offset_bytes,
        sha256=sha256,
        now=tx.now,
    )


def delete_upload(tx: Tx, upload_id: UUID) -> None:
    """An upload is given up."""
    tx.execute("DELETE FROM upload WHERE upload_id = :id", id=upload_id)


def delete_uploads_before(tx: Tx, before: dt.datetime) -> list[UUID]:
    """Give up the uploads that were begun earlier and are not finished; which."""
    rows = tx.execute(
        "DELETE FROM upload WHERE created_at < :before AND finished_at IS NULL RETURNING upload_id", before=before
    )
    return list(rows.scalars())


# ═══ Clock ══════════════════════════════════════════════════════════════════════════════════════════════════════════

_DEADLINE = "deadline_id, dossier_id, stage, office_id, started_at, due_at, met_at, escalation_level"
_PAUSE = "pause_id, dossier_id, reason, note, from_at, to_at"


def get_clocks(tx: Tx, dossier_id: UUID) -> Clocks:
    """All clocks and pauses of a dossier, in one question."""
    rows = tx.execute(
        """SELECT 'deadline' AS what, deadline_id AS id, stage AS word, office_id, started_at AS from_at, met_at AS to_at, due_at,
                  escalation_level, NULL AS note
           FROM deadline WHERE dossier_id = :id
           UNION ALL
           SELECT 'pause', pause_id, reason, NULL, from_at, to_at, NULL, NULL, note FROM pause WHERE dossier_id = :id
           ORDER BY what, from_at, id""",
        id=dossier_id,
    ).all()
    return Clocks(
        tuple(
            Deadline(r.id, dossier_id, r.word, r.office_id, r.from_at, r.due_at, r.to_at, r.escalation_level)
            for r in rows
            if r.what == "deadline"
        ),
        tuple(Pause(r.id, dossier_id, r.word, r.note, r.from_at, r.to_at) for r in rows if r.what == "pause"),
    )


def follow_clock(
    tx: Tx,
    dossier_id: UUID,
    *,
    met_due_at: dt.datetime | None,
    stage: str | None,
    office_id: int,
    due_at: dt.datetime | None,
) -> None:
    """The running clock, if any, is met now, and the next begins (stage null: none does), in one statement.

    A clock is never met before it began, and the next begins no earlier: the machine's time may be set back.
    """
    tx.execute(
        """WITH met AS (
               UPDATE deadline SET due_at = :met_due_at, met_at = greatest(CAST(:now AS timestamptz), started_at)
               WHERE dossier_id = :dossier_id AND met_at IS NULL RETURNING met_at
           )
           INSERT INTO deadline (dossier_id, stage, office_id, started_at, due_at)
           SELECT :dossier_id, :stage, :office_id, greatest(CAST(:now AS timestamptz), max(met.met_at)), :due_at
           FROM (SELECT) once LEFT JOIN met ON true
           HAVING CAST(:stage AS text) IS NOT NULL""",
        dossier_id=dossier_id,
        met_due_at=met_due_at,
        stage=stage,
        office_id=office_id,
        due_at=due_at,
        now=tx.now,
    )


def running_deadline(tx: Tx, dossier_id: UUID) -> Deadline | None:
    """The clock that runs now; null for a closed dossier."""
    row = tx.execute(
        f"SELECT {_DEADLINE} FROM deadline WHERE dossier_id = :id AND met_at IS NULL", id=dossier_id
    ).first()
    return row and Deadline(**row._mapping)


def list_deadlines(tx: Tx, dossier_id: UUID) -> list[Deadline]:
    """Every clock of a dossier, from the first on."""
    rows = tx.execute(f"SELECT {_DEADLINE} FROM deadline WHERE dossier_id = :id ORDER BY deadline_id", id=dossier_id)
    return [Deadline(**row._mapping) for row in rows]


def set_deadline(tx: Tx, deadline_id: int, *, due_at: dt.datetime | None) -> None:
    """A running clock ends at another time."""
    tx.execute("UPDATE deadline SET due_at = :due_at WHERE deadline_id = :id", id=deadline_id, due_at=due_at)


def add_pause(tx: Tx, dossier_id: UUID, reason: str, note: str | None) -> None:
    """The clock stands from now on; never from before it began, as a pause that it began in would not stop it."""
    tx.execute(
        """INSERT INTO pause (dossier_id, reason, note, from_at)
           VALUES (:dossier_id, :reason, :note, greatest(
               :now, (SELECT started_at FROM deadline WHERE dossier_id = :dossier_id AND met_at IS NULL)))""",
        dossier_id=dossier_id,
        reason=reason,
        note=note,
        now=tx.now,
    )


def end_pause(tx: Tx, dossier_id: UUID) -> bool:
    """The clock goes on from now on; false where it did not stand."""
    return bool(
        tx.execute(
            "UPDATE pause SET to_at = greatest(:now, from_at) WHERE dossier_id = :id AND to_at IS NULL",
            id=dossier_id,
            now=tx.now,
        ).rowcount
    )


def list_pauses(tx: Tx, dossier_id: UUID) -> list[Pause]:
    """When the clock stood, and why, from the first on."""
    rows = tx.execute(f"SELECT {_PAUSE} FROM pause WHERE dossier_id = :id ORDER BY from_at, pause_id", id=dossier_id)
    return [Pause(**row._mapping) for row in rows]


def list_provisional(tx: Tx) -> list[tuple[UUID, dt.datetime, dt.datetime]]:
    """Open dossiers whose due time was counted without a year's holidays, with when they came and are due."""
    rows = tx.execute(
        """SELECT dossier_id, received_at, due_at FROM dossier
           WHERE due_provisional AND closed_at IS NULL AND due_at IS NOT NULL ORDER BY dossier_id"""
    )
    return [(row.dossier_id, row.received_at, row.due_at) for row in rows]


def lock_provisional(tx: Tx, dossier_ids: Sequence[UUID]) -> list[Dossier]:
    """Those of them that are so still and that nobody else works on."""
    rows = tx.execute(
        f"""SELECT {_DOSSIER} FROM dossier d
            WHERE d.dossier_id = ANY (CAST(:ids AS uuid[])) AND d.due_provisional AND d.closed_at IS NULL
            ORDER BY d.dossier_id FOR UPDATE OF d SKIP LOCKED""",
        ids=list(dossier_ids),
    ).mappings()
    return [_dossier(row) for row in rows]


@dataclass(frozen=True)
class LateClock:
    """A clock that has run out while it ran, or an offer that nobody has answered in time. ``since``: when either began."""

    deadline_id: int
    dossier_id: UUID
    office_id: int
    parent_id: int | None
    due_at: dt.datetime
    since: dt.datetime


def late_clocks(tx: Tx, level: int, limit: int) -> list[LateClock]:
    """Clocks that have run out and stand at a level, the longest late first. One that stood still when its time came has not."""
    rows = tx.execute(
        """SELECT l.deadline_id, l.dossier_id, l.office_id, o.parent_id, l.due_at, l.started_at AS since
           FROM deadline l JOIN office o USING (office_id)
           LEFT JOIN pause p ON p.dossier_id = l.dossier_id AND p.to_at IS NULL AND p.from_at >= l.started_at
           WHERE l.met_at IS NULL AND l.escalation_level = :level AND l.due_at < coalesce(p.from_at, :now)
           ORDER BY l.due_at, l.deadline_id LIMIT :limit FOR UPDATE OF l SKIP LOCKED""",
        level=level,
        limit=limit,
        now=tx.now,
    )
    return [LateClock(**row._mapping) for row in rows]


def late_offers(tx: Tx, level: int, limit: int) -> list[LateClock]:
    """Offers unanswered past their time, with the clock of the dossier that they belong to, not yet escalated at this level.

    A clock outlives an offer that was refused or recalled: what was told of that one was told before this one was made.
    """
    rows = tx.execute(
        """SELECT l.deadline_id, l.dossier_id, h.to_office_id AS office_id, o.parent_id, h.due_at, h.offered_at AS since
           FROM handover h JOIN deadline l ON l.dossier_id = h.dossier_id AND l.met_at IS NULL
           JOIN office o ON o.office_id = h.to_office_id
           WHERE h.state = 'offered' AND h.due_at < :now
             AND NOT EXISTS (SELECT FROM escalation e
                             WHERE e.deadline_id = l.deadline_id AND e.level = :level AND e.at >= h.offered_at)
           ORDER BY h.due_at, l.deadline_id LIMIT :limit FOR UPDATE OF l SKIP LOCKED""",
        level=level,
        limit=limit,
        now=tx.now,
    )
    return [LateClock(**row._mapping) for row in rows]


def add_escalation(tx: Tx, late: LateClock, level: int, told_id: UUID | None) -> bool:
    """Somebody above is told, once for each level; false where they were told already since it began."""
    return bool(
        tx.execute(
            """INSERT INTO escalation (deadline_id, level, told_id, at) VALUES (:deadline_id, :level, :told_id, :now)
               ON CONFLICT (deadline_id, level) DO UPDATE SET told_id = excluded.told_id, at = excluded.at
               WHERE escalation.at < :since""",
            deadline_id=late.deadline_id,
            level=level,
            told_id=told_id,
            since=late.since,
            now=tx.now,
        ).rowcount
    )


def set_escalation_level(tx: Tx, deadline_id: int, level: int) -> None:
    """How far up it has gone."""
    tx.execute("UPDATE deadline SET escalation_level = :level WHERE deadline_id = :id", id=deadline_id, level=level)


def late_untold(tx: Tx, kind: str, limit: int) -> list[Dossier]:
    """Open dossiers past their due time, clock running, whose citizen has no notice of this kind yet."""
    rows = tx.execute(
        f"""SELECT {_DOSSIER} FROM dossier d
            LEFT JOIN pause p ON p.dossier_id = d.dossier_id AND p.to_at IS NULL
            WHERE d.closed_at IS NULL AND d.finished_at IS NULL AND NOT d.due_provisional
              AND d.due_at < coalesce(p.from_at, :now)
              AND NOT EXISTS (SELECT FROM notice n WHERE n.dossier_id = d.dossier_id AND n.kind = :kind)
            ORDER BY d.due_at LIMIT :limit FOR UPDATE OF d SKIP LOCKED""",
        kind=kind,
        limit=limit,
        now=tx.now,
    ).mappings()
    return [_dossier(row) for row in rows]

"""What a dossier is, how custody moves, and how each can be refused. Pure.

Custody at the register ("the hub") is one small machine, the same for a shared database and for offices with their own node:

    HELD(e) ── offer ──▶ IN_TRANSIT(e) ── accept ──▶ HELD(e+1) by the receiver
       ▲                     │  └─ refuse, recall ──▶ HELD(e) by the sender
       └── force_move (two persons) from either: HELD(e+1)

In transit does not change custody: the sender holds until somebody accepts, but may not work on it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from landdb.errors import Conflict, Forbidden, Invalid, Malformed, NotFound, Stale, UnsupportedFormat

# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class CustodyState(StrEnum):
    """Whether the holder may work on it."""

    HELD = "held"
    IN_TRANSIT = "in_transit"


class HandoverState(StrEnum):
    """One attempt to hand over; all but ``offered`` are ends."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    RECALLED = "recalled"
    FORCED = "forced"


class ReceiptKind(StrEnum):
    """What the register certifies to a party of a hand-over."""

    STORED = "stored"  # to the sender: the offer lies here
    DELIVERED = "delivered"  # to the receiver: this was shown to you
    GRANTED = "granted"  # to the receiver: you hold it from this epoch on
    RELEASED = "released"  # to the sender: you hold it no longer
    RETURNED = "returned"  # to the sender: you hold it still
    REFUSED = "refused"  # to the receiver: you did not take it
    CLOSED = "closed"  # to the receiver: the offer was taken back


RECEIPTS: Final[dict[HandoverState, tuple[tuple[ReceiptKind, str], ...]]] = {
    HandoverState.OFFERED: ((ReceiptKind.STORED, "from"), (ReceiptKind.DELIVERED, "to")),
    HandoverState.ACCEPTED: ((ReceiptKind.RELEASED, "from"), (ReceiptKind.GRANTED, "to")),
    HandoverState.REFUSED: ((ReceiptKind.RETURNED, "from"), (ReceiptKind.REFUSED, "to")),
    HandoverState.RECALLED: ((ReceiptKind.RETURNED, "from"), (ReceiptKind.CLOSED, "to")),
    HandoverState.FORCED: ((ReceiptKind.RELEASED, "from"), (ReceiptKind.GRANTED, "to")),
}
"""Which receipts each state of a hand-over brings, and to which side.

A closed one has those of ``offered`` as well, unless it was forced."""

EVENT_KINDS: Final = frozenset(
    {
        "received", "assigned", "stepped", "paused", "resumed", "document_added", "document_withdrawn", "noted", "fee_noted",
        "fee_paid", "paper_moved", "external_id_added", "offered", "accepted", "refused", "recalled", "forced", "force_proposed",
        "force_dropped", "due_changed", "registered",
    }
)  # fmt: skip

REFUSE_REASONS: Final = ("not_ours", "papers_missing", "papers_unreadable", "wrong_procedure", "duplicate", "other")
FORCE_REASONS: Final = ("office_closed", "office_unreachable", "node_lost", "order", "other")


@dataclass(frozen=True)
class Dossier:
    """A dossier as its row says. ``event_no`` is also its version (ETag)."""

    dossier_id: UUID
    code: str
    procedure_id: int
    procedure_code: str
    stage: str
    custody_state: CustodyState
    holder_office_id: int
    epoch: int
    event_no: int
    event_hash: bytes
    assignee_id: UUID | None
    intake_office_id: int
    received_at: dt.datetime
    received_by: UUID | None
    channel: int
    commune_id: int | None
    parcel_id: UUID | None
    certificate_serial: str | None
    summary: str
    paper_place: str | None
    due_at: dt.datetime | None
    due_provisional: bool
    supplement_count: int
    finished_at: dt.datetime | None
    closed_at: dt.datetime | None

    @property
    def custody(self) -> Custody:
        """Its side of the custody machine, the open hand-over left out."""
        return Custody(self.custody_state, self.holder_office_id, self.epoch)


@dataclass(frozen=True)
class Handover:
    """One attempt to hand a dossier over."""

    handover_id: UUID
    batch_id: UUID
    dossier_id: UUID
    epoch: int
    from_office_id: int
    to_office_id: int
    state: HandoverState
    manifest: bytes
    manifest_sha256: bytes
    seal_jws: str
    seal_kid: str
    note: str | None
    offered_at: dt.datetime
    offered_by: UUID | None
    due_at: dt.datetime | None
    closed_at: dt.datetime | None
    closed_by: UUID | None
    reason_code: str | None
    reason_note: str | None


@dataclass(frozen=True)
class Event:
    """One thing that happened, as the chain has it. ``payload_salt`` null: personal data was erased."""

    dossier_id: UUID
    event_no: int
    kind: str
    at: dt.datetime
    staff_id: UUID | None
    office_id: int | None
    from_stage: str | None
    to_stage: str | None
    payload: dict[str, Any]
    payload_salt: bytes | None
    payload_commit: bytes
    messages: int
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True)
class Receipt:
    """What the register signed for one party. ``body`` is canonical JSON."""

    receipt_id: UUID
    handover_id: UUID
    kind: ReceiptKind
    party_office_id: int
    body: bytes
    jws: str
    kid: str
    issued_at: dt.datetime


@dataclass(frozen=True)
class ForceMove:
    """A move by force that one person proposed; a second one confirms or somebody drops it. ``epoch``: of the custody to end."""

    force_move_id: UUID
    dossier_id: UUID
    epoch: int
    to_office_id: int
    reason_code: str
    reason_note: str
    document_id: UUID
    proposed_by: UUID
    proposed_at: dt.datetime
    confirmed_by: UUID | None = None
    confirmed_at: dt.datetime | None = None
    dropped_at: dt.datetime | None = None


@dataclass(frozen=True)
class Document:
    """A paper of a dossier. ``signature``: report on its PAdES signatures, null where it has none."""

    document_id: UUID
    dossier_id: UUID
    sha256: str
    doc_type: str
    name: str
    version: int
    supersedes_id: UUID | None
    size_bytes: int
    media_type: str
    state: str
    signature: dict[str, Any] | None
    added_at: dt.datetime
    added_by: UUID | None
    added_office_id: int | None
    withdrawn_at: dt.datetime | None


# ── work, papers, clocks ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class DossierPerson:
    """Who applies, or acts for them, as a dossier keeps it. ``role``: applicant, proxy. Sealed numbers stay in the store."""

    role: str
    name: str
    phone: str | None
    address: str | None
    has_identity: bool


@dataclass(frozen=True)
class ExternalId:
    """What another system calls the dossier: portal, vbdlis, ilis, tax, paper."""

    system: str
    value: str
    added_at: dt.datetime


@dataclass(frozen=True)
class Note:
    """What one officer tells the others; the citizen does not read it."""

    note_id: UUID
    dossier_id: UUID
    body: str
    at: dt.datetime
    staff_id: UUID | None
    office_id: int | None


@dataclass(frozen=True)
class Fee:
    """A fee noted on a dossier, in đồng. ``paid_at`` null: not yet."""

    fee_id: UUID
    dossier_id: UUID
    name: str
    amount_vnd: int
    paid_at: dt.datetime | None


@dataclass(frozen=True)
class Notice:
    """A text for the citizen, waiting to be sent or sent. ``failure``: code of the last refusal by the channel."""

    notice_id: UUID
    dossier_id: UUID
    kind: str
    language: str
    body: str
    created_at: dt.datetime
    sent_at: dt.datetime | None
    failure: str | None


@dataclass(frozen=True)
class Upload:
    """A file that comes in pieces. ``sha256`` stands when all of it is kept; where it has come to, the file store knows."""

    upload_id: UUID
    caller: str
    dossier_id: UUID | None
    name: str
    doc_type: str | None
    size_bytes: int
    offset_bytes: int
    created_at: dt.datetime
    finished_at: dt.datetime | None
    sha256: str | None


@dataclass(frozen=True)
class Deadline:
    """The clock of one office at one stage. ``due_at`` null: set by the office; ``met_at`` null: it runs."""

    deadline_id: int
    dossier_id: UUID
    stage: str
    office_id: int
    started_at: dt.datetime
    due_at: dt.datetime | None
    met_at: dt.datetime | None
    escalation_level: int


@dataclass(frozen=True)
class Pause:
    """Time that counts for no limit, and why. Source: NĐ 101/2024 Đ22 k10. ``to_at`` null: it lasts."""

    pause_id: int
    dossier_id: UUID
    reason: str
    note: str | None
    from_at: dt.datetime
    to_at: dt.datetime | None


@dataclass(frozen=True)
class Clocks:
    """All clocks and pauses of a dossier, each from the first on."""

    deadlines: tuple[Deadline, ...]
    pauses: tuple[Pause, ...]

    @property
    def running(self) -> Deadline | None:
        """The clock that runs now; null for a closed dossier."""
        return next((deadline for deadline in self.deadlines if deadline.met_at is None), None)


def demand_version(dossier: Dossier, expected: int | None) -> None:
    """Whether the dossier is still as its caller read it (If-Match); null: they do not say. Raises: ``Stale``."""
    if expected is not None and expected != dossier.event_no:
        raise Stale(expected=expected, found=dossier.event_no, dossier=dossier.code)


# ── the custody machine ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Open:
    """The open hand-over of a dossier."""

    handover_id: UUID
    epoch: int
    from_office_id: int
    to_office_id: int


@dataclass(frozen=True)
class Custody:
    """Where a dossier is: its state, holder and epoch, and the hand-over that is open (exactly while in transit)."""

    state: CustodyState
    holder_office_id: int
    epoch: int
    open: Open | None = None


@dataclass(frozen=True)
class Moved:
    """What a command did: custody after it, and the hand-over's new state."""

    custody: Custody
    handover: HandoverState
    receipts: Sequence[tuple[ReceiptKind, int]] = field(default_factory=tuple)


def offer(now: Custody, handover_id: UUID, by_office: int, to_office: int, epoch: int) -> Moved:
    """The holder offers. Raises: ``DossierNotHeld``, ``AlreadyOffered``, ``EpochStale``, ``HandoverToSelf``."""
    if now.holder_office_id != by_office:
        raise DossierNotHeld(holder=now.holder_office_id)
    if now.open is not None or now.state is CustodyState.IN_TRANSIT:
        raise AlreadyOffered()
    _same_epoch(now, epoch)
    if to_office == by_office:
        raise HandoverToSelf()
    opened = Open(handover_id, epoch, by_office, to_office)
    return _moved(replace(now, state=CustodyState.IN_TRANSIT, open=opened), HandoverState.OFFERED, opened)


def accept(now: Custody, handover_id: UUID, by_office: int) -> Moved:
    """The receiver takes it: the only way, but for force, in which the epoch grows.

    Raises: ``HandoverClosed``, ``NotTheReceiver``.
    """
    opened = _opened(now, handover_id)
    if opened.to_office_id != by_office:
        raise NotTheReceiver()
    return _moved(Custody(CustodyState.HELD, opened.to_office_id, now.epoch + 1), HandoverState.ACCEPTED, opened)


def refuse(now: Custody, handover_id: UUID, by_office: int) -> Moved:
    """The receiver does not take it. Raises: ``HandoverClosed``, ``NotTheReceiver``."""
    opened = _opened(now, handover_id)
    if opened.to_office_id != by_office:
        raise NotTheReceiver()
    return _moved(Custody(CustodyState.HELD, opened.from_office_id, now.epoch), HandoverState.REFUSED, opened)


def recall(now: Custody, handover_id: UUID, by_office: int) -> Moved:
    """The sender takes the offer back. Raises: ``HandoverClosed``, ``NotTheSender``."""
    opened = _opened(now, handover_id)
    if opened.from_office_id != by_office:
        raise NotTheSender()
    return _moved(Custody(CustodyState.HELD, opened.from_office_id, now.epoch), HandoverState.RECALLED, opened)


def force(now: Custody, handover_id: UUID, to_office: int, epoch: int) -> Moved:
    """Two persons move it whatever its state; what is told of the old epoch afterwards counts no more.

    Raises: ``EpochStale``, ``HandoverToSelf``.
    """
    _same_epoch(now, epoch)
    if to_office == now.holder_office_id:
        raise HandoverToSelf()
    done = Open(handover_id, epoch, now.holder_office_id, to_office)
    return _moved(Custody(CustodyState.HELD, to_office, now.epoch + 1), HandoverState.FORCED, done)


def _opened(now: Custody, handover_id: UUID) -> Open:
    # Bound to the very attempt: a late answer to an earlier one must not touch this one (custody.md, R4).
    if now.open is None or now.open.handover_id != handover_id or now.open.epoch != now.epoch:
        raise HandoverClosed()
    return now.open


def _same_epoch(now: Custody, epoch: int) -> None:
    if now.epoch != epoch:
        raise EpochStale(expected=epoch, found=now.epoch)


def _moved(after: Custody, state: HandoverState, of: Open) -> Moved:
    side = {"from": of.from_office_id, "to": of.to_office_id}
    return Moved(after, state, tuple((kind, side[party]) for kind, party in RECEIPTS[state]))


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


class DossierUnknown(NotFound):
    """Not there, or not for this office. Params: ``dossier``."""

    code = "dossier.unknown"


class DossierCodeMalformed(Malformed):
    """Params: ``code``."""

    code = "dossier.code_malformed"


class DossierNotHeld(Conflict):
    """Another office holds it. Params: ``holder`` (its name), ``dossier``."""

    code = "handover.dossier_not_held"


class DossierSealed(Conflict):
    """It is on its way to another office; recall it first. Params: ``dossier``."""

    code = "dossier.sealed"


class DossierClosed(Conflict):
    """Params: ``dossier``."""

    code = "dossier.closed"


class AlreadyOffered(Conflict):
    """Params: ``dossier``."""

    code = "handover.already_offered"


class AlreadyHeld(Conflict):
    """This office accepted it already. Params: as ``HandoverClosed``."""

    code = "handover.already_held"


class HandoverUnknown(NotFound):
    """Params: ``handover``."""

    code = "handover.unknown"


class HandoverClosed(Conflict):
    """Somebody was quicker.

    Params: ``handover``, ``winner`` (accepted, refused, recalled, forced), ``by`` (an office), ``closed_at``, ``closed_when``
    (the same for people).
    """

    code = "handover.closed"


class EpochStale(Conflict):
    """The dossier changed hands since. Params: ``expected``, ``found``."""

    code = "handover.epoch_stale"


class HandoverToSelf(Invalid):
    """Params: ``dossier``."""

    code = "handover.to_self"


class NotTheReceiver(NotFound):
    """Answered as unknown: who is no party of it does not learn that it exists."""

    code = "handover.unknown"


class NotTheSender(NotFound):
    code = "handover.unknown"


class ReceiverClosed(Conflict):
    """The office has been closed by law. Params: ``office``, ``closed_on``, ``heirs``."""

    code = "handover.receiver_closed"


class RouteRefused(Invalid):
    """An office of this kind takes no part in the procedure. Params: ``office``, ``procedure``."""

    code = "handover.route_refused"


class PapersUnverified(Conflict):
    """A paper is missing in the store or in quarantine. Params: ``papers``."""

    code = "handover.papers_unverified"


class ReasonUnknown(Invalid):
    """Params: ``reason``, ``known``."""

    code = "handover.reason_unknown"


class ForceSamePerson(Forbidden):
    """A forced move takes two persons."""

    code = "handover.force_same_person"


class ForceUnknown(NotFound):
    code = "handover.force_unknown"


class ForceOpen(Conflict):
    """One is proposed already."""

    code = "handover.force_open"


class ActionRefused(Conflict):
    """Not offered at this stage. Params: ``action``, ``stage``, ``offered``."""

    code = "dossier.action_refused"


class DutyMissing(Forbidden):
    """Offered, but not to this person or kind of office. Params: ``action``, ``duty``."""

    code = "dossier.duty_missing"


class ReasonMissing(Invalid):
    """Params: ``action``."""

    code = "dossier.reason_missing"


class PaperMissing(Invalid):
    """Papers of the list are not there. Params: ``papers`` (their names), ``doc_types``."""

    code = "dossier.paper_missing"


class SignatureMissing(Invalid):
    """No paper carries a valid personal signature. Params: ``action``."""

    code = "dossier.signature_missing"


class RegistrationMissing(Conflict):
    """Closing takes a registration. Params: ``dossier``."""

    code = "dossier.registration_missing"


class AssigneeUnknown(NotFound):
    """Nobody of this name works in the office. Params: ``staff``."""

    code = "dossier.assignee_unknown"


class DocumentUnknown(NotFound):
    """Params: ``document``."""

    code = "dossier.document_unknown"


class DocumentInfected(Invalid):
    """The scanner refused it; the bytes are in quarantine. Params: ``name``, ``found``."""

    code = "dossier.document_infected"


class DocumentDangerous(Invalid):
    """A PDF with scripts, embedded programs, or bytes after its signature. Params: ``name``, ``found``."""

    code = "dossier.document_dangerous"


class DocumentKindRefused(UnsupportedFormat):
    """Params: ``name``, ``media_type``, ``known``."""

    code = "dossier.document_kind_refused"


class UploadUnknown(NotFound):
    """Params: ``upload``."""

    code = "dossier.upload_unknown"


class UploadOffsetWrong(Conflict):
    """Params: ``expected``, ``found``."""

    code = "dossier.upload_offset"


class UploadUnfinished(Conflict):
    """Not all of it has come. Params: ``upload``, ``size``, ``offset``."""

    code = "dossier.upload_unfinished"


class ExternalIdTaken(Conflict):
    """Another dossier bears this number of that system."""

    code = "dossier.external_id_taken"


class FeeUnknown(NotFound):
    """Not there, or paid already. Params: ``fee``."""

    code = "dossier.fee_unknown"


class TextMissing(Invalid):
    """A note, a name or a place without a word in it. Params: ``field``."""

    code = "dossier.text_missing"


class AmountWrong(Invalid):
    """Params: ``amount``."""

    code = "dossier.amount_wrong"


class StepReasonUnknown(Invalid):
    """Params: ``reason``, ``known``."""

    code = "dossier.reason_unknown"


class OfficeClosed(Conflict):
    """The office that is to receive has been closed by law, or takes no part in the procedure. Params: ``office``."""

    code = "dossier.office_cannot_receive"


class ApplicantMissing(Invalid):
    code = "dossier.applicant_missing"


class ParcelOutside(Invalid):
    """The parcel named is not in force. Params: ``parcel``."""

    code = "dossier.parcel_unknown"

"""The register's side of custody with nodes ("the hub"): commands in, outcomes out. Pure.

The machine itself is ``landdb.dossier.model``, the same that a shared database uses. Here a node's command is mapped to it, and
what it decides is told to both parties: every hand-over ends with exactly one terminal outcome for each (R6). Who loses a race is
not answered a second time; the outcome that ended the hand-over is his answer. An offer that cannot be opened is answered too, so
that no copy stays sealed for ever. What is said of a custody that force has ended goes to quarantine, never to the floor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from landdb.dossier import model
from landdb.dossier.model import Custody, CustodyState, HandoverState, Moved, Open, ReceiptKind
from landdb.dossier.node import Command, CommandKind, Copy, CopyState, Outcome, OutcomeKind, Standing
from landdb.errors import LandError

OUTCOMES: Final = {
    ReceiptKind.STORED: OutcomeKind.STORED,
    ReceiptKind.DELIVERED: OutcomeKind.OFFERED,
    ReceiptKind.GRANTED: OutcomeKind.GRANTED,
    ReceiptKind.RELEASED: OutcomeKind.RELEASED,
    ReceiptKind.RETURNED: OutcomeKind.RETURNED,
    ReceiptKind.REFUSED: OutcomeKind.REFUSED,
    ReceiptKind.CLOSED: OutcomeKind.CLOSED,
}
"""As what a receipt reaches a node."""


@dataclass(frozen=True)
class Ledger:
    """What the register knows of a dossier's custody. ``holders``: of each epoch from 1; ``forced``: epochs that force ended."""

    dossier_id: UUID
    custody: Custody
    holders: tuple[int, ...]
    event_no: int = 1
    ended: frozenset[UUID] = frozenset()
    forced: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Told:
    """An outcome and the office that it is for."""

    office: int
    outcome: Outcome


@dataclass(frozen=True)
class Handled:
    """What a command led to. ``refusal``: why it moved nothing; ``quarantined``: a person must look at it."""

    ledger: Ledger
    told: tuple[Told, ...] = ()
    refusal: LandError | None = None
    quarantined: bool = False


def first(dossier_id: UUID, office: int) -> Ledger:
    """Custody of a dossier as its first office received it."""
    return Ledger(dossier_id, Custody(CustodyState.HELD, office, 1), (office,))


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def handle(ledger: Ledger, command: Command, by_office: int, hindrance: LandError | None = None) -> Handled:
    """Carry out a node's command. ``hindrance``: why the database would not open this offer (a receiver closed by law …)."""
    if command.kind is CommandKind.OFFER and _known(ledger, command.handover_id):
        return Handled(ledger)  # sent again after the register was put back and had re-applied it
    try:
        if hindrance is not None:
            raise hindrance
        moved = _move(ledger.custody, command, by_office)
    except LandError as refusal:
        return _refused(ledger, command, by_office, refusal)
    return _told(ledger, moved, ledger.custody.open or _opened(moved), command.handover_id)


def force(ledger: Ledger, handover_id: UUID, to_office: int) -> Handled:
    """Two persons move the dossier. An open hand-over is overtaken: RELEASED to its sender, CLOSED to its receiver.

    Raises: ``HandoverToSelf``.
    """
    before = ledger.custody
    moved = model.force(before, handover_id, to_office, before.epoch)
    done = Open(handover_id, before.epoch, before.holder_office_id, to_office)
    handled = _told(ledger, moved, done, handover_id)
    if before.open is None:
        return handled
    return replace(
        handled,
        ledger=replace(handled.ledger, ended=handled.ledger.ended | {before.open.handover_id}),
        told=handled.told + _overtaken(handled, before.open, handover_id),
    )


def standings(ledgers: Iterable[Ledger], office: int) -> tuple[Standing, ...]:
    """What an office's node should believe: all that it holds, has offered, or is offered."""
    believed = ((ledger.dossier_id, _believed(ledger.custody, office)) for ledger in ledgers)
    return tuple(Standing(dossier_id, copy) for dossier_id, copy in believed if copy is not None)


def _move(custody: Custody, command: Command, by_office: int) -> Moved:
    match command.kind:
        case CommandKind.OFFER:
            assert command.to_office is not None
            return model.offer(custody, command.handover_id, by_office, command.to_office, command.epoch)
        case CommandKind.ACCEPT:
            return model.accept(custody, command.handover_id, by_office)
        case CommandKind.REFUSE:
            return model.refuse(custody, command.handover_id, by_office)
        case CommandKind.RECALL:
            return model.recall(custody, command.handover_id, by_office)


def _opened(moved: Moved) -> Open:
    assert moved.custody.open is not None
    return moved.custody.open


def _known(ledger: Ledger, handover_id: UUID) -> bool:
    opened = ledger.custody.open
    return handover_id in ledger.ended or (opened is not None and opened.handover_id == handover_id)


def _believed(custody: Custody, office: int) -> Copy | None:
    if custody.open is not None and custody.open.to_office_id == office:
        return Copy(CopyState.OFFERED, custody.epoch, custody.open.handover_id)
    if custody.holder_office_id != office:
        return None
    if custody.open is not None:
        return Copy(CopyState.SEALED, custody.epoch, custody.open.handover_id)
    return Copy(CopyState.ACTIVE, custody.epoch)


# ── outcomes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _told(ledger: Ledger, moved: Moved, of: Open, cause: UUID) -> Handled:
    """The ledger after a move, and what each party is told of it."""
    grown = moved.custody.epoch > ledger.custody.epoch
    over = moved.handover is not HandoverState.OFFERED
    after = replace(
        ledger,
        custody=moved.custody,
        holders=(*ledger.holders, moved.custody.holder_office_id) if grown else ledger.holders,
        event_no=ledger.event_no + 1,
        ended=ledger.ended | {of.handover_id} if over else ledger.ended,
        forced=ledger.forced | {of.epoch} if moved.handover is HandoverState.FORCED else ledger.forced,
    )
    told = (Told(office, _outcome(after, OUTCOMES[kind], moved.handover, of, cause)) for kind, office in moved.receipts)
    return Handled(after, tuple(told))


def _overtaken(handled: Handled, of: Open, cause: UUID) -> tuple[Told, ...]:
    sides = ((OutcomeKind.RELEASED, of.from_office_id), (OutcomeKind.CLOSED, of.to_office_id))
    return tuple(
        Told(office, _outcome(handled.ledger, kind, HandoverState.FORCED, of, cause)) for kind, office in sides
    )


def _outcome(after: Ledger, kind: OutcomeKind, state: HandoverState | None, of: Open, cause: UUID) -> Outcome:
    return Outcome(
        kind=kind,
        dossier_id=after.dossier_id,
        handover_id=of.handover_id,
        epoch=of.epoch + 1 if kind is OutcomeKind.GRANTED else of.epoch,
        event_no=after.event_no,
        state=state,
        from_office=of.from_office_id,
        to_office=of.to_office_id,
        moved_by=cause,
        holder=after.custody.holder_office_id,
    )


def _refused(ledger: Ledger, command: Command, by_office: int, refusal: LandError) -> Handled:
    """What is told of a command that moves nothing: only an offer needs an answer, or its copy would stay sealed."""
    if command.kind is not CommandKind.OFFER:
        strange = command.epoch in ledger.forced or not _known(ledger, command.handover_id)
        return Handled(ledger, (), refusal, quarantined=strange)
    custody = ledger.custody
    holds = custody.holder_office_id == by_office and custody.epoch == command.epoch
    if command.epoch > custody.epoch or (holds and custody.open is not None):
        # It knows more than we do, or has forgotten its own open offer: no answer would be true. A person looks.
        return Handled(ledger, (), refusal, quarantined=True)
    assert command.to_office is not None
    never = Open(command.handover_id, command.epoch, by_office, command.to_office)
    after = replace(ledger, event_no=ledger.event_no + 1, ended=ledger.ended | {command.handover_id})
    kind = OutcomeKind.RETURNED if holds else OutcomeKind.RELEASED
    answer = Told(by_office, _outcome(after, kind, None, never, command.handover_id))
    return Handled(after, (answer,), refusal, quarantined=not holds)


# ── after the register was put back to an earlier point ─────────────────────────────────────────────────────────────


def reapply(ledger: Ledger, presented: Mapping[int, Sequence[Outcome]]) -> Handled:
    """Carry out again what nodes hold receipts for and the register has forgotten, in the order of its events (F20).

    Every node must have shown its receipts before any command is taken: a command that is handled too early could win a race that
    it had lost, against a receipt that shows up afterwards.

    ``presented``: by office, the outcomes of this dossier that it received. Whoever lacks one that is re-applied is told again.
    Where a receipt does not follow from what is known, the ones between are lost with a node that was put back as well: nothing
    is re-applied, ``refusal`` says what does not fit, and a person decides before the dossier may move.
    """
    events = {outcome.event_no: outcome for outcomes in presented.values() for outcome in outcomes}
    has = {(office, o.handover_id, o.kind) for office, outcomes in presented.items() for o in outcomes}
    after, told = ledger, list[Told]()
    for event_no in sorted(n for n in events if n > ledger.event_no):
        try:
            handled = _again(replace(after, event_no=event_no - 1), events[event_no])
        except LandError as refusal:
            return Handled(ledger, (), refusal, quarantined=True)
        after = handled.ledger
        told.extend(handled.told)
    lacking = (t for t in told if (t.office, t.outcome.handover_id, t.outcome.kind) not in has)
    return Handled(after, tuple(lacking))


def _again(ledger: Ledger, outcome: Outcome) -> Handled:
    if outcome.state is None:
        return Handled(replace(ledger, event_no=outcome.event_no, ended=ledger.ended | {outcome.handover_id}))
    if outcome.state is HandoverState.FORCED:
        return force(ledger, outcome.moved_by, outcome.holder)
    kind, by_office = _COMMANDS[outcome.state]
    command = Command(
        kind,
        outcome.dossier_id,
        outcome.handover_id,
        outcome.epoch - (outcome.kind is OutcomeKind.GRANTED),
        outcome.to_office,
    )
    handled = handle(ledger, command, outcome.from_office if by_office == "from" else outcome.to_office)
    if handled.refusal is not None:
        raise handled.refusal
    return handled


_COMMANDS: Final = {
    HandoverState.OFFERED: (CommandKind.OFFER, "from"),
    HandoverState.ACCEPTED: (CommandKind.ACCEPT, "to"),
    HandoverState.REFUSED: (CommandKind.REFUSE, "to"),
    HandoverState.RECALLED: (CommandKind.RECALL, "from"),
}

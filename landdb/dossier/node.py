"""A node's side of custody (an office with its own database behind an unreliable line): pure transition functions.

    ACTIVE(e) ── offer ──▶ SEALED(e, t) ── RELEASED ──▶ GONE
        ▲                      └─ RETURNED for t ──▶ ACTIVE(e)
    nothing, GONE, CLOSED ── OFFERED ──▶ OFFERED(e, t) ── accept ──▶ ACCEPTING(e, t) ── GRANTED ──▶ ACTIVE(e+1)
                                              └─ REFUSED or CLOSED for t (from either) ──▶ CLOSED

An officer's act changes the copy and writes a command into the outbox in one transaction (R1). Pressing *recall*, *refuse* or
*accept* decides nothing: only the register's outcome does (R3, R4), and it is bound to the very attempt by ``handover_id`` and to
the custody by ``epoch``. Outcomes are heard in the order in which the register wrote them (``landdb.exchange.sequence``); a node
that was restored from a backup hears again what it has forgotten, so every outcome must make sense in every state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from landdb.dossier.model import DossierNotHeld, DossierSealed, HandoverClosed, HandoverState, HandoverToSelf

# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class CopyState(StrEnum):
    """What a node may do with its copy of a dossier: only ``active`` may be worked on."""

    ACTIVE = "active"
    SEALED = "sealed"  # offered to another; still ours, but read-only
    GONE = "gone"
    OFFERED = "offered"  # offered to us
    ACCEPTING = "accepting"  # we said yes; not ours until the register grants it
    CLOSED = "closed"  # offered to us once, and not ours


class CommandKind(StrEnum):
    """What a node asks of the register."""

    OFFER = "offer"
    ACCEPT = "accept"
    REFUSE = "refuse"
    RECALL = "recall"


class OutcomeKind(StrEnum):
    """What the register tells a party of a hand-over: the first two that it is open, each other one how it ended."""

    STORED = "stored"  # to the sender
    OFFERED = "offered"  # to the receiver
    GRANTED = "granted"  # to the receiver: yours from this epoch on
    RELEASED = "released"  # to the sender: no longer yours
    RETURNED = "returned"  # to the sender: still yours
    REFUSED = "refused"  # to the receiver: you did not take it
    CLOSED = "closed"  # to the receiver: it was taken back, or moved by force


TERMINAL = frozenset(OutcomeKind) - {OutcomeKind.STORED, OutcomeKind.OFFERED}
"""Each party of a hand-over is told exactly one of these (custody.md, R6)."""


@dataclass(frozen=True)
class Copy:
    """A node's copy of a dossier. ``epoch``: the custody that it last heard of; ``handover_id``: the attempt it is bound to."""

    state: CopyState
    epoch: int
    handover_id: UUID | None = None


@dataclass(frozen=True)
class Command:
    """An officer's act on its way to the register. ``to_office``: of an offer only."""

    kind: CommandKind
    dossier_id: UUID
    handover_id: UUID
    epoch: int
    to_office: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What the register decided about a hand-over, for one party; signed, it is that party's receipt.

    ``epoch`` is the custody that the hand-over would end, but for ``granted`` the one that begins. ``state`` null: an offer that
    was never opened. ``moved_by`` and ``holder``: the hand-over that ended this one (itself, but where force overtook it) and the
    office that holds after the event; with ``event_no`` they let a register that was put back re-apply what it has forgotten.
    """

    kind: OutcomeKind
    dossier_id: UUID
    handover_id: UUID
    epoch: int
    event_no: int
    state: HandoverState | None
    from_office: int
    to_office: int
    moved_by: UUID
    holder: int


@dataclass(frozen=True)
class Check:
    """A restored node asks what the register believes of its dossiers."""

    check_id: UUID


@dataclass(frozen=True)
class Standing:
    """What the register believes a node's copy to be."""

    dossier_id: UUID
    copy: Copy


@dataclass(frozen=True)
class CustodyList:
    """The answer to a check: every dossier that the office holds, has offered, or is offered."""

    check_id: UUID
    standings: tuple[Standing, ...]


# ── what an officer does ────────────────────────────────────────────────────────────────────────────────────────────


def offer(
    copy: Copy | None, dossier_id: UUID, handover_id: UUID, *, by_office: int, to_office: int
) -> tuple[Copy, Command]:
    """Offer what we hold; from now on it is sealed here (R1).

    Raises: ``DossierNotHeld``, ``DossierSealed``, ``HandoverToSelf``.
    """
    if copy is None or copy.state not in {CopyState.ACTIVE, CopyState.SEALED}:
        raise DossierNotHeld(holder=None)
    if copy.state is CopyState.SEALED:
        raise DossierSealed(dossier=str(dossier_id))
    if to_office == by_office:
        raise HandoverToSelf()
    command = Command(CommandKind.OFFER, dossier_id, handover_id, copy.epoch, to_office)
    return Copy(CopyState.SEALED, copy.epoch, handover_id), command


def recall(copy: Copy | None, dossier_id: UUID) -> tuple[Copy, Command]:
    """Ask for our offer back; it stays sealed until the register says RETURNED (R4). Raises: ``HandoverClosed``."""
    bound = _bound(copy, {CopyState.SEALED})
    return bound, _command(CommandKind.RECALL, dossier_id, bound)


def accept(copy: Copy | None, dossier_id: UUID) -> tuple[Copy, Command]:
    """Say yes; it is ours only when the register says GRANTED (R3). Raises: ``HandoverClosed``."""
    bound = _bound(copy, {CopyState.OFFERED})
    return replace(bound, state=CopyState.ACCEPTING), _command(CommandKind.ACCEPT, dossier_id, bound)


def refuse(copy: Copy | None, dossier_id: UUID) -> tuple[Copy, Command]:
    """Say no; who has said yes cannot. Raises: ``HandoverClosed``."""
    bound = _bound(copy, {CopyState.OFFERED})
    return bound, _command(CommandKind.REFUSE, dossier_id, bound)


def _bound(copy: Copy | None, states: set[CopyState]) -> Copy:
    if copy is None or copy.state not in states:
        raise HandoverClosed()
    return copy


def _command(kind: CommandKind, dossier_id: UUID, copy: Copy) -> Command:
    assert copy.handover_id is not None
    return Command(kind, dossier_id, copy.handover_id, copy.epoch)


# ── what the register tells ─────────────────────────────────────────────────────────────────────────────────────────


def hear(copy: Copy | None, outcome: Outcome) -> Copy | None:
    """The copy after an outcome. What speaks of another attempt or of a custody that is over changes nothing."""
    match outcome.kind:
        case OutcomeKind.STORED:
            return _stored(copy, outcome)
        case OutcomeKind.OFFERED:
            return _offered(copy, outcome)
        case OutcomeKind.GRANTED:
            newer = copy is None or outcome.epoch > copy.epoch
            return Copy(CopyState.ACTIVE, outcome.epoch) if newer else copy
        case OutcomeKind.RELEASED:
            ours = copy is not None and copy.state in {CopyState.ACTIVE, CopyState.SEALED}
            over = copy is None or copy.epoch <= outcome.epoch
            return Copy(CopyState.GONE, outcome.epoch) if ours and over else copy
        case OutcomeKind.RETURNED:
            return _end(copy, outcome, {CopyState.SEALED}, Copy(CopyState.ACTIVE, outcome.epoch))
        case OutcomeKind.REFUSED | OutcomeKind.CLOSED:
            return _end(copy, outcome, {CopyState.OFFERED, CopyState.ACCEPTING}, Copy(CopyState.CLOSED, outcome.epoch))


def _stored(copy: Copy | None, outcome: Outcome) -> Copy | None:
    # An active copy that hears of its own offer was restored from before it.
    if copy is not None and copy.state is CopyState.ACTIVE and copy.epoch == outcome.epoch:
        return Copy(CopyState.SEALED, outcome.epoch, outcome.handover_id)
    return copy


def _offered(copy: Copy | None, outcome: Outcome) -> Copy:
    if copy is not None and (copy.epoch > outcome.epoch or copy.handover_id == outcome.handover_id):
        return copy
    if copy is not None and copy.epoch == outcome.epoch and copy.state in {CopyState.ACTIVE, CopyState.SEALED}:
        return copy  # nobody is offered what he holds
    return Copy(CopyState.OFFERED, outcome.epoch, outcome.handover_id)


def _end(copy: Copy | None, outcome: Outcome, states: set[CopyState], after: Copy) -> Copy | None:
    if copy is None or copy.state not in states or copy.handover_id != outcome.handover_id:
        return copy  # of another attempt: R4
    return after


# ── after a restore ─────────────────────────────────────────────────────────────────────────────────────────────────


def differing(copies: Mapping[UUID, Copy], standings: Sequence[Standing]) -> tuple[UUID, ...]:
    """The dossiers of which a restored node believes something else than the register; it stays read-only while there are any."""
    believed = {standing.dossier_id: standing.copy for standing in standings}
    return tuple(d for d in _either(copies, believed) if not _agrees(copies.get(d), believed.get(d)))


def _either(copies: Mapping[UUID, Copy], believed: Mapping[UUID, Copy]) -> Iterable[UUID]:
    return sorted({*copies, *believed})


def _agrees(copy: Copy | None, believed: Copy | None) -> bool:
    if believed is None:
        return copy is None or copy.state in {CopyState.GONE, CopyState.CLOSED}
    if copy is not None and copy.state is CopyState.ACCEPTING:
        copy = replace(copy, state=CopyState.OFFERED)
    return copy == believed

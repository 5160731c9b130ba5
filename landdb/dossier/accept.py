"""Take what was offered: the receiver becomes the holder, and the epoch grows by one (nhận bàn giao)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from landdb.db.transaction import Tx
from landdb.dossier import clock, model, store
from landdb.dossier.close_handover import demand_open, drafted, ended, ids_once
from landdb.dossier.model import Handover, HandoverState, HandoverUnknown, NotTheReceiver, ReceiverClosed
from landdb.dossier.record import enter, office_link
from landdb.dossier.store import Locked
from landdb.errors import LandError
from landdb.exchange.send import hold
from landdb.sealing.keys import Keys


@dataclass(frozen=True)
class Accepted:
    """The verdict on one hand-over of many: as it is now, or why it was not taken."""

    handover_id: UUID
    handover: Handover | None = None
    refusal: LandError | None = None


def accept(tx: Tx, keys: Keys, handover_id: UUID, *, epoch: int | None = None) -> Handover:
    """The actor's office takes custody. ``epoch``: the one in which the caller saw the offer.

    Raises: ``HandoverUnknown`` (no party of it), ``NotTheReceiver``, ``HandoverClosed``, ``AlreadyHeld``, ``EpochStale``,
    ``ReceiverClosed``.
    """
    locked = store.lock_handover(tx, handover_id)
    demand_acceptable(tx, locked, epoch)
    return _take(tx, keys, locked)


def accept_many(tx: Tx, keys: Keys, handover_ids: Sequence[UUID], *, partial: bool = False) -> list[Accepted]:
    """Take several; a verdict on each, in the order asked. ``partial`` takes those that can be taken and leaves the others.

    Raises: as ``accept``, for the first one that is refused, unless ``partial``.
    """
    asked = ids_once(handover_ids)
    found = store.lock_handovers(tx, asked)
    verdicts = [_judge(tx, handover_id, found.get(handover_id)) for handover_id in asked]
    refusal = next((verdict.refusal for verdict in verdicts if verdict.refusal), None)
    if refusal and not partial:
        raise refusal
    taken = [found[verdict.handover_id].handover for verdict in verdicts if not verdict.refusal]
    if len(taken) > 1:
        hold(tx, {office_link(office) for each in taken for office in (each.from_office_id, each.to_office_id)})
    return [
        verdict if verdict.refusal else Accepted(verdict.handover_id, _take(tx, keys, found[verdict.handover_id]))
        for verdict in verdicts
    ]


def demand_acceptable(tx: Tx, locked: Locked, epoch: int | None = None) -> None:
    """Whether the actor's office may take it now. Raises: as ``accept``."""
    demand_open(tx, locked, epoch=epoch)
    if locked.handover.to_office_id != tx.actor.office_id:
        raise NotTheReceiver(handover=str(locked.handover.handover_id))
    if locked.receiver_ends is not None and locked.receiver_ends <= tx.today:
        office = store.get_receiver(tx, locked.handover.to_office_id)
        assert office is not None
        raise ReceiverClosed(office=office.name, closed_on=office.valid_to, heirs=", ".join(office.heirs) or "–")


def _judge(tx: Tx, handover_id: UUID, locked: Locked | None) -> Accepted:
    try:
        if locked is None:
            raise HandoverUnknown(handover=str(handover_id))
        demand_acceptable(tx, locked)
    except LandError as refusal:
        return Accepted(handover_id, refusal=refusal)
    return Accepted(handover_id)


def _take(tx: Tx, keys: Keys, locked: Locked) -> Handover:
    handover = locked.handover
    moved = model.accept(locked.custody, handover.handover_id, handover.to_office_id)
    after = ended(tx, handover, HandoverState.ACCEPTED)
    written, receipts = drafted(tx, keys, locked, after, moved, [handover.from_office_id, handover.to_office_id])
    store.set_moved(tx, after, receipts)
    dossier = enter(tx, written)
    clock.move(tx, dossier)
    return after

"""Take an offer back while nobody has answered it (thu hồi bàn giao)."""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx
from landdb.dossier import model, store
from landdb.dossier.close_handover import demand_open, drafted, ended
from landdb.dossier.model import Handover, HandoverState, NotTheSender
from landdb.dossier.record import enter
from landdb.sealing.keys import Keys


def recall(tx: Tx, keys: Keys, handover_id: UUID) -> Handover:
    """The sender stays the holder and may work on the dossier again; the receiver is told.

    Raises: ``HandoverUnknown``, ``NotTheSender``, ``HandoverClosed``, ``AlreadyHeld``.
    """
    locked = store.lock_handover(tx, handover_id)
    demand_open(tx, locked)
    if locked.handover.from_office_id != tx.actor.office_id:
        raise NotTheSender(handover=str(handover_id))
    moved = model.recall(locked.custody, handover_id, locked.handover.from_office_id)
    after = ended(tx, locked.handover, HandoverState.RECALLED)
    written, receipts = drafted(tx, keys, locked, after, moved, [after.to_office_id])
    store.set_closed(tx, after, receipts)
    enter(tx, written)
    return after

"""Do not take what was offered, with the reason: the sender stays the holder and may work on it again (từ chối nhận)."""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx
from landdb.dossier import model, store
from landdb.dossier.close_handover import demand_open, drafted, ended
from landdb.dossier.model import REFUSE_REASONS, Handover, HandoverState, NotTheReceiver, ReasonUnknown
from landdb.dossier.record import enter
from landdb.sealing.keys import Keys


def refuse(tx: Tx, keys: Keys, handover_id: UUID, reason_code: str, note: str | None = None) -> Handover:
    """The receiver refuses an offer. ``reason_code`` is one of ``REFUSE_REASONS``.

    Raises: ``ReasonUnknown``, ``HandoverUnknown``, ``NotTheReceiver``, ``HandoverClosed``, ``AlreadyHeld``.
    """
    if reason_code not in REFUSE_REASONS:
        raise ReasonUnknown(reason=reason_code, known=", ".join(REFUSE_REASONS))
    locked = store.lock_handover(tx, handover_id)
    demand_open(tx, locked)
    if locked.handover.to_office_id != tx.actor.office_id:
        raise NotTheReceiver(handover=str(handover_id))
    moved = model.refuse(locked.custody, handover_id, locked.handover.to_office_id)
    after = ended(tx, locked.handover, HandoverState.REFUSED, reason_code=reason_code, reason_note=note)
    written, receipts = drafted(tx, keys, locked, after, moved, [after.from_office_id])
    store.set_closed(tx, after, receipts)
    enter(tx, written)
    return after

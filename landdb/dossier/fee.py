"""Note a fee of a dossier, and that it was paid (lệ phí). Payment itself is another matter and comes by its provider."""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx, new_id
from landdb.dossier import record, store
from landdb.dossier.model import AmountWrong, Fee, FeeUnknown, TextMissing


def note_fee(tx: Tx, dossier_id: UUID, name: str, amount_vnd: int) -> Fee:
    """A fee is to be paid. Raises: ``TextMissing``, ``AmountWrong``, and as every act on a dossier."""
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    if not name.strip():
        raise TextMissing(field="name")
    if not 0 <= amount_vnd < 1 << 53:  # what JSON carries whole
        raise AmountWrong(amount=amount_vnd)
    fee = Fee(new_id(), dossier_id, name.strip(), amount_vnd, None)
    store.add_fee(tx, fee)
    record.record(tx, dossier, "fee_noted", _payload(fee))
    return fee


def note_paid(tx: Tx, dossier_id: UUID, fee_id: UUID) -> Fee:
    """A fee was paid. Raises: ``FeeUnknown`` (paid already, too), and as every act on a dossier."""
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    fee = store.set_fee_paid(tx, dossier_id, fee_id)
    if fee is None:
        raise FeeUnknown(fee=str(fee_id))
    record.record(tx, dossier, "fee_paid", _payload(fee))
    return fee


def _payload(fee: Fee) -> dict[str, str]:
    return {"fee_id": str(fee.fee_id), "name": fee.name, "amount_vnd": str(fee.amount_vnd)}

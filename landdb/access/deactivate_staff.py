"""Close a person's account, and open it again (ngừng, mở lại tài khoản)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import OwnAccount, StaffUnknown
from landdb.access.sign_out import sign_out_everywhere
from landdb.db.transaction import Tx


def deactivate_staff(tx: Tx, staff_id: UUID) -> None:
    """Close an account at once: sessions and tokens end. The row stays, for what the person has signed.

    Raises: ``StaffUnknown``, ``OwnAccount``.
    """
    if staff_id == tx.actor.staff_id:
        raise OwnAccount()
    _known(tx, staff_id)
    store.set_active(tx, staff_id, False)
    sign_out_everywhere(tx, staff_id)
    store.add_event(tx, "staff_deactivated", staff_id=staff_id)


def reactivate_staff(tx: Tx, staff_id: UUID) -> None:
    """Open a closed account again, with the roles it had. Raises: ``StaffUnknown``."""
    _known(tx, staff_id)
    store.set_active(tx, staff_id, True)
    store.add_event(tx, "staff_reactivated", staff_id=staff_id)


def _known(tx: Tx, staff_id: UUID) -> None:
    if store.lock_account_of(tx, staff_id) is None:
        raise StaffUnknown(staff=str(staff_id))

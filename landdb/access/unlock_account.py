"""Lift a lock-out before its time (mở khóa tài khoản)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import StaffUnknown
from landdb.db.transaction import Tx


def unlock_account(tx: Tx, staff_id: UUID) -> None:
    """Forget the failed sign-ins of a person. Raises: ``StaffUnknown``."""
    if store.lock_account_of(tx, staff_id) is None:
        raise StaffUnknown(staff=str(staff_id))
    store.set_failures(tx, staff_id, 0, None)
    store.add_event(tx, "unlocked", staff_id=staff_id)

"""Give an account a password (by the command line or the demo; people set their own with a reset code)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import StaffUnknown, check_password
from landdb.access.passwords import hashed
from landdb.access.sign_out import sign_out_everywhere
from landdb.db.transaction import Tx


def set_password(tx: Tx, staff_id: UUID, password: str, *, must_change: bool = True) -> None:
    """Set a password; sessions end. Raises: ``StaffUnknown`` and the refusals of ``check_password``."""
    account = store.lock_account_of(tx, staff_id)
    if account is None:
        raise StaffUnknown(staff=str(staff_id))
    check_password(password, account.login)
    store.set_password_hash(tx, staff_id, hashed(password), must_change=must_change)
    sign_out_everywhere(tx, staff_id)
    store.add_event(tx, "password_set", staff_id=staff_id)

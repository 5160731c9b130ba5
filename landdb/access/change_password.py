"""Change one's own password (đổi mật khẩu)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import (
    PasswordUnchanged,
    PasswordWrong,
    SignInRefused,
    StaffUnknown,
    check_password,
    is_locked,
)
from landdb.access.passwords import hashed, matches
from landdb.access.sign_in import note_failure
from landdb.access.sign_out import sign_out_everywhere
from landdb.db.transaction import Tx
from landdb.errors import LandError


def change_password(tx: Tx, staff_id: UUID, *, old: str, new: str, address: str | None = None) -> LandError | None:
    """Replace the password of the signed-in person; every session ends, this one too.

    A wrong old password is a value, not raised: it is committed and counts towards the lock-out, so that a borrowed
    screen is no place for guessing. Raises: ``StaffUnknown`` and the refusals of ``check_password``.
    """
    account = store.lock_account_of(tx, staff_id)
    if account is None:
        raise StaffUnknown(staff=str(staff_id))
    if is_locked(account, tx.now):
        return SignInRefused()
    if not matches(account.password_hash, old):
        note_failure(tx, account, address)
        return PasswordWrong()
    check_password(new, account.login)
    if matches(account.password_hash, new):
        raise PasswordUnchanged()
    store.set_password_hash(tx, staff_id, hashed(new), must_change=False)
    sign_out_everywhere(tx, staff_id)
    store.add_event(tx, "password_changed", staff_id=staff_id, address=address)
    return None

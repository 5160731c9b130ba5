"""Set a new password with a one-time code."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import ResetCodeInvalid, check_password, hash_of, reset_code_read
from landdb.access.passwords import hashed
from landdb.access.sign_out import sign_out_everywhere
from landdb.db.transaction import Tx


def reset_password(tx: Tx, *, code: str, password: str, address: str | None = None) -> UUID:
    """Spend the code: the password is set, any lock-out lifted, old sessions ended; whose account it is.

    A password that breaks a rule leaves the code unspent (the transaction rolls back).
    Raises: ``ResetCodeInvalid`` and the refusals of ``check_password``.
    """
    staff_id = store.use_reset(tx, hash_of(reset_code_read(code)))
    account = store.lock_account_of(tx, staff_id) if staff_id else None
    if account is None or not account.active:
        raise ResetCodeInvalid()
    check_password(password, account.login)
    store.set_password_hash(tx, account.staff_id, hashed(password), must_change=False)
    sign_out_everywhere(tx, account.staff_id)
    store.add_event(tx, "password_reset", staff_id=account.staff_id, address=address)
    return account.staff_id

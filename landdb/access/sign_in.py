"""Sign in with a local account (đăng nhập)."""

from __future__ import annotations

from landdb.access import store
from landdb.access.model import (
    ADDRESS_WINDOW,
    FAILURES_PER_ADDRESS,
    SESSION_LIFETIME,
    Account,
    NewSession,
    SignInRefused,
    TooManyAttempts,
    hash_of,
    is_locked,
    lock_after,
    new_secret,
    normal_login,
)
from landdb.access.passwords import hashed, matches, outdated
from landdb.db.transaction import Tx
from landdb.errors import LandError


def sign_in(tx: Tx, *, login: str, password: str, address: str | None) -> NewSession | LandError:
    """Open a session, or say why not.

    The refusal is a value, not raised: a failed attempt must be committed, or nobody would ever be locked out.
    Unknown logins, wrong passwords, locked and closed accounts get the same answer after the same work.
    """
    account = admit(tx, login=login, password=password, address=address)
    if isinstance(account, LandError):
        return account
    token, expires_at = new_secret(), tx.now + SESSION_LIFETIME
    store.add_session(tx, hash_of(token), account.staff_id, expires_at)
    return NewSession(token, account.staff_id, expires_at, account.must_change_password)


def admit(tx: Tx, *, login: str, password: str, address: str | None) -> Account | LandError:
    """Check login and password, count failures, log the attempt; for sessions and for service tokens alike."""
    if address is not None:
        failures = store.count_failures_from(tx, address, tx.now - ADDRESS_WINDOW)
        if failures >= FAILURES_PER_ADDRESS:
            return TooManyAttempts(retry_after_s=int(ADDRESS_WINDOW.total_seconds()))
    account = store.lock_account(tx, normal_login(login))
    right = matches(account.password_hash if account else None, password)
    if account is None or not account.active or is_locked(account, tx.now):
        store.add_event(tx, "sign_in_failed", staff_id=account.staff_id if account else None, address=address)
        return SignInRefused()
    if not right:
        note_failure(tx, account, address)
        return SignInRefused()
    _note_success(tx, account, password, address)
    return account


def note_failure(tx: Tx, account: Account, address: str | None) -> None:
    """Count one more wrong password; from the fifth on the account rests, each time longer."""
    failures = account.failed_sign_ins + 1
    rest = lock_after(failures)
    store.set_failures(tx, account.staff_id, failures, tx.now + rest if rest else None)
    store.add_event(tx, "sign_in_failed", staff_id=account.staff_id, address=address)
    if rest:
        store.add_event(tx, "locked", staff_id=account.staff_id, address=address, note=f"{int(rest.total_seconds())} s")


def _note_success(tx: Tx, account: Account, password: str, address: str | None) -> None:
    if account.failed_sign_ins:
        store.set_failures(tx, account.staff_id, 0, None)
    if outdated(account.password_hash or ""):
        store.set_rehashed(tx, account.staff_id, hashed(password))
    store.add_event(tx, "sign_in", staff_id=account.staff_id, address=address)

"""Make a key for a service, and revoke it (khóa truy cập cho hệ thống khác)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

from landdb.access import store
from landdb.access.model import (
    ApiKey,
    KeyDateWrong,
    KeyPermissionRefused,
    KeyUnknown,
    OfficeUnknown,
    hash_of,
    key_text,
    new_secret,
)
from landdb.access.permissions import KEY_PERMISSIONS
from landdb.db.transaction import Tx, new_id


def add_api_key(
    tx: Tx, *, name: str, permissions: Iterable[str], office_id: int, expires_at: dt.datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its text, which is shown once and not kept. ``expires_at`` null: until revoked.

    Raises: ``KeyPermissionRefused``, ``OfficeUnknown``, ``KeyDateWrong``.
    """
    wanted = frozenset(permissions)
    if refused := sorted(wanted - KEY_PERMISSIONS):
        raise KeyPermissionRefused(permissions=", ".join(refused))
    if store.get_office(tx, office_id) is None:
        raise OfficeUnknown(office=office_id)
    if expires_at is not None and expires_at <= tx.now:
        raise KeyDateWrong(expires_at=expires_at)
    secret = new_secret()
    key = ApiKey(new_id(), name.strip(), tuple(sorted(wanted)), office_id, tx.now, expires_at, None)
    store.add_key(tx, key, hash_of(secret))
    store.add_event(tx, "key_created", note=f"{key.api_key_id} {key.name}"[:200])
    return key, key_text(key.api_key_id, secret)


def revoke_api_key(tx: Tx, api_key_id: UUID) -> None:
    """Revoke a key and the tokens that it was exchanged for; counts from the next request. Raises: ``KeyUnknown``."""
    if not store.set_key_revoked(tx, api_key_id):
        raise KeyUnknown(key=str(api_key_id))
    store.add_revocation(tx, f"service:{api_key_id}")
    store.add_event(tx, "key_revoked", note=str(api_key_id))

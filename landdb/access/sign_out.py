"""Sign out here, or everywhere (đăng xuất)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import hash_of
from landdb.db.transaction import Tx


def sign_out(tx: Tx, token: str) -> None:
    """End the session of this browser. One that has ended already is no fault."""
    staff_id = store.delete_session(tx, hash_of(token))
    if staff_id is not None:
        store.add_event(tx, "sign_out", staff_id=staff_id)


def sign_out_everywhere(tx: Tx, staff_id: UUID) -> int:
    """End every session of a person and make their short tokens void; sessions ended."""
    ended = store.delete_sessions_of(tx, staff_id)
    store.add_revocation(tx, f"staff:{staff_id}")
    store.add_event(tx, "sign_out_everywhere", staff_id=staff_id, note=str(ended))
    return ended

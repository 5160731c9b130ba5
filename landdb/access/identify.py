"""Who is asking: from a session, a service key or a short token to an ``Actor`` with its permissions.

Looked up at every request, so that a role taken back, a closed account or a revoked key counts from the next one on.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from landdb.access import store
from landdb.access.model import KeyInvalid, SessionExpired, hash_of, parse_key
from landdb.access.permissions import KEY_PERMISSIONS, SIGNED_IN, permissions_of
from landdb.db.transaction import Actor, Tx
from landdb.sealing.keys import Keys
from landdb.sealing.tokens import TokenInvalid, verify


@dataclass(frozen=True)
class Identity:
    """Who a request comes from. While ``must_change_password``, only the person's own account is open."""

    actor: Actor
    must_change_password: bool = False


def identify_session(tx: Tx, token: str) -> Identity:
    """The person of a page session. Raises: ``SessionExpired``."""
    holder = store.touch_session(tx, hash_of(token))
    if holder is None:
        raise SessionExpired()
    return _staff(holder)


def identify_key(tx: Tx, text: str) -> Identity:
    """The service of a carried key. Raises: ``KeyInvalid``."""
    api_key_id, secret = parse_key(text)
    return _service(tx, api_key_id, hash_of(secret))


def identify_token(tx: Tx, keys: Keys, text: str) -> Identity:
    """Who carries a short token; what they may do is read anew. Raises: ``TokenInvalid``, ``TokenExpired``."""
    claims = verify(keys, text, tx.now)
    revoked_at = store.revoked_since(tx, claims.subject)
    if revoked_at is not None and claims.issued_at <= revoked_at:
        raise TokenInvalid()
    kind, _, identifier = claims.subject.partition(":")
    if kind == "service":
        return _service(tx, UUID(identifier), None)
    holder = store.get_holder(tx, UUID(identifier))
    if holder is None:
        raise TokenInvalid()
    return _staff(holder)


def _staff(holder: store.SessionHolder) -> Identity:
    may = SIGNED_IN if holder.must_change_password else permissions_of(holder.roles)
    actor = Actor(
        kind="staff",
        staff_id=holder.staff_id,
        office_id=holder.office_id,
        name=holder.full_name,
        permissions=may,
        language=holder.language,
    )
    return Identity(actor, holder.must_change_password)


def _service(tx: Tx, api_key_id: UUID, secret_hash: bytes | None) -> Identity:
    key = store.find_live_key(tx, api_key_id, secret_hash)
    if key is None:
        raise KeyInvalid()
    may = KEY_PERMISSIONS.intersection(key.permissions)
    return Identity(
        Actor(kind="service", api_key_id=key.api_key_id, office_id=key.office_id, name=key.name, permissions=may)
    )

"""Publish the keys of seals, take the next one into use, revoke one.

A private key is derived from the secret file each time; the table holds what the world may know. Rotating the secret
(``keys.py``) brings a new key for each office at its next seal and ends the one before; seals made in time stay good for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from landdb.db.transaction import Tx
from landdb.sealing import store
from landdb.sealing.chain import instant
from landdb.sealing.keys import Keys
from landdb.sealing.model import OVERLAP, PublicKey, SigningKeyOther, SigningKeyOver, SigningKeyUnknown
from landdb.sealing.seal import ALGORITHM, kid_of, public_jwk

__all__ = ["PublicKey", "ensure_key", "key_set", "published", "revoke"]


def ensure_key(tx: Tx, keys: Keys, office_id: int | None) -> str:
    """The name of the key with which an office (null: the register) seals now, published if it was not.

    Asked of the database each time: a key revoked a second ago seals nothing more.
    Raises: ``SigningKeyOver``, ``SigningKeyOther``.
    """
    kid = kid_of(keys, office_id)
    known = store.get_key(tx, kid) or _publish(tx, keys, office_id)
    if known.jwk != public_jwk(keys, office_id):
        raise SigningKeyOther(kid=kid)
    if not known.good_at(tx.now):
        raise SigningKeyOver(kid=kid, since=instant(known.revoked_at or known.not_after or known.not_before))
    return kid


def revoke(tx: Tx, kid: str) -> None:
    """From now on nothing is sealed with this key and no seal of a later time counts. Raises: ``SigningKeyUnknown``."""
    if not store.set_revoked(tx, kid):
        raise SigningKeyUnknown(kid=kid)


def published(tx: Tx) -> list[PublicKey]:
    """Every key that ever sealed, with its validity: old receipts need old keys."""
    return store.list_keys(tx)


def key_set(keys: Sequence[PublicKey]) -> dict[str, Any]:
    """The keys as a JSON Web Key Set (RFC 7517 §5), each with its office and its validity beside it."""
    return {"keys": [_told(key) for key in keys]}


def _told(key: PublicKey) -> dict[str, Any]:
    return {
        **key.jwk,
        "office_id": key.office_id,
        "not_before": instant(key.not_before),
        "not_after": None if key.not_after is None else instant(key.not_after),
        "revoked_at": None if key.revoked_at is None else instant(key.revoked_at),
    }


def _publish(tx: Tx, keys: Keys, office_id: int | None) -> PublicKey:
    kid = kid_of(keys, office_id)
    store.add_key(
        tx,
        kid=kid,
        office_id=office_id,
        alg=ALGORITHM,
        jwk=public_jwk(keys, office_id),
        not_before=tx.now - OVERLAP,
    )
    store.end_others(tx, kid, office_id, tx.now + OVERLAP)
    known = store.get_key(tx, kid)
    assert known is not None
    return known

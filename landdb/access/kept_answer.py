"""The answer that a caller's ``Idempotency-Key`` has got: taken before the work, kept with it."""

from __future__ import annotations

from landdb.access import store
from landdb.access.model import IdempotencyKeyReused, IdempotencyKeyRunning
from landdb.access.store import KeptAnswer
from landdb.db.transaction import Tx

__all__ = ["KeptAnswer", "keep", "take"]


def take(tx: Tx, key: str, request_hash: bytes) -> KeptAnswer | None:
    """Take the key for this transaction: what was answered before, or null when the work is to be done now.

    Raises: ``IdempotencyKeyRunning`` while another call with the key runs; ``IdempotencyKeyReused`` if the key was
    given with another request that had an effect. A kept refusal had none: another request under its key is a new try.
    """
    if not store.try_lock_key(tx, tx.actor.caller, key):
        raise IdempotencyKeyRunning()
    kept = store.get_answer(tx, tx.actor.caller, key)
    if kept is not None and kept.request_hash != request_hash:
        if kept.status >= 400:
            return None
        raise IdempotencyKeyReused()
    return kept


def keep(tx: Tx, key: str, answer: KeptAnswer) -> None:
    """Keep the answer; it is there exactly if the work is."""
    store.add_answer(tx, tx.actor.caller, key, answer)

"""Checkpoints: what happened to all dossiers, made unchangeable at once every ten minutes.

A dossier's chain shows that a row was changed; whoever rewrites the rest of that chain as well hides it. A checkpoint is one tree
root over all new events, linked to the root before and sealed by the register: who keeps one outside this database can prove
every event under it, and the rewriting of any.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import UUID

from landdb.db.transaction import Tx
from landdb.sealing import store
from landdb.sealing.chain import GENESIS, canonical, instant
from landdb.sealing.keys import Keys
from landdb.sealing.merkle import inclusion_path, tree_hash
from landdb.sealing.model import Checkpoint, Inclusion
from landdb.sealing.seal import seal
from landdb.sealing.signing_keys import ensure_key

LARGEST: Final = 10_000
"""Events under one checkpoint; where more are waiting, the caller makes another."""


def make_checkpoint(tx: Tx, keys: Keys, *, largest: int = LARGEST) -> Checkpoint | None:
    """Cover the committed events that no checkpoint covers yet; null: there is none.

    Raises: ``SigningKeyOver``, ``SigningKeyOther``.
    """
    store.lock_checkpoints(tx)
    leaves = store.list_uncovered(tx, largest)
    if not leaves:
        return None
    kid = ensure_key(tx, keys, None)
    before = store.newest_checkpoint(tx)
    made = Checkpoint(
        checkpoint_no=before.checkpoint_no + 1 if before else 1,
        event_count=len(leaves),
        root=tree_hash([leaf.hash for leaf in leaves]),
        prev_root=before.root if before else GENESIS,
        signed_at=tx.now,
        kid=kid,
        jws="",
    )
    sealed = replace(made, jws=seal(keys, None, body(made)).jws)
    store.add_checkpoint(tx, sealed, leaves)
    return sealed


def body(checkpoint: Checkpoint) -> bytes:
    """What the register seals of a checkpoint."""
    return canonical(
        {
            "v": 1,
            "checkpoint_no": checkpoint.checkpoint_no,
            "event_count": checkpoint.event_count,
            "root": checkpoint.root.hex(),
            "prev_root": checkpoint.prev_root.hex(),
            "signed_at": instant(checkpoint.signed_at),
        }
    )


def prove(tx: Tx, dossier_id: UUID, event_no: int) -> Inclusion | None:
    """That an event is under a checkpoint (``merkle.included`` checks it); null: under none yet."""
    found = store.find_covering(tx, dossier_id, event_no)
    if found is None:
        return None
    checkpoint_no, leaf_no = found
    leaves = store.list_leaves(tx, checkpoint_no)
    path = inclusion_path([leaf.hash or b"" for leaf in leaves], leaf_no)
    return Inclusion(store.get_checkpoint(tx, checkpoint_no), leaf_no, tuple(path))

"""All SQL of sealing: the keys of seals, and the checkpoints over all dossiers' events."""

# ruff: noqa: S608 -- statements are put together from the fixed column lists of this file; values are always parameters

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from landdb.db.transaction import Tx
from landdb.sealing.model import Checkpoint, CoveredEvent, Leaf, PublicKey

# Keys ---------------------------------------------------------------------------------------------------------------

_KEY = "kid, office_id, alg, public_jwk AS jwk, not_before, not_after, revoked_at"


def get_key(tx: Tx, kid: str) -> PublicKey | None:
    """One published key, in use or over."""
    row = tx.execute(f"SELECT {_KEY} FROM signing_key WHERE kid = :kid", kid=kid).one_or_none()
    return row and PublicKey(**row._mapping)


def list_keys(tx: Tx) -> list[PublicKey]:
    """Every key that was ever published, the register's first."""
    rows = tx.execute(f"SELECT {_KEY} FROM signing_key ORDER BY office_id NULLS FIRST, not_before, kid")
    return [PublicKey(**row._mapping) for row in rows]


def add_key(tx: Tx, *, kid: str, office_id: int | None, alg: str, jwk: dict[str, Any], not_before: dt.datetime) -> None:
    """Publish a key; two that do so at once agree on the first."""
    tx.execute(
        """INSERT INTO signing_key (kid, office_id, alg, public_jwk, not_before)
           VALUES (:kid, :office_id, :alg, CAST(:jwk AS jsonb), :not_before) ON CONFLICT (kid) DO NOTHING""",
        kid=kid,
        office_id=office_id,
        alg=alg,
        jwk=json.dumps(jwk),
        not_before=not_before,
    )


def end_others(tx: Tx, kid: str, office_id: int | None, not_after: dt.datetime) -> None:
    """End an office's other keys that have no end yet."""
    tx.execute(
        """UPDATE signing_key SET not_after = :not_after
           WHERE office_id IS NOT DISTINCT FROM :office_id AND kid <> :kid AND not_after IS NULL""",
        kid=kid,
        office_id=office_id,
        not_after=not_after,
    )


def set_revoked(tx: Tx, kid: str) -> bool:
    """Revoke a key now; a second time changes nothing. Whether the key exists."""
    return (
        tx.execute(
            "UPDATE signing_key SET revoked_at = coalesce(revoked_at, :now) WHERE kid = :kid", kid=kid, now=tx.now
        ).rowcount
        == 1
    )


# Checkpoints --------------------------------------------------------------------------------------------------------

_CHECKPOINT = "checkpoint_no, event_count, root, prev_root, signed_at, kid, jws"


def lock_checkpoints(tx: Tx) -> None:
    """One checkpoint is made at a time; readers go on."""
    tx.execute("LOCK TABLE checkpoint IN SHARE ROW EXCLUSIVE MODE")


def newest_checkpoint(tx: Tx) -> Checkpoint | None:
    """The last checkpoint."""
    row = tx.execute(f"SELECT {_CHECKPOINT} FROM checkpoint ORDER BY checkpoint_no DESC LIMIT 1").one_or_none()
    return row and _checkpoint(row)


def get_checkpoint(tx: Tx, checkpoint_no: int) -> Checkpoint:
    """One checkpoint; it must be there."""
    return _checkpoint(
        tx.execute(f"SELECT {_CHECKPOINT} FROM checkpoint WHERE checkpoint_no = :no", no=checkpoint_no).one()
    )


def list_uncovered(tx: Tx, limit: int) -> list[Leaf]:
    """Committed events in no checkpoint yet, those of a dossier together and in their order.

    A dossier's events are numbered under its row lock: what is new of it are the numbers above the highest that is covered.
    No sequence and no clock decides, so an event that was committed late is not missed.
    """
    rows = tx.execute(
        """SELECT e.dossier_id, e.event_no, e.hash
           FROM dossier d
           CROSS JOIN LATERAL (
               SELECT coalesce(max(c.event_no), 0) AS event_no FROM checkpoint_event c WHERE c.dossier_id = d.dossier_id
           ) covered
           JOIN dossier_event e ON e.dossier_id = d.dossier_id AND e.event_no > covered.event_no
           WHERE d.event_no > covered.event_no
           ORDER BY e.dossier_id, e.event_no LIMIT :limit""",
        limit=limit,
    )
    return [Leaf(row.dossier_id, row.event_no, bytes(row.hash)) for row in rows]


def add_checkpoint(tx: Tx, made: Checkpoint, leaves: Sequence[Leaf]) -> None:
    """Write a checkpoint with the events that it covers."""
    tx.execute(
        f"""INSERT INTO checkpoint ({_CHECKPOINT})
            VALUES (:checkpoint_no, :event_count, :root, :prev_root, :signed_at, :kid, :jws)""",
        **vars(made),
    )
    tx.execute(
        """INSERT INTO checkpoint_event (checkpoint_no, leaf_no, dossier_id, event_no)
           SELECT :checkpoint_no, leaf.place - 1, leaf.dossier_id, leaf.event_no
           FROM unnest(CAST(:dossiers AS uuid[]), CAST(:events AS integer[]))
                WITH ORDINALITY AS leaf(dossier_id, event_no, place)""",
        checkpoint_no=made.checkpoint_no,
        dossiers=[leaf.dossier_id for leaf in leaves],
        events=[leaf.event_no for leaf in leaves],
    )


def list_checkpoints(tx: Tx) -> list[Checkpoint]:
    """All checkpoints in their order."""
    return [_checkpoint(row) for row in tx.execute(f"SELECT {_CHECKPOINT} FROM checkpoint ORDER BY checkpoint_no")]


def find_covering(tx: Tx, dossier_id: UUID, event_no: int) -> tuple[int, int] | None:
    """The checkpoint that covers an event, and the event's place in its tree."""
    row = tx.execute(
        "SELECT checkpoint_no, leaf_no FROM checkpoint_event WHERE dossier_id = :dossier_id AND event_no = :event_no",
        dossier_id=dossier_id,
        event_no=event_no,
    ).one_or_none()
    return row and (row.checkpoint_no, row.leaf_no)


def list_leaves(tx: Tx, checkpoint_no: int) -> list[CoveredEvent]:
    """What a checkpoint says that it covers, in the order of the tree; ``hash`` null: there is no such event."""
    rows = tx.execute(
        """SELECT c.leaf_no, c.dossier_id, c.event_no, e.hash
           FROM checkpoint_event c LEFT JOIN dossier_event e USING (dossier_id, event_no)
           WHERE c.checkpoint_no = :checkpoint_no ORDER BY c.leaf_no""",
        checkpoint_no=checkpoint_no,
    )
    return [
        CoveredEvent(row.leaf_no, row.dossier_id, row.event_no, None if row.hash is None else bytes(row.hash))
        for row in rows
    ]


def _checkpoint(row: Row[Any]) -> Checkpoint:
    return Checkpoint(**{**row._mapping, "root": bytes(row.root), "prev_root": bytes(row.prev_root)})

"""All SQL of the exchange: links with their counters, what waits to leave, what has arrived."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from landdb.db.transaction import Tx, new_id, statement_file
from landdb.exchange.model import NO_HEAD, Envelope, Posted

HERE = Path(__file__).parent

# Links --------------------------------------------------------------------------------------------------------------


def add_links(tx: Tx, names: Sequence[str]) -> None:
    """Open links that do not exist yet, in the order of their names, so that two that do so at once never block in a circle."""
    tx.execute(
        """INSERT INTO link (name, head_hash) SELECT name, :head FROM unnest(CAST(:names AS text[])) AS name ORDER BY name
           ON CONFLICT (name) DO NOTHING""",
        names=sorted(names),
        head=NO_HEAD,
    )


def lock_links(tx: Tx, names: Sequence[str]) -> None:
    """Hold the counters of links until the transaction ends, in ascending link id."""
    tx.execute(
        "SELECT FROM link WHERE name = ANY (CAST(:names AS text[])) ORDER BY link_id FOR UPDATE", names=list(names)
    )


# What leaves --------------------------------------------------------------------------------------------------------


def add_messages(tx: Tx, messages: Sequence[Envelope]) -> bool:
    """Number and write messages, at most one for each link; false, and none is written, where a link does not exist.

    The counters of their links stay locked until the transaction ends: numbers become visible in their order, without a gap.
    """
    return tx.execute(
        statement_file(HERE, "post"),
        links=[message.link for message in messages],
        message_ids=[new_id() for _ in messages],
        kinds=[message.kind for message in messages],
        bodies=[message.body for message in messages],
        dossiers=[message.dossier_id for message in messages],
        event_nos=[message.event_no for message in messages],
        epochs=[message.epoch for message in messages],
        handovers=[message.handover_id for message in messages],
        now=tx.now,
    ).rowcount == len(messages)


def list_waiting(tx: Tx, link: str, *, limit: int = 100) -> list[Posted]:
    """The messages of a link that were not sent yet, in their order."""
    rows = tx.execute(
        """SELECT l.name AS link, o.seq, o.message_id, o.kind, o.body, o.body_sha256, o.prev_hash, o.dossier_id, o.event_no,
                  o.epoch, o.handover_id
           FROM outbox o JOIN link l USING (link_id)
           WHERE l.name = :link AND o.sent_at IS NULL ORDER BY o.seq LIMIT :limit""",
        link=link,
        limit=limit,
    )
    return [_posted(row._mapping) for row in rows]


def _posted(row: Any) -> Posted:
    values = dict(row)
    for name in ("body", "body_sha256", "prev_hash"):
        values[name] = bytes(values[name])
    return Posted(**values)


# What arrives -------------------------------------------------------------------------------------------------------


def add_received(tx: Tx, link: str, seq: int, message_id: UUID, body_sha256: bytes) -> bool:
    """Take a message that arrived as the next of its link; false where another number is expected.

    The link's row is locked, so that of two deliveries of one message only one is taken.
    """
    return bool(
        tx.execute(
            """WITH next AS (
                   UPDATE link SET expected_seq = expected_seq + 1
                   WHERE name = :link AND expected_seq = :seq AND state = 'open' RETURNING link_id
               )
               INSERT INTO inbox (link_id, seq, message_id, body_sha256, received_at)
               SELECT link_id, :seq, :message_id, :body_sha256, :now FROM next""",
            link=link,
            seq=seq,
            message_id=message_id,
            body_sha256=body_sha256,
            now=tx.now,
        ).rowcount
    )


def set_answered(tx: Tx, link: str, seq: int, outcome: str, answer: dict[str, Any]) -> None:
    """Keep what was answered to a message that arrived: a second delivery gets the same."""
    tx.execute(
        """UPDATE inbox i SET processed_at = :now, outcome = :outcome, answer = CAST(:answer AS jsonb)
           FROM link l WHERE l.link_id = i.link_id AND l.name = :link AND i.seq = :seq AND i.processed_at IS NULL""",
        link=link,
        seq=seq,
        outcome=outcome,
        answer=json.dumps(answer, ensure_ascii=False),
        now=tx.now,
    )

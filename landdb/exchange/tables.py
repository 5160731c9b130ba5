"""What leaves and what arrives: one numbered, hash-linked row of messages for each link. No behaviour.

A row of ``outbox`` is written in the transaction of the change that it tells of; the counter stands in ``link``, because a sequence
gives numbers that others commit later, and a reader polling "after the last" would miss them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from landdb.db.metadata import metadata
from landdb.db.types import UUID

link = Table(
    "link",
    metadata,
    Column("link_id", Integer, Identity(always=False), primary_key=True),
    Column("name", Text, nullable=False, comment="office:<office_id>, portal, tax, webhook:<id>"),
    Column("next_seq", BigInteger, nullable=False, server_default=text("1")),
    Column("sent_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("acked_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("expected_seq", BigInteger, nullable=False, server_default=text("1"), comment="of the other direction"),
    Column("head_hash", LargeBinary, nullable=False, comment="SHA-256 chain over the bodies sent; 32 zeros at first"),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    UniqueConstraint("name", name="link_name_key"),
    CheckConstraint("state IN ('open', 'stopped', 'forked')", name="state"),
    CheckConstraint("acked_seq <= sent_seq AND sent_seq < next_seq", name="order"),
    comment="One direction of talk with an office, a node or a partner.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("link_id", Integer, ForeignKey("link.link_id"), nullable=False),
    Column("seq", BigInteger, nullable=False, comment="1..n without a gap"),
    Column("message_id", UUID(as_uuid=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("dossier_id", UUID(as_uuid=True)),
    Column("event_no", Integer, comment="the event that the message tells of"),
    Column("epoch", Integer),
    Column("handover_id", UUID(as_uuid=True)),
    Column("body", LargeBinary, nullable=False, comment="canonical JSON (RFC 8785)"),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Column("acked_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("last_error", Text),
    PrimaryKeyConstraint("link_id", "seq", name="outbox_pkey"),
    UniqueConstraint("message_id", name="outbox_message_key"),
    Index("outbox_dossier_idx", "dossier_id", "event_no"),
    Index("outbox_waiting_idx", "link_id", "seq", postgresql_where=text("sent_at IS NULL")),
)

inbox = Table(
    "inbox",
    metadata,
    Column("link_id", Integer, ForeignKey("link.link_id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("message_id", UUID(as_uuid=True), nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("processed_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("answer", JSONB),
    PrimaryKeyConstraint("link_id", "seq", name="inbox_pkey"),
    UniqueConstraint("message_id", name="inbox_message_key"),
)

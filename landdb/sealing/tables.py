"""Public keys of seals, and the checkpoints over all dossiers' chains. No behaviour."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from landdb.db.metadata import metadata
from landdb.db.types import UUID

signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("office_id", Integer, comment="null: the register itself (the hub)"),
    Column("alg", Text, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    Column("not_before", DateTime(timezone=True), nullable=False),
    Column("not_after", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("alg IN ('EdDSA', 'ES256')", name="alg"),
    comment="What a stranger needs to verify a seal. The private half is derived from the secret file and stands nowhere.",
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("checkpoint_no", Integer, primary_key=True, autoincrement=False),
    Column("event_count", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False, comment="RFC 9162 Merkle tree hash over the new events' hashes"),
    Column("prev_root", LargeBinary, nullable=False, comment="of the checkpoint before; 32 zeros at first"),
    Column("signed_at", DateTime(timezone=True), nullable=False),
    Column("kid", Text, ForeignKey("signing_key.kid"), nullable=False),
    Column("jws", Text, nullable=False),
    CheckConstraint("checkpoint_no >= 1 AND event_count > 0", name="positive"),
)

checkpoint_event = Table(
    "checkpoint_event",
    metadata,
    Column("checkpoint_no", Integer, ForeignKey("checkpoint.checkpoint_no"), nullable=False),
    Column("leaf_no", Integer, nullable=False, comment="from 0: the place in the tree"),
    Column("dossier_id", UUID(as_uuid=True), nullable=False),
    Column("event_no", Integer, nullable=False),
    PrimaryKeyConstraint("checkpoint_no", "leaf_no", name="checkpoint_event_pkey"),
    UniqueConstraint("dossier_id", "event_no", name="checkpoint_event_once_key"),
    comment="Which events a checkpoint covers: those committed and in none before. No sequence decides, so none is missed.",
)

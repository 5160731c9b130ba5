"""LA_Party: who may hold rights, and the raw claims of old files before anyone says which person they mean. No behaviour."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from landdb.db.metadata import metadata
from landdb.db.types import DATERANGE, UUID

party = Table(
    "party",
    metadata,
    Column("party_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False, comment="lower case without diacritics, for search"),
    Column("born_on", Date),
    Column("address", Text),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    CheckConstraint(
        "kind IN ('person', 'couple', 'household', 'organisation', 'community', 'group', 'undivided_heirs', 'state')",
        name="kind",
    ),
    Index(
        "party_name_folded_idx", "name_folded", postgresql_using="gin", postgresql_ops={"name_folded": "gin_trgm_ops"}
    ),
)

party_identity = Table(
    "party_identity",
    metadata,
    Column("party_id", UUID(as_uuid=True), ForeignKey("party.party_id"), nullable=False),
    Column("kind", Text, nullable=False, comment="citizen id, old identity card, passport, enterprise code …"),
    Column("number_encrypted", LargeBinary, nullable=False),
    Column("number_index", LargeBinary, nullable=False, comment="keyed blind index (HMAC-SHA-256) for exact search"),
    Column("valid", DATERANGE, nullable=False),
    PrimaryKeyConstraint("party_id", "kind", "number_index", name="party_identity_pkey"),
    Index("party_identity_number_index_idx", "number_index"),
)

party_member = Table(
    "party_member",
    metadata,
    Column("group_id", UUID(as_uuid=True), ForeignKey("party.party_id"), nullable=False),
    Column("member_id", UUID(as_uuid=True), ForeignKey("party.party_id"), nullable=False),
    Column("share_numerator", Integer),
    Column("share_denominator", Integer),
    PrimaryKeyConstraint("group_id", "member_id", name="party_member_pkey"),
    CheckConstraint("group_id <> member_id", name="not_itself"),
    comment="LA_PartyMember: who makes up a couple, a household or a group.",
)

party_claim = Table(
    "party_claim",
    metadata,
    Column("party_claim_id", UUID(as_uuid=True), primary_key=True),
    Column("raw_name", Text, nullable=False, comment="the file's own text, decoded, nothing guessed"),
    Column("raw_class", Text),
    Column("raw_address", Text),
    Column("number_encrypted", LargeBinary),
    Column("number_index", LargeBinary),
    Column(
        "party_id",
        UUID(as_uuid=True),
        ForeignKey("party.party_id"),
        comment="set by identity number or by a person's decision",
    ),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    Index("party_claim_number_index_idx", "number_index", postgresql_where="number_index IS NOT NULL"),
    Index("party_claim_registration_idx", "registration_id"),
    comment="What a file says about a holder. Two equal names are two claims, never one person by themselves.",
)

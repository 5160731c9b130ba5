"""Offices, staff, sessions and service keys. No behaviour."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
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
from sqlalchemy.dialects.postgresql import INET, ExcludeConstraint

from landdb.db.metadata import metadata
from landdb.db.types import DATERANGE, UUID

office = Table(
    "office",
    metadata,
    Column("office_id", Integer, Identity(always=False), primary_key=True),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent_id", Integer, ForeignKey("office.office_id")),
    Column("valid", DATERANGE, nullable=False),
    Column("phone", Text),
    CheckConstraint(
        "kind IN ('provincial_office', 'branch', 'commune_desk', 'commune_committee', 'tax', 'department')", name="kind"
    ),
    ExcludeConstraint(("code", "="), ("valid", "&&"), name="office_code_valid_excl", using="gist"),
    comment="A dated tree: offices are founded, renamed and closed by law.",
)

office_commune = Table(
    "office_commune",
    metadata,
    Column("office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("admin_unit_id", Integer, ForeignKey("admin_unit.admin_unit_id"), nullable=False),
    Column("valid", DATERANGE, nullable=False),
    ExcludeConstraint(
        ("office_id", "="), ("admin_unit_id", "="), ("valid", "&&"), name="office_commune_valid_excl", using="gist"
    ),
    Index("office_commune_admin_unit_idx", "admin_unit_id"),
    comment="The communes that an office serves, and when.",
)

staff = Table(
    "staff",
    metadata,
    Column("staff_id", UUID(as_uuid=True), primary_key=True),
    Column("login", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("password_hash", Text, comment="argon2id; null: no local sign-in"),
    Column("must_change_password", Boolean, nullable=False, server_default=text("false")),
    Column("language", Text, nullable=False, server_default=text("'vi'")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("failed_sign_ins", Integer, nullable=False, server_default=text("0")),
    Column("locked_until", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("login", name="staff_login_key"),
    CheckConstraint("login = lower(login)", name="login_lower"),
    CheckConstraint("language IN ('vi', 'en')", name="language"),
)

staff_role = Table(
    "staff_role",
    metadata,
    Column("staff_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), nullable=False),
    Column("role", Text, nullable=False, comment="a key of landdb.access.permissions.ROLES"),
    Column("office_id", Integer, ForeignKey("office.office_id"), nullable=False, comment="where the role holds"),
    Column("granted_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("granted_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("staff_id", "role", "office_id", name="staff_role_pkey"),
)

staff_cover = Table(
    "staff_cover",
    metadata,
    Column("staff_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), nullable=False, comment="who is away"),
    Column("cover_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), nullable=False, comment="who does their work"),
    Column("days", DATERANGE, nullable=False),
    CheckConstraint("staff_id <> cover_id", name="not_itself"),
    ExcludeConstraint(("staff_id", "="), ("days", "&&"), name="staff_cover_days_excl", using="gist"),
    comment="Leave: whose desk is looked after by whom.",
)

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, comment="SHA-256 of the cookie's value"),
    Column("staff_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("session_staff_idx", "staff_id"),
)

password_reset = Table(
    "password_reset",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("staff_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), nullable=False),
    Column("issued_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
)

api_key = Table(
    "api_key",
    metadata,
    Column("api_key_id", UUID(as_uuid=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column(
        "secret_hash", LargeBinary, nullable=False, comment="SHA-256 of the secret part; the key itself is shown once"
    ),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("created_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    UniqueConstraint("secret_hash", name="api_key_secret_hash_key"),
)

access_event = Table(
    "access_event",
    metadata,
    Column("access_event_id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column(
        "kind",
        Text,
        nullable=False,
        comment="sign_in, sign_in_failed, locked, sign_out, password_changed, role_granted, key_created …",
    ),
    Column("staff_id", UUID(as_uuid=True)),
    Column("by_staff_id", UUID(as_uuid=True)),
    Column("address", INET),
    Column("note", Text),
    Index("access_event_address_idx", "address", "at"),
    Index("access_event_staff_idx", "staff_id", "at"),
    # Guesses at one person or one dossier from many addresses; ``note`` holds a keyed index or the dossier's code.
    Index(
        "access_event_missed_idx",
        "note",
        "at",
        postgresql_where=text("kind IN ('prefill_missed', 'status_missed')"),
    ),
    comment="Append-only: what happened to accounts.",
)

token_revocation = Table(
    "token_revocation",
    metadata,
    Column("token_revocation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("subject", Text, nullable=False, comment="staff:<uuid> or service:<uuid>, as in the token"),
    Column("at", DateTime(timezone=True), nullable=False, comment="tokens issued until then are refused"),
    Index("token_revocation_at_idx", "at"),
    comment="Short tokens that no longer count; rows older than a token's life may go.",
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", Integer, comment="of the answer that was given"),
    Column("headers", Text),
    Column("body", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column(
        "lasting",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="kept for 400 days: an act on a dossier or a hand-over",
    ),
    PrimaryKeyConstraint("caller", "key", name="idempotency_key_pkey"),
    Index("idempotency_key_created_at_idx", "created_at"),
)

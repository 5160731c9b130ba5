"""Online services: the versions of forms, and what citizens sent by them. No behaviour."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint

from landdb.db.metadata import metadata
from landdb.db.types import DATERANGE, UUID

form_version = Table(
    "form_version",
    metadata,
    Column("form_version_id", Integer, primary_key=True, autoincrement=False),
    Column("form_code", Text, nullable=False),
    Column("procedure_code", Text, nullable=False),
    Column("version_no", SmallInteger, nullable=False),
    Column("valid", DATERANGE, nullable=False),
    Column("schema", JSONB, nullable=False, comment="JSON Schema 2020-12"),
    Column("layout", JSONB, nullable=False, comment="sections and fields in order, with labels in both languages"),
    Column("source", Text, nullable=False),
    UniqueConstraint("form_code", "version_no", name="form_version_no_key"),
    ExcludeConstraint(("form_code", "="), ("valid", "&&"), name="form_version_valid_excl", using="gist"),
)

submission = Table(
    "submission",
    metadata,
    Column("submission_id", UUID(as_uuid=True), primary_key=True),
    Column("form_version_id", Integer, ForeignKey("form_version.form_version_id"), nullable=False),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("answers_encrypted", LargeBinary, nullable=False, comment="canonical JSON of what was sent, AES-256-GCM"),
    Column("answers_sha256", LargeBinary, nullable=False),
    Column(
        "second_fact_index",
        LargeBinary,
        nullable=False,
        comment="keyed blind index of what the citizen proves themselves by",
    ),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("octet_length(answers_sha256) = 32", name="sha256"),
    UniqueConstraint("dossier_id", name="submission_dossier_key"),
    Index("submission_fact_idx", "second_fact_index"),
)

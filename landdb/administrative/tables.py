"""LA_RRR and LA_AdministrativeSource: registrations, rights, restrictions and certificates. No behaviour."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

from landdb.db.metadata import metadata
from landdb.db.types import DATERANGE, TSTZRANGE, UUID, storage_geometry

registration = Table(
    "registration",
    metadata,
    Column("registration_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False, comment="import, undo, and in time: subdivide, merge, transfer …"),
    Column("import_job_id", UUID(as_uuid=True), comment="the import that it applies or undoes; null: another act"),
    Column("dossier_id", UUID(as_uuid=True), comment="the dossier that it closes; null: none was required"),
    Column("author_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), comment="null: the system"),
    Column("approver_id", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("office_id", Integer, ForeignKey("office.office_id")),
    Column("legal_ground", Text),
    Column("effective_on", Date, comment="null: the source gives no date"),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("undone_by", UUID(as_uuid=True), ForeignKey("registration.registration_id")),
    Index("registration_import_job_idx", "import_job_id", postgresql_where=text("import_job_id IS NOT NULL")),
    comment="Every change of the register belongs to one.",
)

right = Table(
    "right_held",
    metadata,
    Column("right_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column(
        "parcel_id",
        UUID(as_uuid=True),
        ForeignKey("parcel.parcel_id"),
        nullable=False,
    ),
    Column("shared", Text, nullable=False, comment="how it is held: sole, joint, by shares, unknown"),
    Column("valid", DATERANGE, nullable=False),
    Column("recorded", TSTZRANGE, nullable=False),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Column("closed_by", UUID(as_uuid=True), ForeignKey("registration.registration_id")),
    CheckConstraint(
        "kind IN ('land_use', 'management', 'asset_ownership', 'lease', 'mortgage', 'easement')", name="kind"
    ),
    CheckConstraint("shared IN ('sole', 'joint', 'shares', 'unknown')", name="shared"),
    Index("right_held_parcel_idx", "parcel_id"),
    Index("right_held_registration_idx", "registration_id"),
    comment="LA_Right. Named right_held because RIGHT is a word of SQL.",
)

right_holder = Table(
    "right_holder",
    metadata,
    Column("right_id", UUID(as_uuid=True), ForeignKey("right_held.right_id"), nullable=False),
    Column("ordinal", SmallInteger, nullable=False),
    Column("party_id", UUID(as_uuid=True), ForeignKey("party.party_id")),
    Column("party_claim_id", UUID(as_uuid=True), ForeignKey("party_claim.party_claim_id")),
    Column("share_numerator", Integer, comment="null with its denominator: held jointly"),
    Column("share_denominator", Integer),
    PrimaryKeyConstraint("right_id", "ordinal", name="right_holder_pkey"),
    CheckConstraint("num_nonnulls(party_id, party_claim_id) = 1", name="one_holder"),
    CheckConstraint(
        "(share_numerator IS NULL) = (share_denominator IS NULL) AND (share_numerator IS NULL OR"
        " (share_numerator > 0 AND share_denominator > 0 AND share_numerator <= share_denominator))",
        name="share",
    ),
    Index("right_holder_party_idx", "party_id", postgresql_where=text("party_id IS NOT NULL")),
    Index("right_holder_claim_idx", "party_claim_id", postgresql_where=text("party_claim_id IS NOT NULL")),
)

restriction = Table(
    "restriction",
    metadata,
    Column("restriction_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("parcel_id", UUID(as_uuid=True), ForeignKey("parcel.parcel_id"), nullable=False),
    Column("geom", storage_geometry(), comment="null: the whole parcel"),
    Column("area_m2", Numeric(14, 1)),
    Column("content", Text, nullable=False),
    Column("source_text", Text),
    Column("valid", DATERANGE, nullable=False),
    Column("recorded", TSTZRANGE, nullable=False),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Column("closed_by", UUID(as_uuid=True), ForeignKey("registration.registration_id")),
    Index("restriction_parcel_idx", "parcel_id"),
)

certificate = Table(
    "certificate",
    metadata,
    Column("certificate_id", UUID(as_uuid=True), primary_key=True),
    Column("serial_no", Text, comment="số phát hành, as printed; null: only the register number is known"),
    Column("serial_folded", Text, comment="serial without blanks, upper case, for search"),
    Column("register_no", Text, comment="số vào sổ"),
    Column("issued_on", Date),
    Column("kind", Text, comment="a code of loai_giay_chung_nhan; null: unknown"),
    Column("state", Text, nullable=False),
    Column("recorded", TSTZRANGE, nullable=False),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Column("closed_by", UUID(as_uuid=True), ForeignKey("registration.registration_id")),
    CheckConstraint("state IN ('as_read', 'in_force', 'withdrawn', 'cancelled', 'replaced')", name="state"),
    CheckConstraint("num_nonnulls(serial_no, register_no) > 0", name="numbered"),
    Index("certificate_serial_folded_idx", "serial_folded"),
    Index("certificate_register_no_idx", "register_no"),
    Index("certificate_registration_idx", "registration_id"),
    comment="As read from imports; a serial may stand twice in old files, so it is not unique.",
)

certificate_parcel = Table(
    "certificate_parcel",
    metadata,
    Column("certificate_id", UUID(as_uuid=True), ForeignKey("certificate.certificate_id"), nullable=False),
    Column(
        "parcel_id",
        UUID(as_uuid=True),
        ForeignKey("parcel.parcel_id"),
        nullable=False,
    ),
    PrimaryKeyConstraint("certificate_id", "parcel_id", name="certificate_parcel_pkey"),
    Index("certificate_parcel_parcel_idx", "parcel_id"),
)

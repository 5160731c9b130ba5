"""Dossiers: what they are, who holds them, how they move, what happened, and when they are due. No behaviour.

Two lifecycles stand side by side and never in one column: ``dossier.stage`` (processing, dated reference data) and
``dossier.custody_state`` with ``custody`` and ``handover`` (fixed, held by the constraints here). Custody moves by compare-and-set
on ``epoch``. What must never change is refused by triggers (migration 0007).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from landdb.db.metadata import metadata
from landdb.db.types import UUID

dossier = Table(
    "dossier",
    metadata,
    Column("dossier_id", UUID(as_uuid=True), primary_key=True),
    Column("code", Text, nullable=False, comment="agency-yyMMdd-sequence (QĐ 20/2020), Vietnam date"),
    Column("procedure_id", Integer, ForeignKey("procedure.procedure_id"), nullable=False),
    Column("stage", Text, nullable=False),
    Column("custody_state", Text, nullable=False),
    Column("holder_office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("epoch", Integer, nullable=False, comment="+1 at every change of custody: the fencing token"),
    Column("event_no", Integer, nullable=False, comment="number of events so far; also the version for If-Match"),
    Column("event_hash", LargeBinary, nullable=False, comment="head of the chain"),
    Column("assignee_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), comment="null: on nobody's desk yet"),
    Column("intake_office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("received_by", UUID(as_uuid=True), ForeignKey("staff.staff_id"), comment="null: came online"),
    Column("channel", SmallInteger, nullable=False, comment="1 at the desk, 2 online, 3 by post (national code)"),
    Column("commune_id", Integer, ForeignKey("admin_unit.admin_unit_id"), comment="of its land; null: none named"),
    Column("parcel_id", UUID(as_uuid=True), ForeignKey("parcel.parcel_id")),
    Column("certificate_serial", Text, comment="folded as in certificate.serial_folded"),
    Column("summary", Text, nullable=False, server_default=text("''"), comment="what it is about, no personal data"),
    Column("paper_place", Text, comment="where the paper original lies"),
    Column("due_at", DateTime(timezone=True), comment="null: no limit known, set by the office"),
    Column(
        "due_provisional",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="a year's holidays were not loaded",
    ),
    Column("supplement_count", SmallInteger, nullable=False, server_default=text("0")),
    Column("finished_at", DateTime(timezone=True), comment="end of processing as the national portal counts it"),
    Column("closed_at", DateTime(timezone=True)),
    UniqueConstraint("code", name="dossier_code_key"),
    CheckConstraint("custody_state IN ('held', 'in_transit')", name="custody_state"),
    CheckConstraint("epoch >= 1 AND event_no >= 0", name="counters"),
    CheckConstraint("channel BETWEEN 1 AND 3", name="channel"),
    Index("dossier_holder_idx", "holder_office_id", "due_at", postgresql_where=text("closed_at IS NULL")),
    Index("dossier_ended_idx", "holder_office_id", postgresql_where=text("closed_at IS NOT NULL")),
    Index("dossier_assignee_idx", "assignee_id", postgresql_where=text("closed_at IS NULL")),
    Index("dossier_parcel_idx", "parcel_id", postgresql_where=text("parcel_id IS NOT NULL")),
    Index("dossier_certificate_idx", "certificate_serial", postgresql_where=text("certificate_serial IS NOT NULL")),
    Index("dossier_provisional_idx", "dossier_id", postgresql_where=text("due_provisional AND closed_at IS NULL")),
    Index("dossier_received_idx", "received_at"),
)

dossier_number = Table(
    "dossier_number",
    metadata,
    Column("office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("day", Date, nullable=False, comment="Vietnam date"),
    Column("last_no", Integer, nullable=False),
    PrimaryKeyConstraint("office_id", "day", name="dossier_number_pkey"),
    comment="The counter of a desk and day: a row lock makes it free of gaps.",
)

dossier_person = Table(
    "dossier_person",
    metadata,
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("identity_encrypted", LargeBinary),
    Column("identity_index", LargeBinary, comment="keyed blind index"),
    Column("phone", Text),
    Column("address", Text),
    PrimaryKeyConstraint("dossier_id", "role", name="dossier_person_pkey"),
    CheckConstraint("role IN ('applicant', 'proxy')", name="role"),
    Index("dossier_person_identity_idx", "identity_index", postgresql_where=text("identity_index IS NOT NULL")),
    Index(
        "dossier_person_name_idx", "name_folded", postgresql_using="gin", postgresql_ops={"name_folded": "gin_trgm_ops"}
    ),
)

external_id = Table(
    "dossier_external_id",
    metadata,
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("system", Text, nullable=False, comment="portal, vbdlis, ilis, tax, paper …"),
    Column("value", Text, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("system", "value", name="dossier_external_id_pkey"),
    Index("dossier_external_id_dossier_idx", "dossier_id"),
)

handover = Table(
    "handover",
    metadata,
    Column("handover_id", UUID(as_uuid=True), primary_key=True),
    Column(
        "batch_id", UUID(as_uuid=True), nullable=False, comment="one act of handing over, of one dossier or of many"
    ),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("epoch", Integer, nullable=False, comment="of the custody that it ends"),
    Column("from_office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("to_office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False, comment="canonical JSON (RFC 8785), the bytes that are sealed"),
    Column("manifest_sha256", LargeBinary, nullable=False),
    Column("seal_jws", Text, nullable=False, comment="detached JWS (RFC 7797) over the manifest"),
    Column("seal_kid", Text, nullable=False),
    Column("note", Text),
    Column("offered_at", DateTime(timezone=True), nullable=False),
    Column("offered_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("due_at", DateTime(timezone=True), comment="when an answer is due; nothing moves by itself"),
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("reason_code", Text),
    Column("reason_note", Text),
    CheckConstraint("from_office_id <> to_office_id", name="offices"),
    CheckConstraint("state IN ('offered', 'accepted', 'refused', 'recalled', 'forced')", name="state"),
    CheckConstraint("(state = 'offered') = (closed_at IS NULL)", name="closed"),
    CheckConstraint("state NOT IN ('refused', 'forced') OR reason_code IS NOT NULL", name="reason"),
    Index("handover_open_key", "dossier_id", unique=True, postgresql_where=text("state = 'offered'")),
    Index(
        "handover_done_key",
        "dossier_id",
        "epoch",
        unique=True,
        postgresql_where=text("state IN ('accepted', 'forced')"),
    ),
    Index("handover_to_idx", "to_office_id", "offered_at", postgresql_where=text("state = 'offered'")),
    Index("handover_from_idx", "from_office_id", "offered_at"),
    Index("handover_dossier_idx", "dossier_id"),
    Index(
        "handover_untaken_idx",
        "to_office_id",
        "dossier_id",
        postgresql_where=text("state IN ('offered', 'refused', 'recalled')"),
    ),
    Index("handover_batch_idx", "batch_id"),
)

custody = Table(
    "custody",
    metadata,
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("via_handover_id", UUID(as_uuid=True), ForeignKey("handover.handover_id"), comment="null: the first"),
    PrimaryKeyConstraint("dossier_id", "epoch", name="custody_pkey"),
    CheckConstraint("(epoch = 1) = (via_handover_id IS NULL)", name="via"),
    CheckConstraint("ended_at >= started_at", name="order"),
    Index("custody_open_key", "dossier_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    Index("custody_office_idx", "office_id", "started_at"),
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("scan_result", Text, comment="what the virus scanner said; null: not scanned"),
    Column("verified_at", DateTime(timezone=True)),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
    CheckConstraint("state IN ('verified', 'quarantined')", name="state"),
)

upload = Table(
    "upload",
    metadata,
    Column("upload_id", UUID(as_uuid=True), primary_key=True),
    Column("caller", Text, nullable=False),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id")),
    Column("name", Text, nullable=False),
    Column("doc_type", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("offset_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("sha256", Text),
    comment="A resumable upload (tus 1.0) under way.",
)

document = Table(
    "document",
    metadata,
    Column("document_id", UUID(as_uuid=True), primary_key=True),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("sha256", Text, ForeignKey("blob.sha256"), nullable=False),
    Column("doc_type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", SmallInteger, nullable=False, server_default=text("1")),
    Column("supersedes_id", UUID(as_uuid=True), ForeignKey("document.document_id")),
    Column("signature", JSONB, comment="report on the PAdES signatures found; null: not a signed PDF"),
    Column("added_at", DateTime(timezone=True), nullable=False),
    Column("added_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("added_office_id", Integer, ForeignKey("office.office_id")),
    Column("withdrawn_at", DateTime(timezone=True), comment="taken out by mistake; the bytes and the event stay"),
    Index("document_dossier_idx", "dossier_id"),
    Index("document_sha256_idx", "sha256"),
)

handover_item = Table(
    "handover_item",
    metadata,
    Column("handover_id", UUID(as_uuid=True), ForeignKey("handover.handover_id"), nullable=False),
    Column("item_no", SmallInteger, nullable=False),
    Column("sha256", Text, ForeignKey("blob.sha256"), nullable=False),
    Column("doc_type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("handover_id", "item_no", name="handover_item_pkey"),
)

dossier_event = Table(
    "dossier_event",
    metadata,
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("event_no", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column(
        "staff_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), comment="null: a service, the system, a citizen"
    ),
    Column("office_id", Integer, ForeignKey("office.office_id")),
    Column("from_stage", Text),
    Column("to_stage", Text),
    Column("payload", JSONB, nullable=False, comment="facts for people; personal data may be erased with the salt"),
    Column("payload_salt", LargeBinary, comment="null: erased"),
    Column("payload_commit", LargeBinary, nullable=False, comment="SHA-256(salt ‖ canonical payload)"),
    Column("messages", SmallInteger, nullable=False, comment="how many rows of the outbox tell of it"),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("dossier_id", "event_no", name="dossier_event_pkey"),
    Index("dossier_event_office_idx", "office_id", "at"),
    comment="What happened, each bound to the one before (landdb.sealing.chain).",
)

receipt = Table(
    "receipt",
    metadata,
    Column("receipt_id", UUID(as_uuid=True), primary_key=True),
    Column("handover_id", UUID(as_uuid=True), ForeignKey("handover.handover_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("party_office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("body", LargeBinary, nullable=False, comment="canonical JSON (RFC 8785), the bytes that are signed"),
    Column("jws", Text, nullable=False, comment="detached JWS of the register over the body"),
    Column("kid", Text, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("handover_id", "kind", "party_office_id", name="receipt_once_key"),
    CheckConstraint(
        "kind IN ('stored', 'delivered', 'granted', 'released', 'returned', 'refused', 'closed')", name="kind"
    ),
)

deadline = Table(
    "deadline",
    metadata,
    Column("deadline_id", BigInteger, Identity(always=True), primary_key=True),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("stage", Text, nullable=False),
    Column(
        "office_id",
        Integer,
        ForeignKey("office.office_id"),
        nullable=False,
        comment="answers for this time only (NĐ 101/2024 Đ22 k11)",
    ),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), comment="null: set by the office"),
    Column("met_at", DateTime(timezone=True)),
    Column("escalation_level", SmallInteger, nullable=False, server_default=text("0")),
    Index("deadline_open_key", "dossier_id", unique=True, postgresql_where=text("met_at IS NULL")),
    Index("deadline_dossier_idx", "dossier_id"),
    Index("deadline_due_idx", "due_at", postgresql_where=text("met_at IS NULL")),
    CheckConstraint("met_at >= started_at", name="order"),
    comment="The clock of one office at one stage; exactly one runs while a dossier is open.",
)

pause = Table(
    "pause",
    metadata,
    Column("pause_id", BigInteger, Identity(always=True), primary_key=True),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text),
    Column("from_at", DateTime(timezone=True), nullable=False),
    Column("to_at", DateTime(timezone=True)),
    CheckConstraint("reason IN ('supplement', 'tax', 'payment', 'posting', 'inspection', 'opinion')", name="reason"),
    CheckConstraint("to_at >= from_at", name="order"),
    Index("pause_open_key", "dossier_id", unique=True, postgresql_where=text("to_at IS NULL")),
    Index("pause_dossier_idx", "dossier_id"),
)

escalation = Table(
    "escalation",
    metadata,
    Column("deadline_id", BigInteger, ForeignKey("deadline.deadline_id"), nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("told_id", UUID(as_uuid=True), ForeignKey("staff.staff_id"), comment="null: no head was in office"),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("deadline_id", "level", name="escalation_pkey"),
)

note = Table(
    "dossier_note",
    metadata,
    Column("note_id", UUID(as_uuid=True), primary_key=True),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("body", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("staff_id", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("office_id", Integer, ForeignKey("office.office_id")),
    Index("dossier_note_dossier_idx", "dossier_id"),
)

fee = Table(
    "dossier_fee",
    metadata,
    Column("fee_id", UUID(as_uuid=True), primary_key=True),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("amount_vnd", BigInteger, nullable=False),
    Column("paid_at", DateTime(timezone=True)),
    CheckConstraint("amount_vnd >= 0", name="amount"),
    Index("dossier_fee_dossier_idx", "dossier_id"),
)

notice = Table(
    "notice",
    metadata,
    Column("notice_id", UUID(as_uuid=True), primary_key=True),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("kind", Text, nullable=False, comment="received, supplement, payment, ready, refused, late …"),
    Column("language", Text, nullable=False, server_default=text("'vi'")),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Column("failure", Text),
    Index("notice_waiting_idx", "created_at", postgresql_where=text("sent_at IS NULL")),
    Index("notice_dossier_idx", "dossier_id"),
)

force_move = Table(
    "force_move",
    metadata,
    Column("force_move_id", UUID(as_uuid=True), primary_key=True),
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("to_office_id", Integer, ForeignKey("office.office_id"), nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason_note", Text, nullable=False),
    Column(
        "document_id",
        UUID(as_uuid=True),
        ForeignKey("document.document_id"),
        nullable=False,
        comment="the written order",
    ),
    Column("proposed_by", UUID(as_uuid=True), ForeignKey("staff.staff_id"), nullable=False),
    Column("proposed_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("dropped_at", DateTime(timezone=True)),
    CheckConstraint("confirmed_by <> proposed_by", name="two_persons"),
    Index(
        "force_move_open_key",
        "dossier_id",
        unique=True,
        postgresql_where=text("confirmed_at IS NULL AND dropped_at IS NULL"),
    ),
)

dossier_registration = Table(
    "dossier_registration",
    metadata,
    Column("dossier_id", UUID(as_uuid=True), ForeignKey("dossier.dossier_id"), nullable=False),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    PrimaryKeyConstraint("dossier_id", "registration_id", name="dossier_registration_pkey"),
    comment="The acts of the register that a dossier led to: the seam by which closing will require them.",
)

"""Import jobs, their files, staged rows and issues.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

from landdb.config import settings

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


# The storage zone is the province's; it is chosen once, when the register is made.
STATEMENTS = """
CREATE TABLE staged_parcel (
    import_job_id UUID NOT NULL,
    row_id UUID NOT NULL,
    file_no SMALLINT NOT NULL,
    layer TEXT NOT NULL,
    row_no BIGINT NOT NULL,
    verdict TEXT,
    held BOOLEAN DEFAULT false NOT NULL,
    parcel_id UUID,
    sheet_no TEXT,
    parcel_no TEXT,
    land_uses JSONB,
    declared_area_m2 NUMERIC(14, 1),
    legal_area_m2 NUMERIC(14, 1),
    measured_area_m2 NUMERIC(14, 1),
    holder_name TEXT,
    holder_identity BYTEA,
    holder_identity_index BYTEA,
    holder_class TEXT,
    address TEXT,
    former_sheet_no TEXT,
    former_parcel_no TEXT,
    temporary_no TEXT,
    certificate_serial TEXT,
    certificate_register_no TEXT,
    certificate_issued_on DATE,
    scale INTEGER,
    geometry_hash BIGINT,
    raw JSONB,
    geom geometry(GEOMETRY,{srid}),
    CONSTRAINT staged_parcel_pkey PRIMARY KEY (import_job_id, row_id),
    CONSTRAINT staged_parcel_verdict_check CHECK (verdict IN ('new', 'changed', 'unchanged', 'quarantined'))
)
 PARTITION BY LIST (import_job_id);

COMMENT ON COLUMN staged_parcel.row_id IS 'becomes parcel_id, right_id and certificate_id where these are new';

COMMENT ON COLUMN staged_parcel.row_no IS '1-based, in the client''s own file';

COMMENT ON COLUMN staged_parcel.verdict IS 'new, changed, unchanged, quarantined; null: not yet compared';

COMMENT ON COLUMN staged_parcel.held IS 'left out of a partial approval';

COMMENT ON COLUMN staged_parcel.parcel_id IS 'the parcel in force that it matches';

COMMENT ON COLUMN staged_parcel.land_uses IS '[{code, list, area_m2}]';

COMMENT ON COLUMN staged_parcel.holder_identity IS 'encrypted';

COMMENT ON COLUMN staged_parcel.raw IS 'canonical fields as text, of quarantined rows only, for mending';

CREATE TABLE import_job (
    import_job_id UUID NOT NULL,
    state TEXT NOT NULL,
    intent TEXT NOT NULL,
    admin_unit_id INTEGER NOT NULL,
    office_id INTEGER,
    submitted_by UUID,
    submitted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    approved_by UUID,
    approved_at TIMESTAMP WITH TIME ZONE,
    layer TEXT,
    profile TEXT,
    srid INTEGER,
    swapped_axes BOOLEAN DEFAULT false NOT NULL,
    sheet_no TEXT,
    series TEXT DEFAULT '' NOT NULL,
    dossier_id UUID,
    valid_from DATE,
    options JSONB DEFAULT '{}' NOT NULL,
    recognised JSONB DEFAULT '{}' NOT NULL,
    counts JSONB DEFAULT '{}' NOT NULL,
    progress_done BIGINT DEFAULT 0 NOT NULL,
    progress_total BIGINT,
    stage TEXT,
    heartbeat_at TIMESTAMP WITH TIME ZONE,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    failure_code TEXT,
    failure_params JSONB,
    registration_id UUID,
    undo_registration_id UUID,
    CONSTRAINT import_job_pkey PRIMARY KEY (import_job_id),
    CONSTRAINT import_job_state_check CHECK (state IN ('submitted', 'reading', 'checked', 'staged', 'applying', 'applied', 'failed', 'rejected', 'undoing', 'undone')),
    CONSTRAINT import_job_intent_check CHECK (intent IN ('first-load', 'update', 'resurvey')),
    CONSTRAINT import_job_admin_unit_id_fkey FOREIGN KEY(admin_unit_id) REFERENCES admin_unit (admin_unit_id),
    CONSTRAINT import_job_office_id_fkey FOREIGN KEY(office_id) REFERENCES office (office_id),
    CONSTRAINT import_job_submitted_by_fkey FOREIGN KEY(submitted_by) REFERENCES staff (staff_id),
    CONSTRAINT import_job_approved_by_fkey FOREIGN KEY(approved_by) REFERENCES staff (staff_id),
    CONSTRAINT import_job_registration_id_fkey FOREIGN KEY(registration_id) REFERENCES registration (registration_id),
    CONSTRAINT import_job_undo_registration_id_fkey FOREIGN KEY(undo_registration_id) REFERENCES registration (registration_id)
);

CREATE INDEX import_job_open_idx ON import_job (submitted_at) WHERE state IN ('submitted', 'reading', 'applying', 'undoing');

CREATE INDEX import_job_unit_idx ON import_job (admin_unit_id, submitted_at);

COMMENT ON COLUMN import_job.submitted_by IS 'null: the command line';

COMMENT ON COLUMN import_job.layer IS 'which layer of the file; null: the only one';

COMMENT ON COLUMN import_job.profile IS 'asked for, then found; null: not yet known';

COMMENT ON COLUMN import_job.srid IS 'declared, then found; null: not yet known';

COMMENT ON COLUMN import_job.sheet_no IS 'given for files without a sheet column';

COMMENT ON COLUMN import_job.valid_from IS 'null: the source gives no date';

COMMENT ON COLUMN import_job.options IS 'encoding confirmed by a person, row selection, notes';

COMMENT ON COLUMN import_job.recognised IS 'what was found in the file, with the evidence';

COMMENT ON COLUMN import_job.counts IS 'read, new, changed, unchanged, quarantined, retired';

COMMENT ON COLUMN import_job.stage IS 'what the worker does now';

CREATE TABLE import_file (
    import_job_id UUID NOT NULL,
    ordinal SMALLINT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    role TEXT NOT NULL,
    CONSTRAINT import_file_pkey PRIMARY KEY (import_job_id, ordinal),
    CONSTRAINT import_file_role_check CHECK (role IN ('source', 'mend')),
    CONSTRAINT import_file_import_job_id_fkey FOREIGN KEY(import_job_id) REFERENCES import_job (import_job_id)
);

CREATE INDEX import_file_sha256_idx ON import_file (sha256);

COMMENT ON COLUMN import_file.role IS 'source, or mend: a second file with repaired rows';

CREATE TABLE import_issue (
    import_issue_id BIGINT GENERATED BY DEFAULT AS IDENTITY,
    import_job_id UUID NOT NULL,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    file_no SMALLINT,
    layer TEXT,
    row_no BIGINT,
    field TEXT,
    raw_value TEXT,
    params JSONB NOT NULL,
    geom_4326 geometry(GEOMETRY,4326),
    waived_by UUID,
    waived_reason TEXT,
    CONSTRAINT import_issue_pkey PRIMARY KEY (import_issue_id),
    CONSTRAINT import_issue_severity_check CHECK (severity IN ('blocking', 'warning', 'info')),
    CONSTRAINT import_issue_import_job_id_fkey FOREIGN KEY(import_job_id) REFERENCES import_job (import_job_id),
    CONSTRAINT import_issue_waived_by_fkey FOREIGN KEY(waived_by) REFERENCES staff (staff_id)
);

CREATE INDEX import_issue_job_idx ON import_issue (import_job_id, code);

CREATE INDEX import_issue_row_idx ON import_issue (import_job_id, file_no, layer, row_no);

COMMENT ON COLUMN import_issue.row_no IS 'null: concerns the whole file or layer';

COMMENT ON COLUMN import_issue.raw_value IS 'the file''s text; null where it would name a person';

COMMENT ON COLUMN import_issue.geom_4326 IS 'where; null: nowhere on the map';

CREATE TABLE mended_row (
    import_job_id UUID NOT NULL,
    file_no SMALLINT NOT NULL,
    layer TEXT NOT NULL,
    row_no BIGINT NOT NULL,
    fields JSONB NOT NULL,
    mended_by UUID,
    mended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT mended_row_pkey PRIMARY KEY (import_job_id, file_no, layer, row_no),
    CONSTRAINT mended_row_import_job_id_fkey FOREIGN KEY(import_job_id) REFERENCES import_job (import_job_id),
    CONSTRAINT mended_row_mended_by_fkey FOREIGN KEY(mended_by) REFERENCES staff (staff_id)
);

COMMENT ON TABLE mended_row IS 'What a person wrote over a row of the file; the file itself is never changed.';

COMMENT ON COLUMN mended_row.fields IS 'canonical field → new text';
"""


def upgrade() -> None:
    for statement in STATEMENTS.replace("{srid}", str(settings().storage_srid)).split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in reversed(["staged_parcel", "import_job", "import_file", "import_issue", "mended_row"]):
        op.execute(f"DROP TABLE {table}")

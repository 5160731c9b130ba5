"""The role of the reading lane: it can see only tables without any person's data (decision 9).

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

READABLE = "parcel_face, parcel, map_sheet, data_version, admin_unit, admin_unit_boundary, admin_unit_succession, linear_object, reference_load"


def upgrade() -> None:
    # Roles belong to the whole server: another register on it may have made this one.
    op.execute("DO $$ BEGIN CREATE ROLE land_read NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    op.execute("GRANT land_read TO CURRENT_USER")
    op.execute(f"GRANT SELECT ON {READABLE} TO land_read")


def downgrade() -> None:
    op.execute(f"REVOKE SELECT ON {READABLE} FROM land_read")

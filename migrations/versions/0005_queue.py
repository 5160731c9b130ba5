"""The tables of the job queue, frozen at the queue library's schema of 3.4.

The library ships its own migrations, each named by the version that brought it. We apply them up to the version named here and
no further, so that a newer library cannot change a database by being installed: the next step is a migration of ours.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LAST = "03.04.00_50"


def upgrade() -> None:
    steps = [step for step in files("procrastinate.sql.migrations").iterdir() if step.name.endswith(".sql")]
    # Outside a transaction, since a new value of an enum may be used only after its commit; so begin from nothing, in case
    # an earlier run was killed between two steps.
    with op.get_context().autocommit_block():
        _drop_all()
        for step in sorted(steps, key=lambda step: step.name):
            if step.name[: len(LAST)] <= LAST:
                op.get_bind().exec_driver_sql(step.read_text("utf-8").replace("%", "%%"))


def downgrade() -> None:
    _drop_all()


def _drop_all() -> None:
    op.execute(
        """
DO $$
DECLARE
    leftover record;
BEGIN
    FOR leftover IN
        SELECT oid::regclass::text AS name FROM pg_class WHERE relname LIKE 'procrastinate%' AND relkind = 'r'
    LOOP
        EXECUTE 'DROP TABLE ' || leftover.name || ' CASCADE';
    END LOOP;
    FOR leftover IN
        SELECT oid::regprocedure::text AS name FROM pg_proc WHERE proname LIKE 'procrastinate%'
    LOOP
        EXECUTE 'DROP FUNCTION ' || leftover.name || ' CASCADE';
    END LOOP;
    FOR leftover IN
        SELECT oid::regtype::text AS name FROM pg_type WHERE typname LIKE 'procrastinate%' AND typtype IN ('e', 'c')
    LOOP
        EXECUTE 'DROP TYPE ' || leftover.name || ' CASCADE';
    END LOOP;
END $$
"""
    )

"""${message}

Before you write, the rules (style guide, point 10):
  * one thing per migration; its file is named NNNN_what.py and the name says what;
  * the office is open: code of the last release still runs. Add → fill → switch → remove, in separate releases;
  * locks wait 4 s, statements 10 min (env.py). A longer fill goes in batches in the worker, never here;
  * indexes on filled tables: CREATE INDEX CONCURRENTLY inside `with op.get_context().autocommit_block():`;
  * new constraints on filled tables: NOT VALID first, VALIDATE in the next migration;
  * name every constraint and index; register the name with its domain error in the store;
  * no trigger without a written reason (they are refused on a sharded cluster);
  * no schema name in SQL; write DDL out, never metadata.create_all: a migration must not change when tables.py does.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from __future__ import annotations

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "..."}


def downgrade() -> None:
    ${downgrades if downgrades else "..."}

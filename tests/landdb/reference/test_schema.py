"""The migration and ``tables.py`` describe the same tables: columns, null rules, constraints and indexes by name."""

from __future__ import annotations

import pytest
from sqlalchemy import CheckConstraint, Table, inspect
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from landdb.db.metadata import metadata
from landdb.db.transaction import Tx
from landdb.reference import tables

OURS = sorted(table.name for table in vars(tables).values() if isinstance(table, Table))


def test_all_tables_are_compared() -> None:
    assert len(OURS) == 16


@pytest.mark.parametrize("name", OURS)
def test_a_table_is_as_the_migration_made_it(tx: Tx, name: str) -> None:
    expected, actual = metadata.tables[name], inspect(tx.connection)
    assert {c["name"]: c["nullable"] for c in actual.get_columns(name)} == {
        c.name: c.nullable for c in expected.columns
    }
    checks = {str(c.name) for c in expected.constraints if isinstance(c, CheckConstraint)}
    assert {c["name"] for c in actual.get_check_constraints(name)} == checks
    assert {f["name"] for f in actual.get_foreign_keys(name)} == {
        str(f.constraint.name) for f in expected.foreign_keys if f.constraint
    }
    indexes = (
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = CAST(:name AS regclass) AND NOT indisprimary"
    )
    excluded = {str(c.name) for c in expected.constraints if isinstance(c, ExcludeConstraint)}
    assert set(tx.execute(indexes, name=name).scalars()) == {str(index.name) for index in expected.indexes} | excluded

"""The migrated database is what ``tables.py`` says, in the database's own words, and every step can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from landdb.schema import metadata
from ops import embedded
from ops.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]

# Not tables of ours: PostGIS, the record of migrations, and the queue, whose schema belongs to its library.
FOREIGN = ("spatial_ref_sys", "alembic_version", "procrastinate%")

WORDS = {
    "column": """
        SELECT attrelid::regclass::text || '.' || attname,
               format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END || attidentity::text
               || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = ANY (:tables) AND attnum > 0 AND NOT attisdropped""",
    "constraint": """
        SELECT conrelid::regclass::text || ': ' || conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE conrelid = ANY (:tables) AND contype <> 't'""",
    "index": """
        SELECT indrelid::regclass::text || ': ' || indexrelid::regclass::text, pg_get_indexdef(indexrelid)
        FROM pg_index WHERE indrelid = ANY (:tables)""",
    "comment": """
        SELECT objoid::regclass::text || '.' || objsubid, description
        FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = ANY (:tables)""",
    "partition": "SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table",
}


def description(url: str) -> dict[str, str]:
    """Every table of ours, its columns, constraints, indexes and comments, as the database itself words them."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        tables = connection.execute(
            text("""SELECT array_agg(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace
                    AND relkind IN ('r', 'p') AND NOT relname LIKE ANY (:foreign)"""),
            {"foreign": list(FOREIGN)},
        ).scalar_one()
        found = {}
        for kind, question in WORDS.items():
            rows = connection.execute(text(question), {"tables": tables or []} if ":tables" in question else {})
            found.update({f"{kind} {name}": str(words) for name, words in rows})
    return found


def alembic(url: str, folder: Path = ROOT / "migrations") -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("sqlalchemy.url", url.replace("postgresql://", "postgresql+psycopg2://").replace("%", "%%"))
    return config


@pytest.fixture
def bare_url(server: embedded.Server) -> Iterator[str]:
    """A database as a server room gives it: without any extension of ours."""
    server.create_database("bare", "template0")
    yield server.url_of("bare")
    server.drop_database("bare")


def test_the_migrated_database_is_what_the_tables_say(database_url: str, server: embedded.Server) -> None:
    server.create_database("said")
    engine = create_engine(server.url_of("said"), poolclass=NullPool)
    metadata.create_all(engine)
    said, migrated = description(server.url_of("said")), description(database_url)
    server.drop_database("said")
    assert len(said) > 500
    # Column order is free: a migration may only add at the end.
    assert {
        k: (said.get(k), migrated.get(k)) for k in said.keys() | migrated.keys() if said.get(k) != migrated.get(k)
    } == {}


def test_every_migration_can_be_taken_back_and_run_again(database_url: str) -> None:
    before = description(database_url)
    command.downgrade(alembic(database_url), "base")
    assert description(database_url) == {}
    migrate(database_url)
    assert description(database_url) == before


def test_an_empty_database_of_a_server_room_gets_what_it_needs(bare_url: str) -> None:
    migrate(bare_url)
    assert "column parcel.geom" in description(bare_url)


def test_migrating_again_changes_nothing(database_url: str) -> None:
    before = description(database_url)
    migrate(database_url)
    assert description(database_url) == before

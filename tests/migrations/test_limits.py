"""While the office is open, a migration waits four seconds for a lock and never runs without an end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

ROOT = Path(__file__).resolve().parents[2]

REVISION = '''
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade():
    op.execute("""{statement}""")
'''


def migrate_with(statement: str, url: str, folder: Path) -> None:
    """Run one statement as a migration, through the very env.py that real ones go through."""
    (folder / "versions").mkdir()
    shutil.copy(ROOT / "migrations" / "env.py", folder)
    (folder / "versions" / "0001_probe.py").write_text(REVISION.format(statement=statement), "utf-8")
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("sqlalchemy.url", url.replace("postgresql://", "postgresql+psycopg2://").replace("%", "%%"))
    command.upgrade(config, "head")


@pytest.fixture
def plain_url(database_url: str) -> str:
    """A database whose record of migrations is empty, so that the probe is the first."""
    with create_engine(database_url, poolclass=NullPool).begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    return database_url


def test_limits_hold_inside_a_migration(plain_url: str, tmp_path: Path) -> None:
    migrate_with(
        "CREATE TABLE probe AS SELECT current_setting('lock_timeout') AS locks, current_setting('statement_timeout') AS time",
        plain_url,
        tmp_path,
    )
    with create_engine(plain_url, poolclass=NullPool).connect() as connection:
        assert tuple(connection.execute(text("SELECT locks, time FROM probe")).one()) == ("4s", "10min")


def test_a_migration_gives_way_to_whoever_holds_the_table(plain_url: str, tmp_path: Path) -> None:
    engine = create_engine(plain_url, poolclass=NullPool)
    with engine.begin() as clerk:
        clerk.execute(text("LOCK TABLE parcel IN ACCESS SHARE MODE"))
        with pytest.raises(OperationalError, match="lock timeout"):
            migrate_with("ALTER TABLE parcel ADD COLUMN probe integer", plain_url, tmp_path)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 0
        held = """SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
                  WHERE locktype = 'advisory' AND datname = current_database()"""
        assert connection.execute(text(held)).scalar() == 0, "the next attempt would wait for ever"

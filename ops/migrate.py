"""Bringing a register's database to the schema of this release."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

ROOT = Path(__file__).resolve().parent.parent


def _config(url: str) -> Config:
    config = Config(str(ROOT / "alembic.ini"))
    # A percent sign in a quoted socket folder would be read as an interpolation by configparser.
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Run every migration that the database still lacks."""
    driver_url = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    command.upgrade(_config(driver_url), revision)


def head() -> str:
    """The newest revision that this release knows."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory.from_config(_config("")).get_current_head()
    assert revision is not None
    return revision

"""How a migration reaches the database: one advisory lock, bounded locks and statements, one transaction each."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from landdb.config import settings
from landdb.schema import metadata

# Two services that start together must not migrate together. The number is ours, chosen once.
ADVISORY_LOCK = 7_461_001
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "10min"


def run() -> None:
    """Bring the database to the asked revision."""
    url = context.config.get_main_option("sqlalchemy.url") or settings().database_url
    # Unpooled, so that a failed migration lets go of the advisory lock with its connection.
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()
    engine.dispose()


run()

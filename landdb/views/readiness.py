"""Is the register ready to serve: its schema, its workers, its queue. Counts and times only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from landdb.db.transaction import Tx

WORKER_SEEN: Final = dt.timedelta(seconds=60)
"""Workers beat every ten seconds; after a minute of silence one is as good as gone."""


@dataclass(frozen=True)
class Readiness:
    """``revision`` null: never migrated. ``workers``: how many have been heard of within the last minute."""

    revision: str | None
    workers: int
    waiting_jobs: int


def readiness(tx: Tx) -> Readiness:
    """What the database says of itself; asks only for tables that exist, so that an empty one answers too."""
    known = tx.execute(
        """SELECT to_regclass('alembic_version') IS NOT NULL AS migrated,
                  to_regclass('procrastinate_workers') IS NOT NULL AS queued"""
    ).one()
    revision = tx.execute("SELECT version_num FROM alembic_version").scalar_one_or_none() if known.migrated else None
    if not known.queued:
        return Readiness(revision, 0, 0)
    row = tx.execute(
        """SELECT (SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > :since) AS workers,
                  (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo') AS waiting""",
        since=tx.now - WORKER_SEEN,
    ).one()
    return Readiness(revision, row.workers, row.waiting)

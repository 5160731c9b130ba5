"""Background work, put into the queue inside the caller's own transaction: it exists exactly if the work's row does.

A task carries only an id; the row it names is the truth. Every task is safe to run twice, and a sweep defers again what a
dead worker left behind.
"""

from __future__ import annotations

from uuid import UUID

from procrastinate import App
from procrastinate.contrib.sqlalchemy import SQLAlchemyPsycopg2Connector

from landdb.db.transaction import Tx

READ_IMPORT = "import.read"
APPLY_IMPORT = "import.apply"
UNDO_IMPORT = "import.undo"
MAKE_CHECKPOINT = "sealing.checkpoint"
WATCH_DOSSIERS = "dossier.watch"
IMPORT_QUEUE = "imports"

# Only a way to write a row of the queue: this app opens no connection of its own.
_outbox = App(connector=SQLAlchemyPsycopg2Connector())


def defer(tx: Tx, task: str, job_id: UUID) -> None:
    """Ask a worker to do ``task`` for the row ``job_id`` once this transaction commits."""
    _outbox.configure_task(task, queue=IMPORT_QUEUE, connection=tx.connection).defer(job_id=str(job_id))

"""The process that reads, applies and undoes imports, on this machine or another one.

A task carries only a job's id. Whoever holds the job's advisory lock works on it; the lock lives on a connection, so it is free
the moment a worker dies, however it dies. Every task looks at the job's state first and may be called any number of times.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.jobs import Status

from etl.memory import settle_in
from etl.pipeline import IntakeJob
from etl.readers import keep_ready
from etl.recheck import recheck
from landdb.access.sweep import sweep_access
from landdb.config import Settings
from landdb.db.constraints import DatabaseUnavailable
from landdb.db.transaction import SYSTEM, connect
from landdb.dossier.notice import deliver, sink_of
from landdb.dossier.upload import sweep_uploads
from landdb.dossier.watch import watch
from landdb.errors import LandError, StorageFull
from landdb.exchange import queue
from landdb.files import FileStore
from landdb.intake import store
from landdb.intake.apply import apply
from landdb.intake.model import Progress, SheetNotEmpty, State, silent
from landdb.intake.submit import compare_again, fail, give_back
from landdb.intake.undo import undo
from landdb.sealing.checkpoint import make_checkpoint
from landdb.sealing.keys import load_keys

log = logging.getLogger("landdb.worker")

SILENT_FOR = dt.timedelta(seconds=90)
"""A busy job without a heartbeat for so long has lost its worker."""
HEARTBEAT_S = 5.0
STALLED_S = 30.0
TRY_LATER = (DatabaseUnavailable, StorageFull)
"""What passes without anybody's doing: the job waits, and the sweep asks again. A reader that died is no such thing: the file
that killed it would kill the next one."""
_TASK_OF = {
    State.SUBMITTED: queue.READ_IMPORT,
    State.READING: queue.READ_IMPORT,
    State.APPLYING: queue.APPLY_IMPORT,
    State.UNDOING: queue.UNDO_IMPORT,
}


class Worker:
    """What the tasks need: the register, the files, the keys."""

    def __init__(self, settings: Settings, database_url: str, tell: Progress = silent) -> None:
        self.settings = settings
        self._tell = tell
        self._stands_by = False
        self.database = connect(database_url, pool_size=6, application_name="landdb-worker")
        self.files = FileStore(settings.files_dir)
        self.keys = load_keys(settings)

    def stand_by(self) -> None:
        """Have a reader wait for the next import, and after that one for the next again: this process will be here for long."""
        self._stands_by = True
        settle_in()
        keep_ready()

    def read_import(self, job_id: UUID) -> None:
        """Read, judge, stage and compare an import."""
        with self._alone(job_id) as mine:
            if mine:
                self._guarded(job_id, lambda: self._read(job_id))
        if self._stands_by:
            keep_ready()

    def apply_import(self, job_id: UUID) -> None:
        """Apply an approved import; a refusal gives it back to the person, checked anew."""
        with self._alone(job_id) as mine:
            if mine:
                self._guarded(job_id, lambda: self._apply(job_id))

    def undo_import(self, job_id: UUID) -> None:
        """Undo an applied import; a refusal leaves it applied."""
        with self._alone(job_id) as mine:
            if mine:
                self._guarded(job_id, lambda: self._undo(job_id))

    def sweep(self) -> int:
        """Ask again for the work that dead workers left, and throw out what has expired; how many jobs."""
        with self.database.begin(SYSTEM) as tx:
            abandoned = store.find_abandoned(tx, SILENT_FOR)
            for job_id, state in abandoned:
                queue.defer(tx, _TASK_OF[state], job_id)
            sweep_access(tx)
        return len(abandoned)

    def make_checkpoints(self) -> int:
        """Cover what happened to dossiers since the last checkpoint, each in a transaction of its own; how many were made."""
        made = 0
        while True:
            with self.database.begin(SYSTEM) as tx:
                checkpoint = make_checkpoint(tx, self.keys)
            if checkpoint is None:
                return made
            made += 1

    def watch_dossiers(self) -> None:
        """Tell of dossiers whose time has run out, send what waits for citizens, give up uploads that nobody finishes."""
        with self.database.begin(SYSTEM) as tx:
            watch(tx)
        sink = sink_of(self.settings)
        if sink is not None:
            with self.database.begin(SYSTEM) as tx:
                deliver(tx, sink)
        with self.database.begin(SYSTEM) as tx:
            sweep_uploads(tx, self.files)

    def resume(self) -> int:
        """At start-up: ask for everything that is busy, whether or not somebody works on it; the lock sorts it out."""
        with self.database.begin(SYSTEM) as tx:
            busy = store.find_abandoned(tx, dt.timedelta(0))
            for job_id, state in busy:
                queue.defer(tx, _TASK_OF[state], job_id)
        return len(busy)

    def _read(self, job_id: UUID) -> None:
        intake = IntakeJob(self.database, self.files, self.keys, self.settings)
        begun = intake.begin(job_id)
        if begun is None:
            return
        job, known = begun
        if not job.options.get("recheck"):
            intake.read(job, known, self._progress(job_id))
            return
        with self._giving_back(job_id):
            recheck(self.database, self.files, job, known, intake.staging, self._progress(job_id))

    def _apply(self, job_id: UUID) -> None:
        try:
            with self._giving_back(job_id, passing=True), self.database.begin(SYSTEM) as tx:
                apply(tx, job_id, self._progress(job_id))
        except TRY_LATER:
            raise
        except LandError:
            # Refused again, the sheets are still filled: the reason stands on the job already.
            with suppress(SheetNotEmpty), self.database.begin(SYSTEM) as tx:
                compare_again(tx, job_id)

    def _undo(self, job_id: UUID) -> None:
        with self._giving_back(job_id), self.database.begin(SYSTEM) as tx:
            undo(tx, job_id, self._progress(job_id))

    @contextmanager
    def _giving_back(self, job_id: UUID, *, passing: bool = False) -> Iterator[None]:
        """A refusal gives the import back as it stood, with the reason: what is staged or applied must not be lost.

        ``passing`` lets a refusal go on to the caller once it is written down.
        """
        try:
            yield
        except TRY_LATER:
            raise
        except LandError as refusal:
            with self.database.begin(SYSTEM) as tx:
                give_back(tx, job_id, refusal.code, refusal.params)
            if passing:
                raise
        except Exception:
            with self.database.begin(SYSTEM) as tx:
                give_back(tx, job_id, "import.internal", {"incident": _incident(job_id)})

    def _guarded(self, job_id: UUID, work: Callable[[], None]) -> None:
        """Whatever goes wrong is written on the job; the process goes on."""
        try:
            work()
        except TRY_LATER:
            log.warning("import %s waits: the database or the disk is not available", job_id)
        except LandError as refusal:
            with self.database.begin(SYSTEM) as tx:
                fail(tx, job_id, refusal.code, refusal.params)
        except Exception:
            with self.database.begin(SYSTEM) as tx:
                fail(tx, job_id, "import.internal", {"incident": _incident(job_id)})

    @contextmanager
    def _alone(self, job_id: UUID) -> Iterator[bool]:
        """Whether no other worker is at this job; nobody will be until the block ends or this process dies."""
        key = job_id.int >> 65
        with self.database.engine.connect() as connection:
            mine = bool(connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (key,)).scalar())
            connection.commit()
            try:
                yield mine
            finally:
                if mine:
                    connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (key,))
                    connection.commit()

    def _progress(self, job_id: UUID) -> Progress:
        """Tell the page how far the work is, in a transaction of its own."""

        def tell(stage: str, done: int, total: int | None) -> None:
            with self.database.begin(SYSTEM) as tx:
                store.set_progress(tx, job_id, stage, done, total)
            self._tell(stage, done, total)

        return tell


def _incident(job_id: UUID) -> str:
    """Write the fault that is being handled into the log; the number under which it is found there."""
    incident = uuid4().hex[:12]
    log.exception("import %s failed, incident %s", job_id, incident)
    return incident


def make_app(worker: Worker) -> App:
    """The queue's view of a worker: its tasks by name, and the sweep every minute."""
    app = App(connector=PsycopgConnector(conninfo=worker.database.conninfo))

    @app.task(name=queue.READ_IMPORT, queue=queue.IMPORT_QUEUE)
    def read_import(job_id: str) -> None:
        worker.read_import(UUID(job_id))

    @app.task(name=queue.APPLY_IMPORT, queue=queue.IMPORT_QUEUE)
    def apply_import(job_id: str) -> None:
        worker.apply_import(UUID(job_id))

    @app.task(name=queue.UNDO_IMPORT, queue=queue.IMPORT_QUEUE)
    def undo_import(job_id: str) -> None:
        worker.undo_import(UUID(job_id))

    @app.periodic(cron="* * * * *")
    @app.task(name="import.sweep", queue=queue.IMPORT_QUEUE, pass_context=True, queueing_lock="import.sweep")
    async def sweep(context: JobContext, timestamp: int) -> None:
        manager = context.app.job_manager
        for stalled in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
            await manager.finish_job(stalled, status=Status.FAILED, delete_job=False)
        worker.sweep()

    @app.periodic(cron="*/10 * * * *")
    @app.task(name=queue.MAKE_CHECKPOINT, queue=queue.IMPORT_QUEUE, queueing_lock=queue.MAKE_CHECKPOINT)
    def checkpoint(timestamp: int) -> None:
        worker.make_checkpoints()

    @app.periodic(cron="*/5 * * * *")
    @app.task(name=queue.WATCH_DOSSIERS, queue=queue.IMPORT_QUEUE, queueing_lock=queue.WATCH_DOSSIERS)
    def watch_dossiers(timestamp: int) -> None:
        worker.watch_dossiers()

    return app


def run(settings: Settings, database_url: str, *, queues: list[str] | None = None, concurrency: int = 1) -> None:
    """Work until told to stop (SIGINT, SIGTERM)."""
    worker = Worker(settings, database_url)
    app = make_app(worker)
    worker.resume()
    worker.stand_by()
    with app.open():
        app.run_worker(
            queues=queues or [queue.IMPORT_QUEUE],
            concurrency=concurrency,
            name=f"landdb-{Path('/etc/hostname').read_text().strip() if Path('/etc/hostname').exists() else 'worker'}",
            delete_jobs="successful",
            update_heartbeat_interval=HEARTBEAT_S,
            stalled_worker_timeout=STALLED_S,
        )


def run_once(worker: Worker, job_id: UUID, state: State) -> None:
    """Do what a job waits for in this very process: the command line has no need of a second one."""
    {
        State.SUBMITTED: worker.read_import,
        State.READING: worker.read_import,
        State.APPLYING: worker.apply_import,
        State.UNDOING: worker.undo_import,
    }[state](job_id)

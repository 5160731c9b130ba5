"""The worker: who works on a job, what a dead one leaves, and what a fault of the program costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from etl.worker import Worker, run_once
from landdb.config import Settings
from landdb.db.transaction import Database
from landdb.files import FileStore, StoredFile
from landdb.intake import apply as applying
from landdb.intake import undo as undoing
from landdb.intake.approve import approve
from landdb.intake.model import State
from landdb.intake.undo import ask_undo
from tests.make import Desk, desk, lattice


@pytest.fixture
def office(database: Database, database_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = desk(database, database_url, tmp_path)
    yield made
    made.worker.database.dispose()


def queued(office: Desk) -> int:
    return int(office.one("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"))


def test_one_worker_at_a_time(office: Desk, database_url: str) -> None:
    job_id = office.submit(office.file(lattice(1, 1)))
    other = Worker(Settings(data=office.folder / "data"), database_url)
    with other._alone(job_id) as mine:
        assert mine
        office.worker.read_import(job_id)
        assert office.job(job_id).state is State.SUBMITTED, "somebody else has it"
    other.database.dispose()
    office.worker.read_import(job_id)
    assert office.job(job_id).state is State.CHECKED


def test_tasks_may_come_twice_and_late(office: Desk) -> None:
    job = office.check(office.file(lattice(1, 1)))
    for task in (office.worker.read_import, office.worker.apply_import, office.worker.undo_import):
        task(job.job_id)
        assert office.job(job.job_id) == job
    office.approve(job.job_id)
    applied = office.job(job.job_id)
    for task in (office.worker.read_import, office.worker.apply_import, office.worker.undo_import):
        task(job.job_id)
    assert office.job(job.job_id) == applied


def test_the_sweep_asks_again_for_silent_jobs_only(office: Desk) -> None:
    job_id = office.submit(office.file(lattice(1, 1)))
    before = queued(office)
    assert office.worker.sweep() == 0
    assert office.worker.resume() == 1
    assert queued(office) == before + 1
    with office.database.begin() as tx:
        tx.execute("UPDATE import_job SET submitted_at = now() - interval '5 minutes'")
    assert office.worker.sweep() == 1
    run_once(office.worker, job_id, State.SUBMITTED)
    assert (office.worker.sweep(), office.worker.resume()) == (0, 0)


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("a fault of ours")


def test_a_fault_of_the_program_in_apply_loses_nothing(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = office.check(office.file(lattice(2, 1)))
    with office.database.begin(office.judge) as tx:
        approve(tx, job.job_id)
    with monkeypatch.context() as fault:
        fault.setattr(applying, "_finish", broken)
        office.worker.apply_import(job.job_id)
    job = office.job(job.job_id)
    assert (job.state, job.failure_code) == (State.CHECKED, "import.internal")
    assert (job.failure_params or {})["incident"]
    assert office.parcels() == {}
    assert office.rows(job.job_id) == {1: "new", 2: "new"}
    job = office.approve(job.job_id)
    assert (job.state, job.failure_code) == (State.APPLIED, None)


def test_a_fault_of_the_program_in_undo_leaves_the_import_applied(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = office.load(lattice(2, 1))
    before = office.register()
    with office.database.begin(office.judge) as tx:
        ask_undo(tx, job.job_id)
    with monkeypatch.context() as fault:
        fault.setattr(undoing, "_undo_one", broken)
        office.worker.undo_import(job.job_id)
    job = office.job(job.job_id)
    assert (job.state, job.failure_code) == (State.APPLIED, "import.internal")
    assert office.register() == before
    assert office.undo(job.job_id).state is State.UNDONE


def test_an_unknown_job_ends_no_worker(office: Desk) -> None:
    office.worker.read_import(UUID(int=7))
    assert office.one("SELECT count(*) FROM import_job") == 0
    assert office.check(office.file(lattice(1, 1))).state is State.CHECKED


def test_files_laid_out_never_write_into_the_store(tmp_path: Path) -> None:
    """Two stored files of one name: the second must not be written through the first one's hard link."""
    files = FileStore(tmp_path / "files")
    kept: list[StoredFile] = []
    for content in (b"one", b"two, longer"):
        source = tmp_path / "source"
        source.write_bytes(content)
        with source.open("rb") as stream:
            kept.append(files.add("thua.gpkg", stream, max_bytes=100))
    files.lay_out(kept, tmp_path / "out")
    assert [files.path(one.sha256).read_bytes() for one in kept] == [b"one", b"two, longer"]

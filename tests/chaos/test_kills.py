"""Killed anywhere, an import costs only time: the register holds all or nothing, and a new worker brings it to its end.

``kill -9`` of a real worker process at random moments, at least half of them inside apply; of the process that reads the file;
and of PostgreSQL itself. The moments are printed, as the job's own row tells them.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from landdb.db.transaction import SYSTEM, Database, connect
from landdb.intake.approve import approve
from landdb.intake.model import Intent, State
from landdb.intake.submit import correct
from landdb.intake.undo import ask_undo
from ops import embedded
from ops.migrate import migrate
from ops.verify import verify
from tests.make import Desk, desk, lattice

pytestmark = pytest.mark.chaos

POLL_S = 0.003
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Moment:
    """Where the job said it was when its worker died."""

    state: str
    stage: str | None
    done: int


def moment(office: Desk, job_id: UUID) -> Moment:
    (row,) = office.ask("SELECT state, stage, progress_done FROM import_job WHERE import_job_id = :j", j=job_id)
    return Moment(row["state"], row["stage"], row["progress_done"])


@contextmanager
def worker(office: Desk) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as it runs in an office, in a process group of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "worker"],
        env={
            **os.environ,
            "LANDDB_DATABASE_URL": office.database.url.set(drivername="postgresql").render_as_string(
                hide_password=False
            ),
            "LANDDB_DATA": str(office.folder / "data"),
        },
        stdout=subprocess.DEVNULL,
        stderr=(office.folder / "worker.log").open("ab"),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def wait(office: Desk, job_id: UUID, until: Callable[[Moment], bool]) -> Moment:
    deadline = time.monotonic() + PATIENCE_S
    while not until(seen := moment(office, job_id)):
        assert time.monotonic() < deadline, (seen, (office.folder / "worker.log").read_text()[-2000:])
        time.sleep(POLL_S)
    return seen


def until_nobody_writes(office: Desk) -> None:
    """What the dead worker had begun is rolled back, or was committed; until then nothing can be said of the register."""
    deadline = time.monotonic() + PATIENCE_S
    others = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'landdb-worker%' AND application_name <> :mine"""
    while office.one(others, mine=f"landdb-worker-{os.getpid()}"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def held(office: Desk) -> dict[str, int]:
    """How much of an import is in the register."""
    tables = (
        "parcel",
        "parcel_version",
        "parcel_land_use",
        "parcel_reference",
        "right_held",
        "party_claim",
        "parcel_face",
    )
    return {table: office.one(f"SELECT count(*) FROM {table}") for table in tables}


def is_clean(database: Database) -> bool:
    verdict = verify(database, geometry=True)
    assert verdict.violations == []
    return True


def is_busy_in(stage: str, done: int) -> Callable[[Moment], bool]:
    """The job is in this stage and so far, or beyond it."""
    return lambda m: (m.stage == stage and m.done >= done) or m.state in ("checked", "applied", "failed", "undone")


def die(office: Desk, job_id: UUID, at: Callable[[Moment], bool], pause_s: float) -> Moment:
    """Start a worker, wait for the moment, let a little time pass, kill it; where the job stood."""
    with worker(office) as process:
        wait(office, job_id, at)
        time.sleep(pause_s)
        seen = moment(office, job_id)
        kill(process)
    until_nobody_writes(office)
    return seen


COLUMNS, LINES = 80, 50
COUNT = COLUMNS * LINES
READING = (("read", 0), ("validate", 0), ("stage", 0), ("compare", 0))


def kills(office: Desk, *, sheet: int, reading: int, applying: int, chance: random.Random) -> list[Moment]:
    """One import of a sheet of its own, its worker killed again and again, reading and applying. It ends applied."""
    before = held(office)
    whole = {table: rows + COUNT for table, rows in before.items()}
    plots = lattice(COLUMNS, LINES, sheet=str(sheet + 1), y=sheet * LINES, holder_name="Hà")
    job_id = office.submit(office.file(plots))
    moments = []
    for _ in range(reading):
        if moment(office, job_id).state == "checked":
            break
        moments.append(die(office, job_id, is_busy_in(*chance.choice(READING)), chance.uniform(0, 0.05)))
        assert held(office) == before
    with worker(office):
        assert wait(office, job_id, lambda m: m.state in ("checked", "failed")).state == "checked"
    job = office.job(job_id)
    assert (job.counts["new"], job.counts["quarantined"]) == (COUNT, 0)
    with office.database.begin(office.judge) as tx:
        approve(tx, job_id)
    for _ in range(applying):
        if moment(office, job_id).state == "applied":
            break
        moments.append(die(office, job_id, is_busy_in("apply", chance.randrange(8)), chance.uniform(0, 0.02)))
        assert held(office) == (whole if moment(office, job_id).state == "applied" else before), "all or nothing"
    with worker(office):
        assert wait(office, job_id, lambda m: m.state in ("applied", "checked", "failed")).state == "applied"
    assert held(office) == whole
    assert office.job(job_id).balanced
    return moments


def told(moments: list[Moment]) -> None:
    sys.stdout.write(f"\n{len(moments)} kills, {inside_apply(moments)} inside apply\n")
    for (state, stage, done), times in sorted(Counter((m.state, m.stage or "-", m.done) for m in moments).items()):
        sys.stdout.write(f"  {state:10} {stage:10} {done:>6} × {times}\n")


def inside_apply(moments: list[Moment]) -> int:
    return sum(m.state == "applying" for m in moments)


def test_a_killed_worker_costs_only_time(office: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    moments = kills(office, sheet=0, reading=2, applying=2, chance=random.Random(5))
    with capsys.disabled():
        told(moments)
    assert is_clean(office.database)


@pytest.mark.full
def test_twenty_kills(office: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """As many imports as it takes: a kill may come just after the end, and then the import is done."""
    chance, moments = random.Random(11), list[Moment]()
    while len(moments) < 20 or inside_apply(moments) < 10:
        sheet = office.one("SELECT count(*) FROM import_job")
        moments += kills(office, sheet=sheet, reading=2, applying=6, chance=chance)
    with capsys.disabled():
        told(moments)
    assert is_clean(office.database)


def test_a_worker_killed_while_undoing(office: Desk) -> None:
    plots = lattice(40, 40)
    office.load(plots)
    before = office.register()
    job = office.load([*(p.having(land_use="ONT") for p in plots[:800]), *plots[800:]], Intent.UPDATE)
    during = office.register()
    with office.database.begin(office.judge) as tx:
        ask_undo(tx, job.job_id)
    die(office, job.job_id, is_busy_in("undo", 0), 0.01)
    assert office.register() == (before if moment(office, job.job_id).state == "undone" else during)
    with worker(office):
        assert wait(office, job.job_id, lambda m: m.state != "undoing").state == "undone"
    assert office.register() == before
    assert is_clean(office.database)


def readers_of(parent: int) -> list[int]:
    """The processes that read files for this process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                is_child = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent
                if is_child and b"etl.readers.child" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def test_a_killed_reader_is_told_and_the_file_can_be_read_again(office: Desk) -> None:
    job_id = office.submit(office.file(lattice(150, 100)))
    reading = threading.Thread(target=office.worker.read_import, args=(job_id,))
    reading.start()
    deadline = time.monotonic() + PATIENCE_S
    while not (found := readers_of(os.getpid())) and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(found[0], signal.SIGKILL)
    reading.join(PATIENCE_S)
    job = office.job(job_id)
    assert job.state is State.FAILED
    assert (job.failure_code or "").startswith("file.")
    assert office.rows(job_id) == {}
    with office.database.begin(office.clerk) as tx:
        correct(tx, job_id)
    office.worker.read_import(job_id)
    assert office.job(job_id).counts["new"] == 15_000
    assert office.approve(job_id).state is State.APPLIED


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[embedded.Server]:
    """A cluster that may be killed."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    with embedded.start(tmp_path / "own", durable=True) as server:
        migrate(server.url)
        yield server


@pytest.mark.parametrize("stage", ["read", "apply"])
def test_postgresql_killed_in_the_middle(own_server: embedded.Server, tmp_path: Path, stage: str) -> None:
    """The worker stays alive, writes nothing by halves, and goes on when the server is back."""
    database = connect(own_server.url)
    office = desk(database, own_server.url, tmp_path)
    job_id = office.submit(office.file(lattice(60, 60)))
    if stage == "apply":
        office.worker.read_import(job_id)
        with database.begin(office.judge) as tx:
            approve(tx, job_id)

    def crash(at: str, done: int, total: int | None) -> None:
        if at == stage and not crashed.is_set() and (stage == "read" or done >= 5):
            crashed.set()
            os.kill(own_server.pid, signal.SIGQUIT)  # immediate: as if the power had gone

    crashed = threading.Event()
    office.worker._tell = crash
    run = office.worker.read_import if stage == "read" else office.worker.apply_import
    with contextlib.suppress(Exception):  # what reaches the queue is a task that failed
        run(job_id)
    assert crashed.is_set()
    with embedded.start(tmp_path / "own") as again:
        fresh = replace(office, database=connect(again.url))
        assert set(held(fresh).values()) == {0}
        assert fresh.job(job_id).state is (State.READING if stage == "read" else State.APPLYING)
        assert office.worker.resume() == 1
        office.worker.read_import(job_id) if stage == "read" else office.worker.apply_import(job_id)
        if stage == "read":
            office.worker._tell = lambda *_: None
            with fresh.database.begin(office.judge) as tx:
                approve(tx, job_id)
            office.worker.apply_import(job_id)
        assert fresh.job(job_id).state is State.APPLIED
        assert set(held(fresh).values()) >= {3600}
        with fresh.database.begin(SYSTEM) as tx:
            assert tx.execute("SELECT count(*) FROM parcel").scalar_one() == 3600
        assert is_clean(fresh.database)
        fresh.database.dispose()
        office.worker.database.dispose()
        database.dispose()

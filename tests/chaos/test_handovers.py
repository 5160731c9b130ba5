"""Hand-overs survive whatever is killed: none is lost, none happens twice, every answer given stays true.

Eight officers offer, accept, refuse and recall over HTTP. The API worker is killed (``kill -9``) each second, counted from when
it serves; PostgreSQL, on a durable cluster of its own, each ten. The seed is printed; ``LANDDB_CHAOS_SEED`` sets it, though the
moments at which threads meet are never the same twice.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from landdb.db.transaction import SYSTEM, Database, connect
from ops import embedded
from ops.migrate import migrate
from tests.chaos.handovers import Run, goes_on, kept_lines
from tests.chaos.preloaded import CUSTODY_GUARDS, Preloaded
from tests.dossier_make import Bench

pytestmark = pytest.mark.chaos

FLOOR = 5.0
"""Operations completed between two kills, on average. A worker that only starts again completes none."""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="landdb-chaos-"))
    made.chmod(0o755)  # root hands the server to another user, who must be able to pass through
    try:
        yield made
    finally:
        embedded.stop(made / "db")
        shutil.rmtree(made, ignore_errors=True)


def seed() -> int:
    return int(os.environ.get("LANDDB_CHAOS_SEED") or random.SystemRandom().randrange(10**6))


Tell = Callable[[str, object], None]


def play(run: Run, tell: Tell) -> dict[str, list[str]]:
    """Let it run; what does not hold afterwards. It tells of itself however it ends."""
    found: dict[str, list[str]] = {}
    try:
        with kept_lines(run):
            run.go()
            found = run.faults()
    finally:
        tell("told", run.report() + (f"\n  caught: {', '.join(found)}" if found else ""))
    return found


def on_own_cluster(folder: Path, handovers: int, tell: Tell, *, durable: bool = True, **how: Any) -> Run:
    """A run on a cluster that is killed as well (``run.found``: what does not hold)."""
    server = embedded.start(folder / "db", durable=True)
    url = server.url
    migrate(url)

    def restart() -> None:
        nonlocal server
        os.kill(server.pid, signal.SIGKILL)
        os.waitpid(server.pid, 0)
        server = embedded.start(folder / "db", durable=True)
        assert server.url == url

    database = connect(url, application_name="landdb-test")
    bench = Bench.on(database)
    if not durable:
        with database.begin(SYSTEM) as tx:
            tx.execute(f"ALTER DATABASE {embedded.DATABASE} SET synchronous_commit = off")
    with Preloaded(url, folder) as api:
        run = Run(bench, api, seed(), handovers, restart=restart, **how)
        run.found = play(run, tell)
    database.dispose()
    return run


@pytest.mark.parametrize("handovers", [1_000, pytest.param(10_000, marks=pytest.mark.full)])
def test_none_is_lost_and_none_doubled(folder: Path, handovers: int, record_property: Tell) -> None:
    run = on_own_cluster(folder, handovers, record_property, floor=FLOOR)
    assert run.found == {}
    assert run.offered >= handovers
    assert run.kills.workers
    assert run.kills.servers


def test_an_answer_before_its_commit_is_on_disk_is_seen_to_be_lost(folder: Path, record_property: Tell) -> None:
    """The judge's own proof: with commits that do not wait for the disk, a killed server forgets what it has answered."""
    said = {"kill_server_s": 4.0, "name": "without durable commits: "}
    run = on_own_cluster(folder, 200, record_property, durable=False, **said)
    assert "lost" in run.found


def test_a_system_that_only_starts_again_is_told_apart() -> None:
    assert not goes_on([0, 0, 9, 0], FLOOR)
    assert goes_on([40, 0, 60], FLOOR)


# ── the same run without guards must fail ───────────────────────────────────────────────────────────────────────────


def short(database: Database, url: str, folder: Path, without: str, tell: Tell) -> dict[str, list[str]]:
    """A short run on few dossiers, so that people meet on them; ``without`` all guards of one invariant."""
    bench = Bench.on(database)
    if without == "custody":
        with database.begin(SYSTEM) as tx:
            tx.execute(CUSTODY_GUARDS)
    with Preloaded(url, folder, without) as api:
        name = f"without guards of {without}: " if without else "with all guards: "
        return play(Run(bench, api, seed(), handovers=150, dossiers=8, kill_worker_s=0.5, name=name), tell)


@pytest.mark.parametrize(
    ("invariant", "caught_by"),
    [
        ("custody", {"handover_open_one", "custody_as_dossier", "custody_by_handover", "doubled"}),
        ("outbox", {"event_messages"}),
        ("idempotency", {"replay"}),
    ],
)
def test_without_its_guards_each_invariant_is_seen_to_break(
    database: Database,
    database_url: str,
    tmp_path: Path,
    invariant: str,
    caught_by: set[str],
    record_property: Tell,
) -> None:
    found = short(database, database_url, tmp_path, invariant, record_property)
    assert caught_by & found.keys()


def test_with_its_guards_the_same_run_passes(
    database: Database, database_url: str, tmp_path: Path, record_property: Tell
) -> None:
    assert short(database, database_url, tmp_path, "", record_property) == {}

"""The private server: built once, joined by others, stopped by its starter, and back after every kind of kill."""

from __future__ import annotations

import multiprocessing
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from landdb.errors import Unavailable
from landdb.messages import LANGUAGES, catalogue
from ops import embedded
from ops.embedded import Server, start, status, stop

ROOT = Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0
as_root_only = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that other users may pass, gone with its server afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="landdb-embedded-"))
    folder.chmod(0o755)
    yield folder / "data"
    for cluster in folder.rglob("pg"):
        stop(cluster.parent)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """One server for the tests that leave it as it is."""
    folder = Path(tempfile.mkdtemp(prefix="landdb-embedded-"))
    folder.chmod(0o755)
    with start(folder / "data", durable=False) as server:
        yield server
    shutil.rmtree(folder)


def ask(server: Server, question: str, dbname: str = "landdb") -> object:
    connection = psycopg2.connect(server.libpq_dsn(dbname))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def in_python(code: str, *, user: str | None = None) -> subprocess.Popen[str]:
    """Another process that knows our packages; ``user`` must be able to run the interpreter."""
    as_user: dict[str, Any] = {"user": user, "group": "nogroup", "extra_groups": []} if user else {}
    search = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry.endswith("site-packages"))])
    return subprocess.Popen(
        [interpreter_for(user), "-c", code],
        env={**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        **as_user,
    )


def interpreter_for(user: str | None) -> str:
    if user is None:
        return sys.executable
    same_version = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, same_version):
        tried = subprocess.run(["test", "-x", candidate], user=user, group="nogroup", extra_groups=[], check=False)
        if tried.returncode == 0:
            return candidate
    pytest.skip(f"{user} cannot run {sys.executable}, and {same_version} is not installed")


def test_a_new_folder_becomes_a_database_fit_for_vietnamese_land(data: Path) -> None:
    assert status(data).state == "absent"
    with start(data, durable=False) as server:
        assert server.started_here
        assert status(data).state == "running"
        assert status(data).url == server.url
        assert int(str(ask(server, "SELECT count(*) FROM geometry_columns"))) >= 0
        assert ask(server, "SELECT string_agg(n, ' ' ORDER BY n) FROM unnest(ARRAY['Đức','Dũng','Ân','An']) n") == (
            "An Ân Dũng Đức"
        )
        # Under lc_ctype C trigrams lose every letter beyond ASCII, and this similarity would be that of "ng".
        assert float(str(ask(server, "SELECT similarity('Ưng', 'Ứng')"))) < 0.5
        assert ask(server, "SELECT array_length(show_trgm('đấtở'), 1)") == 5
        assert ask(server, "SHOW listen_addresses") == ""
    assert status(data).state == "stopped"


def test_the_second_start_joins_and_leaves_the_server_alone(running: Server) -> None:
    with start(running.folder, durable=False) as second:
        assert not second.started_here
        assert second.pid == running.pid
    assert ask(running, "SELECT 1") == 1


def test_two_folders_are_two_servers(data: Path) -> None:
    with start(data / "a", durable=False) as one, start(data / "b", durable=False) as other:
        one.create_database("only_here")
        assert one.url != other.url
        assert ask(other, "SELECT count(*) FROM pg_database WHERE datname = 'only_here'") == 0


def test_of_three_concurrent_starts_one_builds_and_all_get_an_answer(data: Path) -> None:
    code = (
        "from pathlib import Path; from ops.embedded import start\n"
        f"server = start(Path({str(data)!r})); print(server.started_here, server.pid)"
    )
    processes = [in_python(code) for _ in range(3)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], answers
    started, pids = zip(*(out.split() for out, _ in answers), strict=True)
    assert sorted(started) == ["False", "False", "True"]
    assert len(set(pids)) == 1


def test_a_forked_child_does_not_stop_what_its_parent_started(running: Server) -> None:
    child = multiprocessing.get_context("fork").Process(target=running.stop)
    child.start()
    child.join()
    assert ask(running, "SELECT 1") == 1


def test_an_operator_stops_a_server_that_someone_else_started(data: Path) -> None:
    start(data, durable=False)
    assert stop(data)
    assert status(data).state == "stopped"
    assert not stop(data)


def test_a_database_is_copied_from_a_template_and_dropped_under_its_users(running: Server) -> None:
    running.create_database("original")
    ask(running, "CREATE TABLE parcel_here (shape geometry)", "original")
    running.create_database("copy", "original")
    assert ask(running, "SELECT count(*) FROM parcel_here", "copy") == 0
    user = psycopg2.connect(running.libpq_dsn("copy"))
    running.drop_database("copy")
    running.drop_database("copy")
    with pytest.raises(psycopg2.Error):
        user.cursor().execute("SELECT 1")


def test_a_path_longer_than_a_socket_may_have_works(data: Path) -> None:
    deep = data / "/".join(["thư mục dài"] * 15)
    assert len(os.fsencode(deep)) > 200
    with start(deep, durable=False) as server:
        assert ask(server, "SELECT 1") == 1


def test_a_half_built_cluster_is_thrown_away(data: Path) -> None:
    (data / "pg.tmp1").mkdir(parents=True)
    data.chmod(0o755)
    (data / "pg.tmp1" / "PG_VERSION").write_text("15\n")
    with start(data, durable=False):
        assert [path.name for path in data.glob("pg.tmp*")] == []


def test_a_pid_file_that_names_a_stranger_is_not_believed(data: Path) -> None:
    start(data, durable=False).stop()
    (data / "pg" / "postmaster.pid").write_text(f"{os.getpid()}\n{data / 'pg'}\n0\n5432\n/nowhere\n\n0\nready   \n")
    assert status(data).state == "stopped"
    with start(data, durable=False) as server:
        assert server.started_here


@pytest.mark.chaos
def test_after_kill_9_the_next_start_recovers_what_was_committed(data: Path) -> None:
    killed = start(data)
    ask(killed, "CREATE TABLE kept AS SELECT 7 AS n")
    # Nobody waits for this child: it stays a zombie, as under a pid 1 that reaps nothing.
    os.kill(killed.pid, signal.SIGKILL)
    with start(data) as server:
        assert server.started_here
        assert server.pid != killed.pid
        assert ask(server, "SELECT n FROM kept") == 7


@pytest.mark.chaos
def test_a_busy_backend_that_outlived_its_postmaster_is_cleared_away(data: Path) -> None:
    killed = start(data, durable=False)
    busy = psycopg2.connect(killed.libpq_dsn(), async_=True)
    wait_until_ready(busy)
    # Longer than the start waits, and yet bounded: if this test fails, no core is burnt for ever.
    busy.cursor().execute("DO $$ BEGIN WHILE clock_timestamp() < now() + interval '30 s' LOOP END LOOP; END $$")
    os.kill(killed.pid, signal.SIGKILL)
    with start(data, durable=False) as server:
        assert ask(server, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO%'") == 0


def wait_until_ready(connection: psycopg2.extensions.connection) -> None:

    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reading = state == psycopg2.extensions.POLL_READ
        select.select([connection] if reading else [], [] if reading else [connection], [], 5)


@pytest.mark.chaos
def test_a_killed_test_run_takes_its_server_with_it(data: Path) -> None:
    code = (
        "import time; from pathlib import Path; from ops.embedded import start\n"
        f"server = start(Path({str(data)!r}), durable=False); print(server.pid, flush=True); time.sleep(600)"
    )
    run = in_python(code)
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    run.kill()
    run.communicate()
    wait_until_gone(pid)
    assert status(data).state == "stopped"


def wait_until_gone(pid: int) -> None:
    """Returns when the process has ended, at once if it has already; gives up after 30 s."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], 30)
    os.close(descriptor)
    assert ended


@as_root_only
def test_root_hands_the_server_to_another_user_and_strangers_stay_out(running: Server) -> None:
    assert Path(f"/proc/{running.pid}").stat().st_uid != 0
    if Path(f"/proc/{running.pid}").owner() == "nobody":
        pytest.skip("the server runs as nobody here: there is no stranger to try with")
    code = f"import psycopg2; psycopg2.connect({running.libpq_dsn()!r})"
    _, complaint = in_python(code, user="nobody").communicate(timeout=60)
    assert "Permission denied" in complaint


@as_root_only
def test_a_folder_that_the_server_cannot_reach_is_replaced_with_a_note() -> None:
    closed = Path(tempfile.mkdtemp(prefix="landdb-closed-"))
    try:
        with start(closed / "data", durable=False) as server:
            assert [note.code for note in server.notes] == ["setup.folder_moved"]
            assert not server.folder.is_relative_to(closed)
            assert start(closed / "data", durable=False).pid == server.pid
        shutil.rmtree(server.folder)
    finally:
        shutil.rmtree(closed)


@as_root_only
def test_a_normal_user_runs_a_server_of_its_own(data: Path) -> None:
    data.mkdir()
    shutil.chown(data, "nobody", "nogroup")
    code = (
        "import os; from pathlib import Path; from ops.embedded import start\n"
        f"with start(Path({str(data)!r})) as server:\n"
        "    print(os.getuid(), Path(f'/proc/{server.pid}').stat().st_uid, server.started_here)"
    )
    out, complaint = in_python(code, user="nobody").communicate(timeout=120)
    assert complaint == ""
    uid, server_uid, started_here = out.split()
    assert uid == server_uid != "0"
    assert started_here == "True"
    # Root comes later to the same folder: the server keeps the user who owns the data.
    with start(data) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == int(uid)


@as_root_only
def test_a_normal_user_is_told_whose_folder_it_is(data: Path) -> None:
    start(data, durable=False).stop()
    code = f"from pathlib import Path; from ops.embedded import start; start(Path({str(data)!r}))"
    _, complaint = in_python(code, user="nobody").communicate(timeout=60)
    assert "setup.folder_of_another" in complaint


def test_a_cluster_of_a_version_not_installed_names_the_cure() -> None:
    with pytest.raises(embedded.ClusterOfOtherVersion) as refused:
        embedded.find_binaries(99)
    assert "postgresql-99-postgis-3" in refused.value.params["command"]


def test_every_refusal_has_its_words_in_both_languages() -> None:
    refusals = [
        kind
        for kind in vars(embedded).values()
        if isinstance(kind, type) and issubclass(kind, Unavailable) and kind is not Unavailable
    ]
    codes = {kind.code for kind in refusals} | {"setup.folder_moved"}
    assert len(codes) == 9
    for language in LANGUAGES:
        assert codes <= catalogue(language).keys()

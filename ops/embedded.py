"""A private PostGIS server in the data folder, so that one command gives an office a whole land database.

The server is the operating system's own PostgreSQL, started on its own cluster under ``LANDDB_DATA/pg``. It listens on
a Unix socket only: no port, no password, any number side by side. The kernel vouches for who connects (``peer``).

    with start(Path(".landdb")) as server:
        engine = create_engine(server.url)

Who is alive is told by a lock, not by a number: the server and all its children inherit the open, locked file
``pg.alive``. A pid can belong to a zombie or to a stranger after a crash; a held lock cannot.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from landdb.errors import Unavailable

DATABASE = "landdb"
OWNER = "landdb"
ROLES = (OWNER, "land_read")
EXTENSIONS = ("postgis", "btree_gist", "pg_trgm", "unaccent")
OLDEST_MAJOR = 15
PORT = 5432  # names the socket file only; nothing listens on a network
CURE = "sudo apt-get install --no-install-recommends postgresql postgresql-postgis"

State = Literal["absent", "stopped", "starting", "running"]


# ── what can be wrong, each with its cure in landdb/messages/*/setup.toml ───────────────────────────────────────────


class PostgresMissing(Unavailable):
    """No PostgreSQL of a usable version on this machine."""

    code: ClassVar[str] = "setup.postgres_missing"


class PostgisMissing(Unavailable):
    """PostgreSQL is there, PostGIS for it is not."""

    code: ClassVar[str] = "setup.postgis_missing"


class ClusterOfOtherVersion(Unavailable):
    """The data were written by a major version of PostgreSQL that is no longer installed."""

    code: ClassVar[str] = "setup.cluster_of_other_version"


class FolderOfAnother(Unavailable):
    """The data folder belongs to another user of the operating system."""

    code: ClassVar[str] = "setup.folder_of_another"


class FolderUnusable(Unavailable):
    """The file system of the data folder cannot hold a database (no ownership, no space, read-only)."""

    code: ClassVar[str] = "setup.folder_unusable"


class UserUnknown(Unavailable):
    """The process runs under a user number without a name; PostgreSQL refuses that."""

    code: ClassVar[str] = "setup.user_unknown"


class ServerNotStarted(Unavailable):
    """PostgreSQL was started and gave up; ``log`` holds its own last words."""

    code: ClassVar[str] = "setup.server_not_started"


class ServerNotStopped(Unavailable):
    """PostgreSQL did not stop in time."""

    code: ClassVar[str] = "setup.server_not_stopped"


@dataclass(frozen=True)
class Note:
    """Something the person should know though all went well; the text is under ``code`` in the messages."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


# ── the system's PostgreSQL ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Binaries:
    """One installed PostgreSQL."""

    folder: Path
    major: int
    has_postgis: bool

    def program(self, name: str) -> str:
        """Path of one of its programs: ``pg_dump``, ``pg_basebackup``, ``psql``…"""
        return str(self.folder / name)


def find_binaries(major: int | None = None) -> Binaries:
    """The newest PostgreSQL that has PostGIS, or the one of exactly ``major``.

    Raises: PostgresMissing, PostgisMissing, ClusterOfOtherVersion.
    """
    installed = sorted(_installed(), key=lambda one: one.major, reverse=True)
    if not installed:
        raise PostgresMissing(command=CURE, oldest=OLDEST_MAJOR)
    fitting = [one for one in installed if major in (None, one.major)]
    if not fitting:
        found = ", ".join(str(one.major) for one in installed)
        raise ClusterOfOtherVersion(major=major, found=found, command=_cure_for(major))
    usable = [one for one in fitting if one.has_postgis]
    if not usable:
        raise PostgisMissing(major=fitting[0].major, command=CURE if major is None else _cure_for(major))
    return usable[0]


def _cure_for(major: int | None) -> str:
    return f"sudo apt-get install --no-install-recommends postgresql-{major} postgresql-{major}-postgis-3"


def _installed() -> Iterator[Binaries]:
    on_path = shutil.which("postgres")
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    for folder in [*folders, *([Path(on_path).resolve().parent] if on_path else [])]:
        if (folder / "initdb").exists() and (major := _major_of(folder)) >= OLDEST_MAJOR:
            yield Binaries(folder, major, _has_postgis(folder, major))


def _major_of(folder: Path) -> int:
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r"\) (\d+)", answer)
    return int(found.group(1)) if found else 0


def _has_postgis(folder: Path, major: int) -> bool:
    share, library = Path(f"/usr/share/postgresql/{major}"), folder.parent / "lib"
    if not share.exists():
        share, library = (_configured(folder, what) for what in ("--sharedir", "--pkglibdir"))
    # On Debian the first is a link to a link (exists() follows both), in a package that comes without the library, too.
    return (share / "extension" / "postgis.control").exists() and (library / "postgis-3.so").exists()


def _configured(folder: Path, what: str) -> Path:
    return Path(
        subprocess.run([folder / "pg_config", what], capture_output=True, text=True, check=False).stdout.strip()
    )


# ── where a cluster lives and who runs it ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Place:
    """The folder of a cluster, the OS user whose processes serve it, and the folder of its socket."""

    folder: Path
    uid: int
    gid: int
    socket_dir: Path
    notes: tuple[Note, ...] = ()

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.folder / "pg"

    @property
    def process(self) -> dict[str, Any]:
        """How to start a program as the server's user; nothing to change for a normal user."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        environment.update(LC_ALL="C", LANG="C")
        as_user = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"env": environment, "cwd": "/", "stdin": subprocess.DEVNULL, **as_user}


def _place(data: Path, *, create: bool) -> Place:
    folder = data.expanduser().resolve()
    if os.geteuid() != 0:
        return _place_of_user(folder, create=create)
    owner = _server_user(folder)
    if create:
        _make_folder(folder, 0o711)
    notes: tuple[Note, ...] = ()
    if not _reachable(folder, owner):
        refuge = Path("/var/lib/landdb") / _digest(folder)
        notes = (Note("setup.folder_moved", {"asked": str(folder), "used": str(refuge), "user": owner.pw_name}),)
        folder = refuge
        if create:
            _make_folder(folder.parent, 0o711)
            _make_folder(folder, 0o711)
    # Under a folder of root's nobody else can stand in for our socket; /run may be missing in a bare chroot.
    base = Path("/run/landdb") if Path("/run").is_dir() else Path("/var/lib/landdb/run")
    return Place(folder, owner.pw_uid, owner.pw_gid, base / _digest(folder), notes)


def _place_of_user(folder: Path, *, create: bool) -> Place:
    uid, gid = os.geteuid(), os.getegid()
    try:
        pwd.getpwuid(uid)
    except KeyError as unknown:
        raise UserUnknown(uid=uid) from unknown
    if create:
        _make_folder(folder, 0o700)
    cluster = folder / "pg"
    if cluster.exists() and cluster.stat().st_uid != uid:
        raise FolderOfAnother(folder=str(folder), owner=_name_of(cluster.stat().st_uid))
    if create and not os.access(folder, os.W_OK | os.X_OK):
        raise FolderOfAnother(folder=str(folder), owner=_name_of(folder.stat().st_uid))
    return Place(folder, uid, gid, Path(f"/tmp/landdb-{uid}") / _digest(folder))  # noqa: S108 - see _make_socket_dir


def _server_user(folder: Path) -> pwd.struct_passwd:
    """For root, as whom PostgreSQL refuses to run: the owner of the cluster, else ``postgres``, else ``nobody``."""
    with contextlib.suppress(OSError, KeyError):
        owner = (folder / "pg").stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise UserUnknown(uid=0)


def _reachable(folder: Path, user: pwd.struct_passwd) -> bool:
    """Whether ``user`` can pass through every folder above; asked of the kernel, which knows ACLs and mounts."""
    if not folder.exists():
        return True
    asked = ["test", "-x", str(folder)]
    return (
        subprocess.run(asked, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", check=False).returncode
        == 0
    )


def _make_folder(folder: Path, mode: int) -> None:
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)  # not the umask's: under 077 the server's own user could not pass
    except OSError as refusal:
        raise FolderUnusable(folder=str(folder), reason=refusal.strerror) from refusal


def _make_socket_dir(place: Place) -> None:
    """A short folder, since a socket's path has 107 bytes at most, that nobody else can have put there before us."""
    parent = place.socket_dir.parent
    parent.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    if parent.is_symlink() or parent.lstat().st_uid != os.geteuid():
        raise FolderOfAnother(folder=str(parent), owner=_name_of(parent.lstat().st_uid))
    if os.geteuid() == 0:
        parent.chmod(0o711)
    place.socket_dir.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(place.socket_dir, place.uid, place.gid)


def _remove_socket_dir(place: Place) -> None:
    with contextlib.suppress(OSError):
        place.socket_dir.rmdir()


def _digest(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# ── locks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _turn(place: Place) -> Iterator[None]:
    """One process at a time builds, starts or stops this cluster; the others wait."""
    with _open_lock(place.folder / "pg.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as refusal:
        raise FolderOfAnother(folder=str(path.parent), owner=_name_of(path.parent.stat().st_uid)) from refusal
    except OSError as refusal:
        raise FolderUnusable(folder=str(path.parent), reason=refusal.strerror) from refusal
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lives(place: Place) -> bool:
    """Whether any process of the cluster lives, the postmaster or a child that outlived it."""
    path = place.folder / "pg.alive"
    if not path.exists():
        return False
    with _open_lock(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# ── the running server ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Postmaster:
    """What ``postmaster.pid`` says, believed only while that process really serves this cluster."""

    pid: int
    socket_dir: str
    port: int
    ready: bool


def _postmaster(place: Place) -> _Postmaster | None:
    try:
        lines = (place.cluster / "postmaster.pid").read_text("utf-8").splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    if not _serves(pid, place.cluster):
        return None
    if len(lines) < 8:
        return _Postmaster(pid, "", 0, ready=False)
    return _Postmaster(pid, lines[4], int(lines[3] or 0), ready=lines[7].strip() == "ready")


def _serves(pid: int, cluster: Path) -> bool:
    """Whether ``pid`` is a living process inside ``cluster``: neither a zombie nor a stranger with a reused number."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        return state not in ("Z", "X") and Path(f"/proc/{pid}/cwd").readlink() == cluster
    except OSError:
        return False


@dataclass(frozen=True)
class Status:
    """What a look at the data folder tells, without starting anything."""

    state: State
    folder: Path
    pid: int | None = None
    major: int | None = None
    url: str | None = None


class _Tether:
    """Stops a test's server when the process that started it dies, however it dies.

    A shell waits at the end of a pipe whose other end only we hold; the kernel closes that end with us.
    """

    def __init__(self, pid: int) -> None:
        far_end, self._near_end = os.pipe()
        command = ["sh", "-c", 'read -r _; kill -QUIT "$1"', "sh", str(pid)]
        self._shell = subprocess.Popen(command, stdin=far_end, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(far_end)

    def cut(self) -> None:
        """Lets go before an orderly stop, so that the shell cannot hit a later owner of the same pid."""
        self._shell.kill()
        self._shell.wait()
        os.close(self._near_end)


class Server:
    """A running private server. Only the process that started it stops it; for the others :meth:`stop` does nothing."""

    def __init__(
        self, place: Place, postmaster: _Postmaster, *, durable: bool, process: subprocess.Popen[bytes] | None
    ) -> None:
        self.folder = place.folder
        self.notes = place.notes
        self.pid = postmaster.pid
        self.socket_dir = postmaster.socket_dir
        self.port = postmaster.port
        self.started_here = process is not None
        self._place = place
        self._durable = durable
        self._process = process
        self._started_by = os.getpid()
        self._tether = _Tether(self.pid) if process and not durable else None

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """SQLAlchemy address of the register's database."""
        return self.url_of(DATABASE)

    def url_of(self, dbname: str) -> str:
        """SQLAlchemy address (psycopg2) of one database of this server."""
        return _url(self.socket_dir, self.port, dbname)

    def libpq_dsn(self, dbname: str = DATABASE, *, role: str = OWNER) -> str:
        """The same for psycopg 3, ``psql`` and ``pg_dump``."""
        return _dsn(self.socket_dir, self.port, dbname, role)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Makes a database with the extensions in it, or a copy of ``template`` (to which nobody may be connected)."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with _connected(self.libpq_dsn("postgres")) as cursor:
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template1")))

    def drop_database(self, name: str) -> None:
        """Removes a database and whoever is still connected to it; one that is not there is no error."""
        with _connected(self.libpq_dsn("postgres")) as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Stops the server if this very process started it; waits until the last of its processes is gone."""
        if self._process is None or os.getpid() != self._started_by:
            return
        with _turn(self._place):
            if self._tether:
                self._tether.cut()
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT if self._durable else signal.SIGQUIT)
                self._reap(self._process)
            _await_death(self._place)
            _remove_socket_dir(self._place)
        self._process = None

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(300)
        except subprocess.TimeoutExpired as late:
            raise ServerNotStopped(folder=str(self.folder), pid=self.pid) from late


def start(data: Path, *, durable: bool = True) -> Server:
    """Starts the private server of a data folder, or joins the one that runs; builds the cluster the first time.

    ``durable=False`` (tests) trades safety at power loss for speed, stops without ceremony, and ends with this process
    even when that is killed. A durable server stays until :meth:`Server.stop` or :func:`stop`.

    Raises: PostgresMissing, PostgisMissing, ClusterOfOtherVersion, FolderOfAnother, FolderUnusable, UserUnknown,
    ServerNotStarted.
    """
    place = _place(data, create=True)
    with _turn(place):
        if running := _join(place):
            return Server(place, running, durable=durable, process=None)
        _clear_after_crash(place)
        binaries = find_binaries(_major_of_cluster(place))
        if not place.cluster.exists():
            _build(place, binaries, durable=durable)
        _write_settings(place, durable=durable)
        _make_socket_dir(place)
        process = _launch(place, binaries)
        server = Server(place, _await_ready(place, process), durable=durable, process=process)
        _prepare(server)
        return server


def stop(data: Path) -> bool:
    """Stops the server of a data folder whoever started it (``landdb db stop``). False: none was running."""
    place = _place(data, create=False)
    if not place.cluster.exists():
        return False
    with _turn(place):
        running = _postmaster(place)
        if running is None:
            return False
        os.kill(running.pid, signal.SIGINT)
        _await_death(place, pid=running.pid)
        _remove_socket_dir(place)
    return True


def status(data: Path) -> Status:
    """Tells whether a data folder has a cluster and whether its server runs; changes nothing."""
    place = _place(data, create=False)
    major = _major_of_cluster(place)
    if major is None:
        return Status("absent", place.folder)
    running = _postmaster(place)
    if running is None:
        return Status("stopped", place.folder, major=major)
    if not running.ready:
        return Status("starting", place.folder, running.pid, major)
    return Status("running", place.folder, running.pid, major, _url(running.socket_dir, running.port, DATABASE))


def _url(socket_dir: str, port: int, dbname: str) -> str:
    # The port is named although it is the usual one: PGPORT in somebody's environment must not lead elsewhere.
    return f"postgresql+psycopg2://{OWNER}@/{quote(dbname)}?host={quote(socket_dir)}&port={port}"


def _dsn(socket_dir: str, port: int, dbname: str, role: str) -> str:
    return f"host={socket_dir} port={port} user={role} dbname={dbname}"


# ── building, starting, waiting ─────────────────────────────────────────────────────────────────────────────────────


def _major_of_cluster(place: Place) -> int | None:
    try:
        return int((place.cluster / "PG_VERSION").read_text("ascii").strip())
    except OSError:
        return None


def _build(place: Place, binaries: Binaries, *, durable: bool) -> None:
    """Builds the cluster beside its place and renames it: a build that was killed leaves no half cluster to start."""
    draft = place.folder / f"pg.tmp{os.getpid()}"
    for left_over in place.folder.glob("pg.tmp*"):
        shutil.rmtree(left_over)
    try:
        draft.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(draft, place.uid, place.gid)
        _initdb(place, binaries, draft, durable=durable)
        with (draft / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("\ninclude 'landdb.conf'  # written anew at each start\n")
        draft.rename(place.cluster)
    except OSError as refusal:
        raise FolderUnusable(folder=str(place.folder), reason=refusal.strerror) from refusal


def _initdb(place: Place, binaries: Binaries, draft: Path, *, durable: bool) -> None:
    # Order is Vietnamese by ICU and needs no locale of the system. Characters are C.UTF-8 (part of glibc), not C:
    # under C pg_trgm takes every letter beyond ASCII for a separator and cannot search Vietnamese names.
    command = [
        binaries.program("initdb"), "--pgdata", str(draft), "--username", OWNER, "--auth", "peer", "--encoding", "UTF8",
        "--locale", "C", "--lc-ctype", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "vi", "--data-checksums",
    ]  # fmt: skip
    command += [] if durable else ["--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **place.process)
    if done.returncode != 0:
        raise ServerNotStarted(folder=str(place.folder), log=done.stderr.strip()[-2000:])


def _write_settings(place: Place, *, durable: bool) -> None:
    """Who may connect and how the server behaves, written at each start so that an update of ours takes effect."""
    users = dict.fromkeys(["root", _name_of(place.uid), _name_of(os.geteuid())])
    # PostgreSQL 15 knows no wildcard for the role's name here, so each pair has its line.
    people = "".join(f'landdb "{user}" {role}\n' for user in users for role in ROLES)
    _write(place, "pg_ident.conf", people)
    _write(place, "pg_hba.conf", "local all all peer map=landdb\nlocal replication all peer map=landdb\n")
    settings = _settings(place, durable=durable)
    _write(place, "landdb.conf", "".join(f"{name} = '{value}'\n" for name, value in settings.items()))


def _write(place: Place, name: str, text: str) -> None:
    path = place.cluster / name
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, place.uid, place.gid)


def _settings(place: Place, *, durable: bool) -> dict[str, str]:
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(place.socket_dir),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": f"{max(64, min(1024, memory_mb // 4))}MB",
        "effective_cache_size": f"{max(256, memory_mb // 2)}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "wal_compression": "on",
        "random_page_cost": "1.1",
        "jit": "off",
        "max_locks_per_transaction": "256",
        "timezone": "Asia/Ho_Chi_Minh",  # dates of the register are dates in Vietnam
        "log_timezone": "Asia/Ho_Chi_Minh",
        "logging_collector": "on",
        "log_directory": "log",
        "log_filename": "postgresql-%a.log",  # one file a weekday, overwritten: the log cannot fill the disk
        "log_truncate_on_rotation": "on",
        "log_rotation_size": "0",
        # A refused row must not spell a person's name or number into the log.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
    }
    if not durable:
        fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
        settings.update(fast, max_wal_size="1GB", logging_collector="off")
    return settings


def _launch(place: Place, binaries: Binaries) -> subprocess.Popen[bytes]:
    command = [binaries.program("postgres"), "-D", str(place.cluster)]
    with _open_lock(place.folder / "pg.alive") as alive, (place.folder / "pg.start.log").open("wb") as log:
        fcntl.flock(alive, fcntl.LOCK_EX)
        # A session of its own: Ctrl-C on the terminal is for us, and we stop the server after its clients.
        return subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, pass_fds=(alive,), **place.process
        )


def _await_ready(place: Place, process: subprocess.Popen[bytes]) -> _Postmaster:
    """Waits as long as the server lives: after a crash it may have gigabytes of log to replay."""
    while process.poll() is None:
        running = _postmaster(place)
        if running and running.pid == process.pid and running.ready:
            return running
        time.sleep(0.02)
    raise ServerNotStarted(folder=str(place.folder), log=_last_words(place))


def _join(place: Place, *, seconds: float = 10) -> _Postmaster | None:
    """The server that already runs here, once it answers; None when there is none or it is just dying."""
    refusal = ""
    give_up_at = time.monotonic() + seconds
    while running := _postmaster(place):
        if not running.ready:
            give_up_at = time.monotonic() + seconds  # another process of ours was killed while this one starts
        elif not (refusal := _refusal(running)):
            return running
        if time.monotonic() > give_up_at:
            raise ServerNotStarted(folder=str(place.folder), log=refusal)
        time.sleep(0.02)
    return None


def _refusal(running: _Postmaster) -> str:
    """Why the server does not answer; empty when it does. A pid still stands for a moment after kill -9."""
    try:
        psycopg2.connect(_dsn(running.socket_dir, running.port, "postgres", OWNER)).close()
    except psycopg2.OperationalError as error:
        return str(error).strip()
    return ""


def _last_words(place: Place) -> str:
    logs = [
        place.folder / "pg.start.log",
        *sorted((place.cluster / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)[-1:],
    ]
    return "\n".join(log.read_text("utf-8", "replace")[-1500:].strip() for log in logs if log.exists())


def _await_death(place: Place, *, pid: int | None = None, seconds: float = 300) -> None:
    give_up_at = time.monotonic() + seconds
    while _lives(place) or (pid is not None and _serves(pid, place.cluster)):
        if time.monotonic() > give_up_at:
            raise ServerNotStopped(folder=str(place.folder), pid=pid or 0)
        time.sleep(0.02)


def _clear_after_crash(place: Place) -> None:
    """Makes way after a killed server: its children must be gone before a new one may touch the data.

    PostgreSQL itself refuses to start while the old pid answers, and a zombie answers for ever where nothing reaps it.
    """
    if not place.cluster.exists():
        return
    try:
        _await_death(place, seconds=3)
    except ServerNotStopped:
        for orphan in _processes_in(place.cluster):
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)  # a busy backend without its postmaster; its transaction is lost anyway
        _await_death(place, seconds=10)
    (place.cluster / "postmaster.pid").unlink(missing_ok=True)
    for left_over in place.socket_dir.glob(".s.PGSQL.*"):
        left_over.unlink(missing_ok=True)


def _processes_in(cluster: Path) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _serves(pid, cluster)]


# ── first contents ──────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare(server: Server) -> None:
    """Puts the extensions into ``template1``, so that each database has them, and makes the register's own, once."""
    with _connected(server.libpq_dsn("postgres")) as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone():
            return
    with _connected(server.libpq_dsn("template1")) as cursor:
        for extension in EXTENSIONS:
            cursor.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    server.create_database(DATABASE)


@contextlib.contextmanager
def _connected(dsn: str) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor outside any transaction block, as CREATE DATABASE demands."""
    connection = psycopg2.connect(dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()

"""``Tx``: the open transaction that an edge hands to verbs and stores, with who acts and what time it is.

It is opened only at an edge (an API dependency, the worker, a command) by ``Database.begin``; nobody else commits.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg2.extensions
import psycopg2.extras
from sqlalchemy import Connection, CursorResult, Engine, Executable, NestedTransaction, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from uuid_utils import uuid7

from landdb.db.constraints import DatabaseUnavailable, refusal_of

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")


def new_id() -> UUID:
    """A new time-ordered identifier (UUIDv7, RFC 9562)."""
    return UUID(int=int(uuid7()))


@dataclass(frozen=True)
class Actor:
    """Who acts: a member of staff or a service, in an office, with the permissions that the sign-in gave.

    ``staff_id`` is null for the system itself and for services; ``office_id`` is null for the public.
    """

    kind: str = "public"  # public | staff | service | system
    staff_id: UUID | None = None
    api_key_id: UUID | None = None
    office_id: int | None = None
    name: str = ""
    permissions: frozenset[str] = frozenset()
    language: str = "vi"

    @property
    def caller(self) -> str:
        """A stable name of the caller, for idempotency keys and logs; never a person's name."""
        return f"{self.kind}:{self.staff_id or self.api_key_id or '-'}"


SYSTEM = Actor(kind="system", name="LandDB", permissions=frozenset({"*"}))
PUBLIC = Actor()


@dataclass(frozen=True)
class Tx:
    """One open transaction: its connection, its actor, and the one instant at which all of it happens."""

    connection: Connection
    actor: Actor
    now: dt.datetime

    @property
    def today(self) -> dt.date:
        """The calendar day in Vietnam."""
        return self.now.astimezone(VIETNAM).date()

    def execute(
        self,
        statement: Executable | str,
        params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        /,
        **named: Any,
    ) -> CursorResult[Any]:
        """Run one statement with named parameters; a list of mappings runs it for each.

        Raises: the domain error that a violated named constraint stands for (``landdb.db.constraints``).
        """
        executable = _parsed(statement) if isinstance(statement, str) else statement
        try:
            return self.connection.execute(executable, params if params is not None else named)
        except DBAPIError as error:
            raise refusal_of(error) from error

    def savepoint(self) -> NestedTransaction:
        """A point to return to (``.rollback()``): what came after it is undone alone, the locks taken after it are freed."""
        return self.connection.begin_nested()

    def copy(self, statement: str, chunks: Iterable[bytes]) -> int:
        """Send binary COPY data to ``statement`` (``COPY … FROM STDIN``); rows copied."""
        cursor = self._driver_connection().cursor()
        source = _Chunks(chunks)
        try:
            cursor.copy_expert(statement, source, size=1 << 18)  # type: ignore[arg-type]  # only read() is used
        except psycopg2.Error as error:
            # The driver turns whatever goes wrong in the maker of the rows into a cancelled query: say what it was.
            if source.failure is not None:
                raise source.failure from error
            raise refusal_of(error) from error
        return int(cursor.rowcount)

    def _driver_connection(self) -> psycopg2.extensions.connection:
        connection = self.connection.connection.driver_connection
        assert isinstance(connection, psycopg2.extensions.connection)
        return connection


# Finding the named parameters of a long statement takes longer than sending it.
_parsed = lru_cache(maxsize=1024)(text)


class _Chunks:
    """A readable file over byte chunks, as psycopg2's COPY wants one."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            try:
                following = next(self._chunks, None)
            except Exception as failure:
                self.failure = failure
                raise
            if following is None:
                return b""
            self._rest = memoryview(following)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


@lru_cache(maxsize=256)
def statement_file(folder: Path, verb: str) -> str:
    """The SQL that stands in ``folder/sql/verb.sql``."""
    return (folder / "sql" / f"{verb}.sql").read_text("utf-8")


@dataclass(frozen=True)
class Database:
    """A connection pool to one register."""

    engine: Engine
    url: URL = field(repr=False)

    @contextmanager
    def begin(self, actor: Actor = SYSTEM) -> Iterator[Tx]:
        """One transaction: commits when the block ends, rolls back when it raises."""
        try:
            with self.engine.begin() as connection:
                yield Tx(connection, actor, dt.datetime.now(dt.UTC))
        except DBAPIError as error:  # a deferred constraint speaks at commit
            raise refusal_of(error) from error
        except PoolExhausted as error:
            raise DatabaseUnavailable() from error

    @property
    def conninfo(self) -> str:
        """The libpq connection string, for psycopg 3 and command-line tools."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _adapt_uuid(connection: psycopg2.extensions.connection, _record: object) -> None:
    psycopg2.extras.register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]


def connect(url: str, *, pool_size: int = 10, application_name: str = "landdb") -> Database:
    """Open a pool on ``url`` (``postgresql://…``). Nothing is sent until the first transaction."""
    parsed = make_url(url).set(drivername="postgresql+psycopg2")
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"application_name": f"{application_name}-{os.getpid()}", "options": "-c timezone=UTC -c jit=off"},
    )
    event.listen(engine, "connect", _adapt_uuid)
    return Database(engine, parsed)

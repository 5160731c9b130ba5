"""The reading lane: items, points, boxes and tiles answered without the framework, from bytes that the database built.

A bare ASGI layer over an async psycopg 3 pool with prepared statements (measured against the alternatives; see the design
notes on serving). It answers only what is plainly right: a wrong parameter, an unknown id, a credential that it has not yet
seen vouched for, another time or zone all go on to the ordinary route of the same path, which refuses or answers in full.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import psycopg
from psycopg.types.numeric import Int4
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from landdb.errors import LandError
from landdb.views import reading as views
from landdb.views.parcel_query import FIRST, read_after, read_box, read_id, read_limit, read_point
from landdb.views.reading import Reading

GZIP_FROM_BYTES: Final = 1400  # below one network packet nothing is saved
THREAD_FROM_BYTES: Final = 65_536  # longer than this would hold up every other request of the process
VOUCHED_S: Final = 30.0
STATEMENT_TIMEOUT_MS: Final = 15_000
CACHE_CONTROL: Final = b"public, no-cache"  # keep it, but ask: the ETag makes asking cheap and nobody sees old land

_PARCELS: Final = "/v1/parcels"
_TILE = re.compile(r"/tiles/([a-z_]+)/(\d{1,2})/(\d{1,8})/(\d{1,8})\.mvt")
_PLAIN: Final = (
    frozenset({"bbox"}),
    frozenset({"at"}),
    frozenset({"commune", "sheet", "parcel"}),
)
_PAGING: Final = frozenset({"limit", "after"})
# The same sign as SQLAlchemy's text(): a name after a colon that is no cast.
_NAMED = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


def plan(path: str, query: bytes) -> Reading | None:
    """What a plain request asks; null where the ordinary route should look at it."""
    try:
        if path == _PARCELS:
            return _collection(query)
        if query:
            return None
        if path.startswith(_PARCELS + "/"):
            return views.parcel(read_id(path[len(_PARCELS) + 1 :]))
        match = _TILE.fullmatch(path)
        return views.tile(match[1], int(match[2]), int(match[3]), int(match[4])) if match else None
    except (LandError, ValueError):
        return None


def _collection(query: bytes) -> Reading | None:
    pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    asked = dict(pairs)
    if len(asked) != len(pairs) or (asked.keys() - _PAGING) not in _PLAIN:
        return None
    limit = read_limit(int(asked["limit"]) if "limit" in asked else None)
    if "limit" in asked and int(asked["limit"]) < 1:
        return None
    after = read_after(asked["after"]) if "after" in asked else FIRST
    if "bbox" in asked:
        return views.in_box(read_box(asked["bbox"]), limit, after)
    if "at" in asked:
        return views.at_point(*read_point(asked["at"]), limit, after)
    return views.by_number(asked["commune"], asked["sheet"], asked["parcel"], limit, after)


@dataclass(frozen=True)
class Body:
    """A finished answer: plain bytes, and the same compressed where that pays."""

    version: str
    plain: bytes
    packed: bytes | None


class Bodies:
    """Finished bodies by question, the least recently used thrown out; bounded by bytes. Size 0 keeps nothing."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: OrderedDict[str, Body] = OrderedDict()

    def get(self, link: str) -> Body | None:
        found = self._kept.get(link)
        if found is not None:
            self._kept.move_to_end(link)
        return found

    def put(self, link: str, body: Body) -> None:
        size = _size(body)
        if size > self.max_bytes // 8:
            return
        self.drop(link)
        self._kept[link] = body
        self.bytes += size
        while self.bytes > self.max_bytes:
            self.bytes -= _size(self._kept.popitem(last=False)[1])

    def drop(self, link: str) -> None:
        old = self._kept.pop(link, None)
        self.bytes -= _size(old) if old else 0


def _size(body: Body) -> int:
    return len(body.plain) + len(body.packed or b"") + 200


class Connections:
    """A few connections, last used first. Plainer than a general pool: nothing is reset between two read-only questions."""

    def __init__(self, conninfo: str, size: int) -> None:
        self.conninfo = conninfo
        self._free: asyncio.LifoQueue[psycopg.AsyncConnection[Any] | None] = asyncio.LifoQueue()
        self._all: set[psycopg.AsyncConnection[Any]] = set()
        self._texts: dict[str, bytes] = {}
        self.register = ""
        for _ in range(size):
            self._free.put_nowait(None)

    async def one(self, name: str, params: Mapping[str, Any], *, planned: bool = True) -> tuple[Any, ...] | None:
        """The one row of a reading statement; null where it has none. Raises: ``psycopg.Error``.

        ``planned`` false: the statement is planned for these very parameters, not prepared for any.
        """
        text = self._texts.get(name) or self._text(name)
        values = {key: Int4(value) if type(value) is int else value for key, value in params.items()}
        connection = await self._free.get()
        try:
            if connection is None or connection.closed:
                connection = await self.open()
            cursor = connection.cursor(binary=True)
            await cursor.execute(text, values, prepare=planned)
            return await cursor.fetchone()
        finally:
            self._free.put_nowait(connection)

    def _text(self, name: str) -> bytes:
        text = _NAMED.sub(r"%(\1)s", views.statement(name).replace("%", "%%"))
        self._texts[name] = " ".join(text.split()).encode()
        return self._texts[name]

    async def open(self) -> psycopg.AsyncConnection[Any]:
        """One read-only session, as the role that sees no person's data where that role exists."""
        options = f"-c default_transaction_read_only=on -c jit=off -c statement_timeout={STATEMENT_TIMEOUT_MS}"
        connection = await psycopg.AsyncConnection.connect(
            self.conninfo, autocommit=True, options=options, application_name=f"landdb-read-{os.getpid()}"
        )
        connection.prepared_max = 100
        self._all = {known for known in self._all if not known.closed} | {connection}
        row = await (await connection.execute(views.statement("reading_role"))).fetchone()
        assert row is not None
        self.register = f"{row[0]} {views.generation()}"
        if row[1]:
            await connection.execute("SET ROLE land_read")
        return connection

    async def close(self) -> None:
        for connection in self._all:
            await connection.close()
        self._all.clear()


class ReadingLane:
    """The application with its reading lane in front.

    ``cache_mb`` 0 keeps no finished bodies (for measuring); ``connections`` is per process.
    """

    def __init__(self, app: ASGIApp, conninfo: str, *, connections: int = 8, cache_mb: int = 64) -> None:
        self.app = app
        self.connections = Connections(conninfo, connections)
        self.bodies = Bodies(cache_mb << 20)
        self._vouched: OrderedDict[bytes, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        asked = plan(scope["path"], scope["query_string"])
        if asked is None:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        credential = headers.get(b"authorization")
        if (credential is not None and not self._is_vouched(credential)) or not _accepts(headers, asked):
            await self._pass_on(scope, receive, send, credential)
        elif not await self._answer(asked, headers, scope, send):
            await self.app(scope, receive, send)

    async def _answer(self, asked: Reading, headers: Mapping[bytes, bytes], scope: Scope, send: Send) -> bool:
        """False: nothing was sent, the ordinary route shall say why (unknown parcel, no database)."""
        try:
            body = await self._unchanged(asked, headers) or await self._fresh(asked)
        except (psycopg.Error, OSError):
            return False
        if body is None:
            return False
        packed = _wants_gzip(headers)
        etag = views.etag_of(asked, self.connections.register, body.version)
        if isinstance(body, Unchanged):
            await _send(send, 304, _head(f'"{body.tag}"'), b"")
            return True
        if packed and body.packed is None and len(body.plain) >= GZIP_FROM_BYTES:
            body = await self._pack(asked, body)
        content = body.packed if packed and body.packed is not None else body.plain
        coded = content is body.packed
        lines = _head(f'"{etag}-gz"' if coded else f'"{etag}"')
        lines += [(b"content-type", asked.media_type.encode()), (b"content-length", str(len(content)).encode())]
        lines += [(b"content-encoding", b"gzip")] if coded else []
        await _send(send, 200, lines, b"" if scope["method"] == "HEAD" else content)
        return True

    async def _unchanged(self, asked: Reading, headers: Mapping[bytes, bytes]) -> Body | Unchanged | None:
        """An answer that needs no work but to ask for the layer's version; null: it must be made."""
        kept = self.bodies.get(asked.link)
        tags = headers.get(b"if-none-match")
        if kept is None and tags is None:
            return None
        row = await self.connections.one(asked.version_statement, {})
        version = str(row[0]) if row else ""
        tag = _matching(tags, views.etag_of(asked, self.connections.register, version)) if tags else None
        if tag is not None:
            return Unchanged(version, tag)
        if kept is not None and kept.version != version:
            self.bodies.drop(asked.link)
            return None
        return kept

    async def _fresh(self, asked: Reading) -> Body | None:
        row = await self.connections.one(asked.statement, asked.params, planned=not asked.wide)
        if row is None:
            return None
        body = Body(str(row[0]), views.body_of(asked, row), None)
        self.bodies.put(asked.link, body)
        return body

    async def _pack(self, asked: Reading, body: Body) -> Body:
        packed = (
            gzip.compress(body.plain, 1, mtime=0)
            if len(body.plain) < THREAD_FROM_BYTES
            else await asyncio.to_thread(gzip.compress, body.plain, 1, mtime=0)
        )
        done = Body(body.version, body.plain, packed)
        self.bodies.put(asked.link, done)
        return done

    def _is_vouched(self, credential: bytes) -> bool:
        until = self._vouched.get(hashlib.blake2b(credential, digest_size=16).digest())
        return until is not None and until > time.monotonic()

    def _vouch(self, credential: bytes) -> None:
        self._vouched[hashlib.blake2b(credential, digest_size=16).digest()] = time.monotonic() + VOUCHED_S
        while len(self._vouched) > 10_000:
            self._vouched.popitem(last=False)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, credential: bytes | None = None) -> None:
        """The ordinary route; a credential that it accepts is good here for a while."""

        async def listen(message: Message) -> None:
            if message["type"] == "http.response.start" and credential is not None and message["status"] < 400:
                self._vouch(credential)
            await send(message)

        await self.app(scope, receive, send if credential is None else listen)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def listen(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await self.connections.close()
            await send(message)

        await self.app(scope, receive, listen)


@dataclass(frozen=True)
class Unchanged:
    """The caller already has it under this tag."""

    version: str
    tag: str


def _accepts(headers: Mapping[bytes, bytes], asked: Reading) -> bool:
    """Whether the caller can take what we have; an unusual wish is left to the ordinary route."""
    wish = headers.get(b"accept")
    if wish is None or b"*/*" in wish or asked.kind == "tile":
        return True
    return b"json" in wish or b"application/*" in wish


def _wants_gzip(headers: Mapping[bytes, bytes]) -> bool:
    wish = headers.get(b"accept-encoding")
    return wish is not None and b"gzip" in wish and b"gzip;q=0" not in wish.replace(b" ", b"")


def _matching(header: bytes, etag: str) -> str | None:
    """The caller's tag that is ours, plain or compressed; null: none. ``*`` matches whatever there is."""
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in header.decode("latin-1").split(",")}
    return next((tag for tag in (etag, f"{etag}-gz") if tag in tags), None)


def _head(etag: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"etag", etag.encode()),
        (b"cache-control", CACHE_CONTROL),
        (b"vary", b"Accept-Encoding"),
        (b"x-content-type-options", b"nosniff"),
    ]


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

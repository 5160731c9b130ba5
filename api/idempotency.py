"""``Idempotency-Key``: the same call sent twice happens once, and both get the same answer (decisions.md §14).

The key is taken with a lock that lives as long as the transaction of the work, and the answer is stored in that same
transaction: there is no moment in which the work is done and the key unknown, and a killed process leaves no key
behind that nobody ever frees.

Answers below 400 are kept. A refusal has changed nothing, so as a rule its key stays free. Where a key is required (dossiers,
hand-overs) a *business* refusal is kept as well (custody.md §6): who lost a race hears the same loser's answer when the
line broke and the call is sent again, whatever became of the dossier meanwhile. The work is undone to a savepoint, under
which the key's lock still holds, so no twin can slip in between. A kept refusal binds its key to nothing: the same key with a
mended body is a new try (the page's key is made when its form opens, F27), while one that has had an effect stays bound.
Never kept: 400 and 413 (no request yet), 401, 403, 429 and 5xx (another caller, another time).
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from landdb.access import kept_answer
from landdb.access.kept_answer import KeptAnswer
from landdb.db.transaction import Tx
from landdb.errors import Malformed

HEADER: Final = "idempotency-key"
REPLAYED: Final = "idempotency-replayed"
SPOOL_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 18
KEPT_REFUSALS: Final = frozenset({404, 409, 410, 412, 415, 422})
_KEY: Final = re.compile(r"[\x21-\x7e]{8,128}")
# What belongs to one delivery and not to the answer.
_NOT_KEPT: Final = frozenset({"date", "server", "set-cookie", "content-length"})


class KeyMalformed(Malformed):
    code = "request.idempotency_key_malformed"


class KeyMissing(Malformed):
    code = "request.idempotency_key_missing"


async def answer_once(app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, refusals_too: bool = False) -> None:
    """Run the route under the caller's key, or send what it answered before.

    Raises: ``KeyMalformed``, ``IdempotencyKeyRunning``, ``IdempotencyKeyReused``.
    """
    request = Request(scope, receive)
    key = request.headers[HEADER]
    if not _KEY.fullmatch(key):
        raise KeyMalformed()
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as body:
        digest = await _spool(request, body)
        held = await _in_transaction(app, scope, body, request, _Call(key, digest, refusals_too))
    for message in held:
        await send(message)


@dataclass(frozen=True)
class _Call:
    """The key of a call, the digest of its request, and whether a refusal is kept, and all for long."""

    key: str
    digest: bytes
    refusals_too: bool


async def _in_transaction(app: ASGIApp, scope: Scope, body: IO[bytes], request: Request, call: _Call) -> list[Message]:
    """The messages of the answer, kept or new. They are held back until the work and its key are committed."""
    context = request.app.state.database.begin(request.state.actor)
    tx: Tx = await run_in_threadpool(context.__enter__)
    try:
        kept = await run_in_threadpool(kept_answer.take, tx, call.key, call.digest)
        if kept is not None:
            held = _messages(kept)
        else:
            held = await _work_and_keep(app, scope, body, tx, call)
    except BaseException as error:
        await run_in_threadpool(context.__exit__, type(error), error, error.__traceback__)
        if isinstance(error, _Refused):
            return error.held
        raise
    await run_in_threadpool(context.__exit__, None, None, None)
    return held


async def _work_and_keep(app: ASGIApp, scope: Scope, body: IO[bytes], tx: Tx, call: _Call) -> list[Message]:
    """Do the work and keep its answer; of a refusal nothing stays but, where the route wants it, the answer."""
    point = await run_in_threadpool(tx.savepoint) if call.refusals_too else None
    held = await _work(app, scope, body, tx)
    answer = replace(_gathered(held, call.digest), lasting=call.refusals_too)
    if answer.status >= 400:
        if point is None or answer.status not in KEPT_REFUSALS:
            raise _Refused(held)
        await run_in_threadpool(point.rollback)
    await run_in_threadpool(kept_answer.keep, tx, call.key, answer)
    return held


class _Refused(Exception):
    """The route has answered with a refusal: the transaction is undone, the answer is sent, the key stays free."""

    def __init__(self, held: list[Message]) -> None:
        super().__init__()
        self.held = held


async def _work(app: ASGIApp, scope: Scope, body: IO[bytes], tx: Tx) -> list[Message]:
    """Let the route run in our transaction, on the spooled body."""
    scope.setdefault("state", {})["tx"] = tx
    held: list[Message] = []

    async def hold(message: Message) -> None:
        held.append(message)

    await app(scope, _replay(body), hold)
    return held


async def _spool(request: Request, body: IO[bytes]) -> bytes:
    """Write the body to a file that grows onto the disk; the digest of the whole request."""
    digest = hashlib.sha256(f"{request.method}\n{request.url.path}\n{request.url.query}\n".encode())
    feed = _without_boundary(digest.update, request.headers.get("content-type", ""))
    async for chunk in request.stream():
        body.write(chunk)
        feed(chunk)
    feed(b"")
    body.seek(0)
    return digest.digest()


def _without_boundary(update: Callable[[bytes], None], content_type: str) -> Callable[[bytes], None]:
    """Leave out a multipart boundary, which clients draw anew for each try; an empty chunk ends the body."""
    match = re.search(r'boundary="?([^";,]{1,70})', content_type)
    if not match:
        return update
    boundary, rest = match[1].encode("latin-1"), b""

    def feed(chunk: bytes) -> None:
        nonlocal rest
        text = (rest + chunk).replace(boundary, b"")
        keep = len(boundary) - 1 if chunk else 0
        rest = text[len(text) - keep :] if keep else b""
        update(text[: len(text) - keep] if keep else text)

    return feed


def _replay(body: IO[bytes]) -> Receive:
    """The spooled body as the server would have delivered it."""

    async def receive() -> Message:
        chunk = await run_in_threadpool(body.read, CHUNK_BYTES)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    return receive


def _gathered(messages: list[Message], digest: bytes) -> KeptAnswer:
    start = next(message for message in messages if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in start.get("headers", ())
        if name.decode("latin-1").lower() not in _NOT_KEPT
    }
    return KeptAnswer(digest, start["status"], orjson.dumps(headers).decode(), body)


def _messages(kept: KeptAnswer) -> list[Message]:
    headers = MutableHeaders(orjson.loads(kept.headers))
    headers["content-length"] = str(len(kept.body))
    headers[REPLAYED] = "true"
    return [
        {"type": "http.response.start", "status": kept.status, "headers": headers.raw},
        {"type": "http.response.body", "body": kept.body, "more_body": False},
    ]

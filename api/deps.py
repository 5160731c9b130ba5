"""What routes ask for: the open transaction, the actor, the language, the files; and how they name their permission.

@router.get("/v1/things", openapi_extra=permission("parcel:read"))
def list_things(tx: TxDep, limit: Limit = 100) -> …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import Response

from api.guard import SESSION_COOKIE, csrf_of
from api.problems import language
from landdb.access.model import NewSession, PermissionMissing
from landdb.access.permissions import PERMISSIONS, allows
from landdb.access.sign_in import sign_in
from landdb.access.sign_out import sign_out
from landdb.db.transaction import PUBLIC, Actor, Database, Tx
from landdb.errors import LandError, Unauthenticated
from landdb.files import FileStore
from landdb.sealing.keys import Keys

__all__ = [
    "ActorDep",
    "DatabaseDep",
    "FilesDep",
    "KeysDep",
    "Limit",
    "TxDep",
    "actor",
    "close_session",
    "csrf_token",
    "language",
    "open_session",
    "open_tx",
    "permission",
    "require",
]


def permission(
    name: str,
    *,
    query: tuple[str, ...] = (),
    idempotent: bool = True,
    key_required: bool = False,
    takes_files: bool = False,
) -> dict[str, Any]:
    """The ``openapi_extra`` with which a route says who may use it.

    ``query`` names parameters that the route reads from the request by itself; ``idempotent`` is false for calls whose
    answer must not be kept (sign-in); ``key_required`` is true for calls that may never happen twice, and whose refusals are
    kept as well (``api.idempotency``); ``takes_files`` is true for routes that read a file from the body themselves.
    """
    if name not in PERMISSIONS:
        raise ValueError(f"unknown permission {name!r}")
    extra: dict[str, Any] = {"x-permission": name}
    if query:
        extra["x-query"] = list(query)
    if not idempotent:
        extra["x-idempotent"] = False
    if key_required:
        extra["x-key-required"] = True
    if takes_files:
        extra["x-takes-files"] = True
    return extra


def actor(request: Request) -> Actor:
    """Who asks; the guard has found it already."""
    found: Actor = getattr(request.state, "actor", PUBLIC)
    return found


def require(name: str) -> Callable[[Request], Actor]:
    """A dependency for a second permission inside a route (the route's own is checked by its guard)."""
    if name not in PERMISSIONS:
        raise ValueError(f"unknown permission {name!r}")

    def check(request: Request) -> Actor:
        asking = actor(request)
        if allows(asking, name):
            return asking
        if asking.kind == "public":
            raise Unauthenticated()
        raise PermissionMissing(permission=name)

    return check


def database(request: Request) -> Database:
    """The pool of this application."""
    found: Database = request.app.state.database
    return found


def files(request: Request) -> FileStore:
    """The uploaded files."""
    found: FileStore = request.app.state.files
    return found


def keys(request: Request) -> Keys:
    """The derived secret keys."""
    found: Keys = request.app.state.keys
    return found


def open_tx(request: Request) -> Iterator[Tx]:
    """The request's transaction. It commits after the route has returned and before the answer is sent.

    A call with an ``Idempotency-Key`` runs in the transaction that also keeps the answer (``api.idempotency``).
    """
    shared: Tx | None = getattr(request.state, "tx", None)
    if shared is not None:
        yield shared
        return
    with database(request).begin(actor(request)) as tx:
        yield tx


# scope="function": otherwise FastAPI ends the dependency after the answer is on its way, and a commit that fails
# would follow a 200 (measured; tests/api/test_app.py holds us to it).
TxDep = Annotated[Tx, Depends(open_tx, scope="function")]
ActorDep = Annotated[Actor, Depends(actor)]
DatabaseDep = Annotated[Database, Depends(database)]
FilesDep = Annotated[FileStore, Depends(files)]
KeysDep = Annotated[Keys, Depends(keys)]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many rows at most; the next ones by the `next` link")]


def csrf_token(request: Request) -> str:
    """The token for this session's forms (field ``csrf_token`` or header ``X-CSRF-Token``); empty without a session."""
    session = request.cookies.get(SESSION_COOKIE)
    return csrf_of(keys(request), session) if session else ""


def open_session(request: Request, response: Response, login: str, password: str) -> NewSession:
    """Sign in from a page: checks, commits the attempt either way, and sets the cookie.

    Raises: ``SignInRefused``, ``TooManyAttempts``.
    """
    with database(request).begin() as tx:
        outcome = sign_in(tx, login=login, password=password, address=client_address(request))
    if isinstance(outcome, LandError):
        raise outcome
    set_session_cookie(request, response, outcome.token, outcome.expires_at)
    return outcome


def set_session_cookie(request: Request, response: Response, token: str, expires_at: datetime) -> None:
    """The session cookie: not readable by scripts, not sent by foreign sites' forms, over https only where we are."""
    response.set_cookie(
        SESSION_COOKIE, token, expires=expires_at, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def close_session(request: Request, response: Response) -> None:
    """Sign out from a page: the session ends on the server, the cookie goes."""
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        with database(request).begin(actor(request)) as tx:
            sign_out(tx, token)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")


def client_address(request: Request) -> str | None:
    """The caller's network address; null where the transport has none."""
    try:
        return str(ip_address(request.client.host)) if request.client else None
    except ValueError:  # a socket in the file system, or a test
        return None

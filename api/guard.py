"""The door of every route: who asks, may they, is the request well formed; all before the body is read.

``create_app`` puts a ``Guard`` around each route, so none can be forgotten: a route without a permission does not
start. A caller who may not act cannot make the server spool two gigabytes first.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fastapi.dependencies.models import Dependant
from fastapi.params import File
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import idempotency
from api.problems import language
from landdb.access.identify import Identity, identify_key, identify_session, identify_token
from landdb.access.model import CsrfRefused, PasswordChangeRequired, PermissionMissing
from landdb.access.permissions import PERMISSIONS, PUBLIC, allows
from landdb.db.transaction import PUBLIC as NOBODY
from landdb.errors import Malformed, Unauthenticated
from landdb.sealing.keys import Keys
from landdb.sealing.tokens import TokenInvalid

SESSION_COOKIE: Final = "landdb_session"
CSRF_HEADER: Final = "x-csrf-token"
CSRF_FIELD: Final = "csrf_token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_LIMIT_BYTES: Final = 1 << 20
# The strict rule is for the interface of services and scripts; a page may carry what a mail client appends.
STRICT_PATHS: Final = ("/v1/", "/tiles/", "/ogc")


class UnknownParameter(Malformed):
    """Params: ``parameter``, ``known``."""

    code = "request.unknown_parameter"


class BodyTooLarge(HTTPException):
    """The body is longer than its route takes. An ``HTTPException``: FastAPI, which reads bodies, lets these through."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(413)
        self.params = {"limit_mb": limit_bytes >> 20}


class RouteWithoutPermission(RuntimeError):
    """Start-up stops: a route does not say who may use it."""


def permission_of(route: APIRoute) -> str:
    """The permission that a route declares. Raises: ``RouteWithoutPermission``."""
    name = (route.openapi_extra or {}).get("x-permission")
    if name not in PERMISSIONS:
        raise RouteWithoutPermission(f"{sorted(route.methods or ())} {route.path} declares {name!r}")
    return str(name)


def query_names(dependant: Dependant) -> frozenset[str]:
    """Every query parameter that a route reads, through its dependencies and parameter models too."""
    names: set[str] = set()
    for parameter in dependant.query_params:
        names |= _names(parameter)
    for child in dependant.dependencies:
        names |= query_names(child)
    return frozenset(names)


def _names(parameter: Any) -> set[str]:
    annotation = parameter.field_info.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {field.alias or name for name, field in annotation.model_fields.items()}
    return {parameter.alias}


def _takes_files(dependant: Dependant) -> bool:
    """Whether a route has a file among its form fields, itself or through a dependency."""
    here = any(isinstance(parameter.field_info, File) for parameter in dependant.body_params)
    return here or any(_takes_files(child) for child in dependant.dependencies)


def csrf_of(keys: Keys, session_token: str) -> str:
    """The token that forms of this session carry: derived, so that nothing needs to be stored."""
    return keys.tag("csrf", session_token.encode()).hex()


class Guard:
    """The ASGI application of one route, with its door."""

    def __init__(self, app: ASGIApp, route: APIRoute) -> None:
        self.app = app
        self.permission = permission_of(route)
        extra = (route.openapi_extra or {}).get("x-query", ())
        self.query = query_names(route.dependant) | frozenset(extra)
        self.idempotent = bool((route.openapi_extra or {}).get("x-idempotent", True))
        self.key_required = bool((route.openapi_extra or {}).get("x-key-required", False))
        self.public_keys = bool((route.openapi_extra or {}).get("x-public-keys", False))
        said = bool((route.openapi_extra or {}).get("x-takes-files", False))
        self.takes_files = said or _takes_files(route.dependant)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        receive = self._limited(request)
        self._check_query(request)
        identity = await self._identity(request)
        request.state.identity = identity
        request.state.actor = identity.actor
        self._check_permission(identity)
        if request.method not in SAFE_METHODS:
            receive = await self._check_origin(request, receive)
            # Callers without a name share their keys with everybody else; a route that takes them all the same asks for keys that
            # nobody can guess (``api.routes.forms``).
            named = identity.actor.kind != "public" or self.public_keys
            if self.idempotent and named and idempotency.HEADER in request.headers:
                await idempotency.answer_once(self.app, scope, receive, send, refusals_too=self.key_required)
                return
            if self.key_required:
                raise idempotency.KeyMissing()
        await self.app(scope, receive, send)

    def _check_query(self, request: Request) -> None:
        if not request.url.path.startswith(STRICT_PATHS):
            return
        unknown = sorted(set(request.query_params) - self.query)
        if unknown:
            raise UnknownParameter(parameter=unknown[0], known=", ".join(sorted(self.query)) or "–")

    async def _identity(self, request: Request) -> Identity:
        """Who asks. A wrong credential is refused even where none is needed: the caller should learn of it."""
        speaks = language(request)
        carried = request.headers.get("authorization")
        cookie = request.cookies.get(SESSION_COOKIE)
        if carried is None and not cookie:
            return Identity(replace(NOBODY, language=speaks))
        if carried is None and self.permission in PUBLIC:
            found = await run_in_threadpool(_try_session, request, cookie)
        else:
            found = await run_in_threadpool(_identify, request, carried, cookie)
        return replace(found, actor=replace(found.actor, language=speaks))

    def _check_permission(self, identity: Identity) -> None:
        if allows(identity.actor, self.permission):
            return
        if identity.actor.kind == "public":
            raise Unauthenticated()
        if identity.must_change_password:
            raise PasswordChangeRequired()
        raise PermissionMissing(permission=self.permission)

    def _limited(self, request: Request) -> Receive:
        """The body, as far as the route's limit: a file's for routes that take files, else a form's."""
        limit = request.app.state.settings.max_upload_mb << 20 if self.takes_files else FORM_LIMIT_BYTES
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise BodyTooLarge(limit)
        taken = 0

        async def receive() -> Message:
            nonlocal taken
            message = await request.receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise BodyTooLarge(limit)
            return message

        return receive

    async def _check_origin(self, request: Request, receive: Receive) -> Receive:
        """Unsafe calls of a browser come from our own pages: same origin, and the session's token where there is one.

        A call with a bearer credential cannot be forged by a foreign page, which does not know it.
        """
        if "authorization" in request.headers:
            return receive
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            raise CsrfRefused()
        session = request.cookies.get(SESSION_COOKIE)
        if not session or request.state.actor.kind == "public":
            return receive
        given = request.headers.get(CSRF_HEADER)
        if given is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            given, receive = await _form_token(Request(request.scope, receive))
        expected = csrf_of(request.app.state.keys, session)
        if given is None or not hmac.compare_digest(given.encode(), expected.encode()):
            raise CsrfRefused()
        return receive


async def _form_token(request: Request) -> tuple[str | None, Receive]:
    """The token in a plain form's body, and a way to read that body again."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
    found = parse_qs(body.decode("utf-8", "replace")).get(CSRF_FIELD)

    async def again() -> Message:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return (found[0] if found else None), again


def _identify(request: Request, carried: str | None, cookie: str | None) -> Identity:
    """Bearer key or token, else the session. Raises: ``Unauthenticated`` of the fitting kind."""
    database = request.app.state.database
    if carried is None:
        with database.begin() as tx:
            return identify_session(tx, cookie or "")
    scheme, _, credential = carried.strip().partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise TokenInvalid()
    with database.begin() as tx:
        if credential.strip().startswith("lk_"):
            return identify_key(tx, credential.strip())
        return identify_token(tx, request.app.state.keys, credential.strip())


def _try_session(request: Request, cookie: str | None) -> Identity:
    """The session on a public page; one that has ended is simply nobody there."""
    try:
        return _identify(request, None, cookie)
    except Unauthenticated:
        return Identity(NOBODY)

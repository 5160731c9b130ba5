"""Every refusal as RFC 9457 ``application/problem+json``, in the caller's language; one table gives the status.

A body has ``type`` (``/problems/<code>``), ``title``, ``status``, ``detail`` (what happened to which thing and what to
do next), ``code``, ``action``, ``instance``, and ``errors`` where several places of a request are wrong.
Nothing of the inside (stack, SQL, path of a file) is ever among it.
"""

from __future__ import annotations

import datetime as dt
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from landdb.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LandError,
    Malformed,
    NotFound,
    RateLimited,
    Stale,
    StorageFull,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedFormat,
)
from landdb.messages import LANGUAGES, Language, message

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
LANGUAGE_COOKIE: Final = "landdb_lang"
DEFAULT_RETRY_S: Final = 5

# Subclasses stand before their parents: the first match counts.
STATUS: Final[tuple[tuple[type[LandError], int], ...]] = (
    (Malformed, 400),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Stale, 412),
    (Conflict, 409),
    (TooLarge, 413),
    (UnsupportedFormat, 415),
    (Invalid, 422),
    (RateLimited, 429),
    (StorageFull, 507),
    (Unavailable, 503),
)

# What the router itself refuses, in our words.
_ROUTER_CODES: Final[Mapping[int, str]] = {
    400: "request.malformed",
    401: "access.unauthenticated",
    403: "access.forbidden",
    404: "request.no_such_address",
    405: "request.method_not_allowed",
    406: "request.not_acceptable",
    413: "request.too_large",
    415: "request.unsupported_media_type",
    429: "request.rate_limited",
    503: "service.unavailable",
}

# Pydantic's kinds of fault → ours. Kinds that mean "this is not even the right shape" are syntax: 400, not 422.
_FIELD_CODES: Final[Mapping[str, str]] = {
    "missing": "request.field_missing",
    "extra_forbidden": "request.field_unknown",
    "json_invalid": "request.json_invalid",
    "int_parsing": "request.field_not_a_number",
    "int_from_float": "request.field_not_a_number",
    "float_parsing": "request.field_not_a_number",
    "finite_number": "request.field_not_a_number",
    "uuid_parsing": "request.field_not_an_id",
    "uuid_type": "request.field_not_an_id",
    "date_from_datetime_parsing": "request.field_not_a_date",
    "date_parsing": "request.field_not_a_date",
    "datetime_parsing": "request.field_not_a_date",
    "datetime_from_date_parsing": "request.field_not_a_date",
    "timezone_aware": "request.field_not_a_date",
    "bool_parsing": "request.field_not_yes_or_no",
    "enum": "request.field_not_a_choice",
    "literal_error": "request.field_not_a_choice",
    "string_too_short": "request.field_too_short",
    "string_too_long": "request.field_too_long",
    "too_short": "request.field_too_short",
    "too_long": "request.field_too_long",
    "greater_than": "request.field_out_of_range",
    "greater_than_equal": "request.field_out_of_range",
    "less_than": "request.field_out_of_range",
    "less_than_equal": "request.field_out_of_range",
    "string_pattern_mismatch": "request.field_malformed",
}
_SYNTAX: Final = frozenset({"json_invalid"})
# PostgreSQL's own refusals of \u0000 in JSON and of bytes that are no UTF-8.
_NUL_REFUSED: Final = frozenset({"22P05", "22021"})
_NUL_SAID: Final = ("NUL (0x00)", "embedded null")  # by the driver, and by the names of files


def status_of(error: LandError) -> int:
    """The HTTP status of a refusal's kind; 500 for a kind that the table does not know."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def language(connection: HTTPConnection) -> Language:
    """The caller's language: the cookie of the switch, else ``Accept-Language``, else Vietnamese."""
    chosen = connection.cookies.get(LANGUAGE_COOKIE)
    for known in LANGUAGES:
        if chosen == known:
            return known
    return _accepted(connection.headers.get("accept-language", ""))


def _accepted(header: str) -> Language:
    """The first of our languages by weight; a header that cannot be read counts as none."""
    wishes: list[tuple[float, int, Language]] = []
    for place, part in enumerate(header[:500].split(",")):
        tag, _, weight = part.strip().partition(";")
        spoken = tag.lower().split("-")[0]
        wishes += [(-_weight(weight), place, known) for known in LANGUAGES if known == spoken]
    return min(wishes)[2] if wishes and min(wishes)[0] < 0 else "vi"


def _weight(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=")) if text.strip() else 1.0
    except ValueError:
        return 0.0


def problem(
    connection: HTTPConnection,
    status: int,
    code: str,
    params: Mapping[str, Any] | None = None,
    *,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for one refusal. ``params`` fill the text and are repeated, so that services need not parse it."""
    facts = _plain(params or {})
    tongue = language(connection)
    text = message(code, facts, tongue)
    body: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": text.title,
        "status": status,
        "detail": " ".join(part for part in (text.detail, text.action) if part) or text.title,
        "code": code,
        "instance": connection.scope.get("path", ""),
    }
    body |= {"action": text.action} if text.action else {}
    body |= {"params": facts} if facts else {}
    body |= {"errors": errors} if errors else {}
    answer = _page(connection, status, body) or Response(orjson.dumps(body), status, media_type=MEDIA_TYPE)
    answer.headers["Content-Language"] = tongue
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Vary"] = "Accept-Language, Cookie"
    answer.headers.update(headers or {})
    if status in {429, 503, 507}:
        answer.headers.setdefault("Retry-After", str(facts.get("retry_after_s", DEFAULT_RETRY_S)))
    if status == 401:
        answer.headers.setdefault("WWW-Authenticate", 'Bearer realm="landdb"')
    return answer


def _page(connection: HTTPConnection, status: int, body: dict[str, Any]) -> Response | None:
    """The refusal as a page, for a person who followed a link; null for everybody else."""
    show = getattr(connection.app.state, "refusal_page", None) if "app" in connection.scope else None
    wanted = connection.headers.get("accept", "")
    if show is None or "text/html" not in wanted or connection.scope["path"].startswith(("/v1/", "/tiles/")):
        return None
    answer: Response | None = show(connection, status, body)
    return answer


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON can carry them, cut to a length that fits a message."""
    return {name: _plain_value(value) for name, value in params.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, dt.date | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain_value(each) for each in list(value)[:100]]
    return "".join(sign for sign in str(value)[:300] if sign.isprintable())


def of_error(request: Request, error: LandError) -> Response:
    """A domain error in words and status."""
    status = status_of(error)
    if status == 500:
        return of_fault(request, error)
    return problem(request, status, error.code, error.params)


def of_router(request: Request, error: HTTPException) -> Response:
    """What the router or the framework refused (no such path, wrong method, unreadable body)."""
    code = _ROUTER_CODES.get(error.status_code, "request.malformed" if error.status_code < 500 else "internal")
    params = {"method": request.method, "path": request.url.path} | getattr(error, "params", {})
    return problem(request, error.status_code, code, params, headers=error.headers)


def of_validation(request: Request, error: RequestValidationError) -> Response:
    """Fields that do not have the declared form: each place is named; 400 where the body is no JSON at all."""
    faults = error.errors()
    tongue = language(request)
    errors = [_field_fault(fault, tongue) for fault in faults[:50]]
    if any(fault["type"] in _SYNTAX for fault in faults):
        return problem(request, 400, "request.json_invalid", errors[0]["params"], errors=errors)
    return problem(
        request, 422, "request.fields_wrong", {"fields": ", ".join(e["field"] for e in errors)}, errors=errors
    )


def _field_fault(fault: Mapping[str, Any], tongue: Language) -> dict[str, Any]:
    """One place: ``in`` (query, path, body, header, cookie), ``field``, and what is wrong. The value is not repeated."""
    where, *path = fault["loc"]
    field = ".".join(str(step) for step in path) or str(where)
    limits = {name: value for name, value in (fault.get("ctx") or {}).items() if name != "error"}
    params = _plain({"field": field, **limits, "limit": next(iter(limits.values()), None)})
    code = _FIELD_CODES.get(fault["type"], "request.field_malformed")
    text = message(code, params, tongue)
    return {
        "in": str(where),
        "field": field,
        "code": code,
        "title": text.title,
        "detail": text.detail,
        "params": params,
    }


def of_fault(request: HTTPConnection, error: BaseException) -> Response:
    """Our own fault: the caller reads an incident number, the log has the rest.

    All but one: a NUL in any text of a request (PostgreSQL and file systems take none) comes to light only where it is used.
    """
    if has_nul(error):
        return problem(request, 400, "request.text_unstorable")
    incident = uuid4().hex[:12]
    log.error("incident %s: %s %s", incident, request.scope.get("method"), traceback_without_values(error))
    return problem(request, 500, "internal", {"incident": incident})


def has_nul(error: BaseException) -> bool:
    """Whether the driver or the database refused a text for a NUL in it; the refusal may lie further down the chain."""
    for each in chain(error):
        if isinstance(each, ValueError) and any(said in str(each) for said in _NUL_SAID):
            return True
        if getattr(getattr(each, "orig", each), "pgcode", None) in _NUL_REFUSED:
            return True
    return False


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it, each once: raising an error again while handling it bends the chain into a circle."""
    met: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in met:
        met.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def traceback_without_values(error: BaseException) -> str:
    """Where it happened and the kind of each error in the chain, without messages.

    A database's message repeats the row that it refused, with names and numbers of people; logs hold none.
    """
    lines: list[str] = []
    for each in chain(error):
        pgcode = getattr(each, "pgcode", None)
        lines.append(f"{type(each).__module__}.{type(each).__name__}{f' [{pgcode}]' if pgcode else ''}")
        lines += [f"  {f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(each.__traceback__)]
    return "\n".join(lines)

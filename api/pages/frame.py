"""The frame round every page: who looks, in which language, with which entries; and the headers that keep pages safe.

A route says ``render(request, "map.html", …)`` and no more. Scripts and styles come from files of our own only: the
Content-Security-Policy names no other source and allows nothing inline.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChainableUndefined, Environment, FileSystemLoader, select_autoescape

from api.deps import actor, csrf_token, database
from api.pages import wording
from api.problems import language
from landdb.access.permissions import allows
from landdb.access.store import get_office
from landdb.config import settings
from landdb.db.transaction import VIETNAM, Actor
from landdb.errors import LandError
from landdb.messages import Language, message

WEB: Final = Path(__file__).resolve().parents[2] / "web"
SECURITY: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Entry:
    """One entry of the navigation; ``permission`` null: for everybody. ``prefix`` marks it as current."""

    word: str
    href: str
    permission: str | None = None


# Only what exists. An entry appears to those who may use it.
ENTRIES: Final = (
    Entry("nav.map", "/map"),
    Entry("nav.imports", "/imports", "import:read"),
    Entry("nav.imports", "/imports", "import:submit"),
    Entry("nav.dossiers", "/dossiers", "dossier:read"),
    Entry("nav.admin", "/admin", "admin:read"),
    Entry("nav.admin", "/admin", "admin:staff"),
)


@dataclass(frozen=True)
class Visitor:
    """The actor as templates ask: a name, an office, ``may("import:submit")``."""

    actor: Actor
    office: str

    @property
    def signed_in(self) -> bool:
        return self.actor.kind == "staff"

    @property
    def name(self) -> str:
        return self.actor.name

    def may(self, permission: str) -> bool:
        return allows(self.actor, permission)


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page or a fragment, with words in the visitor's language and the security headers."""
    speaks = language(request)
    page = environment(speaks).get_template(template).render(frame_context(request, speaks) | context)
    answer = HTMLResponse(page, status, headers=dict(SECURITY))
    answer.headers["Content-Language"] = speaks
    return answer


def problem_text(error: LandError, speaks: Language) -> dict[str, str]:
    """Title, detail and next step of a refusal."""
    text = message(error.code, error.params, speaks)
    return {"code": error.code, "title": text.title, "detail": text.detail, "action": text.action}


def frame_context(request: Request, speaks: Language) -> dict[str, Any]:
    """What ``base.html`` needs whatever the page."""
    visitor = Visitor(actor(request), office_name(request))
    csrf = csrf_token(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return {
        "visitor": visitor,
        "csrf": csrf,
        "here": here,
        "demo": settings().env == "demo",
        "today": dt.datetime.now(VIETNAM).date(),
        "navigation": navigation(visitor, request.url.path),
        "page_data": {"language": speaks, "csrf": csrf, "words": wording.script_words(speaks), "zone": storage_zone()},
    }


def office_name(request: Request) -> str:
    """The name of the visitor's office; empty for the public, and in a fragment, which does not show it."""
    office_id = actor(request).office_id
    if office_id is None or wants_fragment(request):
        return ""
    with database(request).begin(actor(request)) as tx:
        office = get_office(tx, office_id)
    return office.name if office else ""


def navigation(visitor: Visitor, path: str) -> list[dict[str, Any]]:
    """The entries that this visitor may use, each once, the current one marked."""
    first = Entry("nav.work" if visitor.signed_in else "nav.lookup", "/")
    shown = {
        entry.href: entry for entry in (first, *ENTRIES) if entry.permission is None or visitor.may(entry.permission)
    }
    return [
        {"word": entry.word, "href": href, "current": path == href if href == "/" else path.startswith(href)}
        for href, entry in shown.items()
    ]


@lru_cache(maxsize=1)
def storage_zone() -> dict[str, float]:
    """The zone in which the page shows plane coordinates, as its script needs it."""
    from pyproj import CRS

    srid = settings().storage_srid
    operation = CRS.from_epsg(srid).coordinate_operation
    if operation is None:
        raise ValueError(f"EPSG:{srid} is no plane zone")
    said = {parameter.name: float(parameter.value) for parameter in operation.params}
    return {
        "srid": srid,
        "central_meridian_deg": said["Longitude of natural origin"],
        "scale_factor": said["Scale factor at natural origin"],
        "false_easting_m": said["False easting"],
        "false_northing_m": said["False northing"],
    }


@lru_cache(maxsize=1)
def static_version() -> str:
    """Changes with any file under ``web/static``; part of their addresses, so browsers may keep them for good."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted((WEB / "static").rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(WEB)}:{path.stat().st_size}:{path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()


def static(path: str) -> str:
    """The address of a file under ``web/static``. Modules import one another relatively and so keep the version."""
    return f"/static/v-{static_version()}/{path}"


@lru_cache(maxsize=4)
def environment(speaks: Language) -> Environment:
    """The templates in one language; facts that an answer leaves out are blanks."""
    made = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=select_autoescape(),
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.filters.update(wording.filters(speaks))
    made.globals.update(
        t=lambda key, **params: wording.word(key, speaks, **params),
        static=static,
        language=speaks,
        land_use_colour=wording.land_use_colour,
        sketch=wording.sketch,
    )
    return made


def wants_fragment(request: Request) -> bool:
    """Whether a script asks for a part of the page."""
    return request.headers.get("hx-request") == "true"


def local_path(target: str | None) -> str:
    """Where to go next, only ever inside this site: a foreign address would be a trap after sign-in."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    parts = urlsplit(target)
    return target if not parts.netloc and not parts.scheme else "/"

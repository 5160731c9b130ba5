"""A refusal as a page, for a person who followed a link: sign in first, change the password first, or what is wrong."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse
from starlette.requests import HTTPConnection
from starlette.responses import Response

from api.pages import wording
from api.pages.frame import render, wants_fragment
from api.problems import language


def refusal_page(connection: HTTPConnection, status: int, body: dict[str, Any]) -> Response:
    """``body`` is the problem as services would read it. What one may not see is not there: 403 reads as 404."""
    request = cast("Request", connection)
    if status == 401:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(here, safe='')}", 303)
    if body.get("code") == "access.password_change_required":
        return RedirectResponse("/password", 303)
    shown = {name: body.get(name, "") for name in ("title", "detail", "action", "code")}
    if shown["action"]:
        shown["detail"] = str(shown["detail"]).removesuffix(str(shown["action"])).strip()
    if status == 403:
        status, speaks = 404, language(request)
        words = {name: wording.word(f"problem.{key}", speaks) for name, key in _NOT_FOUND.items()}
        shown = {**words, "action": "", "code": "request.not_found"}
    shown["incident"] = body.get("params", {}).get("incident") if status == 500 else None
    template = "problem_part.html" if wants_fragment(request) else "problem.html"
    return render(request, template, status=status, problem=shown)


_NOT_FOUND = {"title": "not_found", "detail": "not_found_step"}

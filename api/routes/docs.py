"""The description of the interface: OpenAPI, a page to read it on a closed network, and the meaning of each code."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from api.deps import language, permission
from landdb.errors import NotFound
from landdb.messages import catalogue

router = APIRouter(tags=["service"])


class CodeUnknown(NotFound):
    """Params: ``code``."""

    code = "request.code_unknown"


class Meaning(BaseModel):
    """What a code of a refusal or of an issue means; ``{…}`` stand for the facts of the case."""

    code: str
    title: str
    detail: str
    action: str


@router.get("/openapi.json", openapi_extra=permission("service:docs"), summary="This description")
def openapi(request: Request) -> JSONResponse:
    """OpenAPI 3.1."""
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": "public, no-cache"})


@router.get("/problems/{code}", openapi_extra=permission("service:docs"), summary="What a code means")
def problem_type(code: str, request: Request) -> Meaning:
    """The ``type`` of a problem leads here."""
    text = catalogue(language(request)).get(code)
    if text is None:
        raise CodeUnknown(code=code)
    return Meaning(code=code, title=text.title, detail=text.detail, action=text.action)


@router.get(
    "/docs", openapi_extra=permission("service:docs"), response_class=HTMLResponse, summary="This description to read"
)
def docs(request: Request) -> HTMLResponse:
    """One plain page, made here: viewers that load scripts from elsewhere do not work on a closed network."""
    return HTMLResponse(_page(request.app.openapi()), headers={"Cache-Control": "public, no-cache"})


def _page(schema: dict[str, Any]) -> str:
    operations = [
        _operation(method, path, operation)
        for path, item in sorted(schema["paths"].items())
        for method, operation in item.items()
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><title>LandDB API</title></head><body>"
        f"<h1>LandDB API {escape(schema['info']['version'])}</h1><pre>{escape(schema['info']['description'])}</pre>"
        "<p><a href='/openapi.json'>openapi.json</a></p>" + "".join(operations) + "</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    inputs = "".join(
        f"<li><code>{escape(each['name'])}</code> ({escape(each['in'])}{', required' if each.get('required') else ''})"
        f" {escape(each.get('description', ''))}</li>"
        for each in operation.get("parameters", [])
    )
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation.get('summary', ''))}</p>"
        f"<p>{escape(operation.get('description', ''))}</p>"
        f"<p>Permission: <code>{escape(operation.get('x-permission', ''))}</code></p><ul>{inputs}</ul></section>"
    )

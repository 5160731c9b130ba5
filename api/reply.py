"""Answers of routes that build their JSON themselves: instants and ids as text, lists as a workbook when one is asked for."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import Query, Request
from starlette.responses import Response

from api.workbook import XLSX, download, workbook

Format = Annotated[
    Literal["json", "xlsx"] | None, Query(description="xlsx: the list as a workbook; also by the header Accept")
]
PDF: Final = "application/pdf"
# Of all kinds that ``landdb.dossier.examine`` lets in; the first is the usual one.
_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    PDF: (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/tiff": (".tif", ".tiff"),
    "image/vnd.dxf": (".dxf",),
    "image/vnd.dgn": (".dgn",),
    "application/geopackage+sqlite3": (".gpkg",),
    "application/zip": (".zip",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (".docx",),
    XLSX: (".xlsx",),
}


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON in UTF-8. Not to be kept by anything between us and the caller: it is for this caller only."""
    return Response(
        orjson.dumps(body, option=orjson.OPT_UTC_Z),
        status,
        {"Cache-Control": "private, no-store", **(headers or {})},
        media_type="application/json",
    )


def wants_workbook(request: Request, said: str | None) -> bool:
    """Whether a list is to come as XLSX: ``format`` decides, without it the header ``Accept``."""
    return said == "xlsx" if said else XLSX in request.headers.get("accept", "")


def as_workbook(name: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Response:
    """A list to take along."""
    return download(workbook(head, rows), name)


def printed(content: bytes, name: str) -> Response:
    """A PDF to look at in the browser, with a name to save it by."""
    return Response(
        content,
        media_type=PDF,
        headers={"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"},
    )


def saved_name(name: str, media_type: str) -> str:
    """The name by which a paper is saved: no signs that hide its ending, and the ending of what it is.

    Bytes that are a picture and a script at once do no harm as `scan.png`, and all harm as `scan.hta`.
    """
    plain = "".join(sign for sign in name if unicodedata.category(sign) not in {"Cc", "Cf", "Cs"}).strip()
    endings = _ENDINGS.get(media_type, ())
    return plain if not endings or plain.lower().endswith(endings) else f"{plain}{endings[0]}"


def shown(example: Any, *, status: int = 200, xlsx: bool = False, description: str = "") -> dict[int | str, Any]:
    """The ``responses`` of a route that answers with JSON of our own, by an example."""
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}, "example": example}}
    if xlsx:
        content[XLSX] = {"schema": {"type": "string", "format": "binary"}}
    return {status: {"description": description or "OK", "content": content}}


def shown_file(media_type: str, example: str = "%PDF-1.7 …") -> dict[int | str, Any]:
    """The ``responses`` of a route that answers with a file."""
    binary = {"schema": {"type": "string", "format": "binary"}, "example": example}
    return {200: {"description": "OK", "content": {media_type: binary}}}

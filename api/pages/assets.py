"""The pages' own files, under an address that changes with them: browsers keep them for good and never see an old one."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from api.deps import permission
from api.pages.frame import WEB
from landdb.errors import NotFound

router = APIRouter(include_in_schema=False)

FOREVER: Final = "public, max-age=31536000, immutable"
# Said here, since a minimal machine has no table of media types; a module with a wrong type does not run.
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@router.get("/static/v-{version}/{path:path}", openapi_extra=permission("page:public"))
def get_asset(version: str, path: str = Path()) -> FileResponse:
    """One file below ``web/static``. The version only makes the address new; any is answered with the present file."""
    folder = (WEB / "static").resolve()
    found = (folder / path).resolve()
    if not found.is_relative_to(folder) or not found.is_file() or found.suffix not in MEDIA_TYPES:
        raise NotFound(path=path)
    return FileResponse(found, media_type=MEDIA_TYPES[found.suffix], headers={"Cache-Control": FOREVER})

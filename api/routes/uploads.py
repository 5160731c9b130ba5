"""Resumable uploads over a line that breaks (tus 1.0): begin, ask how far it came, go on, give up.

What has arrived lies on disk, also of a piece that was cut off; a client asks for the offset and sends the rest. A finished
upload becomes a paper by ``POST /v1/dossiers/{id}/documents {"upload_id": …}``. No ``Idempotency-Key``: the offset says the same.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final
from uuid import UUID

import anyio.from_thread
from fastapi import APIRouter, Depends, Header, Path, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.deps import ActorDep, DatabaseDep, FilesDep, TxDep, permission
from api.reply import reply, shown
from landdb.access.model import PermissionMissing
from landdb.access.permissions import DUTIES, allows
from landdb.dossier import upload as uploads
from landdb.dossier.model import Upload
from landdb.errors import Malformed, Stale, UnsupportedFormat

VERSION: Final = "1.0.0"
PIECE: Final = "application/offset+octet-stream"
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]{44}):")
_ID = "0198c1f2-7d3a-7c11-9a55-1b2f0d3e4a5b"
_SHOWN: dict[str, Any] = {
    "upload_id": _ID,
    "name": "giay-chung-nhan.pdf",
    "size_bytes": 48211300,
    "offset_bytes": 16777216,
    "finished": False,
    "sha256": None,
}


class TusVersionWrong(Stale):
    """Params: ``given``, ``known``."""

    code = "upload.version"


class LengthMissing(Malformed):
    code = "upload.length_missing"


class MetadataMalformed(Malformed):
    code = "upload.metadata_malformed"


class OffsetMissing(Malformed):
    code = "upload.offset_missing"


class DigestMalformed(Malformed):
    code = "upload.digest_malformed"


class PieceTypeWrong(UnsupportedFormat):
    """Params: ``given``, ``known``."""

    code = "upload.piece_type"


def tus(request: Request, version: Annotated[str | None, Header(alias="Tus-Resumable")] = None) -> None:
    """The client speaks the version that we speak. Raises: ``TusVersionWrong``."""
    if version != VERSION and request.method != "OPTIONS":
        raise TusVersionWrong(given=(version or "–")[:20], known=VERSION)


def may_upload(request: Request, actor: ActorDep) -> None:
    """Who may add a paper to some dossier. Raises: ``PermissionMissing``."""
    if request.method != "OPTIONS" and not any(allows(actor, name) for name in (*DUTIES, "dossier:force")):
        raise PermissionMissing(permission="dossier:work")


router = APIRouter(prefix="/v1/uploads", tags=["uploads"], dependencies=[Depends(tus), Depends(may_upload)])
UPLOADS: Final = permission("dossier:read", idempotent=False)
UploadId = Annotated[UUID, Path(description="id of the upload", examples=[_ID])]


def metadata(header: str | None) -> dict[str, str]:
    """``Upload-Metadata``: names with base64 of their UTF-8 text. Raises: ``MetadataMalformed``."""
    try:
        pairs = (part.split() for part in (header or "").split(",") if part.strip())
        return {pair[0]: base64.b64decode(pair[1] if len(pair) > 1 else "", validate=True).decode() for pair in pairs}
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise MetadataMalformed() from error


def count(header: str | None, missing: Malformed) -> int:
    """A number of bytes in a header. Raises: ``missing``."""
    if header is None or not header.isascii() or not header.isdecimal() or len(header) > 18:
        raise missing
    return int(header)


def digest(header: str | None) -> str | None:
    """The SHA-256 of the whole file in ``Repr-Digest`` (RFC 9530), as hexadecimal. Raises: ``DigestMalformed``."""
    if header is None:
        return None
    found = _DIGEST.search(header)
    if found is None:
        raise DigestMalformed()
    return base64.b64decode(found[1]).hex()


def progress(upload: Upload, offset: int, status: int = 200) -> Response:
    """How far it has come, in the headers of tus, and as JSON for people."""
    headers = {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(offset),
        "Upload-Length": str(upload.size_bytes),
        "Cache-Control": "no-store",
        "Location": f"/v1/uploads/{upload.upload_id}",
    }
    if status == 204:
        return Response(status_code=204, headers=headers)
    body = {
        "upload_id": upload.upload_id,
        "name": upload.name,
        "size_bytes": upload.size_bytes,
        "offset_bytes": offset,
        "finished": upload.sha256 is not None,
        "sha256": upload.sha256,
    }
    return reply(body, status, headers)


class _Body:
    """A request's body as a file to read from, in the thread of a route."""

    def __init__(self, request: Request) -> None:
        self._chunks: AsyncIterator[bytes] = request.stream().__aiter__()
        self._pieces = self._read()
        self.cut = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as many as have come; none at the end. ``size`` is no promise: pieces come as the line brings them."""
        return next(self._pieces, b"")

    def _read(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = anyio.from_thread.run(self._next)
            except ClientDisconnect:
                self.cut = True
                return
            if chunk is None:
                return
            if chunk:
                yield chunk

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)


@router.options("", openapi_extra=permission("service:status"), status_code=204, summary="What the server can")
def options(request: Request) -> Response:
    """Version, extensions and the largest file."""
    most = request.app.state.settings.max_upload_mb << 20
    headers = {"Tus-Resumable": VERSION, "Tus-Version": VERSION, "Tus-Extension": "creation,termination"}
    return Response(status_code=204, headers=headers | {"Tus-Max-Size": str(most)})


@router.post("", status_code=201, openapi_extra=UPLOADS, responses=shown(_SHOWN, status=201), summary="Begin an upload")
def begin(
    request: Request,
    tx: TxDep,
    files: FilesDep,
    length: Annotated[str | None, Header(alias="Upload-Length", description="bytes of the whole file")] = None,
    described: Annotated[
        str | None, Header(alias="Upload-Metadata", description="filename, doc_type, dossier; each value in base64")
    ] = None,
) -> Response:
    """Too large a file is refused here, before a byte of it was sent."""
    size = count(length, LengthMissing())
    facts = metadata(described)
    try:
        dossier_id = UUID(facts["dossier"]) if facts.get("dossier") else None
    except ValueError as error:
        raise MetadataMalformed() from error
    upload = uploads.begin_upload(
        tx,
        files,
        facts.get("filename") or facts.get("name") or "file",
        size,
        max_bytes=request.app.state.settings.max_upload_mb << 20,
        dossier_id=dossier_id,
        doc_type=facts.get("doc_type") or None,
    )
    if size == 0:
        upload = uploads.note_progress(tx, files, upload.upload_id)
    return progress(upload, 0, 201)


@router.get("/{upload_id}", openapi_extra=UPLOADS, responses=shown(_SHOWN), summary="How far an upload has come")
def look(tx: TxDep, files: FilesDep, upload_id: UploadId) -> Response:
    """Also as HEAD, which is what tus clients send: ``Upload-Offset`` says where to go on."""
    upload = uploads.find(tx, upload_id)
    return progress(upload, uploads.arrived(files, upload))


@router.patch(
    "/{upload_id}",
    status_code=204,
    openapi_extra=permission("dossier:read", idempotent=False, takes_files=True)
    | {"requestBody": {"content": {PIECE: {"schema": {"type": "string", "format": "binary"}, "example": "…"}}}},
    summary="Go on with an upload",
)
def go_on(
    request: Request,
    actor: ActorDep,
    database: DatabaseDep,
    files: FilesDep,
    upload_id: UploadId,
    at: Annotated[str | None, Header(alias="Upload-Offset", description="where this piece begins")] = None,
    whole_digest: Annotated[
        str | None, Header(alias="Repr-Digest", description="SHA-256 of the whole file (RFC 9530), with the last piece")
    ] = None,
) -> Response:
    """The next piece, of any length. What came before the line broke is kept. No transaction is open while bytes come."""
    given = request.headers.get("content-type", "")
    if given != PIECE:
        raise PieceTypeWrong(given=given[:60] or "–", known=PIECE)
    offset, sha256 = count(at, OffsetMissing()), digest(whole_digest)
    with database.begin(actor) as tx:
        upload = uploads.find(tx, upload_id)
    here = uploads.take_piece(files, upload, offset, _Body(request))  # type: ignore[arg-type]  # only read() is used
    with database.begin(actor) as tx:
        upload = uploads.note_progress(tx, files, upload_id, sha256=sha256)
    return progress(upload, here, 204)


@router.delete("/{upload_id}", status_code=204, openapi_extra=UPLOADS, summary="Give an upload up")
def give_up(tx: TxDep, files: FilesDep, upload_id: UploadId) -> Response:
    """What has arrived is thrown away."""
    uploads.give_up(tx, files, upload_id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


__all__ = ["router"]

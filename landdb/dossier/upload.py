"""A paper that comes in pieces, over a line that breaks (tải lên nối tiếp, tus 1.0).

The caller's edge opens no transaction while bytes come: ``find`` in one, ``take_piece`` in none, ``note_progress`` in
another. How far an upload has come is what lies on disk, so a client that asks after a cut goes on where the line broke.
Nothing is linked to a dossier before the whole of it is there and its digest known.
"""

from __future__ import annotations

import datetime as dt
from typing import BinaryIO, Final
from uuid import UUID

from landdb.db.transaction import Tx, new_id
from landdb.dossier import record, store
from landdb.dossier.model import Upload, UploadOffsetWrong, UploadUnfinished, UploadUnknown
from landdb.errors import NotFound
from landdb.files import FileStore, StoredFile, UploadTooLarge

KEPT_FOR: Final = dt.timedelta(days=7)
"""An upload that nobody has finished after a week is given up."""


def begin_upload(
    tx: Tx,
    files: FileStore,
    name: str,
    size_bytes: int,
    *,
    max_bytes: int,
    dossier_id: UUID | None = None,
    doc_type: str | None = None,
) -> Upload:
    """Room for a file of a known size. Raises: ``file.too_large``, and as every act on a dossier where one is named."""
    if size_bytes > max_bytes:
        raise UploadTooLarge(file=name, limit=f"{max_bytes >> 20} MB")
    if dossier_id is not None:
        record.workable(tx, store.get_dossier(tx, dossier_id))
    upload = Upload(new_id(), tx.actor.caller, dossier_id, name, doc_type, size_bytes, 0, tx.now, None, None)
    store.add_upload(tx, upload)
    files.begin_part(upload.upload_id)
    return upload


def find(tx: Tx, upload_id: UUID) -> Upload:
    """An upload of the actor's own; anybody else's is unknown. Raises: ``UploadUnknown``."""
    upload = store.get_upload(tx, upload_id)
    if upload is None or upload.caller != tx.actor.caller:
        raise UploadUnknown(upload=str(upload_id))
    return upload


def arrived(files: FileStore, upload: Upload) -> int:
    """How many of its bytes are here: the offset from which the client goes on. Raises: ``UploadUnknown``."""
    if upload.sha256 is not None:
        return upload.size_bytes
    try:
        return files.part_size(upload.upload_id)
    except NotFound:
        raise UploadUnknown(upload=str(upload.upload_id)) from None


def take_piece(files: FileStore, upload: Upload, offset: int, stream: BinaryIO) -> int:
    """Add a piece where the file has come to; the offset after it. Call it outside a transaction: it lasts as the line lasts.

    Raises: ``UploadOffsetWrong``, ``file.too_large`` (more than was announced), ``file.part_busy``, ``UploadUnknown``.
    """
    here = arrived(files, upload)
    if upload.sha256 is not None or here != offset:
        raise UploadOffsetWrong(expected=here, found=offset)
    with files.writing(upload.upload_id) as part:
        if part.size != offset:  # somebody was quicker
            raise UploadOffsetWrong(expected=part.size, found=offset)
        return part.append(upload.name, stream, max_bytes=upload.size_bytes)


def note_progress(tx: Tx, files: FileStore, upload_id: UUID, *, sha256: str | None = None) -> Upload:
    """Write down how far it has come; a whole one is kept by its content. sha256: what the client says that it sent.

    Raises: ``file.hash_mismatch``, ``UploadUnknown``.
    """
    upload = store.get_upload(tx, upload_id, lock=True)
    if upload is None or upload.caller != tx.actor.caller:
        raise UploadUnknown(upload=str(upload_id))
    if upload.sha256 is None:
        here = arrived(files, upload)
        digest = None
        if here == upload.size_bytes:
            digest = files.finish_part(upload_id, upload.name, sha256=sha256).sha256
        store.set_upload(tx, upload_id, here, digest)
    return find(tx, upload_id)


def finished(tx: Tx, upload_id: UUID) -> StoredFile:
    """The file of a finished upload, to be added to a dossier. Raises: ``UploadUnknown``, ``UploadUnfinished``."""
    upload = find(tx, upload_id)
    if upload.sha256 is None:
        raise UploadUnfinished(upload=str(upload_id), size=upload.size_bytes, offset=upload.offset_bytes)
    return StoredFile(upload.name, upload.sha256, upload.size_bytes)


def give_up(tx: Tx, files: FileStore, upload_id: UUID) -> None:
    """The client does not want it any more. Raises: ``UploadUnknown``."""
    find(tx, upload_id)
    store.delete_upload(tx, upload_id)
    files.drop_part(upload_id)


def sweep_uploads(tx: Tx, files: FileStore) -> int:
    """Give up what nobody has finished in a week; how many."""
    given_up = store.delete_uploads_before(tx, tx.now - KEPT_FOR)
    for upload_id in given_up:
        files.drop_part(upload_id)
    return len(given_up)

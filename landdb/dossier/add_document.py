"""Add a paper to a dossier, replace one by a newer, take one out (giấy tờ trong hồ sơ).

A paper is its bytes: kept by their digest, examined by content, scanned, and only then named by a row. What is found
dangerous is never linked; what is found infected goes to quarantine besides. The bytes are never written again, so signatures
in them stay good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from landdb.config import settings
from landdb.db.transaction import Tx, new_id
from landdb.dossier import record, store
from landdb.dossier.examine import PDF, media_type_of
from landdb.dossier.model import (
    Document,
    DocumentDangerous,
    DocumentInfected,
    DocumentKindRefused,
    DocumentUnknown,
    Dossier,
    TextMissing,
)
from landdb.dossier.scan import NoScanner, Scanner
from landdb.dossier.store import Blob
from landdb.files import FileStore, StoredFile
from landdb.sealing.keys import Keys


def add_document(  # noqa: PLR0913 -- what a paper is, and the two that look at it
    tx: Tx,
    keys: Keys,
    dossier_id: UUID,
    name: str,
    doc_type: str,
    stored: StoredFile,
    *,
    files: FileStore,
    scanner: Scanner | None = None,
    supersedes: UUID | None = None,
) -> Document:
    """Add a paper whose bytes are in the store. supersedes: the paper that it replaces; that one stays, with its version.

    Raises: ``DocumentKindRefused``, ``DocumentDangerous``, ``DocumentInfected``, ``DocumentUnknown`` (to supersede),
    ``TextMissing``, and as every act on a dossier.
    """
    record.workable(tx, store.get_dossier(tx, dossier_id))
    looked = look_at(
        tx, name, stored, files=files, scanner=scanner
    )  # it may last: nobody waits for the dossier meanwhile
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    return link(tx, dossier, doc_type, looked, supersedes=supersedes)[0]


@dataclass(frozen=True)
class Looked:
    """A paper that was examined and may be linked: its bytes, its name, and what is said of its signatures."""

    name: str
    blob: Blob
    signature: dict[str, Any] | None


def look_at(tx: Tx, name: str, stored: StoredFile, *, files: FileStore, scanner: Scanner | None = None) -> Looked:
    """Examine and scan bytes, before any lock is taken.

    Raises: ``DocumentKindRefused``, ``DocumentDangerous``, ``DocumentInfected``, ``TextMissing``, ``file.unknown``.
    """
    named = " ".join(Path(name).name.split())[:255]
    if not named:
        raise TextMissing(field="name")
    return Looked(named, *_examined(tx, named, stored, files, scanner or NoScanner()))


def link(
    tx: Tx, dossier: Dossier, doc_type: str, looked: Looked, *, supersedes: UUID | None = None
) -> tuple[Document, Dossier]:
    """Name examined bytes by a row of a dossier already locked. Raises: ``TextMissing``, ``DocumentUnknown`` (to supersede)."""
    kind, blob = doc_type.strip(), looked.blob
    if not kind:
        raise TextMissing(field="doc_type")
    before = None if supersedes is None else _live(tx, dossier.dossier_id, supersedes)
    store.add_blob(tx, blob)
    document = Document(
        document_id=new_id(),
        dossier_id=dossier.dossier_id,
        sha256=blob.sha256,
        doc_type=kind,
        name=looked.name,
        version=1 if before is None else before.version + 1,
        supersedes_id=supersedes,
        size_bytes=blob.size_bytes,
        media_type=blob.media_type,
        state=blob.state,
        signature=looked.signature,
        added_at=tx.now,
        added_by=tx.actor.staff_id,
        added_office_id=tx.actor.office_id,
        withdrawn_at=None,
    )
    store.add_document(tx, document)
    return document, record.record(tx, dossier, "document_added", _payload(document))


def withdraw_document(tx: Tx, dossier_id: UUID, document_id: UUID) -> Dossier:
    """Take out a paper that came in by mistake; the bytes, the row and the event of its coming stay.

    Raises: ``DocumentUnknown`` (taken out already, too), and as every act on a dossier.
    """
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    document = _live(tx, dossier_id, document_id)
    store.set_withdrawn(tx, document_id)
    return record.record(tx, dossier, "document_withdrawn", _payload(document))


def _live(tx: Tx, dossier_id: UUID, document_id: UUID) -> Document:
    """A paper that is neither taken out nor replaced by a newer one. Raises: ``DocumentUnknown``."""
    for document in store.list_documents(tx, dossier_id):
        if document.document_id == document_id:
            return document
    raise DocumentUnknown(document=str(document_id))


def _examined(
    tx: Tx, name: str, stored: StoredFile, files: FileStore, scanner: Scanner
) -> tuple[Blob, dict[str, Any] | None]:
    """The bytes as they may be linked, and what is said of their signatures."""
    path = files.path(stored.sha256)
    scan = scanner.scan(path)
    if scan.found is not None:
        if not store.is_blob_linked(tx, stored.sha256):
            files.quarantine(stored.sha256)
        raise DocumentInfected(name=name, found=scan.found)
    try:
        media_type = media_type_of(path, name)
        signature = _signature(tx, path, name) if media_type == PDF else None
    except (DocumentDangerous, DocumentKindRefused):
        if not store.is_blob_linked(tx, stored.sha256):
            files.drop(stored.sha256)  # nothing of what was refused stays behind
        raise
    return Blob(stored.sha256, path.stat().st_size, media_type, "verified", scan.said), signature


def _signature(tx: Tx, path: Path, name: str) -> dict[str, Any] | None:
    """What a PDF's signatures are worth; null: it has none. Raises: ``DocumentDangerous``."""
    from landdb.sealing.pdf import inspect_pdf  # it brings pyHanko, which takes its time

    report = inspect_pdf(path, settings().trust_folder, at=tx.now)
    if report.faults:
        raise DocumentDangerous(name=name, found=", ".join(report.faults))
    return report.as_json() if report.signed else None


def _payload(document: Document) -> dict[str, Any]:
    """What the history says of a paper. Its name may be a person's, so it stays in the row."""
    return {
        "document_id": str(document.document_id),
        "doc_type": document.doc_type,
        "sha256": document.sha256,
        "size_bytes": str(document.size_bytes),
        "version": document.version,
        "signed": document.signature is not None,
    }


def is_signed(documents: Sequence[Document]) -> bool:
    """Whether some paper carries a personal signature that was found valid."""
    return any(document.signature is not None and document.signature.get("valid") is True for document in documents)

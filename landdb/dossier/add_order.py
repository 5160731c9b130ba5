"""Put the written order for a forced move into a dossier: by oversight, whoever holds it (văn bản điều chuyển).

The holder may be an office that no longer exists or cannot be reached, so the order cannot wait for it.
"""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx
from landdb.dossier import record, store
from landdb.dossier.add_document import attach
from landdb.dossier.model import Document, DossierClosed
from landdb.dossier.scan import Scanner
from landdb.files import FileStore, StoredFile

ORDER = "QUYET_DINH"


def add_order(
    tx: Tx, dossier_id: UUID, stored: StoredFile, *, files: FileStore, scanner: Scanner | None = None
) -> Document:
    """Add the order, examined like every paper. Raises: ``DossierUnknown``, ``DossierClosed``, and those of ``add_document``."""
    dossier = store.lock_dossier(tx, dossier_id)
    record.visible(tx, dossier)
    if dossier.closed_at is not None:
        raise DossierClosed(dossier=dossier.code)
    return attach(tx, dossier, stored.name, ORDER, stored, files=files, scanner=scanner)[0]

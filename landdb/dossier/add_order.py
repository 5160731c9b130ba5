"""Put the written order for a forced move into a dossier: by oversight, whoever holds it (văn bản điều chuyển).

The holder may be an office that no longer exists or cannot be reached, so the order cannot wait for it.
"""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx
from landdb.dossier import record, store
from landdb.dossier.add_document import link, look_at
from landdb.dossier.model import Document, Dossier, DossierClosed
from landdb.dossier.scan import Scanner
from landdb.files import FileStore, StoredFile

ORDER = "QUYET_DINH"


def add_order(
    tx: Tx, dossier_id: UUID, stored: StoredFile, *, files: FileStore, scanner: Scanner | None = None
) -> Document:
    """Add the order, examined like every paper. Raises: ``DossierUnknown``, ``DossierClosed``, and those of ``add_document``."""
    _open(tx, store.get_dossier(tx, dossier_id))
    looked = look_at(tx, stored.name, stored, files=files, scanner=scanner)  # it may last: nobody waits meanwhile
    return link(tx, _open(tx, store.lock_dossier(tx, dossier_id)), ORDER, looked)[0]


def _open(tx: Tx, dossier: Dossier) -> Dossier:
    record.visible(tx, dossier)
    if dossier.closed_at is not None:
        raise DossierClosed(dossier=dossier.code)
    return dossier

"""Keep what another system calls a dossier: the portal, VBDLIS, iLIS, tax, a paper ledger (mã hồ sơ ở hệ thống khác)."""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx
from landdb.dossier import record, store
from landdb.dossier.model import Dossier, TextMissing


def add_external_id(tx: Tx, dossier_id: UUID, system: str, value: str) -> Dossier:
    """Add one. Raises: ``TextMissing``, ``ExternalIdTaken``, and as every act on a dossier."""
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    name, number = clean(system, value)
    store.add_external_id(tx, dossier_id, name, number)
    return record.record(tx, dossier, "external_id_added", {"system": name, "value": number})


def clean(system: str, value: str) -> tuple[str, str]:
    """The two texts as they are stored and compared. Raises: ``TextMissing``."""
    name, number = system.strip().lower(), " ".join(value.split())
    for field, text in (("system", name), ("value", number)):
        if not text:
            raise TextMissing(field=field)
    return name, number

"""Say where the paper original lies: a shelf, a box, somebody's desk, in the post (nơi để hồ sơ giấy)."""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx
from landdb.dossier import record, store
from landdb.dossier.model import Dossier


def move_paper(tx: Tx, dossier_id: UUID, place: str | None) -> Dossier:
    """The paper lies elsewhere now; null or empty: not known. Raises: as every act on a dossier."""
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    there = " ".join((place or "").split()) or None
    if there == dossier.paper_place:
        return dossier
    store.set_dossier(tx, dossier_id, paper_place=there)
    record.record(tx, dossier, "paper_moved", {"from": dossier.paper_place, "to": there})
    return store.get_dossier(tx, dossier_id)

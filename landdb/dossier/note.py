"""Write a note to colleagues into a dossier (ghi chú). The history says that there is one; its text stays out of the chain."""

from __future__ import annotations

from uuid import UUID

from landdb.db.transaction import Tx, new_id
from landdb.dossier import record, store
from landdb.dossier.model import Note, TextMissing


def add_note(tx: Tx, dossier_id: UUID, body: str) -> Note:
    """Add a note. Raises: ``TextMissing``, and as every act on a dossier."""
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    if not body.strip():
        raise TextMissing(field="body")
    note = Note(new_id(), dossier_id, body.strip(), tx.now, tx.actor.staff_id, tx.actor.office_id)
    store.add_note(tx, note)
    record.record(tx, dossier, "noted", {"note_id": str(note.note_id)})
    return note

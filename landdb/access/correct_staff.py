"""Correct a person's name, move them to another office, change their language."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import OfficeUnknown, StaffUnknown
from landdb.db.transaction import Tx


def correct_staff(tx: Tx, staff_id: UUID, *, full_name: str, office_id: int, language: str) -> None:
    """Roles stay where they were granted. Raises: ``StaffUnknown``, ``OfficeUnknown``."""
    if store.get_staff(tx, staff_id) is None:
        raise StaffUnknown(staff=str(staff_id))
    if store.get_office(tx, office_id) is None:
        raise OfficeUnknown(office=office_id)
    store.set_staff_words(tx, staff_id, full_name=full_name.strip(), office_id=office_id, language=language)
    store.add_event(tx, "staff_corrected", staff_id=staff_id)

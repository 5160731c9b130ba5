"""Open an account for a person (thêm cán bộ)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import OfficeUnknown, checked_login
from landdb.db.transaction import Tx, new_id


def add_staff(tx: Tx, *, login: str, full_name: str, office_id: int, language: str = "vi") -> UUID:
    """A new account without roles and without a password. Raises: ``LoginMalformed``, ``LoginTaken``, ``OfficeUnknown``."""
    normal = checked_login(login)
    store.lock_office(tx, office_id)
    office = store.get_office(tx, office_id)
    if office is None or (office.valid_to is not None and office.valid_to <= tx.today):
        raise OfficeUnknown(office=office_id)
    staff_id = new_id()
    store.add_staff(
        tx, staff_id=staff_id, login=normal, full_name=full_name.strip(), office_id=office_id, language=language
    )
    store.add_event(tx, "staff_added", staff_id=staff_id)
    return staff_id

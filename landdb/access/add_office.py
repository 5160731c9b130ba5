"""Found an office in the dated tree, and correct its words (thêm đơn vị)."""

from __future__ import annotations

import datetime as dt

from landdb.access import store
from landdb.access.model import OFFICE_KINDS, Office, OfficeKindUnknown, OfficeUnknown
from landdb.db.transaction import Tx


def add_office(
    tx: Tx,
    *,
    code: str,
    name: str,
    kind: str,
    parent_id: int | None = None,
    valid_from: dt.date | None = None,
    phone: str | None = None,
) -> int:
    """A new office, open from ``valid_from`` (null: since before the register).

    Raises: ``OfficeKindUnknown``, ``OfficeUnknown`` (no such parent, or closed), ``OfficeTaken``.
    """
    if kind not in OFFICE_KINDS:
        raise OfficeKindUnknown(kind=kind)
    if parent_id is not None:
        store.lock_office(tx, parent_id)
        parent = store.get_office(tx, parent_id)
        if parent is None or parent.valid_to is not None:
            raise OfficeUnknown(office=parent_id)
    office_id = store.add_office(
        tx, code=code.strip(), name=name.strip(), kind=kind, parent_id=parent_id, valid_from=valid_from, phone=phone
    )
    store.add_event(tx, "office_added", note=f"{office_id} {code}"[:200])
    return office_id


def correct_office(tx: Tx, office_id: int, *, name: str, phone: str | None) -> Office:
    """Correct a name or a telephone number; a rename by law is a closed office and a new one.

    Raises: ``OfficeUnknown``.
    """
    store.set_office_words(tx, office_id, name=name.strip(), phone=phone)
    office = store.get_office(tx, office_id)
    if office is None:
        raise OfficeUnknown(office=office_id)
    store.add_event(tx, "office_corrected", note=str(office_id))
    return office

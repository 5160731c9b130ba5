"""Close an office on a day (giải thể, sáp nhập đơn vị)."""

from __future__ import annotations

import datetime as dt

from landdb.access import store
from landdb.access.model import OfficeDatesWrong, OfficeInUse, OfficeUnknown
from landdb.db.transaction import Tx


def close_office(tx: Tx, office_id: int, to_on: dt.date) -> None:
    """From ``to_on`` on the office no longer exists and serves no commune; its row stays.

    Raises: ``OfficeUnknown``, ``OfficeDatesWrong``, ``OfficeInUse`` while people or open offices belong to it.
    """
    store.lock_office(tx, office_id)
    office = store.get_office(tx, office_id)
    if office is None:
        raise OfficeUnknown(office=office_id)
    if office.valid_from is not None and to_on <= office.valid_from:
        raise OfficeDatesWrong(office=office.name, from_on=office.valid_from, to_on=to_on)
    staff, offices = store.count_office_users(tx, office_id)
    if staff or offices:
        raise OfficeInUse(office=office.name, staff=staff, offices=offices)
    store.set_office_end(tx, office_id, to_on)
    store.add_event(tx, "office_closed", note=f"{office_id} {to_on}")

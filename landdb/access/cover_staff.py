"""Somebody is on leave: say who looks after their desk, and that they are back (làm thay khi nghỉ)."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from landdb.access import store
from landdb.access.model import CoverDatesWrong, CoverRefused, PermissionMissing, Staff, StaffUnknown
from landdb.access.permissions import allows
from landdb.db.transaction import Tx


def cover_staff(tx: Tx, staff_id: UUID, cover_id: UUID, from_on: dt.date, to_on: dt.date) -> None:
    """From ``from_on`` until ``to_on`` (the first day back) a colleague of the same office does a person's work.

    The person themselves may say so, their head, and the administrator.
    Raises: ``StaffUnknown``, ``CoverRefused``, ``CoverDatesWrong``, ``CoverTaken``, ``PermissionMissing``.
    """
    person, colleague = _person(tx, staff_id), _person(tx, cover_id)
    _may(tx, person)
    if person.staff_id == colleague.staff_id or person.office_id != colleague.office_id or not colleague.active:
        raise CoverRefused(staff=person.full_name, cover=colleague.full_name)
    if to_on <= from_on or to_on <= tx.today:
        raise CoverDatesWrong(from_on=from_on.isoformat(), to_on=to_on.isoformat())
    store.add_cover(tx, staff_id, cover_id, from_on, to_on)
    store.add_event(tx, "cover_set", staff_id=staff_id, note=f"{cover_id} {from_on} {to_on}")


def end_cover(tx: Tx, staff_id: UUID) -> bool:
    """The person is back from today on; false if nobody looked after their desk. Raises: as ``cover_staff``."""
    _may(tx, _person(tx, staff_id))
    ended = store.end_cover(tx, staff_id, tx.today)
    if ended:
        store.add_event(tx, "cover_ended", staff_id=staff_id)
    return ended


def desks_of(tx: Tx, staff_id: UUID) -> list[UUID]:
    """The desks whose work is this person's today: their own and those that they look after."""
    return [staff_id, *store.covered_by(tx, staff_id, tx.today)]


def _person(tx: Tx, staff_id: UUID) -> Staff:
    person = store.get_staff(tx, staff_id)
    if person is None:
        raise StaffUnknown(staff=str(staff_id))
    return person


def _may(tx: Tx, person: Staff) -> None:
    head = allows(tx.actor, "dossier:assign") and tx.actor.office_id == person.office_id
    if not (person.staff_id == tx.actor.staff_id or head or allows(tx.actor, "admin:staff")):
        raise PermissionMissing(permission="dossier:assign")

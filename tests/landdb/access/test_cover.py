"""Leave: a colleague's desk becomes one's own for some days, by the right people's word only."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest

from landdb.access import store
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.cover_staff import cover_staff, desks_of, end_cover
from landdb.access.model import CoverDatesWrong, CoverRefused, CoverTaken, PermissionMissing, StaffUnknown
from landdb.db.transaction import Actor, Tx

DAY = dt.timedelta(days=1)


@pytest.fixture
def people(tx: Tx) -> tuple[UUID, UUID, UUID, int]:
    office, other = (add_office(tx, code=c, name=c, kind="branch") for c in ("CN1", "CN2"))
    an, binh = (add_staff(tx, login=n, full_name=n, office_id=office) for n in ("an.nv", "binh.tt"))
    return an, binh, add_staff(tx, login="chi.lt", full_name="chi", office_id=other), office


def acting(tx: Tx, staff_id: UUID, office: int, *permissions: str) -> Tx:
    return replace(tx, actor=Actor("staff", staff_id, office_id=office, permissions=frozenset(permissions)))


def test_the_desk_is_the_colleagues_until_the_day_of_return(tx: Tx, people: tuple[UUID, UUID, UUID, int]) -> None:
    an, binh, _, office = people
    cover_staff(acting(tx, an, office), an, binh, tx.today, tx.today + 3 * DAY)
    assert desks_of(tx, binh) == [binh, an]
    assert desks_of(tx, an) == [an]
    back = replace(tx, now=tx.now + 3 * DAY)
    assert desks_of(back, binh) == [binh]
    assert [(c.staff_id, c.cover_id) for c in store.list_covers(tx, office)] == [(an, binh)]
    assert end_cover(tx, an)
    assert desks_of(tx, binh) == [binh]
    assert not end_cover(tx, an)


def test_who_may_not_and_who_cannot(tx: Tx, people: tuple[UUID, UUID, UUID, int]) -> None:
    an, binh, chi, office = people
    days = (tx.today, tx.today + DAY)
    with pytest.raises(PermissionMissing):
        cover_staff(acting(tx, binh, office), an, binh, *days)
    with pytest.raises(PermissionMissing):
        cover_staff(acting(tx, chi, office + 1, "dossier:assign"), an, binh, *days)
    with pytest.raises(CoverRefused):
        cover_staff(tx, an, an, *days)
    with pytest.raises(CoverRefused):
        cover_staff(tx, an, chi, *days)
    with pytest.raises(CoverDatesWrong):
        cover_staff(tx, an, binh, tx.today, tx.today)
    with pytest.raises(StaffUnknown):
        cover_staff(tx, UUID(int=1), binh, *days)
    cover_staff(acting(tx, binh, office, "dossier:assign"), an, binh, *days)
    with pytest.raises(CoverTaken):
        cover_staff(tx, an, binh, *days)

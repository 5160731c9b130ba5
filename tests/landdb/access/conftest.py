"""An office and its people, as the examples of access need them."""

from __future__ import annotations

from uuid import UUID

import pytest

from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.set_password import set_password
from landdb.db.transaction import Tx
from tests.landdb.access.access_examples import PASSWORD


@pytest.fixture
def office(tx: Tx) -> int:
    return add_office(tx, code="CN-SOC-TRANG", name="Chi nhánh Sóc Trăng", kind="branch")


@pytest.fixture
def person(tx: Tx, office: int) -> UUID:
    """A member of staff with a password and no role."""
    staff_id = add_staff(tx, login="Lan.Nguyen", full_name="Nguyễn Thị Lan", office_id=office)
    set_password(tx, staff_id, PASSWORD, must_change=False)
    return staff_id

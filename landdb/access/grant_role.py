"""Grant a role, and take it back (phân quyền)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store
from landdb.access.model import OfficeUnknown, OwnAccount, RoleUnknown, StaffUnknown
from landdb.access.permissions import ROLES
from landdb.db.transaction import Tx


def grant_role(tx: Tx, staff_id: UUID, role: str, office_id: int | None = None) -> bool:
    """Grant a role in an office (null: the person's own); false if held already. Nobody grants to themselves.

    Raises: ``RoleUnknown``, ``StaffUnknown``, ``OfficeUnknown``, ``OwnAccount``.
    """
    office = _checked(tx, staff_id, role, office_id)
    granted = store.add_role(tx, staff_id, role, office)
    if granted:
        store.add_event(tx, "role_granted", staff_id=staff_id, note=f"{role} @ {office}")
        store.add_revocation(tx, f"staff:{staff_id}")
    return granted


def revoke_role(tx: Tx, staff_id: UUID, role: str, office_id: int | None = None) -> bool:
    """Take a role back; it ends with the next request. False if it was not held. Raises: as ``grant_role``."""
    office = _checked(tx, staff_id, role, office_id)
    revoked = store.delete_role(tx, staff_id, role, office)
    if revoked:
        store.add_event(tx, "role_revoked", staff_id=staff_id, note=f"{role} @ {office}")
        store.add_revocation(tx, f"staff:{staff_id}")
    return revoked


def _checked(tx: Tx, staff_id: UUID, role: str, office_id: int | None) -> int:
    """The office meant, when all of it exists and is not about oneself."""
    if role not in ROLES:
        raise RoleUnknown(role=role)
    if staff_id == tx.actor.staff_id:
        raise OwnAccount()
    person = store.get_staff(tx, staff_id)
    if person is None:
        raise StaffUnknown(staff=str(staff_id))
    office = person.office_id if office_id is None else office_id
    if store.get_office(tx, office) is None:
        raise OfficeUnknown(office=office)
    return office

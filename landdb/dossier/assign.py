"""Put a dossier on somebody's desk within the office that holds it (phân công xử lý)."""

from __future__ import annotations

from uuid import UUID

from landdb.access import store as access
from landdb.access.permissions import DUTIES, allows
from landdb.db.transaction import Tx
from landdb.dossier import record, store
from landdb.dossier.model import AssigneeUnknown, Dossier, DutyMissing, demand_version

ASSIGN = "dossier:assign"


def assign(tx: Tx, dossier_id: UUID, staff_id: UUID | None, *, expected_version: int | None = None) -> Dossier:
    """Give it to a colleague of the holding office, or (null) to nobody. Who works on dossiers may take one that is on no desk
    and give back their own; all else is the head's.

    Raises: ``AssigneeUnknown``, ``DutyMissing``, ``DossierUnknown``, ``DossierNotHeld``, ``DossierSealed``,
    ``DossierClosed``, ``Stale``.
    """
    dossier = store.lock_dossier(tx, dossier_id)
    record.workable(tx, dossier)
    demand_version(dossier, expected_version)
    if not (allows(tx.actor, ASSIGN) or _of_their_own(tx, dossier, staff_id)):
        raise DutyMissing(action="assign", duty=ASSIGN)
    if staff_id is not None:
        person = access.get_staff(tx, staff_id)
        if person is None or not person.active or person.office_id != dossier.holder_office_id:
            raise AssigneeUnknown(staff=str(staff_id))
    if staff_id == dossier.assignee_id:
        return dossier
    store.set_dossier(tx, dossier_id, assignee_id=staff_id)
    payload = {"from": _text(dossier.assignee_id), "to": _text(staff_id)}
    record.record(tx, dossier, "assigned", payload)
    return store.get_dossier(tx, dossier_id)


def _of_their_own(tx: Tx, dossier: Dossier, staff_id: UUID | None) -> bool:
    me = tx.actor.staff_id
    takes = dossier.assignee_id is None and staff_id == me
    gives_back = dossier.assignee_id == me and staff_id is None
    return me is not None and (takes or gives_back) and any(allows(tx.actor, duty) for duty in DUTIES)


def _text(staff_id: UUID | None) -> str | None:
    return None if staff_id is None else str(staff_id)

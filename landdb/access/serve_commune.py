"""Say which communes an office serves, and since when (địa bàn phụ trách)."""

from __future__ import annotations

import datetime as dt

from landdb.access import store
from landdb.access.model import CommuneUnknown, OfficeUnknown
from landdb.db.transaction import Tx


def serve_commune(tx: Tx, office_id: int, admin_unit_id: int, valid_from: dt.date | None = None) -> None:
    """The office serves the commune from a day on (null: always has).

    Raises: ``OfficeUnknown``, ``CommuneUnknown``, ``CommuneServedAlready``.
    """
    if store.get_office(tx, office_id) is None:
        raise OfficeUnknown(office=office_id)
    if not store.is_commune(tx, admin_unit_id):
        raise CommuneUnknown(commune=admin_unit_id)
    store.add_served(tx, office_id, admin_unit_id, valid_from)
    store.add_event(tx, "commune_served", note=f"{office_id} {admin_unit_id}")


def stop_serving_commune(tx: Tx, office_id: int, admin_unit_id: int, to_on: dt.date) -> None:
    """The office no longer serves the commune from a day on. Raises: ``CommuneUnknown`` if it did not."""
    if not store.end_served(tx, office_id, admin_unit_id, to_on):
        raise CommuneUnknown(commune=admin_unit_id)
    store.add_event(tx, "commune_left", note=f"{office_id} {admin_unit_id} {to_on}")

"""Who lies beside a parcel (thửa giáp ranh), and along how many metres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from landdb.db.transaction import Tx, statement_file
from landdb.views.parcels_at import refuse_missing

TOLERANCE_M: Final = 0.05
"""Two boundaries this near are one. Source: TT 25/2014/TT-BTNMT Đ8, 5 cm at 1:200, the closest of its scales."""


@dataclass(frozen=True)
class Neighbour:
    """A parcel in force that touches another. ``shared_m`` 0: they meet in a corner.

    ``direction_deg`` is the bearing of its middle, clockwise from grid north. ``area_m2`` is the declared, else the measured one.
    """

    parcel_id: UUID
    sheet_no: str
    parcel_no: str
    commune_code: str
    commune: str
    land_use: str
    area_m2: float | None
    shared_m: float
    direction_deg: float | None


def neighbours(tx: Tx, parcel_id: UUID, tolerance_m: float = TOLERANCE_M) -> list[Neighbour]:
    """The neighbours, longest common boundary first; lengths are plane metres of the storage zone.

    Raises: ParcelUnknown, ParcelEnded.
    """
    if tx.execute("SELECT 1 FROM parcel_face WHERE parcel_id = :parcel_id", parcel_id=parcel_id).first() is None:
        refuse_missing(tx, parcel_id)
    rows = tx.execute(
        statement_file(Path(__file__).parent, "neighbours"), parcel_id=parcel_id, tolerance_m=tolerance_m
    ).all()
    return [
        Neighbour(
            row.parcel_id,
            row.sheet_no,
            row.parcel_no,
            row.commune_code,
            row.commune,
            row.land_use or "",
            None if row.area_m2 is None else float(row.area_m2),
            round(max(float(row.shared_m), 0.0), 2),
            None if row.azimuth_deg is None else round(float(row.azimuth_deg), 1),
        )
        for row in rows
    ]

"""SQL of objects beside the parcels. Parcels are written by the verbs of ``intake``, set by set."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import shapely

from landdb.db.transaction import Tx, new_id
from landdb.spatial.model import LinearObject


def parcels_of(tx: Tx, admin_unit_id: int, limit: int) -> list[UUID]:
    """The first parcels in force on the sheets of a unit, by sheet and number."""
    rows = tx.execute(
        """SELECT p.parcel_id FROM parcel p JOIN map_sheet s USING (map_sheet_id)
           WHERE p.admin_unit_id = :unit AND p.status = 'in_force' ORDER BY s.sheet_no, p.parcel_no LIMIT :limit""",
        unit=admin_unit_id,
        limit=limit,
    )
    return list(rows.scalars())


def count_linear_objects(tx: Tx, admin_unit_id: int) -> int:
    """How many the register has in a unit."""
    return int(
        tx.execute(
            "SELECT count(*) FROM linear_object WHERE admin_unit_id = :unit AND upper_inf(recorded)", unit=admin_unit_id
        ).scalar_one()
    )


def add_linear_objects(tx: Tx, objects: Sequence[LinearObject], registration_id: UUID) -> None:
    """Roads and canals as surveyed, without a known start."""
    for one in objects:
        tx.execute(
            """
INSERT INTO linear_object (linear_object_id, kind, name, admin_unit_id, geom, geom_3857, valid, recorded, registration_id)
SELECT :id, :kind, :name, :unit, g.geom, ST_Transform(g.geom, 3857), daterange(NULL, NULL), tstzrange(:now, NULL),
       :registration_id
FROM (SELECT ST_SetSRID(ST_GeomFromWKB(:shape), Find_SRID(current_schema()::text, 'parcel', 'geom')) AS geom) g
""",
            id=new_id(),
            kind=one.kind,
            name=one.name,
            unit=one.admin_unit_id,
            shape=shapely.to_wkb(one.shape),
            now=tx.now,
            registration_id=registration_id,
        )

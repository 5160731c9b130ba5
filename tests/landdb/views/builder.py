"""Puts a small register into a database by plain inserts, so that the views are tested without the import.

Geometry is given as boxes in metres of the storage zone (VN-2000 105°30'), near the published point of Sóc Trăng.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from landdb.db.transaction import Tx, new_id

DAI_TAM = 1222
"""Xã Đại Tâm, in force until 1 July 2025, then part of a larger ward."""
EAST, NORTH = 551_587.0, 1_061_541.0

_FACE = """
INSERT INTO parcel_face (parcel_id, admin_unit_id, sheet_no, parcel_no, land_use, area_m2, geom_4326, geom_3857, feature)
SELECT p.parcel_id, p.admin_unit_id, s.sheet_no, p.parcel_no, :land_use, p.measured_area_m2,
    ST_Transform(p.geom, 4326), ST_ForcePolygonCW(ST_Transform(p.geom, 3857)),
    CAST(json_build_object('type', 'Feature', 'id', p.parcel_id,
        'geometry', CAST(ST_AsGeoJSON(ST_Transform(p.geom, 4326), 7) AS json),
        'properties', json_build_object('parcel_id', p.parcel_id, 'commune_code', u.code, 'commune', u.name,
            'sheet_no', s.sheet_no, 'parcel_no', p.parcel_no)) AS text)
FROM parcel p JOIN map_sheet s USING (map_sheet_id) JOIN admin_unit u ON u.admin_unit_id = p.admin_unit_id
WHERE p.parcel_id = :parcel_id
"""


@dataclass
class Builder:
    """One registration that makes sheets and parcels."""

    tx: Tx
    registration_id: UUID

    def sheet(self, sheet_no: str, unit: int = DAI_TAM) -> UUID:
        sheet_id = new_id()
        self.tx.execute(
            """INSERT INTO map_sheet (map_sheet_id, admin_unit_id, series, sheet_no, scale, srid, registration_id)
               VALUES (:id, :unit, '', :no, 1000, 9209, :registration)""",
            id=sheet_id, unit=unit, no=sheet_no, registration=self.registration_id,
        )  # fmt: skip
        return sheet_id

    def parcel(
        self, sheet: UUID, parcel_no: str, box: tuple[float, float, float, float], *, unit: int = DAI_TAM,
        land_use: str = "ONT", version_no: int = 1,
    ) -> UUID:  # fmt: skip
        """A rectangle (west, south, east, north in metres from the corner of the made-up land), in force."""
        parcel_id = new_id()
        facts = {
            "id": parcel_id, "sheet": sheet, "no": parcel_no, "unit": unit, "version": version_no,
            "west": EAST + box[0], "south": NORTH + box[1], "east": EAST + box[2], "north": NORTH + box[3],
            "area": (box[2] - box[0]) * (box[3] - box[1]), "registration": self.registration_id, "now": self.tx.now,
        }  # fmt: skip
        self.tx.execute(
            """INSERT INTO parcel (parcel_id, version_no, status, map_sheet_id, parcel_no, admin_unit_id, geom,
                   measured_area_m2, geometry_hash, registration_id)
               VALUES (:id, :version, 'in_force', :sheet, :no, :unit,
                   ST_MakeEnvelope(:west, :south, :east, :north, 9209), :area, 0, :registration)""",
            facts,
        )
        self.version(parcel_id, facts)
        self.tx.execute(
            """INSERT INTO parcel_land_use (parcel_id, version_no, ordinal, land_use_code, code_list, area_m2)
               VALUES (:id, :version, 1, :use, 'land_use_2024', :area)""",
            facts | {"use": land_use},
        )
        self.tx.execute(_FACE, parcel_id=parcel_id, land_use=land_use)
        self.tx.execute(
            """INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded,
                   registration_id)
               SELECT :id, admin_unit_id, sheet_no, :no, 'current', '(,)', tstzrange(:now, NULL), :registration
               FROM map_sheet WHERE map_sheet_id = :sheet""",
            facts,
        )
        return parcel_id

    def version(
        self, parcel_id: UUID, facts: dict[str, Any], *, valid: str = "(,)", known_from: dt.datetime | None = None,
        known_to: dt.datetime | None = None,
    ) -> None:  # fmt: skip
        self.tx.execute(
            """INSERT INTO parcel_version (parcel_id, version_no, map_sheet_id, parcel_no, admin_unit_id, geom,
                   survey_geom_srid, measured_area_m2, geometry_hash, valid, recorded, registration_id)
               VALUES (:id, :version, :sheet, :no, :unit, ST_MakeEnvelope(:west, :south, :east, :north, 9209),
                   9209, :area, 0, CAST(:valid AS daterange), tstzrange(:from, :to), :registration)""",
            facts | {"id": parcel_id, "valid": valid, "from": known_from or self.tx.now, "to": known_to},
        )

    def once(
        self, parcel_id: UUID, sheet: UUID, parcel_no: str, box: tuple[float, float, float, float], *, version_no: int,
        valid: str, known_from: dt.datetime, known_to: dt.datetime | None = None,
    ) -> None:  # fmt: skip
        """A version that is no longer in force."""
        facts = {
            "version": version_no, "sheet": sheet, "no": parcel_no, "unit": DAI_TAM, "area": 1.0,
            "west": EAST + box[0], "south": NORTH + box[1], "east": EAST + box[2], "north": NORTH + box[3],
            "registration": self.registration_id,
        }  # fmt: skip
        self.version(parcel_id, facts, valid=valid, known_from=known_from, known_to=known_to)

    def changed(self, layer: str = "parcels") -> None:
        self.tx.execute(
            """INSERT INTO data_version (layer, version) VALUES (:layer, 1)
               ON CONFLICT (layer) DO UPDATE SET version = data_version.version + 1""",
            layer=layer,
        )


def begin(tx: Tx) -> Builder:
    """A registration of its own."""
    registration_id = new_id()
    tx.execute(
        "INSERT INTO registration (registration_id, kind, recorded_at) VALUES (:id, 'import', :now)",
        id=registration_id, now=tx.now,
    )  # fmt: skip
    return Builder(tx, registration_id)


def lonlat(tx: Tx, east: float, north: float) -> tuple[float, float]:
    """Where metres from the corner lie in degrees."""
    row = tx.execute(
        """SELECT ST_X(p) AS lon, ST_Y(p) AS lat
           FROM (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(:e, :n), 9209), 4326) AS p) AS at""",
        e=EAST + east, n=NORTH + north,
    ).one()  # fmt: skip
    return row.lon, row.lat

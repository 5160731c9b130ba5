"""Parcels on any day, as known at any instant, in any zone that the register knows: the ordinary road beside the reading lane."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from landdb.config import settings
from landdb.db.transaction import Tx, statement_file
from landdb.views.parcel_query import FIRST, AsOf, Box, ParcelEnded, ParcelUnknown, ZoneUnknown

HERE: Final = Path(__file__).parent
LONLAT: Final = 4326

_NUMBERED = """
    parcel.map_sheet_id IN (SELECT map_sheet_id FROM sheet)
    AND (CAST(:parcel AS text) IS NULL OR parcel.parcel_no = :parcel)
    AND (parcel.admin_unit_id IN (SELECT admin_unit_id FROM unit)
        OR parcel.map_sheet_id IN (SELECT map_sheet_id FROM sheet WHERE drawn_for))"""
# Past versions have no index by number: the references of all times lead to them.
_ONCE_NUMBERED = """
    version.parcel_id IN (
        SELECT parcel_id FROM parcel_reference
        WHERE admin_unit_id IN (SELECT admin_unit_id FROM unit)
            AND (CAST(:sheet AS text) IS NULL OR sheet_no = :sheet)
            AND (CAST(:parcel AS text) IS NULL OR parcel_no = :parcel))
    AND version.map_sheet_id IN (SELECT map_sheet_id FROM sheet)
    AND (CAST(:parcel AS text) IS NULL OR version.parcel_no = :parcel)"""
_CONDITIONS: Final = {
    "id": ("parcel.parcel_id = :parcel_id", "version.parcel_id = :parcel_id"),
    "place": (
        "ST_Intersects(parcel.geom, (SELECT shape FROM place))",
        "ST_Intersects(version.geom, (SELECT shape FROM place))",
    ),
    "number": (_NUMBERED, _ONCE_NUMBERED),
}


@dataclass(frozen=True)
class Page:
    """Some finished Features, by key. ``last`` is the key after which the next page begins; null: this is the last."""

    features: list[dict[str, Any]]
    last: UUID | None


def by_id(tx: Tx, parcel_id: UUID, as_of: AsOf, srid: int = LONLAT) -> dict[str, Any]:
    """One parcel as a Feature. Raises: ParcelUnknown, also where it did not exist at that time; ZoneUnknown."""
    page = _page(tx, "id", as_of, srid, limit=1, after=FIRST, parcel_id=parcel_id)
    if not page.features:
        raise ParcelUnknown(parcel_id=str(parcel_id))
    return page.features[0]


def in_box(tx: Tx, box: Box, as_of: AsOf, srid: int, limit: int, after: UUID) -> Page:
    """Parcels that touch a lon/lat box."""
    return _page(tx, "place", as_of, srid, limit, after, west=box.west, south=box.south, east=box.east, north=box.north)


def at_point(tx: Tx, lon: float, lat: float, as_of: AsOf, srid: int, limit: int, after: UUID) -> Page:
    """Parcels at a point, degrees."""
    return in_box(tx, Box(lon, lat, lon, lat), as_of, srid, limit, after)


def by_number(
    tx: Tx, commune: str, sheet: str | None, number: str | None, as_of: AsOf, srid: int, limit: int, after: UUID
) -> Page:
    """Parcels of a commune's code, sheet and number; null asks for any."""
    return _page(tx, "number", as_of, srid, limit, after, commune=commune, sheet=sheet, parcel=number)


def refuse_missing(tx: Tx, parcel_id: UUID) -> None:
    """Says why a parcel is not among those in force. Raises: ParcelEnded with what it became, else ParcelUnknown."""
    known = tx.execute("SELECT 1 FROM parcel WHERE parcel_id = :parcel_id", parcel_id=parcel_id).first()
    if known is None:
        raise ParcelUnknown(parcel_id=str(parcel_id))
    became = tx.execute(statement_file(HERE, "successors"), parcel_id=parcel_id).scalars()
    raise ParcelEnded(parcel_id=str(parcel_id), successors=[str(child) for child in became])


def zone_of(tx: Tx, crs: str | None) -> int:
    """The EPSG code that a caller names ("9209", "EPSG:9209", the OGC URI); null: WGS 84. Raises: ZoneUnknown."""
    if crs is None:
        return LONLAT
    known = [LONLAT, 3857, *tx.execute("SELECT srid FROM coordinate_zone ORDER BY srid").scalars()]
    digits = crs.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    if crs.endswith("CRS84"):
        return LONLAT
    if not digits.isdigit() or len(digits) > 6 or int(digits) not in known:
        raise ZoneUnknown(crs=crs, known=", ".join(str(srid) for srid in known))
    return int(digits)


def _page(
    tx: Tx, condition: str, as_of: AsOf, srid: int, limit: int, after: UUID, **asked: Any
) -> Page:  # each condition uses its own of the parameters; the others stay null
    present, past = _CONDITIONS[condition]
    statement = statement_file(HERE, "parcels_at").replace("{present}", present).replace("{past}", past)
    params: dict[str, Any] = dict.fromkeys(("parcel_id", "commune", "sheet", "parcel"))
    params |= dict.fromkeys(("west", "south", "east", "north"), 0.0)
    params |= {
        "valid_at": as_of.valid_at, "known_at": as_of.known_at, "srid": srid, "limit": limit, "after": after,
        "storage_srid": settings().storage_srid, "digits": 7 if srid == LONLAT else 3,
    }  # fmt: skip
    rows = tx.execute(statement, params | asked).all()
    last = rows[limit - 1].parcel_id if len(rows) > limit else None
    return Page([row.feature for row in rows[:limit]], last)


def collection(page: Page, links: list[dict[str, str]], srid: int = LONLAT) -> bytes:
    """A FeatureCollection; outside WGS 84 it names its zone as desktop programs read it."""
    body: dict[str, Any] = {"type": "FeatureCollection", "numberReturned": len(page.features), "links": links}
    if srid != LONLAT:
        body["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{srid}"}}
    body["features"] = page.features
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

"""Column types that several packages share: geometry in the register's zone and in lon/lat, and the two clocks."""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import DATERANGE, TSTZRANGE, UUID

from landdb.config import settings


def storage_geometry(kind: str = "GEOMETRY") -> Geometry:
    """Geometry in the province's storage zone (metres, x = east, y = north)."""
    return Geometry(kind, srid=settings().storage_srid, spatial_index=False)


def lonlat_geometry(kind: str = "GEOMETRY") -> Geometry:
    """Geometry in WGS 84, x = longitude, y = latitude, degrees."""
    return Geometry(kind, srid=4326, spatial_index=False)


def mercator_geometry(kind: str = "GEOMETRY") -> Geometry:
    """Geometry in web mercator metres, for tiles only."""
    return Geometry(kind, srid=3857, spatial_index=False)


__all__ = ["DATERANGE", "TSTZRANGE", "UUID", "lonlat_geometry", "mercator_geometry", "storage_geometry"]

"""What the ground is divided into, as records: objects beside the parcels so far."""

from __future__ import annotations

from dataclasses import dataclass

import shapely


@dataclass(frozen=True)
class LinearObject:
    """A road or canal drawn without being a parcel (đối tượng hình tuyến). ``shape``: line or surface, storage zone."""

    kind: str
    name: str | None
    admin_unit_id: int
    shape: shapely.Geometry

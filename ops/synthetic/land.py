"""What a made-up province consists of: communes, parcels, roads and canals, and what happened to parcels between two surveys.

The words that all steps share, so that none of them must import the step before it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .columns import Column, pa
from .weave import Ints

SRID = 9209
Geometries = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Communes:
    code: list[str]
    name: list[str]
    urban: npt.NDArray[np.bool_]
    boundary: Geometries
    """Polygons, EPSG:9209. Limits run in the middle of the border canals and share their vertices."""


@dataclass(frozen=True)
class LinearObjects:
    """Canals and roads as polygons between the blocks (đối tượng hình tuyến); with the parcels they fill the commune."""

    geometry: Geometries
    columns: dict[str, Column]


@dataclass(frozen=True)
class Parcels:
    """Parcels sorted by commune, sheet, number; `columns` carry the canonical names of the import contract."""

    geometry: Geometries
    columns: dict[str, Column]
    commune: Ints
    """Index into Communes of each row; rows of a commune stand together."""

    def rows(self, commune: int) -> slice:
        low, high = np.searchsorted(self.commune, [commune, commune + 1])
        return slice(int(low), int(high))

    def take(self, rows: Ints | slice) -> "Parcels":
        at = np.arange(len(self.commune))[rows]
        return Parcels(self.geometry[at], {k: c.take(pa.array(at)) for k, c in self.columns.items()}, self.commune[at])


@dataclass(frozen=True)
class Change:
    """One event between the two survey states; references are (commune code, sheet, parcel number)."""

    kind: str
    """subdivide | merge | transfer | change_land_use"""
    before: list[tuple[str, str, str]]
    after: list[tuple[str, str, str]]

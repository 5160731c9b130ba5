"""A finished parcel file opened for spoiling: rows that can be read, changed and written back."""

from typing import Any

import numpy as np
import shapely

from .columns import Table, pa
from .files import GEOMETRY, STYLES, LayerFile
from .land import Geometries
from .letters import as_carrier


class Sheet:
    """One layer in memory. Rows count from 0 here and from 1 in answers; fields go by their canonical names."""

    def __init__(self, table: Table, entry: LayerFile, communes: list[str]) -> None:
        self.schema = table.schema
        self.style = STYLES[entry.style]
        self.encoding = entry.encoding
        self.communes = communes
        self.commune = entry.commune
        self.wkb: list[bytes | None] = table.column(GEOMETRY).to_pylist()
        self.geometry: Geometries = np.asarray(shapely.from_wkb(self.wkb), dtype=object)
        self.columns: dict[str, list[Any]] = {
            name: table.column(name).to_pylist() for name in table.column_names if name != GEOMETRY
        }
        self.tree = shapely.STRtree(self.geometry)
        self.extent = shapely.total_bounds(self.geometry)
        self.original_rows = len(self.wkb)
        self.taken: set[int] = set()
        """Rows that may not be spoiled any more: spoiled ones, their partners and neighbours."""
        self.spoiled: set[int] = set()
        self.raw_bytes: list[tuple[int, str, bytes]] = []

    @property
    def rows(self) -> int:
        return len(self.wkb)

    def take(self, row: int, near: list[int], partners: list[int]) -> None:
        self.spoiled |= {row, *partners}
        self.taken |= {row, *near, *partners}
        for partner in partners:
            if partner < self.original_rows:
                self.taken |= set(self.neighbours(partner))

    # -- attributes

    def get(self, row: int, name: str) -> Any:
        return self.columns[self.style[name]][row]

    def put(self, row: int, name: str, value: Any) -> None:
        """Put a value; text is given in Unicode and stored in the file's own letters."""
        if isinstance(value, str) and self.encoding != "utf-8":
            value = as_carrier(value, self.encoding)
        self.columns[self.style[name]][row] = value

    def area(self, row: int) -> float | None:
        """Declared area in m², or None where the text is no plain number."""
        try:
            return float(self.get(row, "declared_area_m2"))
        except (TypeError, ValueError):
            return None

    def has(self, name: str) -> bool:
        return name in self.style

    def single_use(self, row: int) -> bool:
        """One land use only, so that changing the area contradicts nothing else."""
        use = self.get(row, "land_use") or ""
        return "+" not in use and ";" not in use and bool(use)

    def numbers_on_sheet(self, row: int) -> set[str]:
        same = self.get(row, "sheet_no")
        sheets, numbers = (self.columns[self.style[name]] for name in ("sheet_no", "parcel_no"))
        return {str(number) for sheet, number in zip(sheets, numbers, strict=True) if sheet == same}

    def add_copy(self, row: int) -> int:
        """A second row equal to `row`, at the end of the file."""
        for values in self.columns.values():
            values.append(values[row])
        self.wkb.append(self.wkb[row])
        return len(self.wkb) - 1

    # -- geometry

    def put_geometry(self, row: int, geometry: shapely.Geometry) -> None:
        self.wkb[row] = shapely.to_wkb(geometry)

    def simple(self, row: int) -> bool:
        """One part, no holes, untouched."""
        geometry = self.geometry[row]
        return geometry.geom_type == "Polygon" and not geometry.interiors

    def neighbours(self, row: int) -> list[int]:
        """Rows whose land touches this one's, as the file was before any fault."""
        if row >= self.original_rows:
            return []
        found = self.tree.query(self.geometry[row], predicate="intersects")
        return [int(k) for k in np.sort(found) if k != row]

    def table(self) -> Table:
        arrays = {name: pa.array(values, self.schema.field(name).type) for name, values in self.columns.items()}
        return pa.table({**arrays, GEOMETRY: pa.array(self.wkb, pa.binary())})

"""Writes rows in columns as files that other programs open: one table of formats, one function a kind of file.

A writer draws batches as it goes, so a register of any size passes through a few megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

__all__ = ["FORMATS", "LATER", "LayerRows", "OutFormat", "write"]


@dataclass(frozen=True)
class OutFormat:
    """One format that we write. layered: holds several layers and tables. lonlat: WGS 84 by its standard, else any zone.

    driver: GDAL's name; empty where we write it ourselves. shapes: holds geometry.
    """

    key: str
    suffix: str
    driver: str
    layered: bool = False
    lonlat: bool = False
    shapes: bool = True


FORMATS: dict[str, OutFormat] = {
    row.key: row
    for row in (
        OutFormat("gpkg", ".gpkg", "GPKG", layered=True),
        OutFormat("geojson", ".geojson", "GeoJSON", lonlat=True),
        OutFormat("fgb", ".fgb", "FlatGeobuf"),
        OutFormat("shp", ".shp", "ESRI Shapefile"),
        OutFormat("csv", ".csv", "", shapes=False),
        OutFormat("xlsx", ".xlsx", "", layered=True, shapes=False),
    )
}
LATER = ("dxf", "dgn", "parquet", "vbdlis-xml")
"""Formats that the command line names and that no writer serves yet."""


@dataclass(frozen=True)
class LayerRows:
    """One layer or table. srid: zone of the column ``geometry`` (WKB); None = no geometry. title: for people."""

    name: str
    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    srid: int | None = None
    title: str = ""


def write(form: OutFormat, path: Path, layers: Iterable[LayerRows]) -> None:
    """Write all layers into one file; a format that is not layered takes exactly one.

    Raises: ``export.too_many_rows`` for a workbook that would need more than 1,048,576 lines.
    """
    from etl.writers import geopackage, sheets

    if form.driver:
        geopackage.write_layers(form, path, layers)
    elif form.key == "csv":
        sheets.write_csv(path, next(iter(layers)))
    else:
        sheets.write_workbook(path, layers)

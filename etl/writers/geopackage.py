"""GeoPackage, and the single-layer formats that GDAL writes the same way: GeoJSON, FlatGeobuf, Shapefile.

Coordinates are written as they come, to the last bit, save in GeoJSON: there they are degrees with ten decimals, a hundredth of
a millimetre.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from etl.writers import LayerRows, OutFormat

GEOMETRY = "geometry"
_OPTIONS = {
    "GPKG": {"GEOMETRY_NAME": "geom"},
    "GeoJSON": {"RFC7946": "YES", "COORDINATE_PRECISION": "10"},
    "ESRI Shapefile": {},
    "FlatGeobuf": {},
}
SHAPEFILE_NAMES = {
    "commune_code": "commune",
    "declared_area_m2": "declared_a",
    "legal_area_m2": "legal_area",
    "measured_area_m2": "measured_a",
    "holder_name": "holder_nam",
    "holder_class": "holder_cla",
    "holder_identity": "holder_ide",
    "former_sheet_no": "former_she",
    "former_parcel_no": "former_par",
    "temporary_no": "temporary_",
    "certificate_serial": "cert_seria",
    "certificate_register_no": "cert_regno",
    "certificate_issued_on": "cert_date",
}
"""A .dbf has ten letters for a name; these are told apart by the profile ``landdb``."""


def write_layers(form: OutFormat, path: Path, layers: Iterable[LayerRows]) -> None:
    """Write the layers one after another. What goes wrong while rows are drawn is raised as it was."""
    import pyogrio

    for layer in layers:
        drawn = _Drawn(layer.batches)
        schema = _renamed(layer.schema) if form.key == "shp" else layer.schema
        reader = pa.RecordBatchReader.from_batches(schema, drawn.batches(schema))
        spatial = layer.srid is not None
        try:
            with warnings.catch_warnings():
                # GDAL warns of names cut in a .dbf and of area columns wider than its own guess.
                warnings.simplefilter("ignore")
                pyogrio.write_arrow(
                    reader,
                    path,
                    layer=path.stem if form.key == "shp" else layer.name,
                    driver=form.driver,
                    geometry_name=GEOMETRY if spatial else None,
                    geometry_type=("MultiPolygon" if form.key == "shp" else "Unknown") if spatial else None,
                    crs=f"EPSG:{layer.srid}" if spatial else None,
                    encoding="UTF-8" if form.key == "shp" else None,
                    layer_options=_layer_options(form.driver, layer.title, spatial),
                )
        except Exception:
            if drawn.error is not None:
                raise drawn.error from None
            raise


class _Drawn:
    """Passes batches on and keeps the error of their source, which would reach us only as a text."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.error: Exception | None = None

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        except Exception as error:
            self.error = error
            raise


def _renamed(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_name(SHAPEFILE_NAMES.get(field.name, field.name)) for field in schema])


def _layer_options(driver: str, title: str, spatial: bool) -> dict[str, str]:
    options = dict(_OPTIONS[driver])
    if driver == "GPKG":
        if not spatial:
            options.pop("GEOMETRY_NAME")
        if title:
            options["IDENTIFIER"] = title
    return options

"""Opens a file by the reader that the driver table names for it. Runs in the child process only.

Three readers: our columnar one for shapefiles, the Arrow stream of GDAL for most others, and fiona for GML and for
layers that may hold arcs, which it turns into short straight edges.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from etl.batch import Batch, Origin, Rings, no_faults, rings_from_shapes
from etl.readers import archive, faults, shapefile
from etl.readers.formats import FORMATS, Format, Reader, recognise
from etl.readers.source import Field, Layer, Notice, Source
from landdb.errors import LandError

_FIONA_ROWS = 5000
_GML_OPTIONS = {"WRITE_GFS": "NO"}
"""GDAL would leave a file of its own beside the client's."""
_CURVED = ("curve", "surface", "tin")


@dataclass(frozen=True)
class Opened:
    """A recognised file: what it says about itself, and how to read one of its layers."""

    source: Source
    batches: Callable[[Layer, int], Iterator[Batch]]


def open_any(path: Path, name: str, scratch: Path) -> Opened:
    """Recognises the file, checks that it is whole, and reads its layers' headers.

    name: what the client called it; every fault names that. Raises: the faults of `etl.readers.faults`.
    """
    if not path.is_file():
        raise faults.FileMissing(file=name)
    try:
        form = recognise(path)
        if form.reader is Reader.ZIP:
            return _open_zip(path, name, scratch)
        layers, notices = _layers(path, form)
    except LandError as fault:
        # Inside the child a file may have another name than the client gave it.
        if fault.params.get("file") == path.name:
            fault.params["file"] = name
        raise
    source = Source(name, form.key, form.driver, path.stat().st_size, layers, notices)
    return Opened(source, lambda layer, rows: _read(path, form, Origin(name, layer.name), layer, rows))


def choose_layer(source: Source, wanted: str | None) -> Layer:
    """The layer to read: the one asked for, or the only one that may hold polygons.

    Raises: LayerUnknown; SeveralLayers with their names; NoPolygons; NoRows.
    """
    if wanted is not None:
        layer = next((layer for layer in source.layers if layer.name == wanted), None)
        if layer is None:
            raise faults.LayerUnknown(file=source.file, layer=wanted, layers=_names(source.layers))
    else:
        able = [layer for layer in source.layers if layer.may_hold_polygons]
        filled = [layer for layer in able if layer.rows != 0] or able
        if not able:
            kinds = ", ".join(sorted({layer.geometry_type for layer in source.layers})) or "–"
            raise faults.NoPolygons(file=source.file, found=kinds)
        if len(filled) > 1:
            raise faults.SeveralLayers(file=source.file, layers=_names(filled), count=len(filled))
        layer = filled[0]
    if not layer.may_hold_polygons:
        raise faults.NoPolygons(file=source.file, found=layer.geometry_type)
    if layer.rows == 0:
        raise faults.NoRows(file=source.file, layer=layer.name)
    return layer


def _names(layers: tuple[Layer, ...] | list[Layer]) -> str:
    return ", ".join(layer.name for layer in layers)


# --- zip ------------------------------------------------------------------------------------------------------------


def _open_zip(path: Path, name: str, scratch: Path) -> Opened:
    files = archive.unpack(path, scratch)
    if not files:
        raise faults.FileEmpty(file=name, bytes=path.stat().st_size)
    mains = [file for file in files if _is_main(file)]
    if not mains:
        _complain_about_parts(files, name)
    opened = [open_any(main, main.name, scratch) for main in mains]
    layers, owner = [], {}
    for number, one in enumerate(opened):
        for layer in one.source.layers:
            label = layer.name if layer.name not in owner else f"{one.source.file}/{layer.name}"
            layers.append(replace(layer, name=label, dataset=layer.name))
            owner[label] = number
    notices = tuple(notice for one in opened for notice in one.source.notices)
    formats = {one.source.format for one in opened}
    drivers = ", ".join(sorted({one.source.driver for one in opened}))
    key = formats.pop() if len(formats) == 1 else "zip"
    source = Source(name, key, drivers, path.stat().st_size, tuple(layers), notices)

    def batches(layer: Layer, rows: int) -> Iterator[Batch]:
        inner = next(one for one in opened[owner[layer.name]].source.layers if one.name == layer.dataset)
        for batch in opened[owner[layer.name]].batches(inner, rows):
            yield replace(batch, origin=Origin(name, layer.name))

    return Opened(source, batches)


def _is_main(file: Path) -> bool:
    suffix = file.suffix.lower()
    if suffix == ".xml" and file.name.lower().endswith(".shp.xml"):
        return False
    return any(suffix in row.extensions for row in FORMATS.values())


def _complain_about_parts(files: list[Path], name: str) -> None:
    if any(file.suffix.lower() in (".dbf", ".shx") for file in files):
        raise faults.PartMissing(file=name, part=".shp")
    if len(files) == 1:
        recognise(files[0])
    raise faults.FormatNotSupported(
        file=name, extension=", ".join(sorted({f.suffix.lower() for f in files})), supported=_supported()
    )


def _supported() -> str:
    from etl.readers.formats import SUPPORTED_TEXT

    return SUPPORTED_TEXT


# --- layers ---------------------------------------------------------------------------------------------------------


def _layers(path: Path, form: Format) -> tuple[tuple[Layer, ...], tuple[Notice, ...]]:
    if form.reader is Reader.SHAPEFILE:
        shape = shapefile.open_shapefile(path)
        notices = shape.notices
        if shape.prj is None:
            notices = (*notices, Notice("file.no_prj", {"file": path.name}))
        return (shape.layer(),), notices
    for part in form.parts:
        if not _has_part(path, part):
            raise faults.PartMissing(file=path.name, part=part)
    found = _fiona_layers(path, form) if form.reader is Reader.FIONA else _gdal_layers(path, form)
    if not found:
        raise faults.Damaged(file=path.name, reason="no layer")
    return found, ()


def _has_part(path: Path, part: str) -> bool:
    wanted = path.with_suffix(part).name.lower()
    return any(other.name.lower() == wanted for other in path.parent.iterdir())


def _gdal_layers(path: Path, form: Format) -> tuple[Layer, ...]:
    import pyogrio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            names = [str(name) for name, _ in pyogrio.list_layers(path)]
            infos = [pyogrio.read_info(path, layer=name, force_feature_count=False) for name in names]
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError) as error:
            raise _broken(path, error) from error
    for info in infos:
        if info["driver"] not in (form.driver, "KML" if form.key == "kml" else ""):
            raise faults.Disguised(file=path.name, extension=path.suffix.lower(), found=info["driver"])
    return tuple(_gdal_layer(name, info) for name, info in zip(names, infos, strict=True))


def _gdal_layer(name: str, info: dict[str, Any]) -> Layer:
    fields = tuple(Field(str(f), str(t)) for f, t in zip(info["fields"], info["ogr_types"], strict=True))
    rows = int(info["features"])
    return Layer(name, None if rows < 0 else rows, info["geometry_type"] or "None", fields, info["crs"], None, name)


def _broken(path: Path, error: Exception) -> LandError:
    reason = str(error).replace(str(path), path.name)[:300]
    return faults.Damaged(file=path.name, reason=reason)


def _fiona_layers(path: Path, form: Format) -> tuple[Layer, ...]:
    import fiona

    layers = []
    try:
        for name in fiona.listlayers(path, **_GML_OPTIONS):
            with _fiona_open(path, form, name) as source:
                fields = tuple(Field(f, kind) for f, kind in source.schema["properties"].items())
                kind = str(source.schema["geometry"])
                layers.append(Layer(name, _count(source), kind, fields, source.crs_wkt or None, None, name))
    except (fiona.errors.FionaError, ValueError, RuntimeError) as error:
        raise _broken(path, error) from error
    return tuple(layers)


def _count(source: Any) -> int | None:
    try:
        return len(source)
    except TypeError:  # counting would mean reading the whole file
        return None


def _fiona_open(path: Path, form: Format, layer: str) -> Any:
    import fiona

    options = _GML_OPTIONS if form.driver == "GML" else {}
    return fiona.open(path, layer=layer, enabled_drivers=[form.driver], allow_unsupported_drivers=True, **options)


# --- rows -----------------------------------------------------------------------------------------------------------


def _read(path: Path, form: Format, origin: Origin, layer: Layer, rows: int) -> Iterator[Batch]:
    if form.reader is Reader.SHAPEFILE:
        return shapefile.batches(shapefile.open_shapefile(path), origin, rows)
    curved = any(word in layer.geometry_type.lower() for word in _CURVED)
    if form.reader is Reader.FIONA or curved:
        return _fiona_batches(path, form, origin, layer)
    return _arrow_batches(path, origin, layer, rows)


def _arrow_batches(path: Path, origin: Origin, layer: Layer, rows: int) -> Iterator[Batch]:
    import pyogrio

    done = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with pyogrio.raw.open_arrow(
                path, layer=layer.dataset, use_pyarrow=True, batch_size=min(rows, 65536), datetime_as_string=True
            ) as (meta, reader):
                geometry = meta["geometry_name"] or "wkb_geometry"
                for record in reader:
                    if record.num_rows:
                        batch = _from_record(record, geometry, meta["fields"], origin, done)
                        done += record.num_rows
                        del record  # GDAL's copy of the rows need not lie beside ours
                        yield batch
                        del batch
        except (
            pyogrio.errors.DataSourceError,
            pyogrio.errors.DataLayerError,
            pa.ArrowException,
            RuntimeError,
        ) as error:
            raise _broken(path, error) from error


def _from_record(record: pa.RecordBatch, geometry: str, fields: Any, origin: Origin, done: int) -> Batch:
    rings, codes = Rings.from_wkb(record.column(geometry).cast(pa.large_binary()))
    columns = {str(name): _plain(record.column(str(name))) for name in fields}
    row_no = np.arange(done + 1, done + record.num_rows + 1, dtype=np.int64)
    return Batch(origin, row_no, columns, rings, None, codes)


def _plain(column: pa.Array) -> pa.Array:
    """Numbers, text, dates and raw bytes as they are; lists and structures as JSON text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_nested(kind):
        texts = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in column.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        return _checked_text(column)
    if pa.types.is_boolean(kind):
        return column.cast(pa.int64())
    return column


def _checked_text(column: pa.Array) -> pa.Array:
    """Text where it is UTF-8; the bytes where it is not: GDAL hands text in an unknown charset through unread."""
    text = column.cast(pa.string()) if pa.types.is_large_string(column.type) else column
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array(text.cast(pa.binary()).to_pylist(), pa.binary())
    return text


def _fiona_batches(path: Path, form: Format, origin: Origin, layer: Layer) -> Iterator[Batch]:
    import fiona

    try:
        with _fiona_open(path, form, layer.dataset) as source:
            names = list(source.schema["properties"])
            kinds = [str(kind) for kind in source.schema["properties"].values()]
            pending: list[Any] = []
            done = 0
            for feature in source:
                pending.append(feature)
                if len(pending) == _FIONA_ROWS:
                    yield _from_features(pending, names, kinds, origin, done)
                    done, pending = done + len(pending), []
            if pending:
                yield _from_features(pending, names, kinds, origin, done)
    except (fiona.errors.FionaError, RuntimeError) as error:
        raise _broken(path, error) from error


def _from_features(features: list[Any], names: list[str], kinds: list[str], origin: Origin, done: int) -> Batch:
    columns = {
        name: _typed([feature.properties.get(name) for feature in features], kind)
        for name, kind in zip(names, kinds, strict=True)
    }
    shapes = np.full(len(features), None, object)
    codes: list[str | None] = [None] * len(features)
    for i, feature in enumerate(features):
        shapes[i], codes[i] = _shape(feature.geometry)
    row_no = np.arange(done + 1, done + len(features) + 1, dtype=np.int64)
    fault = pa.array(codes, pa.string()) if any(codes) else no_faults(len(features))
    return Batch(origin, row_no, columns, rings_from_shapes(shapes), None, fault)


def _typed(values: list[Any], kind: str) -> pa.Array:
    base = kind.partition(":")[0]
    if base in ("int", "int32", "int64"):
        return pa.array(values, pa.int64())
    if base == "float":
        return pa.array(values, pa.float64())
    return pa.array([None if v is None else v if isinstance(v, str) else str(v) for v in values], pa.string())


def _shape(geometry: Any) -> tuple[Any, str | None]:
    import shapely
    from shapely.geometry import shape

    if geometry is None:
        return None, "geometry.missing"
    if geometry.type not in ("Polygon", "MultiPolygon"):
        return None, "geometry.not_polygon"
    try:
        made = shapely.force_2d(shape(geometry))
    except (ValueError, TypeError, shapely.GEOSException):
        return None, "geometry.unreadable"
    return (None, "geometry.empty") if made.is_empty else (made, None)

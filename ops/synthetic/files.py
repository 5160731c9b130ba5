"""The province as files that offices really exchange: Shapefile in three encodings, GeoPackage, GeoJSON, FlatGeobuf.

Column names follow ViLIS (old encodings), gCadas (UTF-8 Shapefile) and VBDLIS (the rest). Writing goes by Arrow, a
million rows in seconds; dates inside the files are fixed, so equal input gives equal bytes. Coordinates EPSG:9209.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from .columns import Column, Table, pa, pc
from .dbf import tighten
from .land import SRID, Change, Communes, LinearObjects, Parcels
from .letters import column_as_carrier
from .province import Province, comma, land_use_with_areas
from .weave import Floats

FILE_DATE = "2025-06-30"
"""Date of the data and of the files, always; the made-up survey was finished then."""
LATER_DATE = "2026-03-31"
FORMATS = ("shp", "gpkg", "geojson", "fgb")
ENCODINGS = ("tcvn3", "vni", "utf-8")
DRIVER = {"shp": "ESRI Shapefile", "gpkg": "GPKG", "geojson": "GeoJSON", "fgb": "FlatGeobuf"}
GEOMETRY = "geometry"

VILIS = {
    "source_key": "THUAID", "commune_code": "XAID", "sheet_no": "SHBANDO", "parcel_no": "SHTHUA",
    "declared_area_m2": "DIENTICH", "legal_area_m2": "DIENTICHPL", "land_use": "KHLOAIDAT",
    "residential_area_m2": "DTTHOCU", "holder_name": "TENCHU", "holder_identity": "SOGIAYTO", "holder_class": "DTSD",
    "address": "DIACHI", "former_sheet_no": "SOTOCU", "former_parcel_no": "SOTHUACU", "temporary_no": "SHTHUATAM",
    "certificate_serial": "SOPHATHANH", "certificate_register_no": "SOVAOSO", "certificate_issued_on": "NGAYCAPGCN",
    "scale": "TYLE",
}  # fmt: skip
GCADAS = {
    "source_key": "ID", "commune_code": "MAXA", "sheet_no": "SOTO", "parcel_no": "SOTHUA",
    "declared_area_m2": "DTICH", "legal_area_m2": "DTPL", "land_use": "LOAIDAT", "holder_name": "HOTEN",
    "holder_identity": "SOGIAYTO", "holder_class": "DTSD", "address": "DIACHI", "former_sheet_no": "SOTOCU",
    "former_parcel_no": "SOTHUACU", "certificate_serial": "SOPHATHANH", "certificate_register_no": "SOVAOSO",
    "certificate_issued_on": "NGAYCAPGCN", "scale": "TYLE",
}  # fmt: skip
VBDLIS = {
    "source_key": "thuaDatId", "commune_code": "maXa", "sheet_no": "soHieuToBanDo", "parcel_no": "soThuTuThua",
    "declared_area_m2": "dienTich", "legal_area_m2": "dienTichPhapLy", "land_use": "mucDichSuDung",
    "holder_name": "tenChu", "holder_identity": "soGiayTo", "holder_class": "loaiDoiTuong", "address": "diaChi",
    "former_sheet_no": "soHieuToBanDoCu", "former_parcel_no": "soThuTuThuaCu", "certificate_serial": "soPhatHanh",
    "certificate_register_no": "soVaoSo", "certificate_issued_on": "ngayCap", "scale": "tyLe",
}  # fmt: skip
"""Canonical column → column of the file. Source: ViLIS and gCadas lists and VBDLIS names in the project's notes; the
certificate and identity columns of the Shapefiles and VBDLIS loaiDoiTuong, tyLe, mucDichSuDung are our choice."""
STYLES = {"vilis": VILIS, "gcadas": GCADAS, "vbdlis": VBDLIS}

PARCEL_LAYER, COMMUNE_LAYER, LINEAR_LAYER = "thua_dat", "dia_phan_xa", "doi_tuong_tuyen"

TO_WGS84 = (
    "+proj=pipeline +step +inv +proj=tmerc +lat_0=0 +lon_0=105.5 +k=0.9999 +x_0=500000 +y_0=0 +ellps=WGS84 "
    "+step +proj=push +v_3 +step +proj=cart +ellps=WGS84 +step +proj=helmert +x=-191.90441429 +y=-39.30318279 "
    "+z=-111.45032835 +rx=-0.00928836 +ry=0.01975479 +rz=-0.00427372 +s=0.252906278 +convention=coordinate_frame "
    "+step +inv +proj=cart +ellps=WGS84 +step +proj=pop +v_3 +step +proj=unitconvert +xy_in=rad +xy_out=deg"
)
"""VN-2000 → WGS 84 by EPSG:6960 (Decision 05/2007/QĐ-BTNMT); the default of PROJ picks another, 0.8 m away."""


@dataclass(frozen=True)
class LayerFile:
    """One written layer of parcels, as the manifest lists it."""

    path: str
    """Relative to the manifest."""
    layer: str
    format: str
    encoding: str
    style: str
    commune: str | None
    """Commune code; None where the file holds all communes."""
    rows: int
    dated: str = FILE_DATE


@dataclass
class Manifest:
    """What was written where; `manifest.json` beside the files."""

    seed: int
    parcels: int
    srid: int
    communes: list[dict[str, Any]] = field(default_factory=list)
    """code, name, parcels, boundary (GeoJSON geometry, EPSG:4326)."""
    files: list[LayerFile] = field(default_factory=list)
    later: list[LayerFile] = field(default_factory=list)
    """Later survey states of some communes; `changes.json` tells what happened in between."""
    boundaries: str = "communes.geojson"
    answers: str | None = None
    dates: dict[str, str] = field(default_factory=lambda: {"surveyed_on": FILE_DATE, "later_on": LATER_DATE})

    def write(self, out: Path) -> None:
        (out / "manifest.json").write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))


# -- one layer


def write_layer(table: Table, path: Path, *, layer: str, file_format: str, encoding: str) -> None:
    """Write an Arrow table with a WKB column `geometry`; a text column in an old encoding comes as Latin-1 carrier.

    A GeoPackage keeps its other layers; other files are replaced.
    """
    import pyogrio

    path.parent.mkdir(parents=True, exist_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{FILE_DATE}T00:00:00.000Z"})
    options: dict[str, str] = {}
    if file_format == "shp":
        options = {"DBF_DATE_LAST_UPDATE": FILE_DATE}
        layer = path.stem
    elif file_format == "geojson":
        options = {"COORDINATE_PRECISION": "3", "RFC7946": "NO"}
    elif file_format == "fgb":
        # the spatial index would put the rows in another order than we count them in
        options = {"SPATIAL_INDEX": "NO"}
    if file_format != "gpkg":
        remove(path)
    pyogrio.write_arrow(
        table,
        path,
        layer=layer,
        driver=DRIVER[file_format],
        geometry_name=GEOMETRY,
        geometry_type="Polygon" if file_format == "shp" else "Unknown",
        crs=f"EPSG:{SRID}",
        encoding=None if file_format != "shp" or encoding == "utf-8" else "ISO-8859-1",
        layer_options=options,
    )
    if file_format == "shp":
        tighten(path.with_suffix(".dbf"), {n: table.column(n).to_pylist() for n in real_columns(table)})
    if file_format == "shp" and encoding != "utf-8":
        path.with_suffix(".cpg").unlink(missing_ok=True)


def real_columns(table: Table) -> list[str]:
    return [column.name for column in table.schema if pa.types.is_floating(column.type)]


def remove(path: Path) -> None:
    """Take away a file; a Shapefile with all its parts."""
    for suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg") if path.suffix == ".shp" else (path.suffix,):
        path.with_suffix(suffix).unlink(missing_ok=True)


def read_layer(path: Path, *, layer: str, file_format: str, encoding: str) -> Table:
    """The layer as it stands in the finished file, in the form that `write_layer` takes.

    A Shapefile in an old encoding is read as Latin-1, which is the carrier.
    """
    import pyogrio

    old = "ISO-8859-1" if file_format == "shp" and encoding != "utf-8" else None
    meta, table = pyogrio.read_arrow(path, layer=None if file_format == "shp" else layer, encoding=old)
    name = meta["geometry_name"] or "wkb_geometry"
    names = [GEOMETRY if column == name else column for column in table.column_names]
    table = table.rename_columns(names).combine_chunks()
    kept = [column for column in names if column not in {"OGC_FID", "fid"}]
    return table.select([*(column for column in kept if column != GEOMETRY), GEOMETRY])


def parcel_table(parcels: Parcels, *, style: str, encoding: str, text_numbers: bool) -> Table:
    """Attributes under the file's names and WKB.

    `text_numbers` writes numbers as text, as offices do when the column must also hold "*" or "1.234,5".
    """
    columns = dict(parcels.columns)
    if style != "vilis":
        columns["land_use"] = land_use_with_areas(parcels)
    if text_numbers:
        columns["declared_area_m2"] = columns["declared_area_m2"].cast(pa.string())
    elif style == "vilis":
        columns["sheet_no"] = columns["sheet_no"].cast(pa.int32())
        columns["parcel_no"] = columns["parcel_no"].cast(pa.int32())
    if encoding != "utf-8":
        columns = {k: column_as_carrier(c, encoding) if pa.types.is_string(c.type) else c for k, c in columns.items()}
    named = {column: columns[name] for name, column in STYLES[style].items()}
    return pa.table({**named, GEOMETRY: wkb(parcels.geometry)})


def wkb(geometry: Any) -> Column:
    return pa.array(shapely.to_wkb(geometry), pa.binary())


# -- a province


@dataclass(frozen=True)
class Wanted:
    """What to write."""

    formats: Sequence[str] = ("gpkg", "shp")
    encoding: str = "tcvn3"
    """Of Shapefiles; the other formats are UTF-8 by nature."""
    single_file: bool = False
    """One big file per format instead of one per commune."""
    text_numbers: bool = False
    later: int = 1
    """How many communes get a file of their later state as well."""


Progress = Callable[[str, int, int], None]
"""(what, done, of how many)."""


def style_of(file_format: str, encoding: str) -> str:
    if file_format != "shp":
        return "vbdlis"
    return "gcadas" if encoding == "utf-8" else "vilis"


def write_files(province: Province, out: Path, wanted: Wanted, progress: Progress) -> Manifest:
    """Write every file and `communes.geojson`; the manifest itself is written by the caller."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(province.seed, len(province.parcels.geometry), SRID)
    manifest.communes = commune_entries(province)
    write_boundaries(manifest, out / manifest.boundaries)
    pieces: list[int | None] = [None] if wanted.single_file else list(range(len(province.communes.code)))
    total = len(pieces) * len(wanted.formats)
    for k, (file_format, commune) in enumerate((f, c) for f in wanted.formats for c in pieces):
        manifest.files.append(write_piece(province, out, file_format, commune, wanted))
        progress("writing", k + 1, total)
    if wanted.later and not wanted.single_file:
        write_later(province, out, wanted, manifest)
    return manifest


def write_piece(province: Province, out: Path, file_format: str, commune: int | None, wanted: Wanted) -> LayerFile:
    code = None if commune is None else province.communes.code[commune]
    parcels = province.parcels if commune is None else province.parcels.take(province.parcels.rows(commune))
    entry = write_parcels(parcels, out, f"{code or 'tinh'}_thua", code, file_format, wanted)
    path, encoding = out / entry.path, entry.encoding
    if file_format in {"gpkg", "shp"}:
        linear = linear_table(province.linear, code, encoding)
        aside = path if file_format == "gpkg" else path.with_name(f"{code or 'tinh'}_tuyen.shp")
        write_layer(linear, aside, layer=LINEAR_LAYER, file_format=file_format, encoding=encoding)
    if file_format == "gpkg":
        limits = commune_table(province.communes, code)
        write_layer(limits, path, layer=COMMUNE_LAYER, file_format=file_format, encoding=encoding)
    return entry


def write_parcels(
    parcels: Parcels, out: Path, stem: str, code: str | None, file_format: str, wanted: Wanted
) -> LayerFile:
    encoding = wanted.encoding if file_format == "shp" else "utf-8"
    style = style_of(file_format, encoding)
    table = parcel_table(parcels, style=style, encoding=encoding, text_numbers=wanted.text_numbers)
    path = out / f"{stem}.{file_format}"
    remove(path)
    write_layer(table, path, layer=PARCEL_LAYER, file_format=file_format, encoding=encoding)
    layer = PARCEL_LAYER if file_format == "gpkg" else stem if file_format == "shp" else PARCEL_LAYER
    return LayerFile(str(path.relative_to(out)), layer, file_format, encoding, style, code, len(parcels.geometry))


def write_later(province: Province, out: Path, wanted: Wanted, manifest: Manifest) -> None:
    """Later states in the folder `later`, and all their events in `later/changes.json`."""
    told: list[dict[str, Any]] = []
    for commune in range(min(wanted.later, len(province.communes.code))):
        parcels, changes = province.later(commune)
        code = province.communes.code[commune]
        told += [describe_change(code, change) for change in changes]
        for file_format in wanted.formats:
            (out / "later").mkdir(exist_ok=True)
            entry = write_parcels(parcels, out / "later", f"{code}_thua", code, file_format, wanted)
            moved = asdict(entry) | {"path": f"later/{entry.path}", "dated": LATER_DATE}
            manifest.later.append(LayerFile(**moved))
    (out / "later" / "changes.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def describe_change(code: str, change: Change) -> dict[str, Any]:
    def plain(references: list[tuple[str, str, str]]) -> list[dict[str, str]]:
        return [{"sheet_no": sheet, "parcel_no": number} for _, sheet, number in references]

    return {"commune": code, "kind": change.kind, "before": plain(change.before), "after": plain(change.after)}


def linear_table(linear: LinearObjects, code: str | None, encoding: str) -> Table:
    own = np.arange(len(linear.geometry))
    if code is not None:
        own = np.flatnonzero(pc.equal(linear.columns["commune_code"], code).to_numpy(zero_copy_only=False))
    names = {"commune_code": "MAXA", "kind": "LOAI", "name": "TEN", "land_use": "LOAIDAT", "width_m": "RONG"}
    columns = {names[k]: c.take(pa.array(own)) for k, c in linear.columns.items()}
    if encoding != "utf-8":
        columns["TEN"] = column_as_carrier(columns["TEN"], encoding)
    return pa.table({**columns, GEOMETRY: wkb(linear.geometry[own])})


def commune_table(communes: Communes, code: str | None) -> Table:
    own = [k for k, c in enumerate(communes.code) if code in {None, c}]
    columns = {"maXa": pa.array([communes.code[k] for k in own]), "tenXa": pa.array([communes.name[k] for k in own])}
    return pa.table({**columns, GEOMETRY: wkb(communes.boundary[own])})


# -- commune boundaries


def to_wgs84(en: Floats) -> Floats:
    """E, N of EPSG:9209 to longitude, latitude of WGS 84, degrees."""
    from pyproj import Transformer

    lon, lat = Transformer.from_pipeline(TO_WGS84).transform(en[:, 0], en[:, 1])
    return np.column_stack([lon, lat])


def commune_entries(province: Province) -> list[dict[str, Any]]:
    boundary = shapely.transform(province.communes.boundary, to_wgs84)
    entries = []
    for k, (code, name) in enumerate(zip(province.communes.code, province.communes.name, strict=True)):
        rows = province.parcels.rows(k)
        ring = np.round(shapely.get_coordinates(boundary[k]), 9).tolist()
        limit = {"type": "Polygon", "coordinates": [ring]}
        entries.append({"code": code, "name": name, "parcels": rows.stop - rows.start, "boundary": limit})
    return entries


def write_boundaries(manifest: Manifest, path: Path) -> None:
    """Commune boundaries as plain GeoJSON (lon, lat, WGS 84), with code, name and the day they begin to hold."""
    features = [
        {
            "type": "Feature",
            "properties": {"code": c["code"], "name": c["name"], "level": "commune", "valid_from": "2025-07-01"},
            "geometry": c["boundary"],
        }
        for c in manifest.communes
    ]
    path.write_bytes(orjson.dumps({"type": "FeatureCollection", "name": COMMUNE_LAYER, "features": features}))


def vietnamese_number(value: float) -> str:
    """1234.5 as an office writes it: "1.234,5"."""
    return f"{value:,.1f}".replace(",", " ").replace(".", ",").replace(" ", ".")


__all__ = ["FORMATS", "LayerFile", "Manifest", "Wanted", "comma", "read_layer", "write_files", "write_layer"]

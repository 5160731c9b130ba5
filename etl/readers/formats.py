"""The driver table: which formats this road reads, how each is recognised, and what to say about the others.

One table makes three things, so they cannot disagree: the choice of driver (by content first, the name only breaks
ties), the list of GDAL drivers switched off in the child process, and the text of "unsupported format".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from etl.readers import faults
from landdb.errors import LandError


class Reader(StrEnum):
    """Which code reads the format in the child process."""

    SHAPEFILE = "shapefile"
    ARROW = "arrow"
    FIONA = "fiona"
    ZIP = "zip"


@dataclass(frozen=True)
class Format:
    """One format that we read. extensions: lower case, the main file's first. parts: files that must lie beside it."""

    key: str
    name: str
    extensions: tuple[str, ...]
    driver: str
    reader: Reader
    parts: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    row.key: row
    for row in (
        Format("shapefile", "Shapefile", (".shp",), "ESRI Shapefile", Reader.SHAPEFILE, (".dbf",)),
        Format("geopackage", "GeoPackage", (".gpkg",), "GPKG", Reader.ARROW),
        Format("geojson", "GeoJSON", (".geojson", ".json"), "GeoJSON", Reader.ARROW),
        Format("flatgeobuf", "FlatGeobuf", (".fgb",), "FlatGeobuf", Reader.ARROW),
        Format("mapinfo_tab", "MapInfo TAB", (".tab",), "MapInfo File", Reader.ARROW, (".dat", ".map", ".id")),
        Format("mapinfo_mif", "MapInfo MIF", (".mif",), "MapInfo File", Reader.ARROW, (".mid",)),
        Format("kml", "KML", (".kml",), "LIBKML", Reader.ARROW),
        Format("gml", "GML", (".gml", ".xml"), "GML", Reader.FIONA),
        Format("zip", "ZIP", (".zip", ".kmz"), "", Reader.ZIP),
    )
}

SUPPORTED_TEXT = ", ".join(
    f"{row.name} ({', '.join(row.extensions)})" for row in FORMATS.values() if row.reader is not Reader.ZIP
)

ALLOWED_DRIVERS = frozenset(row.driver for row in FORMATS.values() if row.driver)

INTERNAL_DRIVERS = frozenset({"MEM", "Memory"})
"""Used inside GDAL; they open no file."""

# Every vector driver that GDAL 3.6 to 3.12 is known to bring; a test compares it with the libraries in use, so a driver
# added by a new release cannot slip in unnoticed.
KNOWN_DRIVERS = frozenset(
    """ADBC|AIVector|AVCBin|AVCE00|AmigoCloud|Arrow|BAG|CAD|CSV|CSW|Carto|DGN|DGNv8|DWG|DXF|EDIGEO|EEDA|ESRI Shapefile|
    ESRIJSON|Elasticsearch|FITS|FileGDB|FlatGeobuf|GDALG|GML|GMLAS|GPKG|GPSBabel|GPX|GTFS|GTI|GeoJSON|GeoJSONSeq|
    GeoRSS|Geoconcept|HANA|HTTP|IDB|Idrisi|Interlis 1|Interlis 2|JML|JP2ECW|JP2KAK|JP2MrSID|JP2OpenJPEG|JSONFG|KML|
    LIBKML|LVBAG|MBTiles|MEM|MSSQLSpatial|MVT|MapInfo File|MapML|Memory|MiraMonVector|MongoDBv3|MySQL|NAS|NGW|OAPIF|
    OCI|ODBC|ODS|OGCAPI|OGDI|OGR_GMT|OGR_OGDI|OGR_PDS|OGR_SDTS|OGR_VRT|OSM|OpenFileGDB|PCIDSK|PDF|PDS4|PGDUMP|PGeo|
    PLSCENES|PMTiles|Parquet|PostgreSQL|S57|SOSI|SQLite|SVG|SXF|Selafin|TIGER|TopoJSON|UK .NTF|VDV|VFK|VICAR|VRT|
    WAsP|WFS|WFS3|XLS|XLSX|XODR|netCDF""".replace("\n", "")
    .replace("    ", "")
    .split("|")
)


def drivers_to_skip() -> str:
    """The value of GDAL_SKIP: every known driver that the table does not ask for.

    OGR_SKIP must stay unset: with both, GDAL 3.12 crashes on its second look at the list.
    """
    return ",".join(sorted(KNOWN_DRIVERS - ALLOWED_DRIVERS - INTERNAL_DRIVERS))


_HEAD_BYTES = 65536
_XML_DECLARES = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_XML_ROOT = re.compile(rb"<(?![?!])\s*([A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x00\x00\x27\x0a", "shapefile"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"SQLite format 3\0", "geopackage"),
    (b"fgb\x03fgb", "flatgeobuf"),
)

# What people send by mistake: (start of the content, what it is).
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "MicroStation DGN V8"),
    (b"\x08\x05\x17\xfe", "MicroStation DGN V7"),
    (b"\x08\x09\xfe\x02", "MicroStation DGN V7"),
    (b"\xc8\x05\x17\xfe", "MicroStation DGN V7"),
    (b"\xc8\x09\xfe\x02", "MicroStation DGN V7"),
    (b"AC10", "AutoCAD DWG"),
    (b"AutoCAD Binary DXF", "AutoCAD DXF"),
)


def recognise(path: Path) -> Format:
    """The format of a file by its content.

    Raises: FileEmpty; FormatNotSupported and DrawingNotSupported with what it seems to be; Disguised where the content
    is of another kind than the name says; UnsafeContent for XML that declares entities; PartMissing for a .dbf alone.
    """
    head = _head(path)
    found = _by_content(head, path)
    suffix = path.suffix.lower()
    if found is None:
        raise _stranger(head, path)
    if suffix and suffix not in found.extensions and _claims_another(suffix, found):
        raise faults.Disguised(file=path.name, extension=suffix, found=found.name)
    return found


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if not head:
            raise faults.FileEmpty(file=path.name, bytes=0)
        if head.strip(b"\0 \t\r\n"):
            return head
        size = len(head)
        while block := file.read(1 << 22):
            size += len(block)
            if block.strip(b"\0 \t\r\n"):
                return head
    raise faults.FileEmpty(file=path.name, bytes=size)


def _by_content(head: bytes, path: Path) -> Format | None:
    for start, key in _MAGIC:
        if head.startswith(start):
            return _confirmed(key, head, path)
    return _text_format(head.removeprefix(b"\xef\xbb\xbf").lstrip(), path)


def _confirmed(key: str, head: bytes, path: Path) -> Format | None:
    if key == "shapefile" and path.suffix.lower() == ".shx":
        raise faults.PartMissing(file=path.name, part=".shp")
    if key == "geopackage" and head[68:72] not in (b"GPKG", b"GP10", b"GP11"):
        return None
    return FORMATS[key]


def _text_format(text: bytes, path: Path) -> Format | None:
    if text[:1] == b"{":
        return FORMATS["geojson"] if _is_geojson(text, path) else None
    if text[:1] == b"<":
        return _xml(text, path)
    lower = text.lower()
    if lower.startswith(b"!table"):
        return FORMATS["mapinfo_tab"]
    return FORMATS["mapinfo_mif"] if lower.startswith(b"version ") and b"columns" in lower else None


def _is_geojson(text: bytes, path: Path) -> bool:
    foreign = (b'"Topology"', b'"geometryType"', b'"esriGeometry', b'"asset"')
    if any(word in text for word in foreign):
        return False
    # A long "crs" or "metadata" member may come first; then the name is all that the head has to tell.
    known = re.search(rb'"type"\s*:\s*"(FeatureCollection|Feature|(Multi)?Polygon|GeometryCollection)"', text)
    return known is not None or (b'"features"' in text or path.suffix.lower() == ".geojson")


def _xml(text: bytes, path: Path) -> Format | None:
    if _XML_DECLARES.search(text):
        raise faults.UnsafeContent(file=path.name, found="DOCTYPE")
    root = _XML_ROOT.search(re.sub(rb"<!--.*?-->", b"", text, flags=re.DOTALL))
    name = root.group(2).lower() if root else b""
    if name == b"kml":
        return FORMATS["kml"]
    if b"opengis.net/gml" in text:
        return FORMATS["gml"]
    if name.startswith((b"ogrvrt", b"vrt", b"gdal")):
        raise faults.Disguised(file=path.name, extension=path.suffix.lower(), found="GDAL VRT")
    return None


def _claims_another(suffix: str, found: Format) -> bool:
    """A .xml that is GML is fine; a .shp that is GeoJSON is not what it says."""
    return any(suffix in row.extensions for row in FORMATS.values() if row is not found)


def _stranger(head: bytes, path: Path) -> LandError:
    for start, kind in _STRANGERS:
        if head.startswith(start):
            return faults.DrawingNotSupported(file=path.name, kind=kind, supported=SUPPORTED_TEXT)
    if re.match(rb"\s*0\r?\n\s*SECTION", head):
        return faults.DrawingNotSupported(file=path.name, kind="AutoCAD DXF", supported=SUPPORTED_TEXT)
    suffix = path.suffix.lower()
    if suffix in (".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qix"):
        return faults.PartMissing(file=path.name, part=".shp")
    if any(suffix in row.extensions for row in FORMATS.values()):
        return faults.Disguised(file=path.name, extension=suffix, found=_guess(head))
    return faults.FormatNotSupported(file=path.name, extension=suffix or "–", supported=SUPPORTED_TEXT)


def _guess(head: bytes) -> str:
    names = ((b"Rar!", "RAR"), (b"7z\xbc\xaf", "7z"), (b"%PDF", "PDF"), (b"SQLite", "SQLite"), (b"<", "XML"))
    return next((name for start, name in names if head.startswith(start)), "?")

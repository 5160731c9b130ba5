"""Shapefiles in columns: slices of the .shp and .dbf become arrays without a loop over records.

Cadastral archives are mostly shapefiles, and a general driver reads them a record at a time. Here a batch costs a few
array operations whatever its number of rows; only rows with several shells, which are rare, need real geometry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.batch import Batch, Bytes, Ints, Mask, Origin, Rings, ranges
from etl.readers import faults
from etl.readers.source import Field, Layer, Notice

_POLYGON_TYPES = {5: "Polygon", 15: "PolygonZ", 25: "PolygonM"}
_OTHER_TYPES = {0: "Null", 1: "Point", 3: "LineString", 8: "MultiPoint", 11: "PointZ", 13: "LineStringZ",
                18: "MultiPointZ", 21: "PointM", 23: "LineStringM", 28: "MultiPointM", 31: "MultiPatch"}  # fmt: skip
_BATCH_BYTES = 32 << 20
_BINARY_KINDS = {("I", 4): "<i4", ("B", 8): "<f8", ("O", 8): "<f8"}

# Language driver id of the DBF header → encoding, those met in Vietnam and its software; 0 says nothing.
# Source: dBASE/FoxPro code page marks as listed in GDAL's shapefile documentation.
_LDID = {0x03: "cp1252", 0x57: "cp1252", 0x58: "cp1252", 0x59: "cp1252", 0x01: "cp437", 0x02: "cp850"}


@dataclass(frozen=True)
class Column:
    """One DBF field: where its bytes stand in a record."""

    name: str
    kind: str
    at: int
    width: int
    decimals: int


@dataclass(frozen=True)
class Table:
    """A DBF header. rows as it says; present: whole records that the file really holds."""

    rows: int
    present: int
    header: int
    record: int
    columns: tuple[Column, ...]
    ldid: int


@dataclass(frozen=True, eq=False)
class Shapefile:
    """An opened shapefile: its index in memory, its records on disk. offset and length are bytes in the .shp."""

    path: Path
    kind: int
    offset: Ints
    length: Ints
    table: Table
    dbf: Path
    encoding: str | None
    prj: str | None
    notices: tuple[Notice, ...]

    def layer(self) -> Layer:
        """What the file says about itself."""
        return Layer(
            name=self.path.stem,
            rows=len(self.offset),
            geometry_type=_POLYGON_TYPES.get(self.kind) or _OTHER_TYPES.get(self.kind, "Unknown"),
            fields=tuple(Field(c.name, c.kind, c.width, c.decimals) for c in self.table.columns),
            crs_wkt=self.prj,
            encoding=self.encoding,
        )


def open_shapefile(path: Path) -> Shapefile:
    """Reads the headers and the index, and checks that the parts belong together.

    Raises: PartMissing without .dbf; Truncated or Damaged where lengths contradict the files; CountsDiffer.
    """
    size = path.stat().st_size
    header = path.open("rb").read(100)
    if len(header) < 100:
        raise faults.Truncated(file=path.name, expected=100, bytes=size)
    told = int.from_bytes(header[24:28], "big") * 2
    if told > size:
        raise faults.Truncated(file=path.name, expected=told, bytes=size)
    dbf = _beside(path, ".dbf")
    if dbf is None:
        raise faults.PartMissing(file=path.name, part=".dbf")
    offset, length, notices = _index(path, size)
    table = _table(dbf)
    _check_records(path, size, offset, length)
    if table.present < table.rows:
        raise faults.Truncated(file=dbf.name, expected=table.header + table.rows * table.record, bytes=_size(dbf))
    if table.rows != len(offset):
        raise faults.CountsDiffer(file=path.name, shapes=len(offset), records=table.rows)
    kind = int.from_bytes(header[32:36], "little")
    prj = _text(_beside(path, ".prj"))
    return Shapefile(path, kind, offset, length, table, dbf, _declared_encoding(path, table), prj, notices)


def batches(shape: Shapefile, origin: Origin, rows: int) -> Iterator[Batch]:
    """The rows in batches of at most `rows` rows and about 32 MB. Rows marked deleted in the .dbf are left out."""
    begin = 0
    cost = np.cumsum(shape.length)
    with shape.path.open("rb") as shp, shape.dbf.open("rb") as dbf:
        while begin < len(shape.offset):
            before = cost[begin - 1] if begin else 0
            end = int(np.searchsorted(cost, before + _BATCH_BYTES, side="right"))
            end = min(max(end, begin + 1), begin + rows, len(shape.offset))
            yield _batch(shape, origin, shp, dbf, begin, end)
            begin = end


def _batch(shape: Shapefile, origin: Origin, shp: BinaryIO, dbf: BinaryIO, begin: int, end: int) -> Batch:
    rings, codes = _geometry(shp, shape.offset[begin:end], shape.length[begin:end])
    table = shape.table
    dbf.seek(table.header + begin * table.record)
    records = np.frombuffer(dbf.read((end - begin) * table.record), np.uint8).reshape(-1, table.record)
    utf8 = shape.encoding == "utf-8"
    batch = Batch(
        origin=origin,
        row_no=np.arange(begin + 1, end + 1, dtype=np.int64),
        columns={c.name: _column(records[:, c.at : c.at + c.width], c, utf8) for c in table.columns},
        rings=rings,
        srid=None,
        geometry_fault=codes,
    )
    deleted = records[:, 0] == ord("*")
    return batch.take(~deleted) if deleted.any() else batch


# --- the parts of a shapefile ---------------------------------------------------------------------------------------


def _beside(path: Path, suffix: str) -> Path | None:
    for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if candidate.is_file():
            return candidate
    wanted = path.with_suffix(suffix).name.lower()
    return next((p for p in path.parent.iterdir() if p.name.lower() == wanted), None)


def _size(path: Path) -> int:
    return path.stat().st_size


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    return path.read_bytes()[:65536].decode("utf-8-sig", "replace").strip("\0 \r\n\t") or None


def _index(path: Path, size: int) -> tuple[Ints, Ints, tuple[Notice, ...]]:
    shx = _beside(path, ".shx")
    if shx is None:
        offset, length = _scan(path, size)
        return offset, length, (Notice("file.index_rebuilt", {"file": path.name, "rows": len(offset)}),)
    raw = shx.read_bytes()
    if len(raw) < 100 or (len(raw) - 100) % 8:
        raise faults.Truncated(file=shx.name, expected=100 + (len(raw) // 8) * 8, bytes=len(raw))
    pairs = np.frombuffer(raw, ">i4", offset=100).reshape(-1, 2).astype(np.int64) * 2
    return pairs[:, 0].copy(), pairs[:, 1].copy(), ()


def _scan(path: Path, size: int) -> tuple[Ints, Ints]:
    """Offsets found by walking the records, for a file that came without its .shx."""
    offsets, lengths, at = [], [], 100
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length = int.from_bytes(file.read(8)[4:], "big") * 2
            if length < 4:
                break
            offsets.append(at)
            lengths.append(length)
            at += 8 + length
    return np.array(offsets, np.int64), np.array(lengths, np.int64)


def _check_records(path: Path, size: int, offset: Ints, length: Ints) -> None:
    if not len(offset):
        return
    if offset.min() < 100 or length.min() < 4:
        raise faults.Damaged(file=path.name, reason="index")
    end = int((offset + 8 + length).max())
    if end > size:
        raise faults.Truncated(file=path.name, expected=end, bytes=size)
    # Many index entries on one record would read the same bytes again and again: a bomb, not a map.
    if int(length.sum()) > 2 * size + 1000:
        raise faults.Damaged(file=path.name, reason="index")


def _table(dbf: Path) -> Table:
    size = _size(dbf)
    with dbf.open("rb") as file:
        head = file.read(32)
        if len(head) < 32:
            raise faults.Truncated(file=dbf.name, expected=32, bytes=size)
        rows, header, record = (int.from_bytes(head[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
        descriptors = file.read(max(header - 32, 0))
    if header < 33 or record < 1:
        raise faults.Damaged(file=dbf.name, reason="header")
    columns = _columns(descriptors)
    if columns and columns[-1].at + columns[-1].width > record:
        raise faults.Damaged(file=dbf.name, reason="header")
    return Table(rows, min(rows, (size - header) // record), header, record, columns, head[29])


def _columns(descriptors: bytes) -> tuple[Column, ...]:
    found: list[Column] = []
    taken: set[str] = set()
    at = 1
    for i in range(0, len(descriptors) - 31, 32):
        if descriptors[i] == 0x0D:
            break
        piece = descriptors[i : i + 32]
        name = _unique(piece[:11].split(b"\0")[0].decode("latin-1").strip() or f"FIELD_{len(found) + 1}", taken)
        kind = chr(piece[11])
        # Clipper writes wide text with the high byte of its width where others keep the decimals.
        width = piece[16] + (256 * piece[17] if kind == "C" else 0)
        found.append(Column(name, kind, at, width, 0 if kind == "C" else piece[17]))
        at += width
    return tuple(found)


def _unique(name: str, taken: set[str]) -> str:
    candidate, n = name, 1
    while candidate.lower() in taken:
        n += 1
        candidate = f"{name}_{n}"
    taken.add(candidate.lower())
    return candidate


def _declared_encoding(path: Path, table: Table) -> str | None:
    """What .cpg or the DBF header says; a claim to be tested, for tools write it without looking at the text."""
    told = _text(_beside(path, ".cpg")) or _text(_beside(path, ".cst"))
    if told is None:
        return _LDID.get(table.ldid)
    name = told.lower().replace("ansi", "").replace("windows-", "cp").replace(" ", "").strip("-_")
    if name in ("utf8", "utf-8", "65001"):
        return "utf-8"
    if name.isdigit():
        return f"cp{name}" if len(name) <= 4 else {"88591": "latin-1", "28591": "latin-1"}.get(name, name)
    return name


# --- attributes -----------------------------------------------------------------------------------------------------


def _column(raw: Bytes, column: Column, utf8: bool) -> pa.Array:
    if column.kind in "NF":
        return _number(raw, column)
    if (column.kind, column.width) in _BINARY_KINDS:
        return pa.array(np.ascontiguousarray(raw).view(_BINARY_KINDS[column.kind, column.width]).ravel())
    value = _stripped(raw)
    if utf8 or _is_ascii(raw):
        try:
            return value.cast(pa.string())
        except pa.ArrowInvalid:
            return value  # the .cpg lies, or a name was cut in the middle of a letter
    return value


def _is_ascii(raw: Bytes) -> bool:
    return not bool((raw & 0x80).any())


def _stripped(raw: Bytes) -> pa.Array:
    """(n, width) padded bytes → binary, blanks and NULs at both ends removed; null where nothing is left."""
    n, width = raw.shape
    blank = (raw == 32) | (raw == 0)
    used = np.flatnonzero(~blank.all(axis=0)) if n else np.zeros(0, np.int64)
    if not len(used):
        return pa.nulls(n, pa.binary())
    low, high = int(used[0]), int(used[-1]) + 1
    raw, blank = raw[:, low:high], blank[:, low:high]
    width = high - low
    last = width - np.argmax(~blank[:, ::-1], axis=1)
    first = np.argmax(~blank, axis=1)
    empty = blank.all(axis=1)
    last[empty] = first[empty] = 0
    position = np.arange(width)
    data = raw[(position >= first[:, None]) & (position < last[:, None])]
    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(last - first, out=offsets[1:])
    # Data after a NUL is an older value that the writer did not clear; it stays, visible, in the raw text.
    valid = None if not empty.any() else pa.py_buffer(np.packbits(~empty, bitorder="little"))
    return pa.Array.from_buffers(pa.binary(), n, [valid, pa.py_buffer(offsets), pa.py_buffer(data)])


def _number(raw: Bytes, column: Column) -> pa.Array:
    """Numbers where all of them are numbers; otherwise this batch's column is the text, as it stands in the file."""
    value = _stripped(raw)
    if not _is_ascii(raw):
        return value
    text = value.cast(pa.string())
    whole = column.decimals == 0 and column.width <= 18
    # Asterisks, which fill a field too narrow for its number, stay text: the profile calls them "not a number".
    for kind in (pa.int64(), pa.float64()) if whole else (pa.float64(),):
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            continue
    return text


# --- geometry -------------------------------------------------------------------------------------------------------


def _geometry(shp: BinaryIO, offset: Ints, length: Ints) -> tuple[Rings, pa.Array]:
    low, high = int(offset.min()), int((offset + 8 + length).max())
    if high - low > 2 * int((8 + length).sum()) + 4096:
        return _scattered(shp, offset, length)
    shp.seek(low)
    return _records(np.frombuffer(shp.read(high - low), np.uint8), offset - low + 8, length)


def _scattered(shp: BinaryIO, offset: Ints, length: Ints) -> tuple[Rings, pa.Array]:
    """Records far apart (a file packed or edited in place): fetched one by one, laid side by side."""
    pieces = []
    for at, size in zip(offset.tolist(), length.tolist(), strict=True):
        shp.seek(at + 8)
        pieces.append(shp.read(size))
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    return _records(np.frombuffer(b"".join(pieces), np.uint8), start.astype(np.int64), length)


def _records(data: Bytes, at: Ints, length: Ints) -> tuple[Rings, pa.Array]:
    """Rings from record contents that begin at `at`; per row a fault code or null."""
    rows = len(at)
    kind = _i4(data, at)
    head_fits = length >= 44
    parts, points = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    polygon = np.isin(kind, list(_POLYGON_TYPES)) & head_fits
    parts[polygon], points[polygon] = _i4(data, at[polygon] + 36), _i4(data, at[polygon] + 40)
    fits = polygon & (parts >= 0) & (points >= 0) & (44 + 4 * parts + 16 * points <= length)
    good = fits & (parts > 0) & (points > 0)
    codes = np.full(rows, None, object)
    codes[kind == 0] = "geometry.missing"
    codes[(kind != 0) & ~np.isin(kind, list(_POLYGON_TYPES))] = "geometry.not_polygon"
    codes[np.isin(kind, list(_POLYGON_TYPES)) & ~fits] = "geometry.unreadable"
    codes[fits & ~good] = "geometry.empty"
    ring_start, good = _ring_starts(data, at, parts, points, good, codes)
    chosen = np.flatnonzero(good)
    xy = _vertices(data, at[chosen] + 44 + 4 * parts[chosen], points[chosen])
    rings_per_row = np.where(good, parts, 0)
    return _assembled(xy, ring_start, rings_per_row), pa.array(codes, pa.string())


def _ring_starts(
    data: Bytes, at: Ints, parts: Ints, points: Ints, good: Mask, codes: npt.NDArray[np.object_]
) -> tuple[Ints, Mask]:
    """Offsets of all rings in the vertices of all good rows; rows whose part offsets make no sense turn bad."""
    chosen = np.flatnonzero(good)
    index, offsets = ranges(np.zeros(len(chosen), np.int64), parts[chosen])
    row = np.repeat(np.arange(len(chosen)), parts[chosen])
    inner = _i4(data, at[chosen][row] + 44 + 4 * index)
    after = np.append(inner[1:], 0)
    after[offsets[1:] - 1] = points[chosen]
    wrong = (after < inner) | (inner < 0)
    wrong[offsets[:-1]] |= inner[offsets[:-1]] != 0
    if wrong.any():
        bad = chosen[np.unique(row[wrong])]
        codes[bad] = "geometry.unreadable"
        good = good.copy()
        good[bad] = False
        return _ring_starts(data, at, parts, points, good, codes)
    base = np.concatenate([[0], np.cumsum(points[chosen])])
    return np.append(inner + base[:-1][row], base[-1]).astype(np.int64), good


def _i4(data: Bytes, at: Ints) -> Ints:
    return np.ascontiguousarray(data[at[:, None] + np.arange(4)]).view("<i4").ravel().astype(np.int64)


def _vertices(data: Bytes, begin: Ints, points: Ints) -> npt.NDArray[np.float64]:
    if not len(begin):
        return np.zeros((0, 2))
    mark = np.zeros(len(data) + 1, np.int8)
    # +1 where a row's vertices begin, -1 behind them: the running sum marks the bytes to keep.
    np.add.at(mark, begin, 1)
    np.add.at(mark, begin + 16 * points, -1)
    inside = np.cumsum(mark[:-1], dtype=np.int8) > 0
    if int(inside.sum()) == int(16 * points.sum()) and bool((np.diff(begin) > 0).all()):
        return data[inside].view("<f8").reshape(-1, 2)
    index, _ = ranges(begin, 16 * points)  # records out of order, or sharing bytes
    return data[index].view("<f8").reshape(-1, 2)


def _assembled(xy: npt.NDArray[np.float64], ring_start: Ints, rings_per_row: Ints) -> Rings:
    """Sorts the rings of each row into shells and holes. In a shapefile shells run clockwise, holes the other way."""
    row_ring = np.concatenate([[0], np.cumsum(rings_per_row)]).astype(np.int64)
    has = (rings_per_row > 0).astype(np.int64)
    row_start = np.concatenate([[0], np.cumsum(has)]).astype(np.int64)
    simple = Rings(xy, ring_start, np.append(row_ring[:-1][has > 0], row_ring[-1]), row_start)
    many = rings_per_row > 1
    if not many.any():
        return simple.closed()
    clockwise = simple.ring_areas() < 0
    shells = np.bincount(simple.ring_rows(), weights=clockwise, minlength=len(rings_per_row))
    first_is_shell = np.zeros(len(rings_per_row), bool)
    first_is_shell[has > 0] = clockwise[row_ring[:-1][has > 0]]
    usual = ~many | ((shells == 1) & first_is_shell)
    if usual.all():
        return simple.closed()
    odd = np.flatnonzero(~usual)
    sorted_rows = _sort_rings(simple.take(odd))
    order = np.empty(len(rings_per_row), np.int64)
    rest = np.flatnonzero(usual)
    order[rest], order[odd] = np.arange(len(rest)), len(rest) + np.arange(len(odd))
    return Rings.concat([simple.take(rest), sorted_rows]).take(order).closed()


def _sort_rings(rings: Rings) -> Rings:
    """Rows with several shells, or wound the wrong way round.

    Where a row has clockwise rings these are its shells, and the others holes of the smallest shell around them (of the
    first one, if none is: a fault for the validation to name). Where it has none, or a hole-to-be surrounds a shell,
    the writer ignored the rule about direction, and nesting decides.
    """
    closed = rings.closed()
    row, signed = closed.ring_rows(), closed.ring_areas()
    size = np.abs(signed)
    inner, outer = _nesting(closed, size)
    hole = signed >= 0
    in_shell = np.zeros(len(row), bool)
    in_shell[inner[~hole[outer]]] = True
    around = np.zeros(len(row), bool)
    around[outer] = True
    undirected = np.ones(closed.rows, bool)
    undirected[row[~hole]] = False
    undirected[row[hole & ~in_shell & around]] = True
    depth = np.bincount(inner, minlength=len(row))
    hole = np.where(undirected[row], depth % 2 == 1, hole)
    return _regrouped(closed, hole, _owners(row, hole, inner, outer, size))


def _nesting(rings: Rings, size: npt.NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Pairs (inner, outer) of rings of one row, the outer one surrounding the inner one."""
    import shapely

    row, start = rings.ring_rows(), rings.ring_start
    usable = (np.diff(start) >= 4) & (size > 0)
    faces = np.full(len(row), None, object)
    points, offsets = ranges(start[:-1][usable], np.diff(start)[usable])
    whole = np.arange(int(usable.sum()) + 1)
    faces[usable] = shapely.from_ragged_array(shapely.GeometryType.POLYGON, rings.xy[points], (offsets, whole))
    inside: npt.NDArray[np.object_] = np.asarray(shapely.points(rings.xy[start[:-1]]), dtype=object)
    for i in np.flatnonzero(usable):
        try:
            inside[i] = shapely.point_on_surface(faces[i])
        except shapely.GEOSException:
            continue  # a ring too tangled for that; its first vertex must do
    inner, outer = shapely.STRtree(faces).query(inside, predicate="within")
    real = (row[inner] == row[outer]) & (size[outer] > size[inner])
    return inner[real], outer[real]


def _owners(row: Ints, hole: Mask, inner: Ints, outer: Ints, size: npt.NDArray[np.float64]) -> Ints:
    """For each ring the shell whose part it belongs to."""
    owner = np.arange(len(row))
    first_shell = np.full(int(row[-1]) + 1 if len(row) else 0, -1)
    shells = np.flatnonzero(~hole)[::-1]
    first_shell[row[shells]] = shells
    owner[hole] = first_shell[row[hole]]
    pairs = hole[inner] & ~hole[outer]
    inner, outer = inner[pairs], outer[pairs]
    largest_first = np.argsort(-size[outer], kind="stable")
    owner[inner[largest_first]] = outer[largest_first]  # the last one written, the smallest, stays
    return owner


def _regrouped(rings: Rings, hole: Mask, owner: Ints) -> Rings:
    row, start = rings.ring_rows(), rings.ring_start
    order = np.lexsort((hole, owner, row))
    points, ring_start = ranges(start[:-1][order], np.diff(start)[order])
    shells = np.bincount(row[~hole], minlength=rings.rows)
    return Rings(
        rings.xy[points],
        ring_start,
        np.append(np.flatnonzero(~hole[order]), len(row)).astype(np.int64),
        np.concatenate([[0], np.cumsum(shells)]).astype(np.int64),
    )

"""Judged rows and their issues as bytes for the staging tables, in the column order that ``landdb.intake.store`` names.

Geometry goes in the register's storage zone; identity numbers go encrypted; what was wrong with a quarantined row goes along as
the file's own text, so that a person can mend it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from etl import copy_binary as copy
from etl.batch import Batch, Floats, Ints, Mask, Rings
from etl.coordinates import between, to_wgs84
from etl.issues import IssueLog
from etl.validate import Checked

HASH_STEP_M = 1e-4
"""Vertices closer than this are one vertex for the geometry hash."""
_MIX_A, _MIX_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_ISSUES_PER_CHUNK = 20_000
SEALED, SEALED_INDEX = "holder_identity_sealed", "holder_identity_index"
"""Columns of rows that come back from staging: what was sealed stays sealed."""
PERSONAL = frozenset({"holder_name", "holder_identity", "address"})
"""Fields whose raw text never goes into an issue."""

Seal = Callable[[str], tuple[bytes, bytes]]
"""From an identity number to its encrypted form and its blind index."""


@dataclass(frozen=True)
class Staging:
    """What is the same for all rows of one job.

    working_srid: zone of the judged coordinates; storage_srid: the register's. file_nos: file name → number in the job.
    land_use_lists: land-use code → its code list. scale: denominator where the file has no column for it.
    """

    job_id: UUID
    working_srid: int
    storage_srid: int
    file_nos: Mapping[str, int]
    land_use_lists: Mapping[str, str]
    seal: Seal
    scale: int | None = None
    verdict: str | None = None
    """Of rows that nothing speaks against: known beforehand where there is nothing to compare with (a first load)."""


def rows(staging: Staging, checked: Checked) -> bytes:
    """The rows of a judged batch in binary COPY form, quarantined ones included."""
    batch, count = checked.batch, checked.batch.rows
    shapes = batch.rings.transformed(lambda xy: between(xy, staging.working_srid, staging.storage_srid))
    identity, index = _sealed(batch, staging.seal)
    column = _columns(batch)
    pieces: list[copy.Piece] = [
        copy.constant(staging.job_id.bytes, count),
        copy.Fixed(new_ids(count)),
        copy.int2(np.full(count, staging.file_nos[batch.origin.file])),
        copy.constant(batch.origin.layer.encode(), count),
        copy.int8(batch.row_no),
        copy.text(
            pc.if_else(pa.array(checked.blocking), pa.scalar("quarantined"), pa.scalar(staging.verdict, pa.string()))
        ),
        copy.text(checked.references.sheet_no),
        copy.text(checked.references.parcel_no),
        copy.jsonb(_land_uses(checked, staging.land_use_lists)),
        copy.numeric1(checked.declared_area_m2),
        copy.numeric1(_floats(batch, "legal_area_m2")),
        copy.numeric1(checked.measured_area_m2),
        copy.text(column("holder_name")),
        copy.text(identity),
        copy.text(index),
        copy.text(column("holder_class")),
        copy.text(column("address")),
        copy.text(column("former_sheet_no")),
        copy.text(column("former_parcel_no")),
        copy.text(column("temporary_no")),
        copy.text(checked.certificate_serial),
        copy.text(column("certificate_register_no")),
        copy.date(batch.columns.get("certificate_issued_on", pa.nulls(count, pa.date32())).cast(pa.date32())),
        _scales(batch, staging.scale),
        copy.int8(shape_hashes(shapes), shapes.has_geometry()),
        copy.jsonb(_raw(batch, checked.blocking)),
        copy.geometry(*_storable(shapes).wkb()),
    ]
    return copy.encode(pieces)


def issues(staging: Staging, log: IssueLog) -> Iterator[bytes]:
    """All issues of a job in binary COPY form, places in lon/lat."""
    table = log.to_arrow()
    for start in range(0, table.num_rows, _ISSUES_PER_CHUNK):
        yield _issue_rows(staging, table.slice(start, _ISSUES_PER_CHUNK).combine_chunks())


def new_ids(count: int) -> npt.NDArray[np.uint8]:
    """Time-ordered identifiers (UUIDv7, RFC 9562 method 1: a counter in the bits after the version), (count, 16) bytes."""
    out = np.frombuffer(secrets.token_bytes(16 * count), np.uint8).reshape(count, 16).copy()
    out[:, :6] = np.frombuffer(int(time.time() * 1000).to_bytes(6, "big"), np.uint8)
    counter = np.arange(count, dtype=np.uint32)
    out[:, 6] = 0x70 | ((counter >> 24) & 0x0F)
    out[:, 7] = (counter >> 16) & 0xFF
    out[:, 8] = 0x80 | ((counter >> 10) & 0x3F)
    out[:, 9] = (counter >> 2) & 0xFF
    out[:, 10] = ((counter & 3) << 6) | (out[:, 10] & 0x3F)
    return out


def shape_hashes(rings: Rings) -> Ints:
    """One number for each row's shape: equal for equal rings, wherever they begin and whichever way they run.

    The sum over all edges of a number made from the edge's two ends, so the order of edges does not matter.
    """
    if not len(rings.xy):
        return np.zeros(rings.rows, np.int64)
    lattice = np.rint(np.nan_to_num(rings.xy) / HASH_STEP_M).astype(np.int64).astype(np.uint64)
    vertex = _stir(lattice[:, 0] * _MIX_A + lattice[:, 1])
    starts = np.ones(len(rings.xy), bool)
    starts[rings.ring_start[1:] - 1] = False
    at = np.flatnonzero(starts)
    a, b = vertex[at], vertex[at + 1]
    edge = _stir((a + b) * _MIX_B + (a ^ b))
    ring = np.searchsorted(rings.ring_start, at, side="right") - 1
    row = rings.ring_rows()[ring]
    out = np.zeros(rings.rows, np.uint64)
    filled, first = np.unique(row, return_index=True)
    if len(filled):
        out[filled] = np.add.reduceat(edge, first)
    return out.view(np.int64)


def _stir(h: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    h = (h ^ (h >> np.uint64(30))) * _MIX_A
    return h ^ (h >> np.uint64(27))


def _columns(batch: Batch) -> Callable[[str], pa.Array]:
    nothing = pa.nulls(batch.rows, pa.string())
    return lambda name: batch.columns.get(name, nothing).cast(pa.string())


def _floats(batch: Batch, name: str) -> Floats:
    column = batch.columns.get(name)
    if column is None:
        return np.full(batch.rows, np.nan)
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan))


def _scales(batch: Batch, fallback: int | None) -> copy.Piece:
    column = batch.columns.get("scale")
    values = pa.nulls(batch.rows, pa.int32()) if column is None else column.cast(pa.int32())
    if fallback is not None:
        values = values.fill_null(fallback)
    return copy.int4(np.asarray(values.fill_null(0)), np.asarray(values.is_valid()))


def _storable(rings: Rings) -> Rings:
    """Rings that PostGIS can hold: a ring that is not closed, or has fewer than four vertices, leaves its row without a shape."""
    broken = np.zeros(rings.rows, bool)
    broken[rings.ring_rows()[rings.broken_rings()]] = True
    finite = np.isfinite(rings.xy).all(axis=1)
    if not finite.all():
        vertex_ring = np.repeat(np.arange(len(rings.ring_start) - 1), np.diff(rings.ring_start))
        broken[rings.ring_rows()[np.unique(vertex_ring[~finite])]] = True
    if not broken.any():
        return rings
    kept = rings.take(np.flatnonzero(~broken))
    counts = np.zeros(rings.rows, np.int64)
    counts[~broken] = np.diff(kept.row_start)
    row_start = np.zeros(rings.rows + 1, np.int64)
    np.cumsum(counts, out=row_start[1:])
    return Rings(kept.xy, kept.ring_start, kept.part_start, row_start)


def _land_uses(checked: Checked, lists: Mapping[str, str]) -> pa.Array:
    """JSON text ``[{"code", "list", "area_m2"}]`` per row; null where the file gives none."""
    uses, count = checked.land_uses, checked.batch.rows
    distinct = uses.code.dictionary_encode()
    names = distinct.dictionary.to_pylist()
    heads = pa.array(
        [f'{{"code": {json.dumps(c)}, "list": {json.dumps(lists.get(c, ""))}, "area_m2": ' for c in names], pa.string()
    )
    area = pa.array(np.round(uses.area_m2, 1), from_pandas=True)
    items = pc.binary_join_element_wise(
        pc.take(heads, distinct.indices), pc.fill_null(area.cast(pa.string()), "null"), pa.scalar("}"), pa.scalar("")
    )
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(uses.row, minlength=count), out=offsets[1:])
    listed = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), items.cast(pa.string())), ", ")
    whole = pc.binary_join_element_wise(pa.scalar("["), listed, pa.scalar("]"), pa.scalar(""))
    return pc.if_else(pa.array(np.diff(offsets) > 0), whole, pa.scalar(None, pa.string()))


def _raw(batch: Batch, blocking: Mask) -> pa.Array:
    """The file's own text of each field, as a JSON object, for quarantined rows; null for the others."""
    out: list[str | None] = [None] * batch.rows
    chosen = np.flatnonzero(blocking)
    if len(chosen):
        part = batch.take(chosen)
        fields = {name: _texts(as_written(part, name)) for name in part.columns if _is_mendable(name)}
        for i, row in enumerate(chosen):
            given = {name: values[i] for name, values in fields.items() if values[i] is not None}
            out[int(row)] = json.dumps(given, ensure_ascii=False).replace("\\u0000", "")
    return pa.array(out, pa.string())


def _is_mendable(name: str) -> bool:
    return not name.startswith("holder_identity") and not name.endswith("__raw")


def as_written(batch: Batch, name: str) -> pa.Array:
    """A column as text; where a number or date could not be read, the text that stood there."""
    column, raw = batch.columns[name].cast(pa.string()), batch.columns.get(f"{name}__raw")
    if raw is None or not pa.types.is_string(raw.type):
        return column
    return pc.coalesce(raw, column)


def _texts(column: pa.Array) -> list[str | None]:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [None if value is None else value.decode("latin-1") for value in column.to_pylist()]
    return [None if value is None else str(value) for value in column.to_pylist()]


def _sealed(batch: Batch, seal: Seal) -> tuple[pa.Array, pa.Array]:
    if SEALED in batch.columns:
        return batch.columns[SEALED], batch.columns[SEALED_INDEX]
    column = batch.columns.get("holder_identity")
    if column is None or column.null_count == batch.rows:
        return pa.nulls(batch.rows, pa.binary()), pa.nulls(batch.rows, pa.binary())
    pairs = [(None, None) if number is None else seal(number) for number in column.cast(pa.string()).to_pylist()]
    return pa.array([pair[0] for pair in pairs], pa.binary()), pa.array([pair[1] for pair in pairs], pa.binary())


def _issue_rows(staging: Staging, table: pa.Table) -> bytes:
    count = table.num_rows
    column = {name: _one(table.column(name)) for name in table.column_names}
    rows_present = np.asarray(column["row_no"].is_valid())
    file_no = np.array([staging.file_nos.get(name, 0) for name in column["file"].to_pylist()])
    offsets, data = _lonlat(column["place"], staging.working_srid)
    personal = pc.is_in(column["field"], pa.array(sorted(PERSONAL)))
    raw_value = pc.if_else(pc.fill_null(personal, False), pa.scalar(None, pa.string()), _clean(column["raw_value"]))
    return copy.encode(
        [
            copy.constant(staging.job_id.bytes, count),
            copy.text(column["code"]),
            copy.text(column["severity"]),
            copy.int2(file_no),
            copy.text(column["layer"]),
            copy.int8(np.asarray(column["row_no"].fill_null(0)), rows_present),
            copy.text(column["field"]),
            copy.text(raw_value),
            copy.jsonb(pc.replace_substring(column["params"], "\\u0000", "")),
            copy.geometry(offsets, data),
        ]
    )


def _clean(texts: pa.Array) -> pa.Array:
    """PostgreSQL's text holds no NUL."""
    return pc.replace_substring(texts, "\0", "")


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _lonlat(places: pa.Array, srid: int) -> tuple[Ints, npt.NDArray[np.uint8]]:
    shapes = shapely.from_wkb(np.array(places.to_pylist(), object))
    there = ~shapely.is_missing(shapes)
    if there.any():
        shapes[there] = shapely.transform(shapes[there], lambda xy: to_wgs84(xy, srid))
        shapes[there & ~_finite(shapes)] = None
    wkb = [value or b"" for value in shapely.to_wkb(shapes).tolist()]
    offsets = np.zeros(len(wkb) + 1, np.int64)
    np.cumsum([len(value) for value in wkb], out=offsets[1:])
    return offsets, np.frombuffer(b"".join(wkb), np.uint8)


def _finite(shapes: npt.NDArray[np.object_]) -> Mask:
    finite: Mask = np.isfinite(shapely.bounds(shapes)).all(axis=-1)  # type: ignore[assignment]
    return finite


def with_frame(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Header and trailer around the chunks of one COPY."""
    yield copy.HEADER
    yield from chunks
    yield copy.TRAILER


__all__ = ["PERSONAL", "Staging", "issues", "new_ids", "rows", "shape_hashes", "with_frame"]

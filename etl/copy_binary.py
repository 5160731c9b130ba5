"""Columns to PostgreSQL's binary COPY form, without touching a row.

A row of the stream is the concatenation of byte pieces: a count, then a length and a value for each field. Each piece is an Arrow
column; the kernel that joins columns of strings joins these, and the data buffer of its result is the payload. Neighbouring
pieces of fixed width are first laid side by side in one matrix.

Source: PostgreSQL documentation, COPY, "Binary Format"; numeric from its receive function (base-10000 digits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.batch import Ints, Mask, binary_parts

ByteMatrix: TypeAlias = npt.NDArray[np.uint8]

HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0\0\0\0" + b"\0\0\0\0"
TRAILER = b"\xff\xff"
_NULL = -1


@dataclass(frozen=True, eq=False)
class Fixed:
    """A field of one width in every row, never null: (rows, width) bytes."""

    matrix: ByteMatrix


@dataclass(frozen=True, eq=False)
class Variable:
    """A field of changing length: offsets into data, and which rows are not null."""

    offsets: Ints
    data: ByteMatrix
    present: Mask


Piece: TypeAlias = Fixed | Variable


def int2(values: npt.NDArray[Any]) -> Fixed:
    """smallint."""
    return Fixed(_big_endian(values, ">i2"))


def constant(value: bytes, rows: int) -> Fixed:
    """The same bytes in every row (a uuid, a text)."""
    return Fixed(np.broadcast_to(np.frombuffer(value, np.uint8), (rows, len(value))))


def int8(values: npt.NDArray[Any], present: Mask | None = None) -> Piece:
    """bigint; null where not present."""
    return _nullable(_big_endian(values, ">i8"), present)


def int4(values: npt.NDArray[Any], present: Mask | None = None) -> Piece:
    """integer; null where not present."""
    return _nullable(_big_endian(values, ">i4"), present)


def date(column: pa.Array) -> Piece:
    """date from a date32 column: days since 2000-01-01."""
    present = np.asarray(column.is_valid())
    days = np.asarray(column.cast(pa.int32()).fill_null(10957)) - 10957
    return _nullable(_big_endian(days, ">i4"), present)


def numeric1(values: npt.NDArray[np.float64]) -> Piece:
    """numeric with one decimal, half away from zero; NaN is null."""
    present = np.isfinite(values)
    whole = np.where(present, values, 0.0)
    # Halves such as 119.25 are exact in binary, so adding half and cutting off rounds as people do on paper.
    tenths = np.floor(np.abs(whole) * 10 + 0.5).astype(np.int64)
    digits = np.empty((len(values), 9), ">i2")
    digits[:, 0], digits[:, 1], digits[:, 3] = 5, 3, 1
    digits[:, 2] = np.where((whole < 0) & (tenths > 0), 0x4000, 0)
    rest = tenths // 10
    for place in (7, 6, 5, 4):
        rest, digits[:, place] = np.divmod(rest, 10000)
    digits[:, 8] = (tenths % 10) * 1000
    return _nullable(digits.view(np.uint8).reshape(len(values), -1), present)


def text(column: pa.Array) -> Variable:
    """text, varchar or bytea from a string or binary column; Arrow nulls are nulls."""
    filled = column.fill_null("" if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else b"")
    offsets, data = binary_parts(filled.combine_chunks() if isinstance(filled, pa.ChunkedArray) else filled)
    return Variable(offsets, data, np.asarray(column.is_valid()))


def jsonb(column: pa.Array) -> Variable:
    """jsonb from JSON text: one byte of version, then the text."""
    prefixed = pc.binary_join_element_wise(pa.scalar("\x01"), column, pa.scalar(""))
    return text(prefixed)


def geometry(offsets: Ints, data: ByteMatrix) -> Variable:
    """A geometry from WKB; rows without bytes are null. The column's own type fills in the SRID."""
    return Variable(offsets, data, np.diff(offsets) > 0)


def encode(pieces: Sequence[Piece]) -> bytes:
    """The rows of one batch as COPY bytes, between HEADER and TRAILER."""
    rows = len(pieces[0].matrix) if isinstance(pieces[0], Fixed) else len(pieces[0].present)
    if rows == 0:
        return b""
    columns: list[pa.Array] = []
    pending: list[ByteMatrix] = [_repeat(len(pieces).to_bytes(2, "big"), rows)]
    for piece in pieces:
        if isinstance(piece, Fixed):
            pending += [_repeat(piece.matrix.shape[1].to_bytes(4, "big"), rows), piece.matrix]
            continue
        length = np.where(piece.present, np.diff(piece.offsets), _NULL)
        pending.append(_big_endian(length, ">i4"))
        columns += [_fixed_column(pending), _variable_column(piece)]
        pending = []
    if pending:
        columns.append(_fixed_column(pending))
    joined = pc.binary_join_element_wise(*columns, pa.scalar(b"", pa.binary()))
    return binary_parts(joined)[1].tobytes()


def _nullable(matrix: ByteMatrix, present: Mask | None) -> Piece:
    if present is None or present.all():
        return Fixed(matrix)
    offsets = np.zeros(len(matrix) + 1, np.int64)
    np.cumsum(np.where(present, matrix.shape[1], 0), out=offsets[1:])
    return Variable(offsets, np.ascontiguousarray(matrix[present]).ravel(), present)


def _big_endian(values: npt.NDArray[Any], kind: str) -> ByteMatrix:
    return np.ascontiguousarray(values.astype(kind)).view(np.uint8).reshape(len(values), -1)


def _repeat(value: bytes, rows: int) -> ByteMatrix:
    return np.broadcast_to(np.frombuffer(value, np.uint8), (rows, len(value)))


def _fixed_column(parts: list[ByteMatrix]) -> pa.Array:
    matrix = np.ascontiguousarray(np.concatenate(parts, axis=1))
    rows, width = matrix.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(matrix)])


def _variable_column(piece: Variable) -> pa.Array:
    offsets = piece.offsets.astype(np.int32)
    data = np.ascontiguousarray(piece.data)
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])

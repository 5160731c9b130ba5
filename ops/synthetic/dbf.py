"""Bytes of fields in a finished dBASE file, for what no library would write for us: faults, and tight columns."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

BLANK = 0x20
WIDTH_BYTE, DECIMALS_BYTE = 16, 17
CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    """C text, N number, D date."""
    offset: int
    """Bytes from the start of the record (the deletion mark counts)."""
    width: int
    descriptor: int
    """Where the file's header describes the field."""


@dataclass(frozen=True)
class Dbf:
    """Where things stand in a .dbf: rows, header and record length in bytes, fields by name."""

    path: Path
    rows: int
    header: int
    record: int
    fields: dict[str, Field]

    @classmethod
    def open(cls, path: Path) -> "Dbf":
        with path.open("rb") as file:
            rows, header, record = struct.unpack_from("<IHH", file.read(32), 4)
            file.seek(0)
            data = file.read(header)
        fields: dict[str, Field] = {}
        offset = 1
        for at in range(32, header - 1, 32):
            name = data[at : at + 11].split(b"\0")[0].decode("ascii")
            fields[name] = Field(name, chr(data[at + 11]), offset, data[at + WIDTH_BYTE], at)
            offset += data[at + WIDTH_BYTE]
        return cls(path, rows, header, record, fields)

    def get(self, row: int, name: str) -> bytes:
        """Raw bytes of a field, blanks included; rows count from 1."""
        with self.path.open("rb") as file:
            file.seek(self.place(row, name))
            return file.read(self.fields[name].width)

    def put(self, row: int, name: str, value: bytes) -> None:
        """Overwrite a field, padded with blanks and cut to its width."""
        width = self.fields[name].width
        with self.path.open("r+b") as file:
            file.seek(self.place(row, name))
            file.write(value[:width].ljust(width))

    def place(self, row: int, name: str) -> int:
        return self.header + (row - 1) * self.record + self.fields[name].offset


def tighten(path: Path, one_decimal: Mapping[str, Sequence[float | None]]) -> None:
    """Make columns as narrow as their contents, and write `one_decimal` columns as "461.9".

    The library's own way to do the first takes longer than writing the file; its numbers look like
    "461.899999999999977". The values stay the same.
    """
    dbf = Dbf.open(path)
    if dbf.rows == 0:
        return
    records = np.memmap(path, np.uint8, "r+", dbf.header, (dbf.rows, dbf.record))
    for name, values in one_decimal.items():
        place = dbf.fields[name]
        text = ["" if value is None else f"{value:.1f}" for value in values]
        cells = np.char.rjust(np.asarray(text, dtype=f"S{place.width}"), place.width)
        records[:, place.offset : place.offset + place.width] = cells.view(np.uint8).reshape(dbf.rows, place.width)
    used = np.zeros(dbf.record, bool)
    for start in range(0, dbf.rows, CHUNK_ROWS):
        used |= np.any(records[start : start + CHUNK_ROWS] != BLANK, axis=0)
    keep = kept_bytes(dbf, used)
    narrow = path.with_suffix(".narrow")
    with narrow.open("wb") as file:
        file.write(narrow_header(dbf, keep, set(one_decimal)))
        for start in range(0, dbf.rows, CHUNK_ROWS):
            file.write(records[start : start + CHUNK_ROWS, keep].tobytes())
        file.write(b"\x1a")
    del records
    narrow.replace(path)


def kept_bytes(dbf: Dbf, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which bytes of a record stay: text loses blanks behind, numbers in front, dates none."""
    keep = np.ones(dbf.record, bool)
    for place in dbf.fields.values():
        cells = np.flatnonzero(used[place.offset : place.offset + place.width])
        if place.type == "C":
            last = int(cells[-1]) if len(cells) else 0
            keep[place.offset + last + 1 : place.offset + place.width] = False
        elif place.type in "NF":
            first = int(cells[0]) if len(cells) else place.width - 1
            keep[place.offset : place.offset + first] = False
    return keep


def narrow_header(dbf: Dbf, keep: npt.NDArray[np.bool_], one_decimal: set[str]) -> bytes:
    with dbf.path.open("rb") as file:
        data = bytearray(file.read(dbf.header))
    struct.pack_into("<H", data, 10, int(keep.sum()))
    for place in dbf.fields.values():
        data[place.descriptor + WIDTH_BYTE] = int(keep[place.offset : place.offset + place.width].sum())
        if place.name in one_decimal:
            data[place.descriptor + DECIMALS_BYTE] = 1
    return bytes(data)

"""What is wrong with a client's rows: kept in columns, complete, never cut short.

A file of a million parcels can have fifty thousand faults, and an officer must see each of them. So faults are added by
array, stored by array, and become single `Issue`s only when somebody looks at them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

Param: TypeAlias = str | int | float
Shapes: TypeAlias = npt.NDArray[np.object_]
Texts: TypeAlias = Sequence[str | None] | npt.NDArray[np.object_] | pa.Array


class Severity(StrEnum):
    """What follows from an issue: quarantine, a look, or only a note."""

    BLOCKING = "blocking"
    WARNING = "warning"
    INFO = "info"


_MILDER = {
    Severity.WARNING: (
        "geometry.ring_self_touch",
        "geometry.spike",
        "geometry.sliver",
        "geometry.crosses_commune",
        "area.missing",
        "area.mismatch",
        "land_use.missing",
        "land_use.group",
        "land_use.area_sum",
        "text.control_characters",
        "coverage.gap",
        "coverage.missing_node",
        "certificate.serial_malformed",
        "certificate.duplicate_serial",
        "file.counts_differ",
        "file.no_prj",
        "mend.row_unmatched",
    ),
    Severity.INFO: (
        "geometry.duplicate_vertex",
        "geometry.multipart",
        "geometry.outside_commune_untested",
        "area.rewritten",
        "land_use.superseded",
        "text.legacy_encoding",
        "text.not_nfc",
        "coverage.overlap_tolerated",
        "coverage.untested",
        "certificate.register_no_unusual",
        "file.deleted_rows",
        "file.index_rebuilt",
        "file.mixed_geometry",
    ),
}
_SEVERITY = {code: severity for severity, codes in _MILDER.items() for code in codes}


def severity_of(code: str) -> Severity:
    """How grave a fault is. A code that is not listed as milder blocks its row: unknown is not harmless."""
    return _SEVERITY.get(code, Severity.BLOCKING)


@dataclass(frozen=True)
class Issue:
    """One fault of one row, or of a whole file or layer.

    row_no: position in its layer, from 1; None = the whole file or layer. field: canonical column. raw_value: the
    file's own text. params: for the message; a pair also has other_file, other_layer, other_row, other_parcel.
    place: where on the map, in the batch's own coordinates (x = E, y = N); None = nowhere in particular.
    """

    code: str
    severity: Severity
    file: str
    layer: str
    row_no: int | None
    field: str | None
    raw_value: str | None
    params: dict[str, Param]
    place: shapely.Geometry | None

    @property
    def facts(self) -> dict[str, Param]:
        """All that a message may name: the params, and the row, field and raw value."""
        own = {"row": self.row_no, "field": self.field, "raw": self.raw_value, "file": self.file}
        return {name: value for name, value in own.items() if value is not None} | self.params

    @property
    def other_row_no(self) -> int | None:
        """The second row of a pair (overlap, duplicate), in params' other_file and other_layer."""
        other = self.params.get("other_row")
        return int(other) if other is not None else None


@dataclass(frozen=True)
class Found:
    """Details of one code for many rows; every array is as long as the rows that it belongs to.

    params: a scalar goes for all rows, an array gives one value per row.
    """

    field: str | None = None
    raw: Texts | None = None
    params: Mapping[str, Any] | None = None
    place: Shapes | None = None


NOTHING_MORE = Found()


@dataclass(frozen=True)
class _Block:
    code: str
    severity: Severity
    file: str
    layer: str
    row_no: npt.NDArray[np.int64] | None
    found: Found

    def __len__(self) -> int:
        return 1 if self.row_no is None else len(self.row_no)

    def issue(self, i: int) -> Issue:
        raw, place = self.found.raw, self.found.place
        return Issue(
            code=self.code,
            severity=self.severity,
            file=self.file,
            layer=self.layer,
            row_no=None if self.row_no is None else int(self.row_no[i]),
            field=self.found.field,
            raw_value=None if raw is None else _text(raw[i]),
            params={name: _param(value, i) for name, value in (self.found.params or {}).items()},
            place=None if place is None else place[i],
        )


class IssueLog:
    """All issues of one job, in the order in which they were found."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[Issue]:
        for block in self._blocks:
            for i in range(len(block)):
                yield block.issue(i)

    def add_rows(
        self,
        code: str,
        file: str,
        layer: str,
        row_no: npt.NDArray[np.int64],
        found: Found = NOTHING_MORE,
    ) -> None:
        """Notes one fault for many rows of a layer; adding none is allowed and leaves no trace."""
        if len(row_no):
            self._add(_Block(code, severity_of(code), file, layer, row_no, found))

    def add_file(self, code: str, file: str, layer: str = "", **params: Param) -> None:
        """Notes a fault that concerns a whole file or layer and no single row."""
        self._add(_Block(code, severity_of(code), file, layer, None, Found(params=params)))

    def extend(self, other: IssueLog) -> None:
        """Takes over the issues of another log (the reader's, for example)."""
        for block in other._blocks:
            self._add(block)

    def add(self, issue: Issue) -> None:
        """Notes a single issue that somebody else made out, with its own severity."""
        row_no = None if issue.row_no is None else np.array([issue.row_no], np.int64)
        place = None if issue.place is None else np.array([issue.place], object)
        found = Found(issue.field, None if issue.raw_value is None else [issue.raw_value], issue.params, place)
        self._add(_Block(issue.code, issue.severity, issue.file, issue.layer, row_no, found))

    def by_severity(self) -> Counter[Severity]:
        """How many issues of each severity."""
        out: Counter[Severity] = Counter()
        for block in self._blocks:
            out[block.severity] += len(block)
        return out

    def to_arrow(self) -> pa.Table:
        """All issues as columns, ready for staging: the params as JSON text, the place as WKB (null = none)."""
        pieces = [_block_to_arrow(block) for block in self._blocks]
        return pa.Table.from_batches(pieces, schema=ISSUE_SCHEMA)

    def _add(self, block: _Block) -> None:
        self._blocks.append(block)
        self.counts[block.code] += len(block)


ISSUE_SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        ("severity", pa.string()),
        ("file", pa.string()),
        ("layer", pa.string()),
        ("row_no", pa.int64()),
        ("field", pa.string()),
        ("raw_value", pa.string()),
        ("params", pa.string()),
        ("place", pa.binary()),
    ]
)


def _block_to_arrow(block: _Block) -> pa.RecordBatch:
    rows, found = len(block), block.found
    raw = [None] * rows if found.raw is None else [_text(value) for value in found.raw]
    place = [None] * rows if found.place is None else shapely.to_wkb(found.place).tolist()
    columns = [
        [block.code] * rows,
        [block.severity.value] * rows,
        [block.file] * rows,
        [block.layer] * rows,
        [None] if block.row_no is None else block.row_no,
        [found.field] * rows,
        raw,
        _params_as_json(found.params or {}, rows),
        place,
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, ISSUE_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=ISSUE_SCHEMA)


def _params_as_json(params: Mapping[str, Any], rows: int) -> list[str]:
    return [
        json.dumps({name: _param(value, i) for name, value in params.items()}, ensure_ascii=False) for i in range(rows)
    ]


def _param(value: Any, i: int) -> Param:
    one = value if isinstance(value, str | int | float) else value[i]
    plain = one.as_py() if isinstance(one, pa.Scalar) else one.item() if isinstance(one, np.generic) else one
    return plain if isinstance(plain, str | int | float) else "" if plain is None else str(plain)


def _text(value: Any) -> str | None:
    plain = value.as_py() if isinstance(value, pa.Scalar) else value
    return None if plain is None else str(plain)

"""What the rules must be told, and how they report: the tables of the office on one side, findings on the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from etl.batch import Batch, Ints, Mask
from etl.issues import Found, IssueLog, Severity, Texts, severity_of

Rows: TypeAlias = npt.NDArray[np.bool_ | np.int64]
BLANKS = b" \t\n\f\r"
PRESENT, SUPERSEDED, OLD_MAP, GROUP = "present", "superseded", "old_map", "group"


@dataclass(frozen=True)
class Tolerances:
    """How much is forgiven; one row of the office's dated table. Metres, square metres, degrees.

    source: on whose word. No number here is law until the circular's own is confirmed.
    area_share, area_floor_m2: a declared area may differ from the measured one by the larger of the two.
    overlap_width_m, overlap_area_m2: an overlap blocks only if it is wider *and* larger than these.
    gap_width_m, gap_area_m2: an enclosed empty place is a gap if it is narrower *or* smaller than these.
    boundary_m: how far a parcel may lie outside the commune's boundary, which is itself generalised.
    """

    source: str = "office practice"
    area_share: float = 0.05
    area_floor_m2: float = 0.5
    land_use_sum_m2: float = 0.5
    overlap_width_m: float = 0.01
    overlap_area_m2: float = 0.05
    gap_width_m: float = 0.5
    gap_area_m2: float = 50.0
    node_m: float = 0.002
    vertex_m: float = 1e-4
    spike_degrees: float = 1.0
    sliver_width_m: float = 0.2
    least_area_m2: float = 1e-3
    boundary_m: float = 20.0


@dataclass(frozen=True)
class RuleContext:
    """Everything a rule may know beside the rows.

    commune_codes: codes a row of this import may carry (the commune's, and those of the communes merged into it);
    empty = not checked. boundary: the commune in the batches' coordinates; None = unknown, and the answer to "outside?"
    is then *untested*. zone_window: (E min, N min, E max, N max) in which coordinates of the declared zone lie; None =
    not checked. land_uses: code → (status, present code): status is present, superseded, old_map or group.
    scale: denominator of the map's scale; None = not known.
    """

    commune_codes: frozenset[str] = frozenset()
    boundary: shapely.Geometry | None = None
    zone_window: tuple[float, float, float, float] | None = None
    land_uses: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    tolerances: Tolerances = field(default_factory=Tolerances)
    scale: int | None = None


class Findings:
    """What the rules found in one batch: goes into the log with the rows' origin, and marks the rows that it blocks."""

    def __init__(self, batch: Batch, log: IssueLog) -> None:
        self.batch = batch
        self.blocking: Mask = np.zeros(batch.rows, bool)
        self._log = log

    def add(
        self,
        code: str,
        rows: Rows,
        *,
        field: str | None = None,
        raw: Texts | None = None,
        params: Mapping[str, Any] | None = None,
        place: npt.NDArray[np.object_] | None = None,
    ) -> None:
        """Notes a fault. rows: mask or indices in the batch; raw, params and place belong to those rows in order."""
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        if not len(index):
            return
        if severity_of(code) is Severity.BLOCKING:
            self.blocking[index] = True
        if raw is None and field is not None:
            raw = self.raw(field, index)
        named = {"parcel": self.labels(index), **(params or {})}
        origin = self.batch.origin
        self._log.add_rows(code, origin.file, origin.layer, self.batch.row_no[index], Found(field, raw, named, place))

    def raw(self, field: str, index: Ints) -> pa.Array | None:
        """The file's own text of a field in these rows."""
        column = self.batch.columns.get(field)
        if column is None:
            return None
        return _as_text(column.take(pa.array(index)))

    def labels(self, index: Ints) -> pa.Array:
        """What people call these rows: sheet/parcel, or the row number where the file gives neither."""
        return labels(self.raw("sheet_no", index), self.raw("parcel_no", index), self.batch.row_no[index])


def labels(sheet: pa.Array | None, parcel: pa.Array | None, row_no: Ints) -> pa.Array:
    """Sheet/parcel as people say it; a dash for what is missing, the row number if both are."""
    nothing = pa.nulls(len(row_no), pa.string())
    sheet, parcel = _filled(nothing if sheet is None else sheet), _filled(nothing if parcel is None else parcel)
    both = pc.binary_join_element_wise(sheet, parcel, "/")
    number = pc.binary_join_element_wise("#", pa.array(row_no).cast(pa.string()), "")
    return pc.if_else(pc.equal(both, "–/–"), number, both)


def _filled(texts: pa.Array) -> pa.Array:
    bare = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(pc.fill_null(pc.utf8_length(bare), 0), 0), "–", bare)


def column(batch: Batch, name: str, kind: pa.DataType) -> pa.Array:
    """A canonical column, or nulls where the file has none."""
    found = batch.columns.get(name)
    if found is None:
        return pa.nulls(batch.rows, kind)
    return _as_text(found) if pa.types.is_string(kind) else found.cast(kind)


def is_blank(texts: pa.Array) -> Mask:
    """Rows whose text is null, empty or blanks."""
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0)
    return np.asarray(pc.fill_null(blank, True))


def _as_text(values: pa.Array) -> pa.Array:
    """As text; bytes of unknown encoding become one letter each, so that nothing is lost."""
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return pa.array([None if v is None else v.decode("latin-1") for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())

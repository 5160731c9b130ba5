"""Judges a whole import: every row by itself as the batches pass, then all rows together.

    validator = Validator(context)
    for batch in batches:
        checked = validator.check(batch)      # stage the rows
    outcome = validator.finish()              # and take back those in outcome.quarantined

Some faults show only at the end (the other row of a duplicate, the neighbour that overlaps), so a row may be staged
first and quarantined afterwards: `Outcome.quarantined` decides, `Checked.blocking` is what is known so far.

Who is blocked by a fault of several rows: **all** rows with the same reference (nobody can tell which is right), all
rows with the same geometry, and both rows of an overlap beyond the tolerance. Overlaps within it are noted; gaps and
missing nodes are warnings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from etl.batch import Batch, Floats, Ints, Mask, Origin, Rings, binary_parts, without
from etl.coverage import CoverageCheck, CoverageReport, CoverageTolerance, Overlaps
from etl.issues import Found, IssueLog, Severity, severity_of
from etl.memory import give_back
from etl.rules.area import check_area
from etl.rules.certificate import check_certificates
from etl.rules.context import BLANKS, Findings, RuleContext, column, labels
from etl.rules.geometry import Shapes, check_geometry
from etl.rules.land_use import LandUses, check_land_use
from etl.rules.place import Boundary, check_place
from etl.rules.reference import References, check_references, number_key
from etl.rules.text import check_text
from etl.shelf import Column

Keys: TypeAlias = npt.NDArray[np.uint64]

_WORDS = np.random.default_rng(20250701).integers(1, 1 << 63, 4096, np.uint64) | np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class RowKeys:
    """One number for a row of a job: file (15 bits), layer (16 bits), row number (32 bits)."""

    files: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    def of(self, origin: Origin, row_no: Ints) -> Ints:
        """Keys of rows of one layer; files and layers are numbered as they come."""
        file, layer = _index(self.files, origin.file), _index(self.layers, origin.layer)
        assert file < 1 << 15
        assert layer < 1 << 16
        return ((file << 48) | (layer << 32)) + row_no

    def origin(self, key: int) -> Origin:
        """The layer that a key belongs to."""
        return Origin(self.files[key >> 48], self.layers[(key >> 32) & 0xFFFF])

    @staticmethod
    def row_no(keys: Ints) -> Ints:
        """The row number within the layer."""
        return keys & 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class Checked:
    """One batch after its rows were judged one by one.

    references: sheet and parcel numbers as the register writes them. measured_area_m2: plane area in the batch's own
    zone, NaN where the polygon is not sound. certificate_serial: without blanks, null = none. usable: the polygon can
    be stored and measured. blocking: rows that must go to quarantine, as far as is known before `finish`.
    """

    batch: Batch
    keys: Ints
    references: References
    measured_area_m2: Floats
    declared_area_m2: Floats
    land_uses: LandUses
    certificate_serial: pa.Array
    usable: Mask
    blocking: Mask


@dataclass(frozen=True, eq=False)
class Outcome:
    """The judgement on all rows. quarantined: sorted keys of every row with a blocking issue, seeded rows included."""

    log: IssueLog
    keys: RowKeys
    quarantined: Ints
    coverage: CoverageReport
    read: int

    def is_quarantined(self, keys: Ints) -> Mask:
        """Which of these rows must not be applied."""
        at = np.searchsorted(self.quarantined, keys)
        at[at == len(self.quarantined)] = 0
        return self.quarantined[at] == keys if len(self.quarantined) else np.zeros(len(keys), bool)


class Validator:
    """Applies all rules to the batches of one job. Coordinates must be metres of one zone throughout.

    Rows that run again after mending are judged together with the rest of their job: hand the staged rows to
    `remember` first, then `check` the mended ones. A staged row that now clashes with a mended one is in
    `Outcome.quarantined` too. (Rows that were quarantined only for their clash with a mended row should run again with
    it: their issues name it in other_file, other_layer, other_row.)
    """

    def __init__(self, context: RuleContext, *, spill_dir: str | None = None) -> None:
        limit = context.tolerances
        self.log = IssueLog()
        self.keys = RowKeys()
        self._context = context
        self._boundary = None if context.boundary is None else Boundary(context.boundary, limit.boundary_m)
        tolerance = CoverageTolerance(gap_width_m=limit.gap_width_m, gap_area_m2=limit.gap_area_m2, node_m=limit.node_m)
        self._coverage = CoverageCheck(tolerance, spill_dir=spill_dir)
        self._rows = _Ledger(spill_dir)
        self._register_labels: list[pa.Array] = []
        self._registered = 0
        self._read = 0

    def check(self, batch: Batch) -> Checked:
        """Judges the rows of a batch one by one and keeps of each what the joint judgement needs.

        Raises ValueError for coordinates in degrees: every length and area would be wrong without anybody noticing.
        """
        demand_metres(batch)
        context, findings = self._context, Findings(batch, self.log)
        shapes = check_geometry(batch, context, findings)
        check_place(batch, shapes, context, self._boundary, findings)
        references = check_references(batch, context, findings)
        declared = check_area(batch, shapes.area_m2, context, findings)
        land_uses = check_land_use(batch, declared, shapes.area_m2, context, findings)
        check_text(batch, findings)
        serial = check_certificates(batch, findings)
        keys = self._enter(batch, references, serial, shapes, findings.blocking)
        self._read += batch.rows
        return Checked(
            batch, keys, references, shapes.area_m2, declared, land_uses, serial, shapes.usable, findings.blocking
        )

    def remember(self, batch: Batch) -> None:
        """Takes rows that were judged before and are staged: they are not judged again, only compared with."""
        demand_metres(batch)
        silent = Findings(batch, IssueLog())
        shapes = check_geometry(batch, self._context, silent)
        references = check_references(batch, self._context, silent)
        self._enter(batch, references, check_certificates(batch, silent), shapes, np.zeros(batch.rows, bool))

    def remember_register(self, rings: Rings, labels: pa.Array) -> None:
        """Takes parcels in force that the staged ones touch: their ground counts, their references do not.

        Which staged rows replace which parcel of the register depends on the import's intent; hand over only parcels
        that will stay. labels: what to call each in a message ("12/45").
        """
        ids = -1 - self._registered - np.arange(rings.rows, dtype=np.int64)
        self._coverage.add(rings, ~np.isin(np.arange(rings.rows), rings.ring_rows()[rings.broken_rings()]), ids)
        self._register_labels.append(labels.cast(pa.string()))
        self._registered += rings.rows

    def finish(self) -> Outcome:
        """Duplicates, certificates and coverage over all rows, and the final list of quarantined rows."""
        rows = self._rows.closed()
        if self._boundary is None:
            self.log.add_file("geometry.outside_commune_untested", self.keys.files[0] if self.keys.files else "")
        self._same("parcel.duplicate_reference", rows, rows.reference.read(), "parcel_no")
        self._same("parcel.duplicate_geometry", rows, rows.geometry.read(), None)
        self._same_serial(rows)
        give_back()  # what the steps before leave behind is as much as the next one needs
        report = self._coverage.finish()
        give_back()
        self._note_overlaps(rows, report.overlaps)
        self._note_gaps(rows, report)
        nodes = report.missing_nodes
        self._note_pairs("coverage.missing_node", rows, nodes.edge_row, nodes.vertex_row, {}, nodes.place)
        self._note("coverage.untested", rows, report.far_rows, Found())
        self._rows.close()
        return Outcome(self.log, self.keys, np.unique(rows.key[rows.blocking]), report, self._read)

    def _enter(self, batch: Batch, references: References, serial: pa.Array, shapes: Shapes, blocking: Mask) -> Ints:
        keys = self.keys.of(batch.origin, batch.row_no)
        positions = len(self._rows) + np.arange(batch.rows, dtype=np.int64)
        geometry = self._coverage.add(batch.rings, shapes.usable, positions, shapes.ring_areas)
        self._rows.add(
            keys,
            blocking,
            geometry,
            _reference_hash(references),
            text_hash(serial),
            _holder_hash(batch),
            references,
        )
        return keys

    def _same(self, code: str, rows: _Rows, hashes: Keys, name: str | None) -> None:
        """One issue for each row whose hash another row has as well, naming the next such row."""
        row, other, count = _groups(hashes)
        found = {**self._other(rows, other), "count": count}
        self._note(code, rows, row, Found(name, rows.parcel_no.take(pa.array(row)) if name else None, found))

    def _same_serial(self, rows: _Rows) -> None:
        """A certificate may cover several parcels of one holder; the same serial under two names is suspicious."""
        serial = rows.serial.read()
        row, other, _ = _groups(serial)
        holder = rows.holder.read()
        mixed = np.isin(serial[row], serial[row[holder[row] != holder[other]]])
        row, other = row[mixed], other[mixed]
        self._note(
            "certificate.duplicate_serial", rows, row, Found("certificate_serial", None, self._other(rows, other))
        )

    def _note_overlaps(self, rows: _Rows, found: Overlaps) -> None:
        limit = self._context.tolerances
        ours = (found.row_a >= 0) & (found.row_b >= 0)
        same = np.zeros(len(found), bool)
        geometry = rows.geometry.read()
        same[ours] = geometry[found.row_a[ours]] == geometry[found.row_b[ours]]
        grave = (found.width_m > limit.overlap_width_m) & (found.area_m2 > limit.overlap_area_m2)
        for code, which in (("coverage.overlap", grave), ("coverage.overlap_tolerated", ~grave)):
            pick = np.flatnonzero(which & ~same)
            params = {"area": found.area_m2[pick].round(2), "width": found.width_m[pick].round(3)}
            a, b, place = found.row_a[pick], found.row_b[pick], found.place[pick]
            self._note_pairs(code, rows, a, b, params, place)
            self._note_pairs(code, rows, b, a, params, place)

    def _note_gaps(self, rows: _Rows, report: CoverageReport) -> None:
        """A gap is told once, at the first of our rows on its border, with all the others by name."""
        gaps = report.gaps
        named = self._names(rows, gaps.border_row)
        first, neighbours = np.zeros(len(gaps), np.int64), []
        for i in range(len(gaps)):
            around = slice(gaps.border_start[i], gaps.border_start[i + 1])
            border = gaps.border_row[around]
            first[i] = border[border >= 0].min()
            neighbours.append(", ".join(named[around]))
        params = {"area": gaps.area_m2.round(2), "width": gaps.width_m.round(2), "neighbours": neighbours}
        self._note("coverage.gap", rows, first, Found(None, None, params, gaps.place))

    def _note_pairs(
        self,
        code: str,
        rows: _Rows,
        row: Ints,
        other: Ints,
        params: dict[str, Floats],
        place: npt.NDArray[np.object_],
    ) -> None:
        """One issue per pair, at its first row if that one is of this job."""
        ours = row >= 0
        found = {name: values[ours] for name, values in params.items()} | self._other(rows, other[ours])
        self._note(code, rows, row[ours], Found(None, None, found, place[ours]))

    def _note(self, code: str, rows: _Rows, row: Ints, found: Found) -> None:
        """Adds issues of rows by position, split by the layers that they come from."""
        if not len(row):
            return
        if severity_of(code) is Severity.BLOCKING:
            rows.blocking[row] = True
        keys = rows.key[row]
        params = {"parcel": np.array(self._names(rows, row), object), **(found.params or {})}
        layer = keys >> 32
        for one in np.unique(layer):
            at = np.flatnonzero(layer == one).tolist()
            origin = self.keys.origin(int(keys[at[0]]))
            raw = None if found.raw is None else [found.raw[i] for i in at]
            here = {name: [values[i] for i in at] for name, values in params.items()}
            place = None if found.place is None else found.place[at]
            self.log.add_rows(
                code, origin.file, origin.layer, RowKeys.row_no(keys[at]), Found(found.field, raw, here, place)
            )

    def _other(self, rows: _Rows, other: Ints) -> dict[str, list[str] | list[int]]:
        """The second row of each pair, for the message and for the page; a parcel of the register has no file."""
        keys = np.where(other >= 0, rows.key[np.maximum(other, 0)], -1).tolist()
        origins = [self.keys.origin(key) if key >= 0 else Origin("", "") for key in keys]
        return {
            "other_parcel": self._names(rows, other),
            "other_file": [origin.file for origin in origins],
            "other_layer": [origin.layer for origin in origins],
            "other_row": [key & 0xFFFFFFFF if key >= 0 else 0 for key in keys],
        }

    def _names(self, rows: _Rows, row: Ints) -> list[str]:
        names = np.full(len(row), "", object)
        ours = row >= 0
        names[ours] = rows.labels(row[ours]).to_pylist()
        register = pa.chunked_array(self._register_labels, pa.string())
        names[~ours] = register.take(pa.array(-1 - row[~ours])).to_pylist()
        return [str(name) for name in names]


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is kept of every row of the job, by position. A hash of 0 takes no part in comparisons.

    The hashes lie on disk: each is compared once, and all together are half of what a million rows would take.
    """

    key: Ints
    blocking: Mask
    geometry: Column
    reference: Column
    serial: Column
    holder: Column
    sheet_no: pa.ChunkedArray
    parcel_no: pa.ChunkedArray

    def labels(self, row: Ints) -> pa.Array:
        """What people call these rows."""
        at = pa.array(row)
        sheet, parcel = self.sheet_no.take(at).combine_chunks(), self.parcel_no.take(at).combine_chunks()
        return labels(sheet, parcel, RowKeys.row_no(self.key[row]))


class _Ledger:
    """Collects what `_Rows` holds, batch by batch."""

    def __init__(self, spill_dir: str | None) -> None:
        self._keys: list[Ints] = []
        self._blocking: list[Mask] = []
        self._hashes = tuple(Column(np.uint64, spill_dir) for _ in range(4))
        self._sheets: list[pa.Array] = []
        self._parcels: list[pa.Array] = []
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(
        self,
        key: Ints,
        blocking: Mask,
        geometry: Keys,
        reference: Keys,
        serial: Keys,
        holder: Keys,
        references: References,
    ) -> None:
        """Keeps the rows of one batch."""
        self._keys.append(key)
        self._blocking.append(blocking)
        for kept, values in zip(self._hashes, (geometry, reference, serial, holder), strict=True):
            kept.put(values)
        self._sheets.append(references.sheet_no)
        self._parcels.append(references.parcel_no)
        self._rows += len(key)

    def closed(self) -> _Rows:
        """All rows, in order."""
        key, blocking = np.concatenate([np.zeros(0, np.int64), *self._keys]), np.zeros(0, bool)
        self._keys = [key]  # one copy, not the pieces beside the whole
        blocking = np.concatenate([blocking, *self._blocking])
        self._blocking = [blocking]
        sheets = pa.chunked_array(self._sheets, pa.string())
        parcels = pa.chunked_array(self._parcels, pa.string())
        geometry, reference, serial, holder = self._hashes
        return _Rows(key, blocking, geometry, reference, serial, holder, sheets, parcels)

    def close(self) -> None:
        """Gives the disk space back."""
        for kept in self._hashes:
            kept.close()


def demand_metres(batch: Batch) -> None:
    """Raises ValueError where the batch's coordinates are, or without a known zone can only be, degrees."""
    degrees = batch.srid is not None and _in_degrees(batch.srid)
    if batch.srid is None and len(batch.rings.xy):
        # A whole file within 180 by 90 m of a zone's origin, which lies in the sea or abroad, is no parcel file.
        degrees = bool((np.abs(batch.rings.xy) <= (180.0, 90.0)).all())
    if degrees:
        raise ValueError(f"{batch.origin.file}: rules need metres of one zone, EPSG:{batch.srid} is in degrees")


@lru_cache(maxsize=64)
def _in_degrees(srid: int) -> bool:
    return bool(pyproj.CRS.from_epsg(srid).is_geographic)


def text_hash(texts: pa.Array) -> Keys:
    """A 64-bit hash per text, equal for equal texts; 0 for null."""
    offsets, data = binary_parts(texts)
    length = np.diff(offsets)
    at = np.arange(len(data)) - np.repeat(offsets[:-1], length)
    weighted = (data.astype(np.uint64) + np.uint64(1)) * _WORDS[at & (len(_WORDS) - 1)]
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(weighted)])
    h = _stirred(total[offsets[1:]] - total[offsets[:-1]] + length.astype(np.uint64)) | np.uint64(1)
    return np.where(np.asarray(texts.is_valid()), h, np.uint64(0))


def _stirred(h: Keys) -> Keys:
    h = (h ^ (h >> np.uint64(30))) * _MIX
    return h ^ (h >> np.uint64(31))


def _reference_hash(references: References) -> Keys:
    """Commune, sheet and parcel number as one hash; 0 where the numbers are not complete."""
    sheet, parcel = _distinct_hash(references.sheet_no), _distinct_hash(references.parcel_no)
    mixed = _stirred(_stirred(_distinct_hash(references.commune_code) + sheet * _MIX) + parcel) | np.uint64(1)
    return np.where(references.complete, mixed, np.uint64(0))


def _distinct_hash(texts: pa.Array) -> Keys:
    distinct = texts.dictionary_encode()
    words = np.append(text_hash(number_key(distinct.dictionary)), np.uint64(0))
    hashes: Keys = words[np.asarray(distinct.indices.fill_null(len(words) - 1))]
    return hashes


def _holder_hash(batch: Batch) -> Keys:
    """Who holds the row: the identity number, or else the name regardless of capitals and blanks; 0 = not said."""
    if batch.columns.get("certificate_serial") is None:
        return np.zeros(batch.rows, np.uint64)
    who = pc.coalesce(column(batch, "holder_identity", pa.string()), column(batch, "holder_name", pa.string()))
    return text_hash(without(pc.utf8_lower(who), BLANKS))


def _groups(hashes: Keys) -> tuple[Ints, Ints, Ints]:
    """Positions whose hash occurs more than once, for each the next position of its group (the last names the first),
    and the size of the group. Zeros are left out."""
    some = np.flatnonzero(_repeated(hashes))
    order = some[np.argsort(hashes[some], kind="stable")]
    ordered = hashes[order]
    if not len(ordered):
        return order, order, order
    start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    size = np.diff(np.append(start, len(ordered)))
    following = np.roll(order, -1)
    following[start + size - 1] = order[start]
    by_row = np.argsort(order)
    return order[by_row], following[by_row], np.repeat(size, size)[by_row]


def _repeated(hashes: Keys) -> Mask:
    """Which hashes occur more than once, 0 aside. Most do not: sorted by themselves they need no numbers beside them."""
    ordered = np.sort(hashes)
    twice = np.unique(ordered[1:][(ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)])
    del ordered
    if not len(twice):
        return np.zeros(len(hashes), bool)
    repeated: Mask = twice[np.minimum(np.searchsorted(twice, hashes), len(twice) - 1)] == hashes
    return repeated


def _index(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)

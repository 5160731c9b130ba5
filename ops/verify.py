"""``landdb verify``: tries every invariant of the register and names each row that breaks one.

The statements stand in ``landdb.views.verify``. What no statement can answer in bounded time, whether the shapes of a whole
province are sound and lie over one another, is done here: they stream through the same edge matching that judges imports.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import numpy as np
import pyarrow as pa
import shapely
import typer

from etl.batch import Ints, Rings
from etl.coverage import CoverageCheck, Overlaps
from etl.rules.context import Tolerances
from landdb.config import settings
from landdb.db.transaction import Database, Tx
from landdb.files import FileStore, FileUnknown
from landdb.intake.check import OVERLAP_M2
from landdb.intake.model import Progress, silent
from landdb.messages import Language, message
from landdb.views import evidence
from landdb.views import verify as invariants
from landdb.views.verify import EXAMPLES, Example, KeptBlob, ShapePage, Violation
from ops.output import EXIT_VIOLATED, Json, emit, language, progress
from ops.session import open_database

_ID_BYTES = 16


@dataclass
class Verdict:
    """What was tried, what is broken, and what the register knowingly holds."""

    checks: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    parcels: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether every invariant holds."""
        return not self.violations


def verify(
    database: Database,
    *,
    geometry: bool = False,
    chain: bool = False,
    receipts: bool = False,
    files: FileStore | None = None,
    tell: Progress = silent,
) -> Verdict:
    """Try every invariant at one moment of the register.

    ``geometry`` adds the shapes and their overlaps, ``chain`` every dossier's history and the checkpoints over them, ``receipts``
    every receipt and seal of a hand-over, ``files`` the bytes of every paper.
    """
    started = time.monotonic()
    with database.begin() as tx:
        invariants.take_snapshot(tx)
        verdict = judge(tx, tell)
        if geometry:
            verify_shapes(tx, verdict, tell)
        verify_evidence(tx, verdict, [*(CHAIN if chain else ()), *(RECEIPTS if receipts else ())], tell)
        if files is not None:
            verify_files(tx, files, verdict, tell)
    verdict.seconds = round(time.monotonic() - started, 2)
    return verdict


def judge(tx: Tx, tell: Progress = silent) -> Verdict:
    """Try every invariant that a statement can prove, as this transaction sees the register."""
    verdict = Verdict()
    for done, check in enumerate(invariants.CHECKS):
        tell(check, done, len(invariants.CHECKS))
        _note(verdict, check, invariants.broken(tx, check))
    verdict.known = invariants.known_oddities(tx)
    verdict.parcels = invariants.count_in_force(tx)
    return verdict


def verify_shapes(tx: Tx, verdict: Verdict, tell: Progress = silent) -> None:
    """Whether each shape in force is valid, and which of them lie over one another beyond the tolerance.

    Overlaps are counted from ``OVERLAP_M2``, as the guard of imports counts them; smaller ones are known oddities. Pairs in
    ``accepted_overlap`` are no violation. In memory stay 16 bytes of id and a rough box for each parcel.
    """
    coverage, pile = CoverageCheck(), _Pile()
    for page in invariants.shapes_in_force(tx):
        rings, ids, sound = _read(page, pile)
        coverage.add(rings, sound, ids)
        tell("geometry", pile.rows, verdict.parcels)
    tell("overlaps", pile.rows, verdict.parcels)
    report = coverage.finish()
    far = [(pile.id_of(row), "more than 214 km from the first parcel") for row in np.unique(report.far_rows).tolist()]
    accepted = invariants.accepted_pairs(tx)
    beyond = list(_beyond(report.overlaps, pile, accepted))
    verdict.known["overlaps_within_tolerance"] = _tolerated(report.overlaps)
    _note(verdict, "geometry_valid", _named(tx, "geometry_valid", pile.unsound))
    _note(verdict, "geometry_far", _named(tx, "geometry_far", far))
    _note(verdict, "geometry_overlap", _overlapping(tx, beyond))


CHAIN: Final = ("chain_unbroken", "checkpoint_sound")
RECEIPTS: Final = ("receipt_sealed", "handover_sealed")
_EVIDENCE: Final[dict[str, Callable[[Tx], Iterator[evidence.Fault]]]] = {
    "chain_unbroken": evidence.chain_faults,
    "checkpoint_sound": evidence.checkpoint_faults,
    "receipt_sealed": evidence.receipt_faults,
    "handover_sealed": evidence.handover_faults,
}
NAMED: Final = 1000
"""Faults of evidence that are told one by one: each is a dossier that somebody must look at."""


def verify_evidence(tx: Tx, verdict: Verdict, checks: Sequence[str], tell: Progress = silent) -> None:
    """Recompute hashes and seals; each fault with its dossier and the number of the event."""
    for done, check in enumerate(checks):
        tell(check, done, len(checks))
        count, named = 0, []
        for fault in _EVIDENCE[check](tx):
            count += 1
            if count <= NAMED:
                named.append(Example(fault.where, fault.what))
        _note(verdict, check, Violation(check, count, tuple(named)) if count else None)


ORPHAN_HOURS: Final = 24
"""A file may wait that long for the transaction that makes it somebody's paper."""


def verify_files(tx: Tx, files: FileStore, verdict: Verdict, tell: Progress = silent) -> None:
    """Whether each paper's bytes lie in the store as they came, and whether each stored file is somebody's (I10)."""
    broken: list[Example] = []
    for done, blob in enumerate(invariants.kept_blobs(tx)):
        tell("files", done, None)
        fault = _fault_of_file(files, blob)
        if fault:
            broken.append(Example(blob.dossiers, f"{blob.sha256}: {fault}"))
    _note(verdict, "file_whole", Violation("file_whole", len(broken), tuple(broken[:EXAMPLES])) if broken else None)
    old = [path.name for path in files.root.glob("[0-9a-f][0-9a-f]/*") if _is_old(path, tx.now)]
    lost = [Example(name, "belongs to nothing") for name in sorted(set(old) - invariants.owned(tx, old))]
    _note(verdict, "file_owned", Violation("file_owned", len(lost), tuple(lost[:EXAMPLES])) if lost else None)


def _fault_of_file(files: FileStore, blob: KeptBlob) -> str | None:
    try:
        with files.path(blob.sha256).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.seek(0, os.SEEK_END)
    except (FileUnknown, OSError) as error:
        return type(error).__name__
    if size != blob.size_bytes:
        return f"{size} bytes instead of {blob.size_bytes}"
    return None if found == blob.sha256 else "other bytes"


def _is_old(path: Path, now: dt.datetime) -> bool:
    try:
        return now.timestamp() - path.stat().st_mtime > ORPHAN_HOURS * 3600
    except FileNotFoundError:  # taken into use, or thrown away, meanwhile
        return False


@dataclass
class _Pile:
    """Ids of all rows seen, in the order of their numbers, and the rows whose shape is not sound."""

    pages: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    rows: int = 0
    unsound: list[tuple[UUID, str]] = field(default_factory=list)

    def add(self, ids: bytes) -> Ints:
        """Number the rows of a page."""
        count = len(ids) // _ID_BYTES
        self.pages.append(ids)
        self.starts.append(self.rows)
        self.rows += count
        return np.arange(self.rows - count, self.rows, dtype=np.int64)

    def id_of(self, row: int) -> UUID:
        """The parcel of a row's number."""
        page = int(np.searchsorted(self.starts, row, side="right")) - 1
        at = (row - self.starts[page]) * _ID_BYTES
        return UUID(bytes=self.pages[page][at : at + _ID_BYTES])


def _read(page: ShapePage, pile: _Pile) -> tuple[Rings, Ints, Any]:
    """The rings of a page, the numbers of its rows, and which of them are sound."""
    rows = pile.add(page.ids)
    offsets = np.zeros(len(page.lengths) + 1, np.int64)
    np.cumsum(page.lengths, out=offsets[1:])
    wkb = pa.Array.from_buffers(pa.large_binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(page.shapes)])
    rings, faults = Rings.from_wkb(wkb)
    shapes = rings.polygons()
    sound = shapely.is_valid(shapes)
    for at in np.flatnonzero(~sound).tolist():
        reason = faults[at].as_py() or (
            shapely.is_valid_reason(shapes[at]) if shapes[at] is not None else "broken ring"
        )
        pile.unsound.append((pile.id_of(int(rows[at])), str(reason)))
    return rings, rows, sound


def _beyond(overlaps: Overlaps, pile: _Pile, accepted: set[tuple[UUID, UUID]]) -> Iterator[tuple[UUID, UUID, float]]:
    wide = overlaps.width_m > Tolerances().overlap_width_m
    for at in np.flatnonzero(wide & (overlaps.area_m2 > OVERLAP_M2)).tolist():
        a, b = sorted((pile.id_of(int(overlaps.row_a[at])), pile.id_of(int(overlaps.row_b[at]))))
        if (a, b) not in accepted:
            yield a, b, float(overlaps.area_m2[at])


def _tolerated(overlaps: Overlaps) -> int:
    limit = Tolerances()
    noticeable = (overlaps.width_m > limit.overlap_width_m) & (overlaps.area_m2 > limit.overlap_area_m2)
    return int((noticeable & (overlaps.area_m2 <= OVERLAP_M2)).sum())


def _named(tx: Tx, check: str, rows: list[tuple[UUID, str]]) -> Violation | None:
    if not rows:
        return None
    shown = rows[:EXAMPLES]
    known = invariants.labels(tx, [parcel for parcel, _ in shown])
    examples = tuple(Example(str(parcel), f"{known.get(str(parcel), '?')}: {reason}") for parcel, reason in shown)
    return Violation(check, len(rows), examples)


def _overlapping(tx: Tx, pairs: list[tuple[UUID, UUID, float]]) -> Violation | None:
    if not pairs:
        return None
    shown = sorted(pairs, key=lambda pair: -pair[2])[:EXAMPLES]
    known = invariants.labels(tx, [parcel for a, b, _ in shown for parcel in (a, b)])
    examples = tuple(
        Example(f"{a} {b}", f"{known.get(str(a), '?')} × {known.get(str(b), '?')}: {area:.2f} m²")
        for a, b, area in shown
    )
    return Violation("geometry_overlap", len(pairs), examples)


def _note(verdict: Verdict, check: str, violation: Violation | None) -> None:
    verdict.checks.append(check)
    if violation is not None:
        verdict.violations.append(violation)


# ── how it is told ──────────────────────────────────────────────────────────────────────────────────────────────────


def as_data(verdict: Verdict, spoken: Language = "vi") -> dict[str, Any]:
    """The verdict as plain data for ``--json``."""
    return {
        "clean": verdict.clean,
        "checks": len(verdict.checks),
        "parcels": verdict.parcels,
        "violations": [
            {**asdict(violation), "sentence": message(f"verify.{violation.check}", {}, spoken).title}
            for violation in verdict.violations
        ],
        "known": verdict.known,
        "seconds": verdict.seconds,
    }


def as_lines(verdict: Verdict, spoken: Language = "vi") -> Iterator[str]:
    """The verdict for people: each broken invariant with its sentence, its count and examples."""
    for violation in verdict.violations:
        text = message(f"verify.{violation.check}", {"count": violation.count}, spoken)
        yield f"✗ {violation.check}: {text.title} ({violation.count:,})"
        for example in violation.examples:
            yield f"    {example.subject}  {example.detail}"
        if violation.count > len(violation.examples):
            yield f"    … + {violation.count - len(violation.examples):,}"
    for name, count in verdict.known.items():
        if count:
            yield f"• {message(f'verify.known.{name}', {'count': f'{count:,}'}, spoken).title}"
    facts = {"checks": len(verdict.checks), "parcels": f"{verdict.parcels:,}", "broken": len(verdict.violations)}
    outcome = message("verify.clean" if verdict.clean else "verify.broken", facts, spoken)
    yield f"{outcome.title} ({verdict.seconds} s)"


def register(app: typer.Typer) -> None:
    """Add ``landdb verify``."""
    app.command("verify")(verify_command)


def verify_command(
    geometry: Annotated[bool, typer.Option("--geometry", help="also the shapes and their overlaps")] = False,
    chain: Annotated[bool, typer.Option("--chain", help="also every dossier's history and the checkpoints")] = False,
    receipts: Annotated[bool, typer.Option("--receipts", help="also the receipts and seals of hand-overs")] = False,
    files: Annotated[bool, typer.Option("--files", help="also the bytes of every paper")] = False,
    json_mode: Json = False,
) -> None:
    """Try every invariant of the register; exit code 4 names each violation."""
    with open_database() as database, progress("kiểm tra" if language() == "vi" else "verify") as tell:
        stored = FileStore(settings().files_dir) if files else None
        verdict = verify(database, geometry=geometry, chain=chain, receipts=receipts, files=stored, tell=tell)
    emit(json_mode, as_data(verdict, language()), as_lines(verdict, language()))
    if not verdict.clean:
        raise typer.Exit(EXIT_VIOLATED)

"""An import from its files to staged rows held against the register: read → normalise → validate → stage → compare.

``IntakeJob`` is the one place where the file face meets the register: it opens the transactions, the packages that it calls know
either files or the register, never both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pyproj
import shapely

from etl import stage
from etl.abreast import ahead, meanwhile
from etl.batch import Batch
from etl.coordinates import WGS84, Candidate, as_params, between, decide, from_wgs84, identify, propose, sample, swapped
from etl.encodings import Recognised, recognise_columns
from etl.issues import IssueLog
from etl.memory import give_back
from etl.profiles import Profile, Scored, apply, load, score
from etl.readers import Reading, Source, read
from etl.readers.formats import FORMATS
from etl.rules.context import RuleContext, Tolerances
from etl.validate import Checked, Outcome, Validator
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, Database, Tx
from landdb.files import FileStore, StoredFile
from landdb.intake import check, store
from landdb.intake.model import ImportJob, Intent, Progress, State, silent
from landdb.reference import store as reference
from landdb.reference.model import BoundaryUnknown, LandUseStatus
from landdb.sealing.identity import blind_index, encrypt
from landdb.sealing.keys import Keys

IDENTITY_KIND = "citizen"


@dataclass(frozen=True)
class Known:
    """What the register knows before a file is opened: the commune, its boundary (lon/lat, null: not loaded), the code tables."""

    commune_codes: frozenset[str]
    boundary: shapely.Geometry | None
    land_uses: Mapping[str, tuple[str, str | None]]
    land_use_lists: Mapping[str, str]


@dataclass
class Recognition:
    """What was found in one file, with the evidence, for the person to see and correct."""

    source: Source
    layer: str
    profile: Profile
    scored: Sequence[Scored]
    encodings: dict[str, Recognised]
    zone: Candidate
    candidates: Sequence[Candidate] = field(default_factory=tuple)


def know(tx: Tx, job: ImportJob) -> Known:
    """Gather what the rules must be told."""
    around = [unit.unit.code for unit in reference.predecessors(tx, job.admin_unit_id)]
    around += [unit.unit.code for unit in reference.successors(tx, job.admin_unit_id)]
    try:
        boundary = reference.boundary(tx, job.admin_unit_id)
    except BoundaryUnknown:
        boundary = None
    codes = {
        code: use for code, use in reference.land_use_codes(tx).items() if use.status is not LandUseStatus.PLANNING
    }
    return Known(
        frozenset({job.commune_code, *around}),
        boundary,
        {code: (use.status.value, use.present_code) for code, use in codes.items()},
        {code: use.code_list for code, use in codes.items()},
    )


PARTS = frozenset(
    [".dbf", ".shx", ".prj", ".cpg", ".qpj", ".sbn", ".sbx", ".qix", ".dat", ".map", ".id", ".ind", ".mid"]
)
"""Suffixes of files that lie beside a shapefile, TAB or MIF and belong to it."""


def with_parts(paths: Sequence[Path]) -> list[Path]:
    """The named files, and the parts of each that lie beside it on disk."""
    out: dict[Path, None] = {}
    for path in paths:
        out[path] = None
        if path.suffix.lower() in (".shp", ".tab", ".mif"):
            beside = (
                p for p in sorted(path.parent.glob(f"{path.stem}.*")) if p.suffix.lower() in PARTS and p.is_file()
            )
            out |= dict.fromkeys(beside)
    return list(out)


def main_files(paths: Sequence[Path]) -> list[Path]:
    """Of all files of an import, those that are read; the others (.dbf, .prj …) are their parts. At least one is answered."""
    extensions = {extension for row in FORMATS.values() for extension in row.extensions}
    mains = [path for path in paths if path.suffix.lower() in extensions and not path.name.lower().endswith(".shp.xml")]
    return mains or list(paths[:1])


@dataclass(frozen=True)
class Asked:
    """What the person said of the file; null: to be found."""

    profile: str | None = None
    srid: int | None = None
    swapped_axes: bool = False
    layer: str | None = None
    sheet_no: str | None = None
    zone_confirmed: bool = False
    encodings: Mapping[str, str] = field(default_factory=dict)


class FileRows:
    """The rows of one file with our columns and in one zone, and what was recognised on the way."""

    def __init__(self, path: Path, name: str, asked: Asked, boundary: shapely.Geometry | None) -> None:
        self.name = name
        self._asked, self._boundary = asked, boundary
        self.reading: Reading = read(path, asked.layer, name=name)
        try:
            self._first = next(self.reading, None)
            self.recognition = self._recognise()
            self._samples = self._sampled()
        except BaseException:
            self.reading.close()
            raise

    @property
    def total(self) -> int | None:
        """Rows that the file says it has; null where the format does not tell."""
        layers = {layer.name: layer.rows for layer in self.reading.source.layers}
        return layers.get(self.recognition.layer)

    def samples(self, column: str) -> list[tuple[str, str]]:
        """Pairs of raw and decoded text of a column in a dead encoding, for a person to judge."""
        return self._samples[column]

    def batches(self, srid: int) -> Iterator[Batch]:
        """All rows in the zone ``srid``, with canonical columns."""
        with self.reading:
            batch, self._first = self._first, None  # a batch is large: none is kept for longer than it is used
            while batch is not None:
                yield self._normalised(batch, srid)
                del batch
                batch = next(self.reading, None)

    def _sampled(self) -> dict[str, list[tuple[str, str]]]:
        assert self._first is not None
        encodings, columns = self.recognition.encodings, self._first.columns
        return {name: one.decode(columns[name]).samples for name, one in encodings.items() if one.is_legacy}

    def _recognise(self) -> Recognition:
        first, source = self._first, self.reading.source
        assert first is not None, "a reader without rows has already refused the file"
        layer = next(one for one in source.layers if one.name == first.origin.layer)
        scored = score([one.name for one in layer.fields], first)
        profile = load(self._asked.profile) if self._asked.profile else scored[0].profile
        if self._asked.sheet_no:
            profile = profile.fixed({"sheet_no": self._asked.sheet_no})
        encodings = recognise_columns(first.columns, layer.encoding)
        for column, name in self._asked.encodings.items():
            if column in encodings:
                encodings[column] = replace(encodings[column], encoding=name, confidence=1.0)
        zone, candidates = self._zone(first, layer.crs_wkt)
        return Recognition(source, first.origin.layer, profile, scored, encodings, zone, candidates)

    def _zone(self, first: Batch, crs_wkt: str | None) -> tuple[Candidate, Sequence[Candidate]]:
        points = sample(first.rings)
        asked = self._asked.srid
        if asked is not None and self._asked.zone_confirmed:
            return Candidate(asked, self._asked.swapped_axes, None, None, "declared"), ()
        declared = asked or first.srid or (identify(crs_wkt) if crs_wkt else None)
        return decide(points, declared, self._boundary), propose(points, self._boundary, also=declared)[:5]

    def _normalised(self, batch: Batch, srid: int) -> Batch:
        found = self.recognition
        rings = swapped(batch.rings) if found.zone.swapped else batch.rings
        rings = rings.transformed(lambda xy: between(xy, found.zone.srid, srid))
        ours = apply(replace(batch, rings=rings, srid=srid), found.profile, found.encodings)
        return replace(ours, notes=batch.notes)


def working_srid(zone: int, storage_srid: int) -> int:
    """The zone in which rows are measured: the file's own where it is plane, else the register's."""
    return storage_srid if zone == WGS84 or pyproj.CRS.from_epsg(zone).is_geographic else zone


def context(known: Known, srid: int, tolerances: Tolerances | None = None) -> RuleContext:
    """What the rules are told, in the coordinates that they work in."""
    boundary = known.boundary
    if boundary is not None:
        boundary = shapely.transform(boundary, lambda xy: from_wgs84(xy, srid))
    return RuleContext(
        commune_codes=known.commune_codes,
        boundary=boundary,
        land_uses=known.land_uses,
        tolerances=tolerances or Tolerances(),
    )


def describe(rows: FileRows) -> dict[str, Any]:
    """What was recognised in a file, as plain data for the job's row and its page."""
    found = rows.recognition
    best = next((one for one in found.scored if one.profile.name == found.profile.name), None)
    return {
        "format": found.source.format,
        "driver": found.source.driver,
        "layer": found.layer,
        "layers": [layer.name for layer in found.source.layers],
        "profile": {
            "name": found.profile.name,
            "title": found.profile.title,
            "score": best.score if best else None,
            "mapped": best.mapped if best else {},
            "unread": list(best.unread) if best else [],
            "others": [{"name": one.profile.name, "score": one.score} for one in found.scored],
        },
        "encoding": {
            column: {
                "encoding": one.encoding,
                "confidence": round(one.confidence, 3),
                "evidence": {**asdict(one.evidence), "share": round(one.evidence.share, 3)},
                "samples": rows.samples(column)[:5],
            }
            for column, one in found.encodings.items()
            if one.is_legacy
        },
        "zone": {**as_params([found.zone])[0], "candidates": as_params(list(found.candidates))},
    }


class IntakeJob:
    """Does the reading half of an import for the worker or the command line."""

    def __init__(self, database: Database, files: FileStore, keys: Keys, settings: Settings) -> None:
        self._database, self._files, self._keys, self._settings = database, files, keys, settings

    def begin(self, job_id: UUID) -> tuple[ImportJob, Known] | None:
        """Take an import up for reading; null where it waits for nothing of the kind (it was done, or taken back)."""
        with self._database.begin(SYSTEM) as tx:
            job = store.lock_job(tx, job_id)
            if job.state not in (State.SUBMITTED, State.READING):
                return None
            store.set_state(tx, job_id, State.READING, started_at=tx.now, heartbeat_at=tx.now, stage="read")
            return store.get_job(tx, job_id), know(tx, job)

    def read(self, job: ImportJob, known: Known, progress: Progress = silent) -> None:
        """Read, judge, stage and compare, from the files on."""
        with tempfile.TemporaryDirectory(prefix="landdb-import-") as folder:
            self._read_and_stage(job, known, Path(folder), progress)

    def staging(self, job: ImportJob, srid: int, known: Known) -> stage.Staging:
        """What is the same for all rows of the job."""
        return stage.Staging(
            job_id=job.job_id,
            working_srid=srid,
            storage_srid=self._settings.storage_srid,
            # Backwards, so that of a file and its mended twin of one name the first gives the number.
            file_nos={file.name: file.ordinal for file in reversed(job.files)},
            land_use_lists=known.land_use_lists,
            verdict="new" if job.intent is Intent.FIRST_LOAD else None,
            seal=lambda number: (
                encrypt(self._keys, IDENTITY_KIND, number),
                blind_index(self._keys, IDENTITY_KIND, number),
            ),
        )

    def _read_and_stage(self, job: ImportJob, known: Known, folder: Path, progress: Progress) -> None:
        sources = [file for file in job.files if file.role == "source"]
        paths = self._files.lay_out([StoredFile(f.name, f.sha256, f.size_bytes) for f in sources], folder)
        names = dict(zip(paths, (file.name for file in sources), strict=True))
        asked = Asked(
            profile=job.options.get("profile_path")
            or (job.profile if job.options.get("profile_asked", True) else None),
            srid=job.srid if job.options.get("srid_asked", True) else None,
            swapped_axes=job.swapped_axes,
            layer=job.layer,
            sheet_no=job.sheet_no,
            zone_confirmed=bool(job.options.get("zone_confirmed")),
            encodings=job.options.get("encodings", {}),
        )
        opened = [FileRows(path, names[path], asked, known.boundary) for path in main_files(paths)]
        srid = working_srid(opened[0].recognition.zone.srid, self._settings.storage_srid)
        staging = self.staging(job, srid, known)
        validator = Validator(context(known, srid), spill_dir=str(folder))
        with self._database.begin(SYSTEM) as tx:
            store.close_staging(tx, job.job_id)
        with self._database.begin(SYSTEM) as tx:
            store.open_staging(tx, job.job_id)
            with (
                closing(ahead(judged_rows(opened, srid, validator, progress))) as judged,
                closing(ahead(staged_rows(judged, staging))) as chunks,
            ):
                staged = store.copy_staged(tx, job.job_id, stage.with_frame(chunks))
            progress("validate", staged, staged)
            for rows in opened:
                note_file(validator.log, rows)
            give_back()
            with meanwhile(validator.finish) as outcome:  # one core judges, the other one sorts
                store.index_staging(tx, job.job_id)
            progress("stage", staged, staged)
            store.quarantine_rows(tx, job.job_id, rows_of(outcome(), staging))
            store.copy_issues(tx, stage.with_frame(stage.issues(staging, outcome().log)))
            store.attach_staging(tx, job.job_id)
            progress("compare", staged, staged)
            finish_check(
                tx,
                replace(job, counts={"read": staged}),
                recognised={**describe(opened[0]), "files": len(opened)},
                profile=opened[0].recognition.profile.name,
                srid=srid,
                swapped_axes=opened[0].recognition.zone.swapped,
            )


def judged_rows(opened: Sequence[FileRows], srid: int, validator: Validator, progress: Progress) -> Iterator[Checked]:
    """The rows of all files, judged one by one."""
    done = 0
    total = sum(rows.total or 0 for rows in opened) or None
    for rows in opened:
        for batch in rows.batches(srid):
            checked = validator.check(batch)
            done += batch.rows
            del batch  # whoever takes it lets it go; it must not wait here for the next one
            yield checked
            del checked
            progress("read", done, total)


def staged_rows(judged: Iterator[Checked], staging: stage.Staging) -> Iterator[bytes]:
    """Judged batches in the form in which they are staged."""
    for checked in judged:
        chunk = stage.rows(staging, checked)
        del checked
        yield chunk
        del chunk


def note_file(log: IssueLog, rows: FileRows) -> None:
    """What concerns a file as a whole: the reader's notices, and each column that came in a dead encoding."""
    layer = rows.recognition.layer
    for notice in rows.reading.notices:
        named = {
            k: v for k, v in notice.params.items() if k not in ("file", "layer") and isinstance(v, str | int | float)
        }
        log.add_file(notice.code, rows.name, layer, **named)
    for column, found in rows.recognition.encodings.items():
        if found.is_legacy:
            log.add_file(
                "text.legacy_encoding",
                rows.name,
                layer,
                field=column,
                encoding=found.encoding,
                confidence=round(found.confidence, 2),
                words=found.evidence.words,
                valid=found.evidence.valid,
            )


def rows_of(outcome: Outcome, staging: stage.Staging) -> list[tuple[int, str, int]]:
    """The quarantined rows by file number, layer and row number."""
    out = []
    for key in outcome.quarantined.tolist():
        origin = outcome.keys.origin(key)
        out.append((staging.file_nos[origin.file], origin.layer, key & 0xFFFFFFFF))
    return out


def finish_check(tx: Tx, job: ImportJob, **found: Any) -> None:
    """Hold the staged rows against the register and hand the import to the person who decides."""
    counts = check.set_aside_clashing(tx, job)
    if job.stands:
        store.hold_waiting(tx, job.job_id, held=True)
    recognised = found.pop("recognised", job.recognised)
    options = {
        **job.options,
        "recheck": False,
        "profile_asked": job.profile is not None and job.options.get("profile_asked", True),
        "srid_asked": job.srid is not None and job.options.get("srid_asked", True),
    }
    store.set_state(
        tx,
        job.job_id,
        State.APPLIED if job.stands else State.CHECKED,
        counts=counts,
        recognised={**recognised, "register_version": store.register_version(tx)},
        options=options,
        stage=None,
        finished_at=tx.now,
        **found,
    )


__all__ = [
    "Asked",
    "FileRows",
    "IntakeJob",
    "Known",
    "context",
    "describe",
    "finish_check",
    "know",
    "rows_of",
    "with_parts",
]

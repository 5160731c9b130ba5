"""Judging again the rows of an import that were set aside, after a person mended some of them or handed in a second file.

Only these rows run again; the rows in order beside them are remembered, so that a mended row which now clashes with one of them
is found. Measured areas are taken again in the import's own zone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from etl import stage
from etl.batch import Batch, Ints, Origin, Rings
from etl.coordinates import between
from etl.pipeline import Asked, FileRows, Known, context, finish_check, main_files, rows_of
from etl.profiles.numbers import parse_date, parse_integer, parse_number
from etl.rules.reference import normal_number, normal_sheet
from etl.validate import Validator
from landdb.db.transaction import SYSTEM, Database
from landdb.files import FileStore, StoredFile
from landdb.intake import store
from landdb.intake.model import ImportJob, Progress

_TEXTS = (
    "sheet_no",
    "parcel_no",
    "land_use",
    "holder_name",
    "holder_class",
    "address",
    "former_sheet_no",
    "former_parcel_no",
    "temporary_no",
    "certificate_serial",
    "certificate_register_no",
    "commune_code",
)
_PARSED = {
    "declared_area_m2": parse_number,
    "legal_area_m2": parse_number,
    "scale": parse_integer,
    "certificate_issued_on": parse_date,
}
Row = dict[str, Any]
MakeStaging = Callable[[ImportJob, int, Known], stage.Staging]


@dataclass(frozen=True)
class Substitute:
    """A row of a second file that stands in for one set aside: its fields as text, and its shape as WKB in the storage zone."""

    fields: Mapping[str, str]
    shape: bytes | None


def recheck(
    database: Database, files: FileStore, job: ImportJob, known: Known, make_staging: MakeStaging, progress: Progress
) -> None:
    """Judge all rows set aside again, in one transaction. Nothing else of the import changes."""
    assert job.srid is not None, "an import that was checked has its zone"
    staging = make_staging(job, job.srid, known)
    with tempfile.TemporaryDirectory(prefix="landdb-recheck-") as folder:
        substitutes = _substitutes(files, job, known, staging, Path(folder))
        validator = Validator(context(known, job.srid), spill_dir=folder)
        with database.begin(SYSTEM) as tx:
            rows = store.rows_to_recheck(tx, job.job_id)
            used = _substitute(rows, substitutes)
            for row in rows:
                _overwrite(row, row["mended"] or {})
            shapes = [bytes(row["shape"]) for row in rows if row["shape"] is not None]
            serials = [row["certificate_serial"] for row in rows if row["certificate_serial"]]
            for batch in _batches(store.rows_beside(tx, job.job_id, shapes, serials), staging):
                validator.remember(batch)
            chunks = []
            for done, batch in enumerate(again := _batches(rows, staging)):
                progress("recheck", done, len(again))
                checked = validator.check(batch)
                # Only now: to the rules, what is sealed would be a text that nobody can read.
                columns = {**checked.batch.columns, **_sealed(batch.origin, batch.row_no, rows)}
                whole = replace(checked, batch=checked.batch.with_columns(columns))
                chunks.append(stage.rows(staging, whole))
            for key in substitutes.keys() - used:
                validator.log.add_file("mend.row_unmatched", job.files[-1].name, "", parcel="/".join(key))
            outcome = validator.finish()
            store.forget_rows(tx, job.job_id)
            store.copy_staged(tx, job.job_id, stage.with_frame(iter(chunks)))
            store.quarantine_rows(tx, job.job_id, rows_of(outcome, staging))
            store.copy_issues(tx, stage.with_frame(stage.issues(staging, outcome.log)))
            store.forget_repeated_issues(tx, job.job_id)
            finish_check(tx, job)


def _substitutes(
    files: FileStore, job: ImportJob, known: Known, staging: stage.Staging, folder: Path
) -> dict[tuple[str, str], Substitute]:
    """The rows of the second file by sheet and parcel number; of two with one number the last counts."""
    wanted = [file for file in job.files if file.ordinal in job.options.get("mend_files", ())]
    if not wanted:
        return {}
    paths = files.lay_out([StoredFile(f.name, f.sha256, f.size_bytes) for f in wanted], folder / "mend")
    out: dict[tuple[str, str], Substitute] = {}
    for path in main_files(paths):
        opened = FileRows(path, path.name, Asked(sheet_no=job.sheet_no), known.boundary)
        for batch in opened.batches(staging.storage_srid):
            out |= _by_number(batch)
    return out


def _by_number(batch: Batch) -> dict[tuple[str, str], Substitute]:
    sheets = normal_sheet(batch.columns["sheet_no"]).to_pylist()
    parcels = normal_number(batch.columns["parcel_no"]).to_pylist()
    names = [name for name in (*_TEXTS, *_PARSED) if name in batch.columns]
    texts = {name: stage.as_written(batch, name).to_pylist() for name in names}
    offsets, data = batch.rings.wkb()
    out = {}
    for i, number in enumerate(zip(sheets, parcels, strict=True)):
        if None not in number:
            fields = {name: str(values[i]) for name, values in texts.items() if values[i] is not None}
            out[number] = Substitute(fields, data[offsets[i] : offsets[i + 1]].tobytes() or None)
    return out


def _substitute(rows: Sequence[Row], substitutes: Mapping[tuple[str, str], Substitute]) -> set[tuple[str, str]]:
    """Put substitutes in place of the rows that they name; the numbers that found a row."""
    used = set()
    for row in rows:
        raw, mended = row["raw"] or {}, row["mended"] or {}
        number = tuple(
            str(mended.get(name) or row[name] or raw.get(name) or "").strip() for name in ("sheet_no", "parcel_no")
        )
        found = substitutes.get(number)  # type: ignore[arg-type]
        if found is not None:
            used.add(number)
            _overwrite(row, found.fields)
            if found.shape is not None:
                row["shape"], row["geometry_fault"] = found.shape, None
    return used  # type: ignore[return-value]


def _overwrite(row: Row, fields: Mapping[str, str | None]) -> None:
    row["raw"] = {**(row["raw"] or {}), **fields}
    for name in fields:
        if name in row:
            row[name] = None
        if name == "land_use":
            row["land_uses"] = None


def _batches(rows: Sequence[Row], staging: stage.Staging) -> list[Batch]:
    """Rows of the database as batches, one for each layer of each file, in the zone in which they are judged."""
    return [
        _batch(Origin(file, layer), list(group), staging)
        for (file, layer), group in groupby(
            sorted(rows, key=lambda r: (r["file"], r["layer"], r["row_no"])), key=lambda r: (r["file"], r["layer"])
        )
    ]


def _batch(origin: Origin, rows: list[Row], staging: stage.Staging) -> Batch:
    wkb = pa.array([None if row["shape"] is None else bytes(row["shape"]) for row in rows], pa.binary())
    rings, faults = Rings.from_wkb(wkb)
    known_faults = pa.array([row.get("geometry_fault") for row in rows], pa.string())
    columns: dict[str, pa.Array] = {name: pa.array([_text(row, name) for row in rows], pa.string()) for name in _TEXTS}
    for name, parse in _PARSED.items():
        columns[name], columns[f"{name}__raw"] = parse(pa.array([_text(row, name) for row in rows], pa.string()))
    return Batch(
        origin=origin,
        row_no=np.array([row["row_no"] for row in rows], np.int64),
        columns=columns,
        rings=rings.transformed(lambda xy: between(xy, staging.storage_srid, staging.working_srid)),
        srid=staging.working_srid,
        geometry_fault=pa.array(
            [k or f for k, f in zip(known_faults.to_pylist(), faults.to_pylist(), strict=True)], pa.string()
        ),
    )


def _sealed(origin: Origin, row_no: Ints, rows: Sequence[Row]) -> dict[str, pa.Array]:
    """The identity numbers of a batch's rows as they were staged."""
    staged = {row["row_no"]: row for row in rows if (row["file"], row["layer"]) == (origin.file, origin.layer)}
    return {
        column: pa.array(
            [None if (value := staged[no][name]) is None else bytes(value) for no in row_no.tolist()], pa.binary()
        )
        for column, name in ((stage.SEALED, "holder_identity"), (stage.SEALED_INDEX, "holder_identity_index"))
    }


def _text(row: Row, name: str) -> str | None:
    """What stands in a field now: what was written over it, else what was staged, else the file's own text."""
    raw = row.get("raw") or {}
    staged = _land_use(row.get("land_uses")) if name == "land_use" else row.get(name)
    value = staged if staged is not None else raw.get(name)
    return None if value is None or str(value).strip() == "" else str(value)


def _land_use(uses: Sequence[Mapping[str, Any]] | None) -> str | None:
    if not uses:
        return None
    return "; ".join(use["code"] if use["area_m2"] is None else f"{use['code']} {use['area_m2']}" for use in uses)


__all__ = ["Substitute", "recheck"]

"""The real import, from a written province to rows in PostGIS, in this process: what the tests of the whole road walk on."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from etl.pipeline import with_parts
from etl.worker import Worker
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, Database
from landdb.intake import store
from landdb.intake.approve import approve
from landdb.intake.model import ImportJob, Intent, State
from landdb.intake.submit import Request, submit
from landdb.reference.load import BoundaryOptions, load_table
from landdb.reference.store import resolve_commune

FIRST_UNIT = 800_000
UNIT_COLUMNS = (
    "admin_unit_id",
    "kind",
    "code",
    "name",
    "full_name",
    "other_names",
    "parent_id",
    "valid_from",
    "valid_to",
    "source",
)


def write_units(path: Path, communes: list[tuple[str, str]]) -> Path:
    """A table of units for `landdb reference load admin_unit`: one made-up province with these (code, name) communes."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(UNIT_COLUMNS)
        writer.writerow([FIRST_UNIT, "province", "00", "Thử", "Tỉnh Thử", "", "", "", "", "made up for a test"])
        for i, (code, name) in enumerate(communes, start=1):
            row = [FIRST_UNIT + i, "commune", code, name, name, "", FIRST_UNIT, "", "", "made up for a test"]
            writer.writerow(row)
    return path


def load_province(database: Database, folder: Path) -> dict[str, Any]:
    """Units and boundaries of a written province; its manifest."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    units = write_units(folder / "admin_unit.csv", [(one["code"], one["name"]) for one in manifest["communes"]])
    with database.begin(SYSTEM) as tx:
        load_table(tx, "admin_unit", units)
        options = BoundaryOptions(code_property="code", accuracy_m=0.1, source="made up for a test")
        load_table(tx, "admin_unit_boundary", folder / manifest["boundaries"], options)
    return manifest


@dataclass
class Road:
    """A worker on a database, and what its imports said."""

    worker: Worker
    found: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"issues": [], "rows": []})

    @classmethod
    def on(cls, database: Database, folder: Path) -> Road:
        settings = Settings(data=folder / "data", one_person=True)
        return cls(Worker(settings, database.url.render_as_string(hide_password=False)))

    def close(self) -> None:
        self.worker.database.dispose()

    def check(self, paths: list[Path], commune: str, intent: Intent = Intent.FIRST_LOAD, **said: Any) -> ImportJob:
        """Submit files and read them, up to the person's decision; issues and verdicts are noted."""
        kept = []
        for path in with_parts(paths):
            with path.open("rb") as stream:
                kept.append(self.worker.files.add(path.name, stream, max_bytes=1 << 32))
        with self.worker.database.begin(SYSTEM) as tx:
            unit = resolve_commune(tx, commune).admin_unit_id
            job_id = submit(tx, Request(unit, intent, **said), kept).job_id
        self.worker.read_import(job_id)
        job = self.job(job_id)
        if job.state is State.CHECKED:
            self._note(job_id)
        return job

    def apply(self, job: ImportJob) -> ImportJob:
        """Approve what is in order and take it into the register."""
        with self.worker.database.begin(SYSTEM) as tx:
            approve(tx, job.job_id)
        self.worker.apply_import(job.job_id)
        return self.job(job.job_id)

    def job(self, job_id: UUID) -> ImportJob:
        with self.worker.database.begin(SYSTEM) as tx:
            return store.get_job(tx, job_id)

    def _note(self, job_id: UUID) -> None:
        with self.worker.database.begin(SYSTEM) as tx:
            files = {file.ordinal: file.name for file in store.get_job(tx, job_id).files}
            after = None
            while rows := store.search_issues(tx, job_id, after=after, limit=10_000):
                after = rows[-1]["issue_id"]
                wanted = ("file", "layer", "row", "code", "severity", "field", "params")
                self.found["issues"] += [{name: row[name] for name in wanted} for row in rows]
            staged = tx.execute(
                "SELECT file_no, layer, row_no, verdict FROM staged_parcel WHERE import_job_id = :job_id", job_id=job_id
            )
            self.found["rows"] += [
                {"file": files[row.file_no], "layer": row.layer, "row": row.row_no, "verdict": row.verdict}
                for row in staged
            ]

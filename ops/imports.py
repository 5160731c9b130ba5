"""Commands of imports: take files through the whole import, list imports, decide on one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from etl.pipeline import with_parts
from landdb.config import settings
from landdb.db.transaction import SYSTEM, Database
from landdb.files import FileStore, StoredFile
from landdb.intake import store
from landdb.intake.approve import approve as approve_job
from landdb.intake.approve import reject as reject_job
from landdb.intake.model import Intent, JobFailed, State
from landdb.intake.submit import Request, submit
from landdb.intake.undo import ask_undo
from landdb.messages import message
from landdb.reference.store import resolve_commune
from ops.output import Json, emit, language, progress
from ops.session import open_database


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("import")(import_command)
    app.command()(jobs)
    app.command()(job)


def import_command(
    files: Annotated[
        list[Path], typer.Argument(help="files of one import; all parts of a shapefile, or only the .shp")
    ],
    commune: Annotated[str, typer.Option(help="code or name of the commune; `31507@2025-06-30` names a day")],
    profile: Annotated[str | None, typer.Option(help="vilis, gcadas, vbdlis, landdb, general, or a TOML file")] = None,
    srid: Annotated[int | None, typer.Option(help="EPSG code of the file's zone")] = None,
    sheet: Annotated[str | None, typer.Option(help="sheet number of a file without a sheet column")] = None,
    layer: Annotated[str | None, typer.Option()] = None,
    series: Annotated[str, typer.Option(help="survey series where a commune has several")] = "",
    dossier: Annotated[UUID | None, typer.Option()] = None,
    intent: Annotated[Intent, typer.Option()] = Intent.FIRST_LOAD,
    valid_from: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
    approve: Annotated[bool, typer.Option("--approve", help="apply at once what is in order")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check and compare, then forget")] = False,
    json_mode: Json = False,
) -> None:
    """Take files through the whole import: read, check, compare, and with --approve apply."""
    from etl.worker import Worker, run_once

    with open_database() as database, progress("nhập dữ liệu" if language() == "vi" else "import") as tell:
        started = dt.datetime.now(dt.UTC)
        worker = Worker(settings(), database.url.render_as_string(hide_password=False), tell)
        asked = _request(database, commune, valid_from, intent, (profile, srid, sheet, layer, series, dossier))
        kept = _keep(FileStore(settings().files_dir), files)
        with database.begin(SYSTEM) as tx:
            job_id = submit(tx, asked, kept).job_id
        run_once(worker, job_id, State.SUBMITTED)
        _refuse_failed(database, job_id)
        if approve and not dry_run:
            _apply(database, worker, job_id)
        elif dry_run:
            with database.begin(SYSTEM) as tx:
                reject_job(tx, job_id, "dry run")
        seconds = (dt.datetime.now(dt.UTC) - started).total_seconds()
        summary = _summary(database, job_id, seconds)
        worker.database.dispose()
    emit(json_mode, summary, _lines(summary))


def _request(database: Database, commune: str, valid_from: dt.datetime | None, intent: Intent, said: Any) -> Request:
    profile, srid, sheet, layer, series, dossier = said
    day = valid_from.date() if valid_from else None
    options = {}
    if profile and profile.endswith(".toml"):
        options, profile = {"profile_path": str(Path(profile).resolve())}, None
    with database.begin(SYSTEM) as tx:
        unit = resolve_commune(tx, commune, day)
    return Request(
        admin_unit_id=unit.admin_unit_id,
        intent=intent,
        profile=profile,
        srid=srid,
        layer=layer,
        sheet_no=sheet,
        series=series,
        dossier_id=dossier,
        valid_from=day,
        options=options,
    )


def _keep(files: FileStore, paths: list[Path]) -> list[StoredFile]:
    """Store the files, and of a shapefile or a TAB the parts that lie beside it."""
    kept: list[StoredFile] = []
    for path in with_parts(paths):
        with path.open("rb") as stream:
            kept.append(files.add(path.name, stream, max_bytes=settings().max_upload_mb << 20))
    return kept


def _apply(database: Database, worker: Any, job_id: UUID) -> None:
    from etl.worker import run_once

    with database.begin(SYSTEM) as tx:
        job = store.get_job(tx, job_id)
        waiting = job.counts["new"] + job.counts["changed"]
        if not waiting:
            return
        approve_job(tx, job_id)
    run_once(worker, job_id, State.APPLYING)
    _refuse_failed(database, job_id)


def _refuse_failed(database: Database, job_id: UUID) -> None:
    with database.begin(SYSTEM) as tx:
        job = store.get_job(tx, job_id)
    if job.failure_code:
        raise JobFailed.of(job.failure_code, job.failure_params or {})


def _summary(database: Database, job_id: UUID, seconds: float) -> dict[str, Any]:
    with database.begin(SYSTEM) as tx:
        job = store.get_job(tx, job_id)
        issues = store.count_issues(tx, job_id)
    counts = {
        name: job.counts.get(name, 0) for name in ("read", "new", "changed", "unchanged", "retired", "quarantined")
    }
    done = job.state is State.APPLIED
    return {
        "job_id": str(job_id),
        "state": job.state.value,
        "read": counts["read"],
        "applied": job.counts.get("applied_new", 0) + job.counts.get("applied_changed", 0) if done else 0,
        **{name: counts[name] for name in ("new", "changed", "unchanged", "retired", "quarantined")},
        "issues": {row["code"]: row["count"] for row in issues},
        "seconds": round(seconds, 2),
        "rows_per_second": round(counts["read"] / seconds) if seconds else None,
    }


def _lines(summary: dict[str, Any]) -> list[str]:
    head = [f"{name}: {summary[name]}" for name in summary if name != "issues"]
    tail = [
        f"  {count:>8,}  {message(code, {}, language()).title}  [{code}]" for code, count in summary["issues"].items()
    ]
    return head + tail


def jobs(limit: int = 20, json_mode: Json = False) -> None:
    """The latest imports."""
    with open_database() as database, database.begin(SYSTEM) as tx:
        found = store.search_jobs(tx, limit=limit)
    rows = [
        {
            "job_id": str(job.job_id),
            "state": job.state.value,
            "commune": job.commune_name,
            "files": [file.name for file in job.files],
            "counts": job.counts,
        }
        for job in found
    ]
    emit(
        json_mode,
        {"jobs": rows},
        (f"{r['job_id']}  {r['state']:<10} {r['commune']}  {', '.join(r['files'])}" for r in rows),
    )


def job(
    job_id: UUID,
    act: Annotated[str, typer.Argument(help="approve, reject, undo, issues; nothing: show it")] = "show",
    reason: Annotated[str, typer.Option(help="why it is rejected")] = "",
    json_mode: Json = False,
) -> None:
    """Show an import, or decide on it."""
    from etl.worker import Worker, run_once

    if act not in ("show", "approve", "reject", "undo", "issues"):
        raise typer.BadParameter(act)
    with open_database() as database:
        if act == "issues":
            _print_issues(database, job_id, json_mode)
            return
        worker = Worker(settings(), database.url.render_as_string(hide_password=False))
        if act == "approve":
            _apply(database, worker, job_id)
        elif act == "reject":
            with database.begin(SYSTEM) as tx:
                reject_job(tx, job_id, reason or "–")
        elif act == "undo":
            with database.begin(SYSTEM) as tx:
                ask_undo(tx, job_id)
            run_once(worker, job_id, State.UNDOING)
        summary = _summary(database, job_id, 0.0)
        worker.database.dispose()
    emit(json_mode, summary, _lines(summary))


def _print_issues(database: Database, job_id: UUID, json_mode: bool) -> None:
    with database.begin(SYSTEM) as tx:
        store.get_job(tx, job_id)
        found: list[dict[str, Any]] = []
        while rows := store.search_issues(tx, job_id, after=found[-1]["issue_id"] if found else None, limit=10_000):
            found += rows
    for row in found:
        row["detail"] = message(
            row["code"], {**row["params"], "row": row["row"], "raw": row["raw_value"]}, language()
        ).detail
    emit(json_mode, {"issues": found}, (f"{r['file']}:{r['row'] or ''}  {r['code']}  {r['detail']}" for r in found))

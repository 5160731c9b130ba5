"""Imports over HTTP: submit files, watch, look at the issues, mend rows, approve, reject, undo."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Path, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api.deps import FilesDep, Limit, TxDep, language, permission
from api.workbook import download, workbook
from landdb.config import settings
from landdb.db.transaction import Tx
from landdb.files import FileStore, StoredFile
from landdb.intake import approve as approval
from landdb.intake import check, store
from landdb.intake.mend import Mending, mend_by_files, mend_rows
from landdb.intake.model import ImportJob, Intent, State, actions_for
from landdb.intake.submit import Request as Submission
from landdb.intake.submit import correct, submit
from landdb.intake.undo import ask_undo
from landdb.messages import Language, message
from landdb.reference.store import resolve_commune

router = APIRouter(prefix="/v1/imports", tags=["imports"])

JobId = Annotated[UUID, Path(description="id of the import")]
Z = Annotated[int, Path(ge=0, le=24)]
PREVIEW_LIMIT = 20_000


class RowName(BaseModel):
    """A row of a client's file."""

    model_config = ConfigDict(extra="forbid")
    file_no: int
    layer: str
    row: int


class Approval(BaseModel):
    """Which rows are approved; nothing said: all that are in order."""

    model_config = ConfigDict(extra="forbid")
    rows: list[RowName] | None = None
    without_codes: list[str] = []


class Rejection(BaseModel):
    """Why an import is sent back."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class MendedFields(BaseModel):
    """Canonical field → new text; null empties the field."""

    model_config = ConfigDict(extra="forbid")
    fields: dict[str, str | None]


class Correction(BaseModel):
    """What a person says of the file in place of what was recognised."""

    model_config = ConfigDict(extra="forbid")
    srid: int | None = None
    swapped_axes: bool | None = None
    profile: str | None = None
    layer: str | None = None
    sheet_no: str | None = None
    encodings: dict[str, str] | None = None


def as_json(tx: Tx, job: ImportJob, tongue: Language) -> dict[str, Any]:
    """One import as clients see it, with the acts that this caller may do now."""
    base = f"/v1/imports/{job.job_id}"
    seconds = (tx.now - job.started_at).total_seconds() if job.started_at else None
    rate = job.progress_done / seconds if seconds and job.progress_done and job.state is State.READING else None
    left = (job.progress_total - job.progress_done) / rate if rate and job.progress_total else None
    failure = None
    if job.failure_code:
        text = message(job.failure_code, job.failure_params or {}, tongue)
        said = {"title": text.title, "detail": text.detail, "action": text.action}
        failure = {"code": job.failure_code, **said, "params": job.failure_params}
    return {
        "job_id": str(job.job_id),
        "state": job.state.value,
        "intent": job.intent.value,
        "commune": {"id": job.admin_unit_id, "code": job.commune_code, "name": job.commune_name},
        "files": [
            {"file_no": f.ordinal, "name": f.name, "size_bytes": f.size_bytes, "sha256": f.sha256, "role": f.role}
            for f in job.files
        ],
        "submitted_by": job.submitted_by_name,
        "submitted_at": job.submitted_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "valid_from": job.valid_from.isoformat() if job.valid_from else None,
        "recognised": job.recognised,
        "counts": {name: value for name, value in job.counts.items() if not name.startswith("applied_")},
        "progress": {
            "stage": job.stage,
            "done": job.progress_done,
            "total": job.progress_total,
            "rows_per_second": round(rate) if rate else None,
            "seconds_left": round(left) if left is not None else None,
        },
        "failure": failure,
        "issues": {row["code"]: row["count"] for row in store.count_issues(tx, job.job_id)},
        "actions": actions_for(job, tx.actor.permissions, barred=approval.is_barred(tx, job)),
        "links": {
            "self": base,
            "issues": f"{base}/issues",
            "preview": f"{base}/preview.geojson",
            "tiles": f"{base}/tiles/{{z}}/{{x}}/{{y}}.mvt",
            "report": f"{base}/report.xlsx",
        },
    }


def _answer(request: Request, tx: Tx, job: ImportJob, status: int = 200) -> JSONResponse:
    headers = {"Location": f"/v1/imports/{job.job_id}"} if status == 202 else None
    return JSONResponse(as_json(tx, job, language(request)), status, headers)


def keep(files: FileStore, uploads: list[UploadFile]) -> list[StoredFile]:
    """Store uploaded files. Raises: ``file.too_large``."""
    limit = settings().max_upload_mb << 20
    return [files.add(upload.filename or "file", upload.file, max_bytes=limit) for upload in uploads]


@router.post("", status_code=202, openapi_extra=permission("import:submit"))
def submit_import(
    request: Request,
    tx: TxDep,
    files: FilesDep,
    file: Annotated[list[UploadFile], File(description="one file, a zip, or all parts of one shapefile")],
    commune: Annotated[str, Form(description="code or name; `31507@2025-06-30` names a day")],
    intent: Annotated[Intent, Form()] = Intent.FIRST_LOAD,
    profile: Annotated[str | None, Form()] = None,
    srid: Annotated[int | None, Form()] = None,
    sheet: Annotated[str | None, Form()] = None,
    layer: Annotated[str | None, Form()] = None,
    series: Annotated[str, Form()] = "",
    dossier: Annotated[UUID | None, Form()] = None,
    valid_from: Annotated[dt.date | None, Form()] = None,
) -> JSONResponse:
    """Hand in a cadastral file. A worker reads and checks it; watch the answer's ``state``."""
    unit = resolve_commune(tx, commune, valid_from)
    asked = Submission(
        admin_unit_id=unit.admin_unit_id,
        intent=intent,
        profile=profile or None,
        srid=srid,
        layer=layer or None,
        sheet_no=sheet or None,
        series=series,
        dossier_id=dossier,
        valid_from=valid_from,
    )
    return _answer(request, tx, submit(tx, asked, keep(files, file)), 202)


@router.get("", openapi_extra=permission("import:read"))
def list_imports(
    request: Request,
    tx: TxDep,
    state: Annotated[list[State] | None, Query()] = None,
    after: UUID | None = None,
    limit: Limit = 50,
    format: Annotated[Literal["json", "xlsx"], Query()] = "json",  # noqa: A002 - a name of the interface
) -> Response:
    """Imports, newest first."""
    jobs = store.search_jobs(tx, states=state or [], after=after, limit=limit)
    if format == "xlsx":
        head = ["job_id", "submitted_at", "commune", "files", "intent", "state", "read", "new", "changed", "unchanged"]
        rows: list[list[Any]] = [
            [
                str(j.job_id),
                j.submitted_at.isoformat(),
                j.commune_name,
                ", ".join(f.name for f in j.files),
                j.intent.value,
                j.state.value,
                *(j.counts.get(name) for name in ("read", "new", "changed", "unchanged")),
            ]
            for j in jobs
        ]
        return download(workbook(head, rows), "nhap-du-lieu.xlsx")
    more = f"/v1/imports?limit={limit}&after={jobs[-1].job_id}" if len(jobs) == limit else None
    return JSONResponse({"imports": [as_json(tx, job, language(request)) for job in jobs], "next": more})


@router.get("/{job_id}", openapi_extra=permission("import:read"))
def get_import(request: Request, tx: TxDep, job_id: JobId) -> JSONResponse:
    """One import, where it stands, and what may be done with it."""
    return _answer(request, tx, store.get_job(tx, job_id))


@router.patch("/{job_id}", openapi_extra=permission("import:submit"))
def correct_import(request: Request, tx: TxDep, job_id: JobId, said: Correction) -> JSONResponse:
    """Say better what the file is; it is read again from the start."""
    changes: dict[str, Any] = {k: v for k, v in said.model_dump().items() if v is not None}
    options = {f"{name}_asked": True for name in ("srid", "profile") if name in changes}
    if "srid" in changes:
        options["zone_confirmed"] = True
    if "encodings" in changes:
        options["encodings"] = changes.pop("encodings")
    return _answer(request, tx, correct(tx, job_id, **changes, options=options))


def issue_as_json(row: dict[str, Any], tongue: Language) -> dict[str, Any]:
    """One issue with its text in the reader's language."""
    facts = {**row["params"], "row": row["row"], "field": row["field"], "raw": row["raw_value"]}
    text = message(row["code"], facts, tongue)
    return {**row, "title": text.title, "detail": text.detail, "action": text.action}


@router.get("/{job_id}/issues", openapi_extra=permission("import:read"))
def list_issues(
    request: Request,
    tx: TxDep,
    job_id: JobId,
    code: str | None = None,
    severity: Literal["blocking", "warning", "info"] | None = None,
    after: int | None = None,
    limit: Limit = 100,
    format: Annotated[Literal["json", "geojson", "csv", "xlsx"], Query()] = "json",  # noqa: A002 - a name of the interface
) -> Response:
    """What is wrong with the file, row by row; complete, never cut short (follow ``next``, or take a file format)."""
    job = store.get_job(tx, job_id)
    tongue = language(request)
    if format == "json":
        rows = store.search_issues(tx, job_id, code=code, severity=severity, after=after, limit=limit)
        more = None
        if len(rows) == limit:
            asked = "".join(f"&{k}={v}" for k, v in (("code", code), ("severity", severity)) if v)
            more = f"/v1/imports/{job_id}/issues?limit={limit}&after={rows[-1]['issue_id']}{asked}"
        return JSONResponse({"issues": [issue_as_json(row, tongue) for row in rows], "next": more})
    found = _all_issues(tx, job.job_id, code, severity, tongue)
    if format == "geojson":
        features = [
            {"type": "Feature", "id": i["issue_id"], "geometry": i.pop("geometry"), "properties": i} for i in found
        ]
        return Response(
            json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False),
            media_type="application/geo+json",
        )
    head = ["code", "severity", "title", "detail", "action", "file", "layer", "row", "field", "raw_value"]
    table = ([issue[name] for name in head] for issue in found)
    if format == "xlsx":
        return download(workbook(head, list(table)), "loi-du-lieu.xlsx")
    return StreamingResponse(
        _as_csv(head, table),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="loi-du-lieu.csv"'},
    )


def _all_issues(tx: Tx, job_id: UUID, code: str | None, severity: str | None, tongue: Language) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    after = None
    while rows := store.search_issues(tx, job_id, code=code, severity=severity, after=after, limit=10_000):
        out += [issue_as_json(row, tongue) for row in rows]
        after = rows[-1]["issue_id"]
    return out


def _as_csv(head: list[str], rows: Iterator[list[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    buffer.write("\ufeff")  # without it a spreadsheet takes UTF-8 for something else
    writer = csv.writer(buffer)
    writer.writerow(head)
    for row in rows:
        # A cell that begins like a formula would be run by a spreadsheet.
        writer.writerow([f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t\r" else v for v in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


@router.get("/{job_id}/report.xlsx", openapi_extra=permission("import:read"))
def report(request: Request, tx: TxDep, job_id: JobId) -> Response:
    """All issues of an import as a workbook."""
    return list_issues(request, tx, job_id, format="xlsx")


@router.get("/{job_id}/preview.geojson", openapi_extra=permission("import:read"))
def preview(tx: TxDep, job_id: JobId, limit: Annotated[int, Query(ge=1, le=PREVIEW_LIMIT)] = 5000) -> Response:
    """Staged rows as features, those set aside first; without any person's data."""
    store.get_job(tx, job_id)
    features = ",".join(store.preview_features(tx, job_id, limit=limit))
    return Response(f'{{"type":"FeatureCollection","features":[{features}]}}', media_type="application/geo+json")


@router.get("/{job_id}/retiring", openapi_extra=permission("import:read"))
def list_retiring(tx: TxDep, job_id: JobId) -> dict[str, Any]:
    """The parcels that a resurvey would end, because its file does not speak of them: to be looked at before approval."""
    job = store.get_job(tx, job_id)
    found = check.retiring(tx, job) if job.state is State.CHECKED else []
    return {"retiring": [{**row, "parcel_id": str(row["parcel_id"])} for row in found]}


@router.get("/{job_id}/extent", openapi_extra=permission("import:read"))
def extent(tx: TxDep, job_id: JobId) -> dict[str, Any]:
    """Where the staged rows lie: west, south, east, north in degrees; null: nothing is staged."""
    store.get_job(tx, job_id)
    return {"bbox": store.staged_extent(tx, job_id)}


@router.get("/{job_id}/tiles/{z}/{x}/{y}.mvt", openapi_extra=permission("import:read"))
def preview_tile(tx: TxDep, job_id: JobId, z: Z, x: int, y: int) -> Response:
    """Staged rows of one tile; layer ``staged``."""
    tile = store.preview_tile(tx, job_id, z, x % (1 << z), y % (1 << z))
    return Response(
        tile, media_type="application/vnd.mapbox-vector-tile", headers={"Cache-Control": "private, no-store"}
    )


@router.get("/{job_id}/rows/{file_no}/{layer}/{row}", openapi_extra=permission("import:read"))
def get_row(tx: TxDep, job_id: JobId, file_no: int, layer: str, row: int) -> JSONResponse:
    """One staged row: its fields, the file's own text where they could not be read, its shape."""
    found = store.get_row(tx, job_id, file_no, layer, row)
    return JSONResponse(json.loads(json.dumps(found, default=_plain)))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else str(value) if isinstance(value, UUID) else float(value)


@router.put("/{job_id}/rows/{file_no}/{layer}/{row}", openapi_extra=permission("import:mend"))
def mend_row(
    request: Request, tx: TxDep, job_id: JobId, file_no: int, layer: str, row: int, mended: MendedFields
) -> JSONResponse:
    """Write over a row that was set aside; all such rows are judged again."""
    return _answer(request, tx, mend_rows(tx, job_id, [Mending(file_no, layer, row, mended.fields)]), 202)


@router.post("/{job_id}/mending", status_code=202, openapi_extra=permission("import:mend"))
def mend_with_files(
    request: Request, tx: TxDep, files: FilesDep, job_id: JobId, file: Annotated[list[UploadFile], File()]
) -> JSONResponse:
    """A second file: its rows stand in, by sheet and parcel number, for those set aside."""
    return _answer(request, tx, mend_by_files(tx, job_id, keep(files, file)), 202)


@router.post("/{job_id}/approval", status_code=202, openapi_extra=permission("import:approve"))
def approve(request: Request, tx: TxDep, job_id: JobId, which: Approval | None = None) -> JSONResponse:
    """Let rows into the register: all that are in order, or those named."""
    said = which or Approval()
    rows = None if said.rows is None else [(r.file_no, r.layer, r.row) for r in said.rows]
    return _answer(request, tx, approval.approve(tx, job_id, approval.Selection(rows, said.without_codes)), 202)


@router.post("/{job_id}/rejection", openapi_extra=permission("import:approve"))
def reject(request: Request, tx: TxDep, job_id: JobId, why: Rejection) -> JSONResponse:
    """Send an import back for good."""
    return _answer(request, tx, approval.reject(tx, job_id, why.reason))


@router.post("/{job_id}/undo", status_code=202, openapi_extra=permission("import:undo"))
def undo(request: Request, tx: TxDep, job_id: JobId) -> JSONResponse:
    """Take back what an import put into the register; refused where something later touched it."""
    return _answer(request, tx, ask_undo(tx, job_id), 202)


__all__ = ["as_json", "issue_as_json", "keep", "router"]

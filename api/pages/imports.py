"""Imports for people: the list with its drop zone, and an import's page with its issues beside the map.

What changes anything is called by the pages' scripts under ``/v1/imports``; here everything is read.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.deps import TxDep, permission
from api.pages import jobs
from api.pages.frame import render, wants_fragment
from api.pages.wording import number, word
from api.problems import language
from api.routes.imports import as_json, issue_as_json
from landdb.access.permissions import allows
from landdb.access.store import list_served
from landdb.config import settings
from landdb.db.transaction import Tx
from landdb.intake import store
from landdb.intake.model import MENDABLE, ImportJob, State
from landdb.messages import Language, catalogue, message
from landdb.reference import store as reference
from landdb.reference.model import AdminUnit, UnitKind

router = APIRouter(prefix="/imports", include_in_schema=False)

PAGE: Final = 50
PICK_LIMIT: Final = 1000
# The last day of the units before the merger. Source: NQ 202/2025/QH15, in force on 1 July 2025.
BEFORE_MERGER: Final = dt.date(2025, 6, 30)


@router.get("", openapi_extra=permission("import:read"))
def list_page(request: Request, tx: TxDep, state: str = "", after: UUID | None = None) -> HTMLResponse:
    """Drop files anywhere; below, the imports, newest first."""
    speaks = language(request)
    wanted = [State(state)] if state in set(State) else []
    found = store.search_jobs(tx, states=wanted, after=after, limit=PAGE)
    more = urlencode({"after": str(found[-1].job_id), **({"state": state} if wanted else {})}) if found else ""
    return render(
        request,
        "imports/list.html",
        jobs=[as_json(tx, job, speaks) for job in found],
        next=f"/imports?{more}" if len(found) == PAGE else None,
        state=state if wanted else "",
        states=[each.value for each in State if each is not State.STAGED],
        communes=_communes(tx) if allows(tx.actor, "import:submit") else [],
        **_choices(tx, speaks),
    )


@router.get("/{job_id}", openapi_extra=permission("import:read"))
def job_page(request: Request, tx: TxDep, job_id: UUID) -> HTMLResponse:
    """One import, its issues in a table beside the map."""
    return render(request, "imports/job.html", **_job_context(tx, job_id, language(request)))


@router.get("/{job_id}/body", openapi_extra=permission("import:read"))
def job_body(request: Request, tx: TxDep, job_id: UUID) -> HTMLResponse:
    """The left half alone, which the page asks for while the worker is at it."""
    return render(request, "imports/body.html", **_job_context(tx, job_id, language(request)))


@router.get("/{job_id}/issues", openapi_extra=permission("import:read"))
def issues_part(request: Request, tx: TxDep, job_id: UUID, code: str, after: int | None = None) -> HTMLResponse:
    """The issues of one rule, fifty at a time."""
    speaks = language(request)
    job = store.get_job(tx, job_id)
    rows, more = _issues(tx, job_id, code, speaks, after)
    template = "imports/issues.html" if after is None else "imports/issue_rows.html"
    shown = as_json(tx, job, speaks)
    return render(request, template, job=shown, issues=rows, next=more, code=code, may_mend="mend" in shown["actions"])


@router.get("/{job_id}/rows/{file_no}/{layer}/{row}", openapi_extra=permission("import:mend"))
def mend_part(
    request: Request, tx: TxDep, job_id: UUID, file_no: int, layer: str, row: int, issue: int | None = None
) -> HTMLResponse:
    """A row's fields as a form, with the file's own text and what is wrong."""
    speaks = language(request)
    found = store.get_row(tx, job_id, file_no, layer, row)
    said = _issues_of_row(tx, job_id, (file_no, layer, row), issue, speaks)
    by_field = {each["field"]: each for each in said if each["field"]}
    raw = found["raw"] or {}
    fields = []
    for name in MENDABLE:
        value = raw.get(name, found.get(name))
        wrong = by_field.get(name)
        if value is None and wrong is None and name not in _ALWAYS:
            continue
        fields.append(
            {
                "name": name,
                "value": "" if value is None else str(value),
                "raw": wrong["raw_value"] if wrong else None,
                "message": wrong["detail"] if wrong else None,
            }
        )
    put = f"/v1/imports/{job_id}/rows/{file_no}/{quote(layer, safe='')}/{row}"
    others = [each["detail"] for each in said if each["field"] not in {field["name"] for field in fields}]
    return render(request, "imports/mend.html", row={"row": row}, fields=fields, others=others, put=put)


_ALWAYS: Final = ("sheet_no", "parcel_no", "land_use", "declared_area_m2")


@router.get("/{job_id}/pick", openapi_extra=permission("import:approve"))
def pick_part(request: Request, tx: TxDep, job_id: UUID) -> HTMLResponse:
    """Parcels that could be approved, to tick some of them."""
    features = (json.loads(text)["properties"] for text in store.preview_features(tx, job_id, limit=PICK_LIMIT))
    rows = [each for each in features if each["verdict"] in {"new", "changed"}]
    return render(request, "imports/pick.html", rows=rows)


@router.get("/{job_id}/confirm/{act}", openapi_extra=permission("import:read"))
def confirm(
    request: Request,
    tx: TxDep,
    job_id: UUID,
    act: Literal["approve", "approve-some", "without", "reject", "undo"],
    code: str = "",
) -> HTMLResponse:
    """The question before an act: it names the thing and says what follows."""
    speaks = language(request)
    job = as_json(tx, store.get_job(tx, job_id), speaks)
    context = _question(job, act, code, speaks) | {"job": job, "act": act, "code": code, "route": _ROUTES[act]}
    return render(
        request, "imports/confirm.html" if wants_fragment(request) else "imports/confirm_page.html", **context
    )


_ROUTES: Final = {
    "approve": "approval",
    "approve-some": "approval",
    "without": "approval",
    "reject": "rejection",
    "undo": "undo",
}


def _question(job: dict[str, Any], act: str, code: str, speaks: Language) -> dict[str, Any]:
    counts, commune = job["counts"], job["commune"]["name"]

    def shown(value: int) -> str:
        return number(value, language=speaks)

    ready = sum(counts.get(name, 0) for name in ("new", "changed", "retired"))
    with_code = job["issues"].get(code, 0)
    consequences = {
        "approve": [
            word(f"confirm.approve.{name}", speaks, n=shown(counts[name]))
            for name in ("new", "changed", "retired", "quarantined")
            if counts.get(name)
        ]
        + [word("confirm.approve.undo", speaks)],
        "approve-some": [word("confirm.approve-some.rest", speaks)],
        "without": [word("confirm.without.rest", speaks, n=shown(with_code))],
        "reject": [word("confirm.reject.what", speaks)],
        "undo": [word("confirm.undo.what", speaks)],
    }
    rule = message(code, {}, speaks).title if code else ""
    return {
        "question": word(f"confirm.{act}", speaks, n=shown(ready), commune=commune, rule=rule),
        "answer": word(f"confirm.{act}.answer", speaks, n=shown(ready)),
        "consequences": consequences[act],
    }


def _job_context(tx: Tx, job_id: UUID, speaks: Language) -> dict[str, Any]:
    record = store.get_job(tx, job_id)
    job = as_json(tx, record, speaks)
    job["not_actions"] = []
    if "approve" in job["actions"] and _is_submitter(tx, record):
        job["actions"].remove("approve")
        job["not_actions"].append(word("import.same_person", speaks))
    groups = _groups(tx, job_id, speaks) if job["state"] in {"checked", "applied", "rejected", "undone"} else []
    if groups:
        groups[0]["first"], groups[0]["next"] = _issues(tx, job_id, groups[0]["code"], speaks, None)
    return {
        "job": job,
        "groups": groups,
        "found": jobs.found_lines(job, speaks),
        "may_mend": "mend" in job["actions"],
        "progress_sentence": lambda progress: jobs.progress_sentence(progress, speaks),
        **_choices(tx, speaks),
    }


def _is_submitter(tx: Tx, job: ImportJob) -> bool:
    alone = settings().one_person and settings().env == "demo"
    return not alone and job.submitted_by is not None and job.submitted_by == tx.actor.staff_id


def _groups(tx: Tx, job_id: UUID, speaks: Language) -> list[dict[str, Any]]:
    return [
        {**group, "title": message(group["code"], {}, speaks).title, "first": None, "next": None}
        for group in store.count_issues(tx, job_id)
    ]


def _issues(
    tx: Tx, job_id: UUID, code: str, speaks: Language, after: int | None
) -> tuple[list[dict[str, Any]], str | None]:
    rows = store.search_issues(tx, job_id, code=code, after=after, limit=PAGE)
    more = None
    if len(rows) == PAGE:
        more = f"/imports/{job_id}/issues?{urlencode({'code': code, 'after': rows[-1]['issue_id']})}"
    return [_said(row, speaks) for row in rows], more


def _said(row: dict[str, Any], speaks: Language) -> dict[str, Any]:
    """One issue in words; the rules' texts name the file's own text ``{raw}``."""
    return issue_as_json({**row, "params": {"raw": row["raw_value"] or "–", **row["params"]}}, speaks)


def _issues_of_row(
    tx: Tx, job_id: UUID, name: tuple[int, str, int], issue: int | None, speaks: Language
) -> list[dict[str, Any]]:
    """The issue that led here and those beside it that are of the same row."""
    if issue is None:
        return []
    near = store.search_issues(tx, job_id, after=max(issue - 10, 0), limit=20)
    return [_said(each, speaks) for each in near if (each["file_no"], each["layer"], each["row"]) == name]


def _choices(tx: Tx, speaks: Language) -> dict[str, Any]:
    """What forms offer, and how a job's files and people are said."""
    zones = sorted((f"{zone.name} ({zone.srid})", zone.srid) for zone in reference.zones(tx).values())
    named = [code for code in catalogue(speaks) if code.startswith("pages.profile.")]
    return {
        "zones": [{"srid": srid, "label": label} for label, srid in (*zones, ("WGS84 (4326)", 4326))],
        "profiles": [{"name": code.split(".")[2], "title": catalogue(speaks)[code].title} for code in named],
        "person": lambda name: name or word("imports.system", speaks),
        "file_names": jobs.file_names,
        "file_size": lambda job: jobs.file_size(job, speaks),
    }


def _communes(tx: Tx) -> list[dict[str, str]]:
    """Communes that files may be of: the office's own first, then the province's, today's and those before the merger.

    A code alone is ambiguous since 1 July 2025, so every choice carries its day.
    """
    province = settings().province
    served = list_served(tx, [tx.actor.office_id]) if tx.actor.office_id else []
    own = reference.get_admin_units(tx, [each.admin_unit_id for each in served if each.valid_to is None]).values()
    before = [
        unit for unit in reference.list_units(tx, UnitKind.COMMUNE, BEFORE_MERGER) if unit.province_code == province
    ]
    heirs = {province}
    if before:
        heirs |= {step.unit.province_code or "" for step in reference.successors(tx, before[0].admin_unit_id)}
    today = [unit for unit in reference.list_units(tx, UnitKind.COMMUNE) if unit.province_code in heirs]
    options = [
        *(_option(unit, tx.today) for unit in own),
        *(_option(unit, BEFORE_MERGER) for unit in before),
        *(_option(unit, tx.today) for unit in today),
    ]
    return list({option["ref"]: option for option in options}.values())


def _option(unit: AdminUnit, on: dt.date) -> dict[str, str]:
    return {"label": f"{unit.path} ({unit.code})", "ref": f"{unit.code}@{on.isoformat()}"}

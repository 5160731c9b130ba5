"""The first page: a look-up for the public, the work that waits for staff; and the switch of language."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.deps import TxDep, actor, permission
from api.pages.dossier_words import Clock, line
from api.pages.frame import local_path, render
from api.pages.jobs import sentence
from api.problems import LANGUAGE_COOKIE, language
from api.routes.imports import as_json
from landdb.access.permissions import allows
from landdb.db.transaction import Tx
from landdb.intake import store
from landdb.intake.model import State
from landdb.messages import LANGUAGES, Language
from landdb.views.search import LIMIT, Found, search
from landdb.views.workload import digest

router = APIRouter(include_in_schema=False)

EXAMPLES = ("thửa 45 tờ 12 Đại Tâm", "1061541,38 551587,67")
SHOWN = 8
COUNTED = ("held", "mine", "incoming", "overdue", "due-soon", "waiting")
A_YEAR_S = 365 * 86_400


@router.get("/", openapi_extra=permission("page:public"))
def first_page(request: Request, tx: TxDep) -> HTMLResponse:
    """Look-up for everybody; *Việc của tôi* after sign-in."""
    asking = actor(request)
    boxes = _boxes(tx, language(request)) if asking.kind == "staff" and allows(asking, "import:read") else []
    return render(
        request,
        "home.html",
        examples=EXAMPLES,
        boxes=boxes,
        desk=_desk(tx, language(request)) if asking.kind == "staff" and allows(asking, "dossier:read") else None,
        job_sentence=lambda job: sentence(job, language(request)),
    )


def _desk(tx: Tx, speaks: Language) -> dict[str, Any] | None:
    """The day of a person who works on dossiers: counts, what presses on their desk, what came since yesterday."""
    if tx.actor.office_id is None or tx.actor.staff_id is None:
        return None
    day = digest(tx, tx.actor.office_id, tx.actor.staff_id, limit=SHOWN)
    shown = (*day.mine_pressing, *day.came)
    clock = Clock.now(tx, speaks, [due for row in shown for due in (row.due_at, row.stage_due_at)])
    lists = (("pressing", day.mine_pressing, "mine"), ("came", day.came, "since-yesterday"))
    return {
        "counts": [(name, count) for name, count in day.counts.items() if name in COUNTED],
        "lists": [
            {
                "name": name,
                "title": f"work.{name}",
                "empty": f"work.none_{name}",
                "rows": [line(row, clock, speaks) for row in rows],
                "more": f"/dossiers?box={box}",
            }
            for name, rows, box in lists
        ],
        "told": day.told,
    }


def _boxes(tx: Tx, speaks: Language) -> list[dict[str, Any]]:
    """Imports that wait for a decision, those with rows to mend, and the latest of all."""
    recent = store.search_jobs(tx, limit=SHOWN)
    waiting = store.search_jobs(tx, states=[State.CHECKED], limit=SHOWN)
    kept = store.search_jobs(tx, states=[State.CHECKED, State.APPLIED], limit=50)
    unmended = [job for job in kept if job.counts.get("quarantined", 0)][:SHOWN]
    boxes: list[dict[str, Any]] = []
    if allows(tx.actor, "import:approve"):
        boxes.append(_box("to_approve", waiting, "accent", "/imports?state=checked"))
    if allows(tx.actor, "import:mend"):
        boxes.append(_box("to_mend", unmended, "fail", None))
    boxes.append(_box("recent", recent, "", "/imports") | {"full": True})
    for box in boxes:
        box["jobs"] = [as_json(tx, job, speaks) for job in box["jobs"]]
    return boxes


def _box(name: str, jobs: list[Any], css: str, more: str | None) -> dict[str, Any]:
    return {
        "title": f"work.{name}",
        "empty": f"work.none_{name}",
        "jobs": jobs,
        "css": css,
        "more": more,
        "full": False,
    }


@router.get("/search", openapi_extra=permission("page:public"))
def search_page(request: Request, tx: TxDep, q: Annotated[str, Query(max_length=500)] = "") -> Response:
    """What the search box finds, as a page; a single parcel is opened at once."""
    if not q.strip():
        return RedirectResponse("/", 303)
    answer = search(tx, q, LIMIT)
    if len(answer.results) == 1:
        return RedirectResponse(result_link(answer.results[0]), 303)
    return render(
        request, "search.html", query=q, results=answer.results, notices=answer.notices, result_link=result_link
    )


def result_link(found: Found) -> str:
    """Where a candidate is shown."""
    if found.parcel_id:
        return f"/map?{urlencode({'parcel': str(found.parcel_id)})}"
    if found.bbox:
        return "/map?bbox=" + ",".join(f"{value:.6f}" for value in found.bbox)
    return "/map?at=" + ",".join(f"{value:.7f}" for value in found.point) if found.point else "/map"


@router.get("/language/{wanted}", openapi_extra=permission("page:public"))
def switch_language(wanted: str, next: str = "/") -> Response:  # noqa: A002 - a name that people see in the address
    """Vietnamese or English, remembered in this browser."""
    answer = RedirectResponse(local_path(next), 303)
    if wanted in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, wanted, max_age=A_YEAR_S, samesite="lax", httponly=True)
    return answer

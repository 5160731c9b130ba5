"""Dossiers for people: the boxes with their lists, taking one in, and a dossier's own page.

What changes anything is called by the pages' scripts under ``/v1/dossiers`` and ``/v1/handovers``; here everything is read.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.deps import TxDep, permission
from api.dossier_json import Names, named
from api.pages import dossier_words as words
from api.pages.frame import render
from api.pages.wording import word
from api.problems import language
from landdb.access import store as access
from landdb.access.permissions import allows
from landdb.db.transaction import Tx
from landdb.dossier import record, store
from landdb.dossier.model import REFUSE_REASONS, CustodyState, Dossier, DossierUnknown
from landdb.dossier.receive import missing_papers
from landdb.dossier.take_step import REASONS, actions_for
from landdb.errors import LandError
from landdb.messages import Language, message
from landdb.reference import store as reference
from landdb.reference.procedure import Procedure
from landdb.service.store import find_parcels
from landdb.views import parcels_at, workload
from landdb.views.parcel_query import read_as_of
from landdb.views.search import search

router = APIRouter(prefix="/dossiers", include_in_schema=False)

PAGE: Final = 50
FIRST_BOX: Final = "held"
OWN_BOXES: Final = frozenset({"held", "mine", "overdue", "due-soon", "waiting"})
"""In these the holder is the reader's own office and need not be said on every line."""
SCANNED: Final = "scan_kind"
SERIOUS: Final = frozenset({"refuse", "withdraw", "return_result"})
"""Steps that end a dossier: asked once more."""


@router.get("", openapi_extra=permission("dossier:read"))
def list_page(request: Request, tx: TxDep, box: str = FIRST_BOX, q: str = "", after: str = "") -> HTMLResponse:
    """A box of the office, what is due first in front; the counts of all boxes beside it."""
    speaks, name = language(request), box if box in workload.BOXES else FIRST_BOX
    office = None if record.oversees(tx) else tx.actor.office_id or words.NO_OFFICE
    counts = workload.boxes(tx, office, tx.actor.staff_id)
    filters = workload.Filters(q=q or None)
    page = workload.box(tx, name, office, tx.actor.staff_id, filters=filters, after=after or None, limit=PAGE)
    clock = words.Clock.now(tx, speaks, [row.stage_due_at or row.due_at for row in page.rows])
    more = urlencode({"box": name, "after": page.next_after, **({"q": q} if q else {})}) if page.next_after else None
    return render(
        request,
        "dossiers/list.html",
        box=name,
        boxes=[{"name": each, "count": count} for each, count in counts.items()],
        rows=[words.line(row, clock, speaks) for row in page.rows],
        next=f"/dossiers?{more}" if more else None,
        q=q,
        show_holder=office is None or name not in OWN_BOXES,
        **_choices(tx),
    )


@router.get("/new", openapi_extra=permission("dossier:receive"))
def new_page(request: Request, tx: TxDep) -> HTMLResponse:
    """What a desk asks of an applicant."""
    speaks = language(request)
    procedures = [{"code": each.code, "name": named(each, speaks)} for each in reference.list_procedures(tx, tx.today)]
    return render(request, "dossiers/new.html", procedures=procedures, communes=_communes(tx))


@router.get("/new/papers", openapi_extra=permission("dossier:receive"))
def new_papers(request: Request, tx: TxDep, procedure: str = "") -> HTMLResponse:
    """The papers that a procedure asks for, and its limit in words."""
    speaks = language(request)
    if not procedure:
        return render(request, "dossiers/new_papers.html", papers=[], limit=None)
    found = reference.get_procedure(tx, procedure, tx.today)
    papers = [
        {"doc_type": each.doc_type, "name": named(each, speaks), "required": each.required}
        for each in found.papers
        if each.doc_type != words.RESULT
    ]
    return render(request, "dossiers/new_papers.html", papers=papers, limit=words.limit(found, speaks))


@router.get("/new/land", openapi_extra=permission("dossier:receive"))
def new_land(
    request: Request,
    tx: TxDep,
    commune: str = "",
    sheet_no: str = "",
    parcel_no: str = "",
    certificate_serial: str = "",
) -> HTMLResponse:
    """The parcel that is meant, and the other open dossiers on it."""
    asked = bool(parcel_no.strip() and sheet_no.strip())
    parcel_id = _parcel_named(tx, commune, sheet_no.strip(), parcel_no.strip()) if asked else None
    serial = certificate_serial.strip() or None
    others = _others(tx, parcel_id, serial, None, language(request)) if parcel_id or serial else []
    shown = _parcel(tx, parcel_id, language(request))
    return render(request, "dossiers/new_land.html", parcel=shown, others=others, asked=asked)


@router.get("/{dossier_id}", openapi_extra=permission("dossier:read"))
def dossier_page(request: Request, tx: TxDep, dossier_id: UUID, new: str = "") -> HTMLResponse:
    """One dossier: what happened, its papers, and the acts that its table offers this person now."""
    speaks = language(request)
    dossier = store.get_dossier(tx, dossier_id)
    if not record.knows(tx, dossier):
        raise DossierUnknown(dossier=str(dossier_id))
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    names = Names(tx, speaks)
    inside = record.sees(tx, dossier)
    context: dict[str, Any] = {
        "d": _head(tx, dossier, procedure, names, inside=inside) | {"is_new": bool(new)},
        "events": words.timeline(store.list_events(tx, dossier_id), procedure, names, inside=inside),
        "facts": words.facts(dossier, store.list_external_ids(tx, dossier_id) if inside else [], names),
    }
    if inside:
        context |= _inside(tx, dossier, procedure, names)
    return render(request, "dossiers/page.html", **context, **_choices(tx))


def _inside(tx: Tx, dossier: Dossier, procedure: Procedure, names: Names) -> dict[str, Any]:
    """What only those see who hold it, are offered it, or oversee."""
    speaks, dossier_id = names.tongue, dossier.dossier_id
    kinds = {paper.doc_type: named(paper, speaks) for paper in procedure.papers}
    kinds[words.RESULT] = word("dossier.result_paper", speaks)
    scanned = {value.code: named(value, speaks) or value.name_vi for value in reference.code_values(tx, SCANNED)}
    own_kinds = list(kinds.items()) + [each for each in scanned.items() if each[0] not in kinds]
    documents, notes = store.list_documents(tx, dossier_id), store.list_notes(tx, dossier_id)
    names.know(note.staff_id for note in notes)
    return {
        "papers": [words.paper(each, {**scanned, **kinds}, speaks) for each in documents],
        "on_paper": words.on_paper(store.list_events(tx, dossier_id, limit=1), documents, {**scanned, **kinds}),
        "missing": [named(each, speaks) for each in missing_papers(tx, dossier, procedure)],
        "kinds": [{"code": code, "name": name} for code, name in own_kinds],
        "actions": [
            words.action(each, speaks) | {"serious": each.action in SERIOUS} for each in actions_for(tx, dossier)
        ],
        "reasons": [{"code": code, "name": message(f"step_reason.{code}", {}, speaks).title} for code in REASONS],
        "notes": [{"body": note.body, "at": note.at, "who": words.who(note.staff_id, None, names)} for note in notes],
        "people": store.list_people(tx, dossier_id),
        "parcel": _parcel(tx, dossier.parcel_id, speaks),
        "others": _others(tx, dossier.parcel_id, dossier.certificate_serial, dossier_id, speaks),
        "clocks": words.clocks(store.list_deadlines(tx, dossier_id), procedure, names),
    }


def _head(tx: Tx, dossier: Dossier, procedure: Procedure, names: Names, *, inside: bool) -> dict[str, Any]:
    speaks = names.tongue
    row = workload.row_of(tx, dossier.dossier_id)
    assert row is not None
    clock = words.Clock.now(tx, speaks, [row.stage_due_at or row.due_at])
    opened = store.get_open(tx, dossier)
    office, held = tx.actor.office_id, dossier.custody_state is CustodyState.HELD
    moves, holds = allows(tx.actor, "dossier:handover"), dossier.holder_office_id == tx.actor.office_id
    holder = names.office(dossier.holder_office_id) or {}
    return {
        "dossier_id": dossier.dossier_id,
        "code": dossier.code,
        "version": dossier.event_no,
        "procedure": named(procedure, speaks),
        "stage": named(procedure.stages[dossier.stage], speaks),
        "summary": dossier.summary if inside else "",
        "closed": dossier.closed_at is not None,
        "due": clock.due(row),
        "holder": holder.get("name", ""),
        "to": (names.office(opened.to_office_id) or {}).get("name") if opened else None,
        "handover_id": opened.handover_id if opened else None,
        "assignee": (names.staff(dossier.assignee_id) or {}).get("name") if inside else None,
        "commune": row.commune,
        "warnings": words.warnings(dossier, sealed=holds and not held, inside=inside, speaks=speaks),
        "may_offer": moves and holds and held and dossier.closed_at is None,
        "may_accept": bool(moves and opened and opened.to_office_id == office),
        "may_recall": bool(moves and opened and opened.from_office_id == office),
        "may_assign": holds and held and dossier.closed_at is None and allows(tx.actor, "dossier:assign"),
        "may_add": holds and held and dossier.closed_at is None,
    }


def _choices(tx: Tx) -> dict[str, Any]:
    """What the dialogs offer: offices open today but one's own, colleagues, reasons."""
    offices = [each for each in access.list_offices(tx, closed_too=False) if each.office_id != tx.actor.office_id]
    people = access.list_staff(tx, after="", limit=500, office_id=tx.actor.office_id, inactive_too=False)
    own = access.get_office(tx, tx.actor.office_id) if tx.actor.office_id else None
    likely = words.NEXT_KIND.get(own.kind) if own else None
    return {
        "offices": offices,
        "likely": next((each.office_id for each in offices if each.kind == likely), None),
        "colleagues": people if allows(tx.actor, "dossier:assign") else [],
        "refuse_reasons": REFUSE_REASONS,
    }


def _communes(tx: Tx) -> list[dict[str, Any]]:
    """The communes in the office's care, else all of the offices'."""
    own = [tx.actor.office_id] if tx.actor.office_id else []
    served = access.list_served(tx, own)
    if not served:
        served = access.list_served(tx, [each.office_id for each in access.list_offices(tx, closed_too=False)])
    found = {each.admin_unit_id: each for each in served if each.valid_to is None}
    return [{"code": f"{each.commune_code}", "name": each.commune} for each in found.values()]


def _parcel_named(tx: Tx, commune: str, sheet_no: str, parcel_no: str) -> UUID | None:
    """The one parcel in force that is called so; null: none, or several.

    First by its very number: the search also knows the numbers of the past, and another parcel may have borne this one.
    """
    try:
        unit = reference.resolve_commune(tx, commune, tx.today) if commune else None
    except LandError:
        return None
    exact = find_parcels(tx, unit.admin_unit_id, sheet_no, parcel_no) if unit else []
    if exact:
        return exact[0].parcel_id if len(exact) == 1 else None
    found = search(tx, f"thửa {parcel_no} tờ {sheet_no} {unit.full_name if unit else ''}", 2).results
    parcels = {each.parcel_id for each in found if each.parcel_id}
    return parcels.pop() if len(parcels) == 1 else None


def _parcel(tx: Tx, parcel_id: UUID | None, speaks: Language) -> dict[str, Any] | None:
    if parcel_id is None:
        return None
    try:
        feature = parcels_at.by_id(tx, parcel_id, read_as_of(None, None, now=tx.now, today=tx.today))
    except LandError:  # it has ended since: the dossier still names it
        return None
    facts = feature["properties"]
    label = word("parcel.reference", speaks, parcel=facts["parcel_no"], sheet=facts["sheet_no"], unit=facts["commune"])
    area = facts["legal_area_m2"] or facts["measured_area_m2"]
    return {"parcel_id": str(parcel_id), "label": label, "geometry": feature["geometry"], "area": area}


def _others(
    tx: Tx, parcel_id: UUID | None, serial: str | None, except_id: UUID | None, speaks: Language
) -> list[dict[str, Any]]:
    if parcel_id is None and serial is None:
        return []
    found = workload.on_same_land(tx, parcel_id=parcel_id, certificate_serial=serial, except_id=except_id)
    return [
        {
            "dossier_id": each.dossier_id,
            "code": each.code,
            "procedure": each.procedure_en if speaks == "en" else each.procedure_vi,
            "holder": each.holder,
        }
        for each in found
    ]

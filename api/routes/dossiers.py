"""Dossiers over HTTP: receive, list by boxes, look at one, take its steps, add papers, notes and fees.

A dossier that the caller's office may not see is 404, the same answer as for one that does not exist. An office that held it once
follows its timeline, without what is in the events, and keeps its own receipts.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Header, Path, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import FileResponse, Response

from api.deps import FilesDep, KeysDep, Limit, TxDep, language, permission
from api.dossier_json import (
    Names,
    document_as_json,
    dossier_as_json,
    events_as_json,
    named,
    note_as_json,
    receipt_as_json,
    row_as_json,
)
from api.reply import Format, as_workbook, printed, reply, saved_name, shown, shown_file, wants_workbook
from landdb.access.model import PermissionMissing
from landdb.access.permissions import DUTIES, allows
from landdb.db.transaction import Tx
from landdb.documents.receipt import dossier_receipt
from landdb.dossier import record, store
from landdb.dossier.add_document import add_document, withdraw_document
from landdb.dossier.assign import assign
from landdb.dossier.external_id import add_external_id
from landdb.dossier.fee import note_fee, note_paid
from landdb.dossier.model import Dossier, DossierUnknown
from landdb.dossier.note import add_note
from landdb.dossier.paper_place import move_paper
from landdb.dossier.receive import Application, PaperGiven, Person, receive
from landdb.dossier.scan import scanner_at
from landdb.dossier.take_step import take_step
from landdb.dossier.upload import find, finished
from landdb.errors import Malformed
from landdb.messages import message
from landdb.reference.store import resolve_commune
from landdb.views import workload

router = APIRouter(prefix="/v1/dossiers", tags=["dossiers"])

DossierId = Annotated[UUID, Path(description="id of the dossier", examples=["0198c1f2-7d3a-7c11-9a55-1b2f0d3e4a5b"])]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='the `ETag` that was read, e.g. `"7"`: 412 where it has changed')
]
WORKS: Final = permission("dossier:read", key_required=True)
MOST_ROWS: Final = 50_000
NO_OFFICE: Final = -1  # of a service that belongs to none
_ETAG: Final = re.compile(r'(?:W/)?"?(\d{1,9})"?')
_ID = "0198c1f2-7d3a-7c11-9a55-1b2f0d3e4a5b"


class VersionMalformed(Malformed):
    """Params: ``given``."""

    code = "request.if_match_malformed"


class FileOrUploadMissing(Malformed):
    code = "request.file_or_upload_missing"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Named(_Body):
    """A person as the desk writes them down; the identity number is stored encrypted."""

    name: Annotated[str, Field(min_length=1, max_length=200, examples=["Nguyễn Thị Hoa"])]
    identity: Annotated[str | None, Field(max_length=20, examples=["094190012345"])] = None
    phone: Annotated[str | None, Field(max_length=20, examples=["0912345678"])] = None
    address: Annotated[str | None, Field(max_length=500, examples=["Ấp Đại Chí, xã Đại Tâm"])] = None


class Paper(_Body):
    """A paper that the applicant brought. Its scan is named by an upload of the caller's own, never by a hash: who knows the
    hash of another office's paper must not get its bytes by it."""

    doc_type: Annotated[str, Field(min_length=1, max_length=40, examples=["DON"])]
    upload_id: Annotated[UUID | None, Field(description="a finished upload; not given: on paper only")] = None
    name: Annotated[str | None, Field(max_length=200)] = None


class NewDossier(_Body):
    """An application as the desk takes it in."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "procedure": "1.012784",
                    "applicant": {"name": "Nguyễn Thị Hoa", "identity": "094190012345", "phone": "0912345678"},
                    "commune": "31690",
                    "summary": "Tách thửa 45 tờ 12",
                    "papers": [{"doc_type": "DON"}, {"doc_type": "GCN"}],
                    "external_ids": {"portal": "000.00.14.H56-261122-0118"},
                    "paper_place": "Tủ 3, ngăn 2",
                }
            ]
        },
    )
    procedure: Annotated[str, Field(min_length=1, max_length=40)]
    channel: Annotated[int, Field(ge=1, le=3, description="1 at the desk, 2 online, 3 by post")] = 1
    applicant: Named
    proxy: Named | None = None
    commune: Annotated[str | None, Field(max_length=200, description="of its land: code or name")] = None
    parcel_id: UUID | None = None
    certificate_serial: Annotated[str | None, Field(max_length=20)] = None
    summary: Annotated[str, Field(max_length=1000, description="what it is about, no personal data")] = ""
    papers: Annotated[list[Paper], Field(max_length=200)] = []
    external_ids: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=40)], Annotated[str, Field(min_length=1, max_length=200)]],
        Field(max_length=20, description="what other systems call it"),
    ] = {}
    paper_place: Annotated[str | None, Field(max_length=200)] = None
    accept_incomplete: Annotated[bool, Field(description="take it in though required papers are missing")] = False


class Step(_Body):
    """A step of the procedure."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"action": "ask_supplement", "reason": "Thiếu hợp đồng chuyển nhượng"}]},
    )
    action: Annotated[str, Field(min_length=1, max_length=40)]
    reason: Annotated[str | None, Field(max_length=2000)] = None
    note: Annotated[str | None, Field(max_length=2000)] = None


class Assignment(_Body):
    """On whose desk it is to lie; null: on nobody's."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"staff_id": _ID}]})
    staff_id: UUID | None


class Note(_Body):
    """A note for colleagues; it goes with the dossier."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"body": "Đã gọi điện, hẹn thứ Hai"}]},
    )
    body: Annotated[str, Field(min_length=1, max_length=4000)]


class Fee(_Body):
    """A fee that the applicant is to pay."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"name": "Phí thẩm định hồ sơ", "amount_vnd": 150000}]},
    )
    name: Annotated[str, Field(min_length=1, max_length=200)]
    amount_vnd: Annotated[int, Field(ge=0, le=10**15)]


class ExternalId(_Body):
    """What another system calls the dossier."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"system": "vbdlis", "value": "HS-2026-001234"}]},
    )
    system: Annotated[str, Field(min_length=1, max_length=40)]
    value: Annotated[str, Field(min_length=1, max_length=200)]


class PaperPlace(_Body):
    """Where the paper original lies; null: nowhere here."""

    model_config = ConfigDict(
        extra="forbid", str_strip_whitespace=True, json_schema_extra={"examples": [{"place": "Tủ 3, ngăn 2"}]}
    )
    place: Annotated[str | None, Field(max_length=200)]


class Uploaded(_Body):
    """A finished resumable upload that becomes a paper."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"upload_id": _ID, "doc_type": "GCN"}]},
    )
    upload_id: UUID
    doc_type: Annotated[str | None, Field(min_length=1, max_length=40)] = None
    name: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    supersedes: UUID | None = None


_SHOWN: dict[str, Any] = {
    "dossier_id": _ID,
    "code": "H51.16.14-261122-0001",
    "version": 1,
    "procedure": {"code": "1.012784", "name": "Tách thửa hoặc hợp thửa đất"},
    "stage": {"stage": "received", "name": "Đã tiếp nhận", "national_status": 2, "pause_reason": None},
    "custody": {
        "state": "held",
        "holder": {"office_id": 5, "code": "H51.16.14", "name": "Trung tâm Phục vụ hành chính công xã Đại Tâm"},
        "epoch": 1,
        "handover": None,
    },
    "due_at": "2026-12-14T03:04:00Z",
    "actions": [{"action": "withdraw", "name": "Rút hồ sơ", "to_stage": "withdrawn", "allowed": True, "why_not": None}],
    "links": {"self": f"/v1/dossiers/{_ID}", "receipt": f"/v1/dossiers/{_ID}/receipt.pdf"},
}

_ROW: dict[str, Any] = {
    "dossier_id": _ID,
    "code": "H51.16.14-261122-0001",
    "procedure": {"code": "1.012784", "name": "Tách thửa hoặc hợp thửa đất"},
    "stage": {"stage": "received", "name": "Đã tiếp nhận"},
    "applicant": "Nguyễn Thị Hoa",
    "commune": "Xã Đại Tâm",
    "parcel": "12/45",
    "received_at": "2026-11-22T03:04:05Z",
    "due_at": "2026-12-14T03:04:00Z",
    "due_provisional": False,
    "stage_due_at": "2026-11-23T03:04:00Z",
    "standing": "running",
    "late": [],
    "pause_reason": None,
    "holder": {"office_id": 5, "name": "Trung tâm Phục vụ hành chính công xã Đại Tâm"},
    "assignee": None,
    "handover": None,
    "closed_at": None,
    "version": 1,
    "links": {"self": f"/v1/dossiers/{_ID}"},
}
_FEE: dict[str, Any] = {
    "fee_id": _ID,
    "dossier_id": _ID,
    "name": "Phí thẩm định hồ sơ",
    "amount_vnd": 150000,
    "paid_at": None,
}
_PAPER: dict[str, Any] = {
    "document_id": _ID,
    "name": "giay-chung-nhan.pdf",
    "doc_type": "GCN",
    "version": 1,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size_bytes": 482113,
    "media_type": "application/pdf",
    "state": "verified",
    "signature": None,
    "links": {"content": f"/v1/dossiers/{_ID}/documents/{_ID}/content"},
}


# ── what every route here asks first ────────────────────────────────────────────────────────────────────────────────


def seen(tx: Tx, dossier_id: UUID) -> Dossier:
    """The dossier, if the caller may read what is in it. Raises: ``DossierUnknown``, the same whether it exists or not."""
    dossier = store.get_dossier(tx, dossier_id)
    if not record.sees(tx, dossier):
        raise DossierUnknown(dossier=str(dossier_id))
    return dossier


def followed(tx: Tx, dossier_id: UUID) -> tuple[Dossier, bool]:
    """The dossier, if the caller may follow it, and whether they may read what is in it. Raises: ``DossierUnknown``."""
    dossier = store.get_dossier(tx, dossier_id)
    if not record.knows(tx, dossier):
        raise DossierUnknown(dossier=str(dossier_id))
    return dossier, record.sees(tx, dossier)


def on_duty(tx: TxDep) -> None:
    """Whether the caller has any duty on dossiers: who may only look writes nothing. Raises: ``PermissionMissing``."""
    if not any(allows(tx.actor, duty) for duty in DUTIES):
        raise PermissionMissing(permission="dossier:work")


Duty = [Depends(on_duty, scope="function")]


def version_of(if_match: str | None) -> int | None:
    """The version that the caller has read; null: none named. Raises: ``VersionMalformed``."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise VersionMalformed(given=if_match[:40])
    return int(match[1])


def answer(request: Request, tx: Tx, dossier: Dossier, status: int = 200, **more: Any) -> Response:
    """One dossier with its version as ``ETag``."""
    headers = {"ETag": f'"{dossier.event_no}"'}
    if status == 201:
        headers["Location"] = f"/v1/dossiers/{dossier.dossier_id}"
    return reply(dossier_as_json(tx, dossier, language(request)) | more, status, headers)


def here_after(request: Request, tx: Tx, dossier_id: UUID) -> Response:
    """The dossier as it is after a change."""
    return answer(request, tx, store.get_dossier(tx, dossier_id))


def person_of(said: Named | None) -> Person | None:
    """As the verbs take it."""
    return None if said is None else Person(said.name, said.identity, said.phone, said.address)


def paper_of(tx: Tx, said: Paper) -> PaperGiven:
    """As the verbs take it. Raises: ``UploadUnknown``, ``UploadUnfinished``."""
    if said.upload_id is None:
        return PaperGiven(said.doc_type, None, said.name)
    stored = finished(tx, said.upload_id)
    return PaperGiven(said.doc_type, stored.sha256, said.name or stored.name)


# ── receive and look ────────────────────────────────────────────────────────────────────────────────────────────────


@router.post(
    "",
    status_code=201,
    openapi_extra=permission("dossier:receive", key_required=True),
    responses=shown(_SHOWN | {"missing_papers": [], "warnings": []}, status=201),
    summary="Take a dossier in",
)
def receive_dossier(request: Request, tx: TxDep, keys: KeysDep, files: FilesDep, said: NewDossier) -> Response:
    """Any desk of the province takes it in; it is numbered, its due time is counted, the caller's office holds it."""
    commune = said.commune and resolve_commune(tx, said.commune, tx.today).admin_unit_id
    applicant = person_of(said.applicant)
    assert applicant is not None
    asked = Application(
        procedure_code=said.procedure,
        channel=said.channel,
        applicant=applicant,
        proxy=person_of(said.proxy),
        commune_id=commune or None,
        parcel_id=said.parcel_id,
        certificate_serial=said.certificate_serial or None,
        summary=said.summary,
        papers=[paper_of(tx, each) for each in said.papers],
        external_ids=said.external_ids,
        paper_place=said.paper_place or None,
    )
    scanner = scanner_at(request.app.state.settings.clamd_socket)
    done = receive(tx, keys, asked, accept_incomplete=said.accept_incomplete, files=files, scanner=scanner)
    tongue = language(request)
    missing = [{"doc_type": each.doc_type, "name": named(each, tongue)} for each in done.missing_papers]
    warnings = [{"code": code, "title": message(code, {}, tongue).title} for code in done.warnings]
    more = {"missing_papers": missing, "warnings": warnings}
    return answer(request, tx, done.dossier, 201, **more)


@router.get(
    "/boxes",
    openapi_extra=permission("dossier:read"),
    responses=shown({"boxes": {"held": 12, "mine": 3, "incoming": 2, "overdue": 1}}),
    summary="Counts of all boxes",
)
def count_boxes(tx: TxDep) -> Response:
    """How many dossiers lie in each box of the caller's office and desk; for oversight, of the whole register."""
    return reply({"boxes": workload.boxes(tx, boxes_of(tx), tx.actor.staff_id)})


@router.get(
    "/digest",
    openapi_extra=permission("dossier:read"),
    responses=shown(
        {"since": "2026-11-20T17:00:00Z", "boxes": {"held": 12}, "came": [_ROW], "pressing": [], "told": []}
    ),
    summary="What a person finds in the morning",
)
def get_digest(request: Request, tx: TxDep) -> Response:
    """Counts, what came since the last working day, what presses on the caller's desk, what was escalated to them."""
    tongue = language(request)
    day = workload.digest(tx, boxes_of(tx), tx.actor.staff_id)
    body = {
        "since": day.since,
        "boxes": day.counts,
        "came": [row_as_json(row, tongue) for row in day.came],
        "pressing": [row_as_json(row, tongue) for row in day.mine_pressing],
        "told": [asdict(each) for each in day.told],
    }
    return reply(body)


@router.get(
    "",
    openapi_extra=permission("dossier:read"),
    responses=shown({"dossiers": [_ROW], "next": None}, xlsx=True),
    summary="The dossiers of a box",
)
def list_dossiers(
    request: Request,
    tx: TxDep,
    box: Annotated[str, Query(description=", ".join(workload.BOXES), examples=["held"])] = "held",
    q: Annotated[str | None, Query(max_length=200, description="code, name or number; with or without marks")] = None,
    procedure: Annotated[str | None, Query(max_length=40, description="code of the procedure")] = None,
    stage: Annotated[str | None, Query(max_length=40)] = None,
    assignee: Annotated[UUID | None, Query(description="on whose desk")] = None,
    commune: Annotated[str | None, Query(max_length=200, description="code or name")] = None,
    after: Annotated[str | None, Query(max_length=200, description="from the `next` link")] = None,
    limit: Limit = 100,
    format: Format = None,  # noqa: A002 - a name of the interface
) -> Response:
    """What is due first stands first; of what has ended, the newest. An unknown box is refused with the names of all."""
    tongue = language(request)
    unit = resolve_commune(tx, commune, tx.today).admin_unit_id if commune else None
    filters = workload.Filters(q, procedure, stage, assignee, unit)
    office, person = boxes_of(tx), tx.actor.staff_id

    def page(place: str | None, most: int) -> workload.Page:
        return workload.box(tx, box, office, person, filters=filters, after=place, limit=most)

    if wants_workbook(request, format):
        rows: list[dict[str, Any]] = []
        place = after
        while len(rows) < MOST_ROWS:
            found = page(place, workload.LONGEST_PAGE)
            rows += [row_as_json(row, tongue) for row in found.rows]
            if (place := found.next_after) is None:
                break
        head = [key for key in _ROW if key not in {"links", "handover"}]
        return as_workbook(f"ho-so-{box}.xlsx", head, [[_name(row[key]) for key in head] for row in rows])
    found = page(after, limit)
    more = None
    if found.next_after is not None:
        asked = {key: value for key, value in request.query_params.items() if key not in {"after", "format"}}
        more = f"/v1/dossiers?{urlencode(asked | {'after': found.next_after})}"
    return reply({"dossiers": [row_as_json(row, tongue) for row in found.rows], "next": more})


def boxes_of(tx: Tx) -> int | None:
    """Whose boxes the caller reads: their office's; null, the whole register, for oversight alone."""
    return None if record.oversees(tx) else tx.actor.office_id or NO_OFFICE


@router.get("/{dossier_id}", openapi_extra=permission("dossier:read"), responses=shown(_SHOWN), summary="One dossier")
def get_dossier(request: Request, tx: TxDep, dossier_id: DossierId) -> Response:
    """Where it stands, who holds it, when it is due, and what the caller may do with it (``actions``)."""
    return answer(request, tx, seen(tx, dossier_id))


@router.get(
    "/{dossier_id}/events",
    openapi_extra=permission("dossier:read"),
    responses=shown(
        {"events": [{"event_no": 1, "kind": "received", "at": "2026-11-22T03:04:05Z"}], "next": None}, xlsx=True
    ),
    summary="The timeline",
)
def list_events(
    request: Request,
    tx: TxDep,
    dossier_id: DossierId,
    after: Annotated[int, Query(ge=0, description="number of the last event read")] = 0,
    limit: Limit = 200,
    format: Format = None,  # noqa: A002 - a name of the interface
) -> Response:
    """Everything that happened, in its order. A former holder sees that it happened, not what was in it."""
    _, inside = followed(tx, dossier_id)
    names = Names(tx, language(request))
    if wants_workbook(request, format):
        events = store.list_events(tx, dossier_id, after=after, limit=MOST_ROWS)
        head = ["event_no", "at", "kind", "office", "from_stage", "to_stage", *(["staff"] if inside else [])]
        found = events_as_json(events, names, inside=inside)
        return as_workbook("dien-bien-ho-so.xlsx", head, [[_name(row.get(key)) for key in head] for row in found])
    events = store.list_events(tx, dossier_id, after=after, limit=limit)
    more = None
    if len(events) == limit:
        more = f"/v1/dossiers/{dossier_id}/events?limit={limit}&after={events[-1].event_no}"
    return reply({"events": events_as_json(events, names, inside=inside), "next": more})


def _name(value: Any) -> Any:
    """A thing with a name by its name, for a cell."""
    return value.get("name") if isinstance(value, dict) else value


@router.get(
    "/{dossier_id}/receipts",
    openapi_extra=permission("dossier:read"),
    responses=shown({"receipts": [{"kind": "granted", "kid": "register-1", "body": "{…}", "jws": "eyJ…..AbC"}]}),
    summary="Receipts of its hand-overs",
)
def list_receipts(request: Request, tx: TxDep, dossier_id: DossierId) -> Response:
    """What the register certified to the caller's office; to oversight, all of it."""
    followed(tx, dossier_id)
    names = Names(tx, language(request))
    party = None if record.oversees(tx) else tx.actor.office_id
    found = [
        receipt
        for handover in store.list_handovers(tx, dossier_id)
        for receipt in store.list_receipts(tx, handover.handover_id, party_office_id=party)
    ]
    return reply({"receipts": [receipt_as_json(receipt, names) for receipt in found]})


# ── work ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/{dossier_id}/steps", openapi_extra=WORKS, responses=shown(_SHOWN), summary="Take a step")
def post_step(
    request: Request, tx: TxDep, keys: KeysDep, dossier_id: DossierId, said: Step, if_match: IfMatch = None
) -> Response:
    """One of the dossier's `actions`. With `If-Match` it is taken only on the version that the caller has read."""
    version = version_of(if_match)
    take_step(tx, keys, dossier_id, said.action, reason=said.reason, note=said.note, expected_version=version)
    return here_after(request, tx, dossier_id)


@router.post(
    "/{dossier_id}/assignment", openapi_extra=WORKS, responses=shown(_SHOWN), summary="Put it on somebody's desk"
)
def post_assignment(
    request: Request, tx: TxDep, dossier_id: DossierId, said: Assignment, if_match: IfMatch = None
) -> Response:
    """Who works may take what lies on no desk and give back their own; all else is the head's."""
    assign(tx, dossier_id, said.staff_id, expected_version=version_of(if_match))
    return here_after(request, tx, dossier_id)


@router.get(
    "/{dossier_id}/notes",
    openapi_extra=permission("dossier:read"),
    responses=shown({"notes": [{"note_id": _ID, "body": "Đã gọi điện", "at": "2026-11-22T03:04:05Z"}]}),
    summary="Notes of colleagues",
)
def list_notes(request: Request, tx: TxDep, dossier_id: DossierId) -> Response:
    """The oldest first."""
    seen(tx, dossier_id)
    names, notes = Names(tx, language(request)), store.list_notes(tx, dossier_id)
    names.know(note.staff_id for note in notes)
    return reply({"notes": [note_as_json(note, names) for note in notes]})


@router.post(
    "/{dossier_id}/notes",
    status_code=201,
    openapi_extra=WORKS,
    dependencies=Duty,
    responses=shown({"note_id": _ID, "body": "Đã gọi điện", "at": "2026-11-22T03:04:05Z"}, status=201),
    summary="Write a note",
)
def post_note(request: Request, tx: TxDep, dossier_id: DossierId, said: Note) -> Response:
    """For colleagues, in this office and the next; the citizen does not read it."""
    return reply(note_as_json(add_note(tx, dossier_id, said.body), Names(tx, language(request))), 201)


@router.get(
    "/{dossier_id}/fees",
    openapi_extra=permission("dossier:read"),
    responses=shown({"fees": [_FEE]}),
    summary="Fees",
)
def list_fees(tx: TxDep, dossier_id: DossierId) -> Response:
    """What the applicant is to pay, and what is paid. Amounts are whole đồng."""
    seen(tx, dossier_id)
    return reply({"fees": [asdict(fee) for fee in store.list_fees(tx, dossier_id)]})


@router.post(
    "/{dossier_id}/fees",
    status_code=201,
    openapi_extra=WORKS,
    dependencies=Duty,
    responses=shown(_FEE, status=201),
    summary="Note a fee",
)
def post_fee(tx: TxDep, dossier_id: DossierId, said: Fee) -> Response:
    """A fee that is to be paid."""
    return reply(asdict(note_fee(tx, dossier_id, said.name, said.amount_vnd)), 201)


@router.post(
    "/{dossier_id}/fees/{fee_id}/payment",
    openapi_extra=WORKS,
    dependencies=Duty,
    responses=shown(_FEE | {"paid_at": "2026-11-22T03:04:05Z"}),
    summary="Note that a fee was paid",
)
def post_fee_payment(tx: TxDep, dossier_id: DossierId, fee_id: UUID) -> Response:
    """Paid at the desk, or seen in the bank's list."""
    return reply(asdict(note_paid(tx, dossier_id, fee_id)))


@router.post(
    "/{dossier_id}/external-ids",
    status_code=201,
    openapi_extra=WORKS,
    dependencies=Duty,
    responses=shown(_SHOWN, status=201),
    summary="Note what another system calls it",
)
def post_external_id(request: Request, tx: TxDep, dossier_id: DossierId, said: ExternalId) -> Response:
    """One table for all of them: portal, VBDLIS, tax, a paper ledger."""
    return answer(request, tx, add_external_id(tx, dossier_id, said.system, said.value), 201)


@router.put(
    "/{dossier_id}/paper-place",
    openapi_extra=WORKS,
    dependencies=Duty,
    responses=shown(_SHOWN),
    summary="Move the paper",
)
def put_paper_place(request: Request, tx: TxDep, dossier_id: DossierId, said: PaperPlace) -> Response:
    """Where the paper original lies now."""
    return answer(request, tx, move_paper(tx, dossier_id, said.place))


@router.get(
    "/{dossier_id}/deadlines",
    openapi_extra=permission("dossier:read"),
    responses=shown({"due_at": "2026-12-14T03:04:00Z", "deadlines": [], "pauses": []}),
    summary="Clocks and pauses",
)
def list_deadlines(request: Request, tx: TxDep, dossier_id: DossierId) -> Response:
    """The clock of each office at each stage, and the times that count for none."""
    dossier, names = seen(tx, dossier_id), Names(tx, language(request))
    clocks = [
        {
            "stage": clock.stage,
            "office": names.office(clock.office_id),
            "started_at": clock.started_at,
            "due_at": clock.due_at,
            "met_at": clock.met_at,
            "escalation_level": clock.escalation_level,
        }
        for clock in store.list_deadlines(tx, dossier_id)
    ]
    pauses = [
        {"reason": pause.reason, "note": pause.note, "from_at": pause.from_at, "to_at": pause.to_at}
        for pause in store.list_pauses(tx, dossier_id)
    ]
    due = {"due_at": dossier.due_at, "due_provisional": dossier.due_provisional}
    return reply(due | {"deadlines": clocks, "pauses": pauses})


# ── papers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/{dossier_id}/documents",
    openapi_extra=permission("dossier:read"),
    responses=shown({"documents": [_PAPER]}),
    summary="Its papers",
)
def list_documents(
    request: Request,
    tx: TxDep,
    dossier_id: DossierId,
    all_versions: Annotated[bool, Query(description="superseded and withdrawn ones too")] = False,
) -> Response:
    """In the order in which they came."""
    seen(tx, dossier_id)
    names, papers = Names(tx, language(request)), store.list_documents(tx, dossier_id, all_versions=all_versions)
    names.know(paper.added_by for paper in papers)
    return reply({"documents": [document_as_json(paper, names) for paper in papers]})


async def uploaded(request: Request) -> Uploaded | None:
    """The JSON body that names a finished upload; null: the call brings the file itself."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        return Uploaded.model_validate_json(await request.body())
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from error


@router.post(
    "/{dossier_id}/documents",
    status_code=201,
    openapi_extra=WORKS
    | {
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": Uploaded.model_json_schema(),
                    "example": {"upload_id": _ID, "doc_type": "GCN"},
                }
            }
        }
    },
    dependencies=Duty,
    responses=shown(_PAPER, status=201),
    summary="Add a paper",
)
def post_document(
    request: Request,
    tx: TxDep,
    keys: KeysDep,
    files: FilesDep,
    dossier_id: DossierId,
    by_upload: Annotated[Uploaded | None, Depends(uploaded)],
    file: Annotated[UploadFile | None, File(description="the file itself")] = None,
    doc_type: Annotated[str | None, Form(max_length=40)] = None,
    name: Annotated[str | None, Form(max_length=200, description="not given: that of the file")] = None,
    supersedes: Annotated[UUID | None, Form(description="the paper in whose place it stands")] = None,
) -> Response:
    """The file itself (multipart), or the `upload_id` of a finished resumable upload (JSON). It is examined first."""
    record.workable(tx, store.get_dossier(tx, dossier_id))  # before two gigabytes are written to the store
    if by_upload is not None:
        upload = find(tx, by_upload.upload_id)
        stored, kind = finished(tx, by_upload.upload_id), by_upload.doc_type or upload.doc_type or ""
        name, supersedes = by_upload.name or stored.name, by_upload.supersedes
    elif file is not None:
        limit = request.app.state.settings.max_upload_mb << 20
        stored, kind = files.add(file.filename or "file", file.file, max_bytes=limit), doc_type or ""
        name = name or stored.name
    else:
        raise FileOrUploadMissing()
    scanner = scanner_at(request.app.state.settings.clamd_socket)
    paper = add_document(tx, keys, dossier_id, name, kind, stored, files=files, scanner=scanner, supersedes=supersedes)
    return reply(document_as_json(paper, Names(tx, language(request))), 201)


@router.delete(
    "/{dossier_id}/documents/{document_id}",
    openapi_extra=WORKS,
    dependencies=Duty,
    responses=shown(_SHOWN),
    summary="Take a paper out",
)
def delete_document(request: Request, tx: TxDep, dossier_id: DossierId, document_id: UUID) -> Response:
    """It came in by mistake. The bytes and the event of its coming stay."""
    return answer(request, tx, withdraw_document(tx, dossier_id, document_id))


@router.get(
    "/{dossier_id}/documents/{document_id}/content",
    openapi_extra=permission("dossier:read"),
    responses=shown_file("application/octet-stream", "…"),
    summary="The bytes of a paper",
)
def get_content(tx: TxDep, files: FilesDep, dossier_id: DossierId, document_id: UUID) -> Response:
    """Exactly as they were added; signed files are never saved again."""
    seen(tx, dossier_id)
    paper = store.get_document(tx, dossier_id, document_id)
    path: FilePath = files.path(paper.sha256)
    shown_inline = paper.media_type in {"application/pdf", "image/png", "image/jpeg"}
    name = quote(saved_name(paper.name, paper.media_type), safe="")
    headers = {
        "Content-Disposition": f"{'inline' if shown_inline else 'attachment'}; filename*=UTF-8''{name}",
        "Cache-Control": "private, no-store",
        "ETag": f'"{paper.sha256}"',
    }
    return FileResponse(path, media_type=paper.media_type, headers=headers)


@router.get(
    "/{dossier_id}/receipt.pdf",
    openapi_extra=permission("dossier:read"),
    responses=shown_file("application/pdf"),
    summary="The sheet for the applicant",
)
def get_receipt_sheet(request: Request, tx: TxDep, dossier_id: DossierId) -> Response:
    """Giấy tiếp nhận hồ sơ và hẹn trả kết quả, with a QR code that leads to the dossier's public status."""
    dossier = seen(tx, dossier_id)
    address = request.app.state.settings.public_address or str(request.base_url)
    return printed(dossier_receipt(tx, dossier, address), f"tiep-nhan-{dossier.code}.pdf")


__all__ = ["answer", "followed", "on_duty", "router", "seen", "version_of"]

"""Hand-overs over HTTP: offer one dossier or two hundred, accept, refuse, recall; receipts, minutes, forced moves, public keys.

Accept, refuse and recall race; exactly one wins, and the others get a 409 that names the winner. Who is no party of a hand-over
gets the same 404 as for one that does not exist.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from api.deps import FilesDep, KeysDep, Limit, TxDep, language, permission
from api.dossier_json import Names, handover_as_json, receipt_as_json
from api.reply import Format, as_workbook, printed, reply, shown, shown_file, wants_workbook
from landdb.access import store as access
from landdb.access.model import OfficeUnknown
from landdb.db.transaction import Tx
from landdb.documents.minutes import handover_minutes
from landdb.dossier import force_move, record, store
from landdb.dossier.accept import accept, accept_many
from landdb.dossier.add_order import add_order
from landdb.dossier.model import DossierUnknown, ForceMove, Handover, HandoverUnknown
from landdb.dossier.offer import Offered, offer
from landdb.dossier.recall import recall
from landdb.dossier.refuse import refuse
from landdb.dossier.scan import scanner_at
from landdb.dossier.upload import finished
from landdb.errors import Invalid, LandError
from landdb.messages import Language, message
from landdb.sealing.signing_keys import key_set, published

router = APIRouter(tags=["handovers"])

HandoverId = Annotated[UUID, Path(description="id of the hand-over", examples=["0198c1f2-7d3a-7c11-9a55-1b2f0d3e4a5b"])]
Box = Annotated[
    Literal["incoming", "sent", "closed"],
    Query(description="offered to this office, offered by it, or ended with it as a party"),
]
OfficeNamed = Annotated[
    Annotated[int, Field(strict=True)] | Annotated[str, Field(max_length=60)],  # strict: `true` is not office 1
    Field(description="id or code of the office"),
]
BATCH: Final = 500
NO_OFFICE: Final = -1  # of a service that belongs to none
MOST_ROWS: Final = 50_000
MOVES: Final = permission("dossier:handover", key_required=True)
_ID = "0198c1f2-7d3a-7c11-9a55-1b2f0d3e4a5b"
_SHOWN: dict[str, Any] = {
    "handover_id": _ID,
    "batch_id": _ID,
    "dossier_id": _ID,
    "code": "H51.16.14-261122-0001",
    "epoch": 1,
    "state": "offered",
    "from_office": {"office_id": 5, "code": "H51.16.14", "name": "Trung tâm Phục vụ hành chính công xã Đại Tâm"},
    "to_office": {"office_id": 2, "code": "CN.MX", "name": "Chi nhánh Mỹ Xuyên"},
    "offered_at": "2026-11-22T03:04:05Z",
    "closed_at": None,
    "manifest_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "seal_kid": "office-5-1",
    "links": {"self": f"/v1/handovers/{_ID}", "receipt": f"/v1/handovers/{_ID}/receipt"},
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Offer(_Body):
    """Which dossiers go to which office. Codes may be pasted as they stand in a column of Excel."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {"codes": ["H51.16.14-261122-0001"], "to_office": "CN.MX", "note": "Đủ giấy tờ", "dry_run": True}
            ]
        },
    )
    dossier_ids: Annotated[list[UUID], Field(max_length=BATCH)] = []
    codes: Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=BATCH)] = []
    to_office: OfficeNamed
    note: Annotated[str | None, Field(max_length=2000)] = None
    dry_run: Annotated[bool, Field(description="only say for each dossier whether it could go")] = False
    partial: Annotated[bool, Field(description="let those go that can; else the first refusal stops all")] = False

    @model_validator(mode="after")
    def _something(self) -> Offer:
        if not self.dossier_ids and not self.codes:
            raise ValueError("dossier_ids or codes")
        return self


class Acceptance(_Body):
    """Many at once: those that can be taken are, each of the others with its reason."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"handover_ids": [_ID]}]})
    handover_ids: Annotated[list[UUID], Field(min_length=1, max_length=BATCH)]


class Refusal(_Body):
    """Why it is not taken."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"reason_code": "papers_missing", "note": "Thiếu hợp đồng"}]},
    )
    reason_code: Annotated[str, Field(min_length=1, max_length=40)]
    note: Annotated[str | None, Field(max_length=2000)] = None


class OrderMissing(Invalid):
    """A forced move takes a written order."""

    code = "handover.force_order_missing"


class ForceProposal(_Body):
    """A move that does not wait for the holder; a second person confirms it."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "dossier_id": _ID,
                    "to_office": "CN.MX",
                    "reason_code": "office_closed",
                    "reason_note": "Quyết định 12/QĐ-UBND",
                    "upload_id": _ID,
                }
            ]
        },
    )
    dossier_id: UUID
    to_office: OfficeNamed
    reason_code: Annotated[str, Field(min_length=1, max_length=40)]
    reason_note: Annotated[str, Field(min_length=1, max_length=2000)]
    upload_id: Annotated[UUID | None, Field(description="the written order, a finished upload of the caller's")] = None
    document_id: Annotated[UUID | None, Field(description="or: the order is a paper of the dossier already")] = None


# ── what every route here asks first ────────────────────────────────────────────────────────────────────────────────


def is_party(tx: Tx, handover: Handover) -> bool:
    """Whether the caller's office gives or takes in it, or the caller oversees."""
    return record.oversees(tx) or tx.actor.office_id in {handover.from_office_id, handover.to_office_id}


def seen(tx: Tx, handover_id: UUID) -> Handover:
    """A hand-over of the caller's office. Raises: ``HandoverUnknown``."""
    handover = store.get_handover(tx, handover_id)
    if not is_party(tx, handover):
        raise HandoverUnknown(handover=str(handover_id))
    return handover


def office_of(tx: Tx, named: int | str) -> int:
    """The office that an id or a code means today. Raises: ``OfficeUnknown``."""
    if isinstance(named, int):
        found = access.get_office(tx, named) if 0 < named < 2**31 else None
    else:
        found = access.find_office(tx, named, tx.today) or _closed(tx, named)
    if found is None:
        raise OfficeUnknown(office=str(named))
    return found.office_id


def _closed(tx: Tx, code: str) -> Any:
    """An office that bore the code until it was closed: the offer is refused with the names of its heirs."""
    offices = access.list_offices(tx, closed_too=True, limit=100_000)
    return next((office for office in reversed(offices) if office.code == code), None)


def refusal_as_json(refusal: LandError, tongue: Language) -> dict[str, Any]:
    """Why one row of many could not go."""
    text = message(refusal.code, refusal.params, tongue)
    return {"code": refusal.code, "title": text.title, "detail": text.detail, "action": text.action}


def answer(request: Request, tx: Tx, handover: Handover, status: int = 200) -> Response:
    """One hand-over."""
    code = store.get_dossier(tx, handover.dossier_id).code
    return reply(handover_as_json(handover, code, Names(tx, language(request))), status)


# ── offer ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post(
    "/v1/handovers",
    status_code=201,
    openapi_extra=MOVES,
    responses=shown(
        {
            "batch_id": _ID,
            "offered": 1,
            "refused": 0,
            "dry_run": False,
            "rows": [{"handover": _SHOWN, "refusal": None}],
        },
        status=201,
    ),
    summary="Hand dossiers over to an office",
)
def offer_dossiers(request: Request, tx: TxDep, keys: KeysDep, said: Offer) -> Response:
    """Each dossier is sealed until the office answers; it stays in this office's custody. A row per dossier with its verdict.

    200 instead of 201 where nothing was offered (a dry run, or `partial` with no dossier fit to go).
    """
    to_office = office_of(tx, said.to_office)
    asked = _asked(tx, said)
    ids = [each for each in asked.values() if isinstance(each, UUID)]
    unknown = {name: each for name, each in asked.items() if isinstance(each, LandError)}
    if unknown and not (said.partial or said.dry_run):
        raise next(iter(unknown.values()))
    offered = offer(tx, keys, ids, to_office, note=said.note, dry_run=said.dry_run, partial=said.partial) if ids else []
    names, tongue = Names(tx, language(request)), language(request)
    by_id = {each.dossier_id: each for each in offered}
    rows = [_row(name, by_id[each] if isinstance(each, UUID) else each, names, tongue) for name, each in asked.items()]
    sent = [each.handover for each in offered if each.handover is not None]
    body = {
        "batch_id": sent[0].batch_id if sent else None,
        "dry_run": said.dry_run,
        "offered": len(sent),
        "refused": sum(row["refusal"] is not None for row in rows),
        "rows": rows,
    }
    headers = {"Location": f"/v1/handovers/{sent[0].handover_id}"} if len(sent) == 1 else None
    return reply(body, 201 if sent else 200, headers)


def _asked(tx: Tx, said: Offer) -> dict[str, UUID | LandError]:
    """What was named, in its order and each once → the dossier, or why there is none for this caller."""
    asked: dict[str, UUID | LandError] = {}
    for dossier_id in said.dossier_ids:
        asked[str(dossier_id)] = dossier_id
    for code in said.codes:
        dossier = store.find_dossier(tx, code.strip())
        visible = dossier is not None and record.sees(tx, dossier)
        if dossier is not None and visible and dossier.dossier_id in asked.values():
            continue
        asked[code] = dossier.dossier_id if dossier is not None and visible else DossierUnknown(dossier=code)
    return asked


def _row(name: str, found: Offered | LandError, names: Names, tongue: Language) -> dict[str, Any]:
    """The verdict on one dossier; ``allowed`` true in a dry run: it could go."""
    if isinstance(found, LandError):
        return {
            "asked": name,
            "dossier_id": None,
            "allowed": False,
            "handover": None,
            "refusal": refusal_as_json(found, tongue),
        }
    refusal = found.refusal and refusal_as_json(found.refusal, tongue)
    handover = None
    if found.handover is not None and found.dossier is not None:
        handover = handover_as_json(found.handover, found.dossier.code, names)
    return {
        "asked": name,
        "dossier_id": found.dossier_id,
        "allowed": refusal is None,
        "handover": handover,
        "refusal": refusal,
    }


# ── look ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/v1/handovers",
    openapi_extra=permission("dossier:read"),
    responses=shown({"handovers": [_SHOWN], "next": None}, xlsx=True),
    summary="Hand-overs of this office",
)
def list_handovers(
    request: Request,
    tx: TxDep,
    box: Box = "incoming",
    after: UUID | None = None,
    limit: Limit = 100,
    format: Format = None,  # noqa: A002 - a name of the interface
) -> Response:
    """Newest first."""
    office = None if record.oversees(tx) else tx.actor.office_id or NO_OFFICE
    names = Names(tx, language(request))
    workbook = wants_workbook(request, format)
    lines = store.search_handovers(tx, office, box, after=after, limit=MOST_ROWS if workbook else limit)
    names.know(who for line in lines for who in (line.handover.offered_by, line.handover.closed_by))
    found = [handover_as_json(line.handover, line.dossier_code, names) for line in lines]
    if workbook:
        head = ["code", "state", "from_office", "to_office", "offered_at", "offered_by", "due_at", "closed_at"]
        head += ["closed_by", "reason_code", "note", "manifest_sha256", "seal_kid"]
        return as_workbook("ban-giao.xlsx", head, [[_name(row[key]) for key in head] for row in found])
    more = f"/v1/handovers?box={box}&limit={limit}&after={found[-1]['handover_id']}" if len(found) == limit else None
    return reply({"handovers": found, "next": more})


def _name(value: Any) -> Any:
    """A thing with a name by its name, for a cell."""
    return value.get("name") if isinstance(value, dict) else value


@router.get(
    "/v1/handovers/{handover_id}",
    openapi_extra=permission("dossier:read"),
    responses=shown(_SHOWN),
    summary="One hand-over",
)
def get_handover(request: Request, tx: TxDep, handover_id: HandoverId) -> Response:
    """Between whom, when, and how it ended."""
    return answer(request, tx, seen(tx, handover_id))


@router.get(
    "/v1/handovers/{handover_id}/receipt",
    openapi_extra=permission("dossier:read"),
    responses=shown({"manifest": "{…}", "seal": {"kid": "office-5-1", "jws": "eyJ…..AbC"}, "receipts": [], "keys": []}),
    summary="All that proves a hand-over",
)
def get_receipt(request: Request, tx: TxDep, handover_id: HandoverId) -> Response:
    """The sealed list of what was handed over, this office's receipts, and the public keys: a stranger verifies it offline."""
    handover = seen(tx, handover_id)
    names = Names(tx, language(request))
    party = None if record.oversees(tx) else tx.actor.office_id
    receipts = store.list_receipts(tx, handover_id, party_office_id=party)
    body = {
        "handover_id": handover_id,
        "manifest": handover.manifest.decode("utf-8"),
        "seal": {"kid": handover.seal_kid, "jws": handover.seal_jws},
        "receipts": [receipt_as_json(receipt, names) for receipt in receipts],
        **key_set(published(tx)),
    }
    disposition = f'attachment; filename="bien-nhan-{handover_id}.json"'
    return reply(body, headers={"Content-Disposition": disposition})


@router.get(
    "/v1/handovers/{handover_id}/minutes.pdf",
    openapi_extra=permission("dossier:read"),
    responses=shown_file("application/pdf"),
    summary="Minutes of the whole act of handing over",
)
def get_minutes(tx: TxDep, handover_id: HandoverId) -> Response:
    """Biên bản bàn giao hồ sơ: every dossier handed over in the same act, with hashes and the keys that sealed them."""
    handover = seen(tx, handover_id)
    return printed(handover_minutes(tx, handover.batch_id), f"bien-ban-{handover.batch_id}.pdf")


# ── answer ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post(
    "/v1/handovers/acceptance",
    openapi_extra=MOVES,
    responses=shown({"accepted": 1, "refused": 0, "rows": [{"handover": _SHOWN, "refusal": None}]}),
    summary="Take many at once",
)
def accept_handovers(request: Request, tx: TxDep, keys: KeysDep, said: Acceptance) -> Response:
    """Those that can be taken are taken; each of the others comes back with its reason."""
    tongue = language(request)
    names = Names(tx, tongue)
    verdicts = accept_many(tx, keys, said.handover_ids, partial=True)
    taken = [verdict.handover for verdict in verdicts if verdict.handover is not None]
    codes = {d.dossier_id: d.code for d in store.get_dossiers(tx, [h.dossier_id for h in taken]).values()}
    rows = [
        {
            "handover_id": verdict.handover_id,
            "handover": verdict.handover
            and handover_as_json(verdict.handover, codes[verdict.handover.dossier_id], names),
            "refusal": verdict.refusal and refusal_as_json(verdict.refusal, tongue),
        }
        for verdict in verdicts
    ]
    return reply({"accepted": len(taken), "refused": len(verdicts) - len(taken), "rows": rows})


@router.post(
    "/v1/handovers/{handover_id}/acceptance", openapi_extra=MOVES, responses=shown(_SHOWN), summary="Take a dossier"
)
def accept_handover(request: Request, tx: TxDep, keys: KeysDep, handover_id: HandoverId) -> Response:
    """From now on this office holds the dossier and answers for it."""
    return answer(request, tx, accept(tx, keys, handover_id))


@router.post(
    "/v1/handovers/{handover_id}/refusal", openapi_extra=MOVES, responses=shown(_SHOWN), summary="Do not take a dossier"
)
def refuse_handover(request: Request, tx: TxDep, keys: KeysDep, handover_id: HandoverId, said: Refusal) -> Response:
    """It stays with the sender, who may work on it again."""
    return answer(request, tx, refuse(tx, keys, handover_id, said.reason_code, said.note))


@router.post(
    "/v1/handovers/{handover_id}/recall", openapi_extra=MOVES, responses=shown(_SHOWN), summary="Take an offer back"
)
def recall_handover(request: Request, tx: TxDep, keys: KeysDep, handover_id: HandoverId) -> Response:
    """Only until somebody has accepted."""
    return answer(request, tx, recall(tx, keys, handover_id))


# ── moves by force ──────────────────────────────────────────────────────────────────────────────────────────────────

_FORCED: dict[str, Any] = {
    "force_move_id": _ID,
    "dossier_id": _ID,
    "epoch": 2,
    "to_office": {"office_id": 2, "code": "CN.MX", "name": "Chi nhánh Mỹ Xuyên"},
    "reason_code": "office_closed",
    "reason_note": "Quyết định 12/QĐ-UBND",
    "document_id": _ID,
    "proposed_at": "2026-11-22T03:04:05Z",
    "confirmed_at": None,
    "dropped_at": None,
}
FORCES: Final = permission("dossier:force", key_required=True)
ForceId = Annotated[UUID, Path(description="id of the proposal", examples=[_ID])]


def force_as_json(move: ForceMove, names: Names) -> dict[str, Any]:
    """A proposal: who asked for it, why, and what became of it."""
    return {
        "force_move_id": move.force_move_id,
        "dossier_id": move.dossier_id,
        "epoch": move.epoch,
        "to_office": names.office(move.to_office_id),
        "reason_code": move.reason_code,
        "reason_note": move.reason_note,
        "document_id": move.document_id,
        "proposed_by": names.staff(move.proposed_by),
        "proposed_at": move.proposed_at,
        "confirmed_by": names.staff(move.confirmed_by),
        "confirmed_at": move.confirmed_at,
        "dropped_at": move.dropped_at,
    }


@router.get(
    "/v1/force-moves",
    openapi_extra=permission("dossier:force"),
    responses=shown({"force_moves": [_FORCED], "next": None}, xlsx=True),
    summary="Proposed moves by force",
)
def list_force_moves(
    request: Request,
    tx: TxDep,
    all_of_them: Annotated[bool, Query(alias="all", description="those decided too")] = False,
    format: Format = None,  # noqa: A002 - a name of the interface
) -> Response:
    """Those that wait for a second person, newest first."""
    names = Names(tx, language(request))
    found = [force_as_json(move, names) for move in store.search_force_moves(tx, open_only=not all_of_them)]
    if wants_workbook(request, format):
        return as_workbook("dieu-chuyen.xlsx", list(_FORCED), [[_name(row[key]) for key in _FORCED] for row in found])
    return reply({"force_moves": found, "next": None})


@router.post(
    "/v1/force-moves",
    status_code=201,
    openapi_extra=FORCES,
    responses=shown(_FORCED, status=201),
    summary="Propose a move by force",
)
def propose_force_move(request: Request, tx: TxDep, files: FilesDep, said: ForceProposal) -> Response:
    """For an office that was closed or cannot be reached. Nothing moves before a second person confirms."""
    to_office = office_of(tx, said.to_office)
    document_id = said.document_id
    if said.upload_id is not None:
        stored = finished(tx, said.upload_id)
        scanner = scanner_at(request.app.state.settings.clamd_socket)
        document_id = add_order(tx, said.dossier_id, stored, files=files, scanner=scanner).document_id
    if document_id is None:
        raise OrderMissing()
    move = force_move.propose(
        tx,
        said.dossier_id,
        to_office,
        reason_code=said.reason_code,
        reason_note=said.reason_note,
        document_id=document_id,
    )
    return reply(force_as_json(move, Names(tx, language(request))), 201)


@router.post(
    "/v1/force-moves/{force_move_id}/confirmation",
    openapi_extra=FORCES,
    responses=shown(_SHOWN | {"state": "forced"}),
    summary="Confirm a move by force",
)
def confirm_force_move(request: Request, tx: TxDep, keys: KeysDep, force_move_id: ForceId) -> Response:
    """By another person than the one who proposed it. The dossier moves at once."""
    return answer(request, tx, force_move.confirm(tx, keys, force_move_id))


@router.delete(
    "/v1/force-moves/{force_move_id}", openapi_extra=FORCES, responses=shown(_FORCED), summary="Drop a proposal"
)
def drop_force_move(request: Request, tx: TxDep, force_move_id: ForceId) -> Response:
    """Nothing has moved, and the proposal stays in the history."""
    return reply(force_as_json(force_move.drop(tx, force_move_id), Names(tx, language(request))))


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/v1/keys",
    openapi_extra=permission("service:form"),
    responses=shown({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "register-1", "x": "11qYAYKxCrfVS_7T…"}]}),
    summary="Public keys of all seals",
)
def list_keys(tx: TxDep) -> Response:
    """A JSON Web Key Set with each key's validity: what a stranger needs to verify receipts and manifests offline."""
    return reply(key_set(published(tx)), headers={"Cache-Control": "public, max-age=300"})


__all__ = ["office_of", "refusal_as_json", "router", "seen"]

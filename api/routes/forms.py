"""Online forms: the form itself, what the register fills in, sending it, how the dossier stands. All but one are public.

Public callers share one space of ``Idempotency-Key``: they have no name that could keep them apart. So a key must be one that
nobody can guess (a UUID), and the whole request is compared: who knows a key without the very words that were sent with it learns
nothing, and who sends the same again gets the same receipt.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.deps import DatabaseDep, FilesDep, KeysDep, TxDep, actor, client_address, permission
from api.problems import language, problem
from landdb.dossier.model import Dossier
from landdb.errors import LandError, Malformed
from landdb.messages import Language, message
from landdb.reference.store import get_code
from landdb.service import store
from landdb.service.model import (
    AnswersWrong,
    FieldFault,
    FilledValue,
    FormVersion,
    Prefilled,
    PublicStatus,
    SecondFact,
    SecondFactKind,
)
from landdb.service.open_submission import open_submission
from landdb.service.prefill import prefill
from landdb.service.public_status import public_status
from landdb.service.submit_form import Sent, Submitted, UploadedPaper, checked, submit_form

router = APIRouter(tags=["forms"])

SHORTEST_KEY: Final = 22
"""128 random bits in base64; a UUID has 36 signs."""
MOST_MEMBERS: Final = 300
"""Of one list or group. Whether the items of a list differ is found by comparing each with each."""
MOST_VALUES: Final = 3_000
# Control characters but tab and line ends, and halves of a surrogate pair.
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
PUBLIC_FORM: Final = permission("service:form")
ASKED: Final = permission("service:form", idempotent=False)
SENT_ONCE: Final = permission("service:form", key_required=True) | {"x-public-keys": True}

Procedure = Annotated[str, Path(max_length=40, examples=["local.change"])]


class KeyGuessable(Malformed):
    """Params: ``length``."""

    code = "service.key_guessable"


def storable(answers: dict[str, Any]) -> dict[str, Any]:
    """Answers of a size that a form can have, in text that can be stored: anybody may send them, so both are seen to first."""
    waiting: list[Any] = [answers]
    values = 0
    while waiting:
        value = waiting.pop()
        values += 1
        if isinstance(value, str) and _NO_TEXT.search(value):
            raise ValueError("text")
        if isinstance(value, dict | list) and len(value) > MOST_MEMBERS:
            raise PydanticCustomError("too_long", "too long", {"limit": MOST_MEMBERS})
        if isinstance(value, dict):
            waiting += value.keys()
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if values + len(waiting) > MOST_VALUES:
            raise PydanticCustomError("too_long", "too long", {"limit": MOST_VALUES})
    return answers


Answers = Annotated[dict[str, Any], AfterValidator(storable)]


class Body(BaseModel):
    """A request that says what it means: unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class SecondFactIn(Body):
    """``parcel``: sheet/parcel, such as ``12/45``; ``birth_date``: ``1990-05-21`` or ``21/05/1990``."""

    kind: SecondFactKind
    value: str = Field(min_length=1, max_length=60, examples=["AA 06654954"])


class PrefillAsked(Body):
    """A citizen's number and one more thing that they know."""

    identity_no: str = Field(min_length=6, max_length=20, examples=["000190012345"])
    second_fact: SecondFactIn


class AnswersIn(Body):
    """Answers to be checked, stored nowhere."""

    form_version: int = Field(ge=1, le=32_000)
    answers: Answers


class PaperIn(Body):
    """A paper uploaded before (``/v1/uploads``)."""

    doc_type: str = Field(min_length=1, max_length=40, examples=["GCN"])
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class SubmissionIn(Body):
    """An application: which form, in which version, what was answered."""

    procedure: str = Field(min_length=1, max_length=40, examples=["local.change"])
    form_version: int = Field(ge=1, le=32_000)
    answers: Answers
    papers: list[PaperIn] = Field(default=[], max_length=50)


class StatusAsked(Body):
    """The code on the receipt, and the identity or telephone number given when applying."""

    code: str = Field(min_length=1, max_length=60, examples=["H51.16.14-261122-0001"])
    second_fact: str = Field(min_length=6, max_length=30, examples=["0912345678"])


@router.get("/v1/forms/{procedure}", openapi_extra=PUBLIC_FORM)
def get_form(request: Request, tx: TxDep, procedure: Procedure) -> Response:
    """The form in force today: JSON Schema 2020-12 for programs, layout with labels in both languages for people."""
    form = store.get_form(tx, procedure, tx.today)
    headers = {"ETag": form.etag, "Cache-Control": "public, no-cache"}
    if form.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return JSONResponse(form_as_json(form), headers=headers)


def form_as_json(form: FormVersion) -> dict[str, Any]:
    """A form as the interface shows it."""
    return {
        "form": form.form_code,
        "procedure": form.procedure_code,
        "version": form.version_no,
        "valid_from": form.valid_from and form.valid_from.isoformat(),
        "valid_to": form.valid_to and form.valid_to.isoformat(),
        "source": form.source,
        "schema": form.schema,
        "layout": form.layout,
    }


@router.post("/v1/forms/{procedure}/check", openapi_extra=ASKED)
def check_form(request: Request, tx: TxDep, procedure: Procedure, said: AnswersIn) -> Response:
    """What is wrong with the answers so far, each place with a sentence; nothing is stored."""
    form = store.get_form(tx, procedure, tx.today)
    try:
        checked(tx, form, said.answers)
    except AnswersWrong as wrong:
        return answers_wrong(request, wrong)
    return JSONResponse({"sound": True})


def answers_wrong(request: Request, wrong: AnswersWrong) -> Response:
    """The refusal with every fault: ``field`` is the JSON pointer into the answers."""
    tongue = language(request)
    errors = [fault_as_json(wrong.form, fault, tongue) for fault in wrong.faults]
    return problem(request, 422, wrong.code, wrong.params, errors=errors)


def fault_as_json(form: FormVersion, fault: FieldFault, tongue: Language) -> dict[str, Any]:
    """One fault in words; the answer itself is not repeated."""
    field = form.field(fault.pointer) or {}
    label = field.get("label", {}).get(tongue) or fault.pointer
    shape = field.get("shape", {}).get(tongue) or _shape(field.get("widget"), tongue)
    text = message(fault.rule, {"label": label, "shape": shape, **fault.params}, tongue)
    return {"in": "answers", "field": fault.pointer, "code": fault.rule, "title": label, "detail": text.title}


def _shape(widget: str | None, tongue: Language) -> str:
    known = widget if widget in {"date", "email"} else "other"
    return message(f"service.shape.{known}", {}, tongue).title


@router.post("/v1/forms/{procedure}/prefill", openapi_extra=ASKED)
def prefill_form(
    request: Request, database: DatabaseDep, keys: KeysDep, procedure: Procedure, asked: PrefillAsked
) -> JSONResponse:
    """What the register knows of a citizen: each value with its source and the moment from which it has been known.

    An unknown number and a second fact that does not agree answer alike. The number of tries is limited.
    """
    fact = SecondFact(asked.second_fact.kind, asked.second_fact.value)
    # A transaction of its own, so that a miss is counted although it is refused.
    with database.begin(actor(request)) as tx:
        form = store.get_form(tx, procedure, tx.today)
        outcome = prefill(
            tx,
            keys,
            settings=request.app.state.settings,
            identity_no=asked.identity_no,
            fact=fact,
            address=client_address(request),
        )
    if isinstance(outcome, LandError):
        raise outcome
    return JSONResponse(_filled_as_json(form, outcome, language(request)))


def _filled_as_json(form: FormVersion, filled: Prefilled, tongue: Language) -> dict[str, Any]:
    return {
        "form_version": form.version_no,
        "values": [_value_as_json(form, value, tongue) for value in filled.values],
        "parcels": [
            {
                "parcel_id": str(parcel.parcel_id),
                "commune": parcel.commune,
                "sheet_no": parcel.sheet_no,
                "parcel_no": parcel.parcel_no,
                "values": [_value_as_json(form, value, tongue) for value in parcel.values],
            }
            for parcel in filled.parcels
        ],
    }


def _value_as_json(form: FormVersion, value: FilledValue, tongue: Language) -> dict[str, Any]:
    field = form.field(value.pointer) or {}
    said = message(f"service.source.{value.source_kind}", {}, tongue).title
    return {
        "pointer": value.pointer,
        "value": value.value,
        "source": {"kind": value.source_kind, "id": str(value.source_id), "name": said},
        "as_of": value.as_of.isoformat(),
        "locked": field.get("prefilled") == "locked",
    }


@router.post("/v1/submissions", status_code=201, openapi_extra=SENT_ONCE)
def submit(
    request: Request,
    tx: TxDep,
    keys: KeysDep,
    files: FilesDep,
    said: SubmissionIn,
    idempotency_key: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Send an application; it becomes a dossier in the box of the branch that serves the land's commune today.

    Needs an ``Idempotency-Key`` that nobody can guess: a UUID made when the form was opened.
    """
    if actor(request).kind == "public" and len(idempotency_key) < SHORTEST_KEY:
        raise KeyGuessable(length=SHORTEST_KEY)
    sent = Sent(
        said.procedure, said.form_version, said.answers, [UploadedPaper(p.doc_type, p.sha256) for p in said.papers]
    )
    try:
        done = submit_form(tx, keys, files, sent, address=client_address(request))
    except AnswersWrong as wrong:
        return answers_wrong(request, wrong)
    return JSONResponse(receipt_as_json(done, language(request)), 201)


def receipt_as_json(done: Submitted, tongue: Language) -> dict[str, Any]:
    """What the citizen keeps."""
    dossier: Dossier = done.dossier
    said = "service.office_by_commune" if done.by_commune else "service.office_by_default"
    return {
        "code": dossier.code,
        "submission_id": str(done.submission_id),
        "received_at": dossier.received_at.isoformat(),
        "due_at": dossier.due_at and dossier.due_at.isoformat(),
        "due_provisional": dossier.due_provisional,
        "office": {"code": done.office.code, "name": done.office.name, "phone": done.office.phone},
        "office_serves_commune": done.by_commune,
        "office_note": message(said, {"office": done.office.name}, tongue).title,
        "second_fact_hint": message("service.second_fact_hint", {}, tongue).title,
        "missing_papers": [
            {"doc_type": paper.doc_type, "name": paper.name_en if tongue == "en" else paper.name_vi}
            for paper in done.missing_papers
        ],
        "warnings": list(done.warnings),
    }


@router.get("/v1/submissions/{code}", openapi_extra=permission("dossier:read"))
def get_submission(tx: TxDep, keys: KeysDep, code: Annotated[str, Path(max_length=60)]) -> JSONResponse:
    """What a citizen wrote, for the offices that may see the dossier. Citizens ask ``POST /v1/public/dossier-status``."""
    opened = open_submission(tx, keys, code)
    return JSONResponse(
        {
            "submission_id": str(opened.submission_id),
            "dossier_id": str(opened.dossier_id),
            "code": opened.code,
            "submitted_at": opened.submitted_at.isoformat(),
            "form": form_as_json(opened.form),
            "answers": opened.answers,
        }
    )


@router.post("/v1/public/dossier-status", openapi_extra=ASKED)
def get_status(request: Request, database: DatabaseDep, keys: KeysDep, asked: StatusAsked) -> JSONResponse:
    """How a dossier stands, in the ten national statuses; nothing of any person. By POST, so that no log has the second fact."""
    return JSONResponse(find_status(request, database, keys, asked.code, asked.second_fact))


def find_status(request: Request, database: DatabaseDep, keys: KeysDep, code: str, fact: str) -> dict[str, Any]:
    """The status for the interface and for the page. Raises: ``StatusNotFound``, ``TooManyAsks``."""
    tongue = language(request)
    with database.begin(actor(request)) as tx:
        outcome = public_status(tx, keys, code=code, fact=fact, address=client_address(request))
        names = {} if isinstance(outcome, LandError) else _status_names(tx, outcome, tongue)
    if isinstance(outcome, LandError):
        raise outcome
    return status_as_json(outcome, names, tongue)


def _status_names(tx: TxDep, found: PublicStatus, tongue: Language) -> dict[int, str]:
    codes = {found.status, *(change.status for change in found.history)}
    values = {code: get_code(tx, "dossier_status", str(code)) for code in codes}
    return {code: (value.name_en if tongue == "en" else None) or value.name_vi for code, value in values.items()}


def status_as_json(found: PublicStatus, names: dict[int, str], tongue: Language) -> dict[str, Any]:
    """What is told of a dossier."""
    return {
        "code": found.code,
        "procedure": {
            "code": found.procedure_code,
            "name": found.procedure_name_en if tongue == "en" else found.procedure_name_vi,
        },
        "status": {"code": found.status, "name": names[found.status]},
        "history": [
            {"code": change.status, "name": names[change.status], "at": change.at.isoformat()}
            for change in found.history
        ],
        "received_at": found.received_at.isoformat(),
        "due_at": found.due_at and found.due_at.isoformat(),
        "due_provisional": found.due_provisional,
        "closed_at": found.closed_at and found.closed_at.isoformat(),
        "office": {"name": found.office, "phone": found.office_phone},
    }

"""Bring a dossier a step further, as its procedure's table allows this person now (xử lý hồ sơ).

The same table tells which buttons are shown (``actions_for``) and which press is obeyed (``take_step``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from landdb.access import store as access
from landdb.access.permissions import allows
from landdb.config import settings
from landdb.db.transaction import Tx, new_id
from landdb.dossier import clock, notice, record, store
from landdb.dossier.add_document import is_signed
from landdb.dossier.model import (
    ActionRefused,
    Document,
    Dossier,
    DutyMissing,
    Note,
    PaperMissing,
    ReasonMissing,
    RegistrationMissing,
    SignatureMissing,
    StepReasonUnknown,
    TextMissing,
    demand_version,
)
from landdb.dossier.receive import missing_papers
from landdb.dossier.record import PORTAL, Message
from landdb.errors import LandError
from landdb.messages import message
from landdb.reference import store as reference
from landdb.reference.procedure import Procedure, ProcedureStep
from landdb.sealing.keys import Keys

REASONS: Final = (
    "papers_missing",
    "papers_wrong",
    "papers_unreadable",
    "not_eligible",
    "in_dispute",
    "under_restraint",
    "draft_wrong",
    "citizen_request",
    "other",
)
"""Why a step back, a refusal or a request is made; ``other`` takes a note. Office practice; words: ``step_reason.<code>``."""

SUPPLEMENT: Final = "ask_supplement"
_NOTICES: Final = {
    "wait_citizen": "supplement",
    "wait_payment": "payment",
    "ready": "ready",
    "refused": "refused",
    "withdrawn": "withdrawn",
}


@dataclass(frozen=True)
class ActionOffered:
    """One button. ``why_not``: code of the refusal that pressing it would bring now; null exactly where it is allowed."""

    action: str
    name_vi: str
    name_en: str
    to_stage: str
    duty: str
    needs_reason: bool
    needs_papers: tuple[str, ...]
    needs_signature: bool
    allowed: bool
    why_not: str | None


def actions_for(tx: Tx, dossier: Dossier) -> list[ActionOffered]:
    """All that the table offers at the dossier's stage, and whether this person may do it now.

    A dossier that lacks papers offers the request for them first.
    """
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    steps = list(procedure.steps_from(dossier.stage))
    if any(step.action == SUPPLEMENT for step in steps) and missing_papers(tx, dossier, procedure):
        steps.sort(key=lambda step: step.action != SUPPLEMENT)
    documents = store.list_documents(tx, dossier.dossier_id) if steps else []
    kind = _office_kind(tx)
    return [_offered(step, _why_not(tx, dossier, procedure, step, documents, kind)) for step in steps]


def take_step(
    tx: Tx,
    keys: Keys,
    dossier_id: UUID,
    action: str,
    *,
    reason: str | None = None,
    note: str | None = None,
    expected_version: int | None = None,
) -> Dossier:
    """Do one of the actions offered. expected_version: the version that the person saw (If-Match).

    A second request for supplements goes through and makes the dossier late by the national indicator: ``supplement_count``
    and the event's ``late_by`` say so. Who takes up a dossier that is on no desk has it on theirs.
    Raises: ``Stale``, ``ActionRefused``, ``DutyMissing``, ``ReasonMissing``, ``StepReasonUnknown``, ``TextMissing``,
    ``PaperMissing``, ``SignatureMissing``, ``RegistrationMissing``, ``DossierUnknown``, ``DossierNotHeld``,
    ``DossierSealed``, ``DossierClosed``.
    """
    dossier = store.lock_dossier(tx, dossier_id)
    record.visible(tx, dossier)
    demand_version(dossier, expected_version)
    record.workable(tx, dossier)
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    step = _demanded(procedure, dossier, action)
    refusal = _refusal(tx, dossier, procedure, step, store.list_documents(tx, dossier_id), _office_kind(tx))
    if refusal is not None:
        raise refusal
    said = (note or "").strip()
    _check_reason(step, reason, said)
    return _done(tx, dossier, procedure, step, reason, said)


def registration_required(tx: Tx, dossier: Dossier) -> bool:
    """Whether the dossier may be closed with its result only when its act of the register is there.

    The seam for the acts that change the register: until they exist nothing is required, and the history says so.
    """
    return settings().registration_required and not store.has_registration(tx, dossier.dossier_id)


def _demanded(procedure: Procedure, dossier: Dossier, action: str) -> ProcedureStep:
    step = procedure.step(dossier.stage, action)
    if step is None:
        offered = [step.action for step in procedure.steps_from(dossier.stage)]
        raise ActionRefused(action=action, stage=procedure.stages[dossier.stage].name_vi, offered=", ".join(offered))
    return step


def _office_kind(tx: Tx) -> str | None:
    """Null: the system, which is bound to no office."""
    office = None if tx.actor.office_id is None else access.get_office(tx, tx.actor.office_id)
    return None if office is None else office.kind


def _why_not(
    tx: Tx,
    dossier: Dossier,
    procedure: Procedure,
    step: ProcedureStep,
    documents: Sequence[Document],
    kind: str | None,
) -> str | None:
    try:
        record.workable(tx, dossier)
    except LandError as refusal:
        return refusal.code
    found = _refusal(tx, dossier, procedure, step, documents, kind)
    return None if found is None else found.code


def _refusal(
    tx: Tx,
    dossier: Dossier,
    procedure: Procedure,
    step: ProcedureStep,
    documents: Sequence[Document],
    kind: str | None,
) -> LandError | None:
    """Why this person may not do it now, but for a reason, which they give as they press."""
    if not allows(tx.actor, step.duty) or (kind is not None and kind not in step.office_kinds):
        return DutyMissing(action=step.name_vi, duty=step.duty)
    there = {document.doc_type for document in documents}
    missing = [doc_type for doc_type in step.needs_papers if doc_type not in there]
    if missing:
        called = {paper.doc_type: paper.name_vi for paper in procedure.papers}
        return PaperMissing(papers=", ".join(called.get(m, m) for m in missing), doc_types=missing)
    if step.needs_signature and not is_signed(documents):
        return SignatureMissing(action=step.name_vi)
    if _closes_with_result(procedure, step) and registration_required(tx, dossier):
        return RegistrationMissing(dossier=dossier.code)
    return None


def _closes_with_result(procedure: Procedure, step: ProcedureStep) -> bool:
    return procedure.needs_registration and step.action == "return_result" and procedure.stages[step.to_stage].is_last


def _offered(step: ProcedureStep, why_not: str | None) -> ActionOffered:
    return ActionOffered(
        action=step.action,
        name_vi=step.name_vi,
        name_en=step.name_en,
        to_stage=step.to_stage,
        duty=step.duty,
        needs_reason=step.needs_reason,
        needs_papers=step.needs_papers,
        needs_signature=step.needs_signature,
        allowed=why_not is None,
        why_not=why_not,
    )


def _check_reason(step: ProcedureStep, reason: str | None, note: str) -> None:
    if reason is None:
        if step.needs_reason:
            raise ReasonMissing(action=step.name_vi)
        return
    if reason not in REASONS:
        raise StepReasonUnknown(reason=reason, known=", ".join(REASONS))
    if reason == "other" and not note:
        raise TextMissing(field="note")


def _done(
    tx: Tx, dossier: Dossier, procedure: Procedure, step: ProcedureStep, reason: str | None, note: str
) -> Dossier:
    """The effects of a step: clocks, counts, the note, one event, one message where the national status changes, one notice."""
    changes = clock.enter(tx, dossier, procedure, step.to_stage)
    payload: dict[str, Any] = {"action": step.action}
    if reason is not None:
        payload["reason"] = reason
    if note:
        payload["note_id"] = _noted(tx, dossier, note)
    if step.action == SUPPLEMENT:
        changes["supplement_count"] = dossier.supplement_count + 1
        if changes["supplement_count"] > clock.SUPPLEMENTS_IN_TIME:
            payload["late_by"] = "supplements"
    if step.action == "take_up" and dossier.assignee_id is None and tx.actor.staff_id is not None:
        changes["assignee_id"] = tx.actor.staff_id
        payload["assignee"] = str(tx.actor.staff_id)
    if "due_at" in changes:
        payload |= clock.due_payload(clock.Due(changes["due_at"], changes["due_provisional"]))
    pause_reason = procedure.stages[step.to_stage].pause_reason
    if pause_reason is not None:
        payload["pause"] = pause_reason
    if _closes_with_result(procedure, step) and not store.has_registration(tx, dossier.dossier_id):
        payload["registration"] = "not_required_yet"
    if changes:
        store.set_dossier(tx, dossier.dossier_id, **changes)
    after = record.record(
        tx,
        replace(dossier, **changes),
        "stepped",
        payload,
        to_stage=step.to_stage,
        messages=_told(procedure, dossier.stage, step.to_stage),
    )
    _tell_citizen(tx, after, step.to_stage, reason, note)
    return after


def _noted(tx: Tx, dossier: Dossier, note: str) -> str:
    """The words stay out of the chain: what a person writes may name people."""
    kept = Note(new_id(), dossier.dossier_id, note, tx.now, tx.actor.staff_id, tx.actor.office_id)
    store.add_note(tx, kept)
    return str(kept.note_id)


def _told(procedure: Procedure, from_stage: str, to_stage: str) -> list[Message]:
    """What the national portal hears: each change of the national status, once (I19)."""
    before, after = procedure.stages[from_stage].national_status, procedure.stages[to_stage].national_status
    return [] if before == after else [Message(PORTAL, "status", {"status": after, "stage": to_stage})]


def _tell_citizen(tx: Tx, dossier: Dossier, to_stage: str, reason: str | None, note: str) -> None:
    kind = _NOTICES.get(to_stage)
    if kind is not None:
        why = message(f"step_reason.{reason}", {}, "vi").title if reason else ""
        notice.tell(tx, dossier, kind, reason=": ".join(part for part in (why, note) if part) or "–")

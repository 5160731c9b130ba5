"""An administrative procedure (thủ tục hành chính) as data: its stages, the steps between them, its papers. Pure.

A province sets its own procedures (NĐ 49/2026 Đ15), so what differs between two of them is rows; what the program must know
by name is here: the words of stages, actions, duties and kinds of office. ``check`` refuses a table in which a dossier could be
stuck.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from landdb.errors import Conflict, Invalid, NotFound, Unavailable
from landdb.reference.model import Validity

STAGES: Final = (
    "received",
    "in_process",
    "wait_citizen",
    "at_tax",
    "wait_payment",
    "posting",
    "inspection",
    "to_sign",
    "signed",
    "ready",
    "closed",
    "refused",
    "withdrawn",
)
"""Where a dossier may stand; a procedure has some or all of them."""

ACTIONS: Final = (
    "take_up",
    "ask_supplement",
    "supplement_received",
    "send_to_tax",
    "tax_answered",
    "await_payment",
    "payment_confirmed",
    "start_posting",
    "end_posting",
    "start_inspection",
    "end_inspection",
    "submit_for_signature",
    "send_back",
    "sign",
    "prepare_result",
    "return_result",
    "refuse",
    "withdraw",
)
"""What a person may do to bring a dossier from one stage to another."""

STEP_DUTIES: Final = ("dossier:receive", "dossier:work", "dossier:sign", "dossier:tax", "dossier:return")
"""The permissions that a step may take; ``landdb.access.permissions`` gives them to roles."""

OFFICE_KINDS: Final = ("provincial_office", "branch", "commune_desk", "commune_committee", "tax", "department")
PAUSE_REASONS: Final = ("supplement", "tax", "payment", "posting", "inspection", "opinion")
"""Why a clock stands still. Source: NĐ 101/2024 Đ22 k10."""

RESULT: Final = "RESULT"
"""The kind of paper that is the result itself; all others are codes of the list ``scan_kind``."""

LOCAL: Final = "local."
"""A procedure whose national code nobody has read yet is known by a code of ours that starts so."""


@dataclass(frozen=True)
class ProcedureStage:
    """Where a dossier may stand. ``limit_working_hours`` is that of the office that has it then; null: set by the office.

    ``pause_reason`` null: the clock runs. ``national_status``: 1..10, list ``dossier_status``.
    """

    stage: str
    name_vi: str
    name_en: str
    national_status: int
    limit_working_hours: int | None
    pause_reason: str | None
    is_first: bool
    is_last: bool
    source: str


@dataclass(frozen=True)
class ProcedureStep:
    """One button: who may press it, what must be there first, where it leads.

    ``needs_papers``: kinds that must be in the dossier. ``needs_signature``: one of its papers must carry a valid personal one.
    """

    from_stage: str
    action: str
    to_stage: str
    name_vi: str
    name_en: str
    duty: str
    office_kinds: tuple[str, ...]
    needs_reason: bool
    needs_papers: tuple[str, ...]
    needs_signature: bool
    source: str


@dataclass(frozen=True)
class ProcedurePaper:
    """A paper that an applicant brings. ``confirmed`` false: office practice, no legal list was seen."""

    paper_no: int
    doc_type: str
    name_vi: str
    name_en: str
    required: bool
    copies: int
    confirmed: bool
    source: str


@dataclass(frozen=True)
class Procedure:
    """A procedure under one law, for one province or (``province_code`` empty) for all that have none of their own.

    ``limit_working_hours`` null: set by the office. ``change_code`` null: no change of the register, or one of several.
    """

    procedure_id: int
    code: str
    province_code: str
    name_vi: str
    name_en: str
    limit_working_hours: int | None
    limit_source: str | None
    change_code: str | None
    needs_registration: bool
    valid: Validity
    confirmed: bool
    source: str
    stages: Mapping[str, ProcedureStage]
    steps: Sequence[ProcedureStep]
    papers: Sequence[ProcedurePaper]

    @property
    def has_local_code(self) -> bool:
        """Whether the code is ours, to be shown as "set by the office", and means nothing to the national portal."""
        return self.code.startswith(LOCAL)

    @property
    def first_stage(self) -> str:
        """The stage of a dossier just received."""
        return next(stage.stage for stage in self.stages.values() if stage.is_first)

    @property
    def office_kinds(self) -> frozenset[str]:
        """The kinds of office that take part: a dossier goes to no other."""
        return frozenset(kind for step in self.steps for kind in step.office_kinds)

    @property
    def required_papers(self) -> tuple[ProcedurePaper, ...]:
        """The papers without which a dossier is incomplete."""
        return tuple(paper for paper in self.papers if paper.required)

    def steps_from(self, stage: str) -> tuple[ProcedureStep, ...]:
        """All that may be done at a stage, in the order in which it is offered; nothing at a last one."""
        return tuple(step for step in self.steps if step.from_stage == stage)

    def step(self, stage: str, action: str) -> ProcedureStep | None:
        """The step that an action is at a stage; null where it is none."""
        return next((step for step in self.steps_from(stage) if step.action == action), None)


def choose_procedure(code: str, on: dt.date, rows: Sequence[Procedure], province: str) -> Procedure:
    """The province's own procedure, or else the one for all. Raises: ProcedureUnknown."""
    found = {row.province_code: row for row in rows if row.code == code and row.valid.holds_on(on)}
    chosen = found.get(province) or found.get("")
    if chosen is None:
        raise ProcedureUnknown(procedure=code, on=on.isoformat())
    return chosen


# ------------------------------------------------------------------ a table in which nothing gets stuck


def check(procedure: Procedure) -> None:
    """Refuse a procedure in which a dossier could be stuck, or a stage that none can reach.

    Raises: FirstStageWrong, StepAfterEnd, StageLeadsNowhere, StageUnreached.
    """
    firsts = [stage.stage for stage in procedure.stages.values() if stage.is_first]
    if len(firsts) != 1:
        raise FirstStageWrong(procedure=_name(procedure), count=len(firsts), stages=", ".join(firsts) or "–")
    lasts = {stage.stage for stage in procedure.stages.values() if stage.is_last}
    for step in procedure.steps:
        if step.from_stage in lasts:
            raise StepAfterEnd(procedure=_name(procedure), stage=step.from_stage, action=step.action)
    arrows = [(step.from_stage, step.to_stage) for step in procedure.steps]
    ending = reached(lasts, [(to, source) for source, to in arrows])
    entered = reached(firsts, arrows)
    for stage in procedure.stages:
        if stage not in ending:
            raise StageLeadsNowhere(procedure=_name(procedure), stage=stage)
        if stage not in entered:
            raise StageUnreached(procedure=_name(procedure), stage=stage)


def reached(starts: Iterable[str], arrows: Sequence[tuple[str, str]]) -> set[str]:
    """All places that the arrows lead to from ``starts``, these included."""
    found = set(starts)
    new = set(found)
    while new:
        new = {to for source, to in arrows if source in new} - found
        found |= new
    return found


def _name(procedure: Procedure) -> str:
    return f"{procedure.code} ({procedure.procedure_id})"


# ------------------------------------------------------------------ errors


class ProcedureUnknown(NotFound):
    """Params: ``procedure`` (code or id), ``on`` (null where it was asked for by id)."""

    code = "procedure.unknown"


class ProcedureIncomplete(Unavailable):
    """Its row is loaded, its stages or steps are not yet. Params: ``procedure``."""

    code = "procedure.incomplete"


class IdentifierTaken(Conflict):
    """Another procedure is loaded under this id. Params: ``procedure_id``, ``procedure`` (the one there)."""

    code = "procedure.id_taken"


class FirstStageWrong(Invalid):
    """Not exactly one first stage. Params: ``procedure``, ``count``, ``stages``."""

    code = "procedure.first_stage"


class StepAfterEnd(Invalid):
    """A step leaves a last stage. Params: ``procedure``, ``stage``, ``action``."""

    code = "procedure.step_after_end"


class StageLeadsNowhere(Invalid):
    """From this stage no step leads to an end. Params: ``procedure``, ``stage``."""

    code = "procedure.no_end"


class StageUnreached(Invalid):
    """No step leads from the first stage to this one. Params: ``procedure``, ``stage``."""

    code = "procedure.stage_unreached"


class WorkingHoursMissing(Unavailable):
    """No hours are loaded that hold on the day. Params: ``on``."""

    code = "procedure.working_hours_missing"

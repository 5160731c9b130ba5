"""What an import is: its states, its intents, what may follow what, and how it can be refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from landdb.errors import Conflict, Forbidden, Invalid, NotFound


class State(StrEnum):
    """Where an import stands."""

    SUBMITTED = "submitted"
    READING = "reading"
    CHECKED = "checked"
    STAGED = "staged"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    REJECTED = "rejected"
    UNDOING = "undoing"
    UNDONE = "undone"


class Intent(StrEnum):
    """What the person means the file to do to the register."""

    FIRST_LOAD = "first-load"
    UPDATE = "update"
    RESURVEY = "resurvey"


class Action(StrEnum):
    """What a person can do with an import."""

    APPROVE = "approve"
    REJECT = "reject"
    MEND = "mend"
    CORRECT = "correct"
    UNDO = "undo"


@dataclass(frozen=True)
class Step:
    """One lawful act on an import: from which states, to which, and the permission it takes."""

    action: Action
    before: frozenset[State]
    after: State
    permission: str


STEPS: tuple[Step, ...] = (
    Step(Action.APPROVE, frozenset({State.CHECKED, State.APPLIED}), State.APPLYING, "import:approve"),
    Step(Action.REJECT, frozenset({State.CHECKED, State.FAILED}), State.REJECTED, "import:approve"),
    Step(Action.MEND, frozenset({State.CHECKED, State.APPLIED}), State.READING, "import:mend"),
    Step(Action.CORRECT, frozenset({State.CHECKED, State.FAILED}), State.SUBMITTED, "import:submit"),
    Step(Action.UNDO, frozenset({State.APPLIED}), State.UNDOING, "import:undo"),
)
BUSY = frozenset({State.SUBMITTED, State.READING, State.APPLYING, State.UNDOING})


Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is; null: not known."""


def silent(stage: str, done: int, total: int | None) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class ImportFile:
    """A file of an import: the client's name for it and the digest under which it is kept."""

    ordinal: int
    name: str
    sha256: str
    size_bytes: int
    role: str = "source"


@dataclass(frozen=True)
class ImportJob:
    """An import as its row says. ``srid`` and ``profile`` are null until declared or found."""

    job_id: UUID
    state: State
    intent: Intent
    admin_unit_id: int
    commune_code: str
    commune_name: str
    office_id: int | None
    submitted_by: UUID | None
    submitted_by_name: str | None
    submitted_at: dt.datetime
    approved_by: UUID | None
    layer: str | None
    profile: str | None
    srid: int | None
    swapped_axes: bool
    sheet_no: str | None
    series: str
    dossier_id: UUID | None
    valid_from: dt.date | None
    options: dict[str, Any]
    recognised: dict[str, Any]
    counts: dict[str, int]
    stage: str | None
    progress_done: int
    progress_total: int | None
    heartbeat_at: dt.datetime | None
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    failure_code: str | None
    failure_params: dict[str, Any] | None
    registration_id: UUID | None
    files: tuple[ImportFile, ...] = ()

    @property
    def has_something_to_apply(self) -> bool:
        """Whether an approval would change the register: rows that wait, or parcels that a resurvey ends."""
        return self.waiting > 0 or (not self.stands and self.counts.get("retired", 0) > 0)

    @property
    def balanced(self) -> bool:
        """Whether every row that was read is accounted for: read = new + changed + unchanged + quarantined."""
        return self.counts.get("read", 0) == sum(
            self.counts.get(verdict, 0) for verdict in ("new", "changed", "unchanged", "quarantined")
        )

    @property
    def stands(self) -> bool:
        """Whether a part of it is in the register: earlier rounds were applied, and nobody undid them."""
        return self.registration_id is not None and self.state is not State.UNDONE

    @property
    def waiting(self) -> int:
        """Rows that wait for an approval: all that are new or changed, without those of earlier rounds."""
        return sum(self.counts.get(v, 0) - self.counts.get(f"applied_{v}", 0) for v in ("new", "changed"))


class JobFailed(Conflict):
    """What stopped an import, as its row tells it, raised again for whoever waits for the import."""

    @classmethod
    def of(cls, code: str, params: dict[str, Any]) -> JobFailed:
        """The refusal under the code that the job's row holds."""
        refusal = cls(**params)
        refusal.code = code  # type: ignore[misc]  # one instance speaks with the code of another class
        return refusal


class JobUnknown(NotFound):
    code = "import.unknown"


class RowUnknown(NotFound):
    code = "import.row_unknown"


class RowNotQuarantined(Conflict):
    """params: row, layer."""

    code = "import.row_not_quarantined"


class NotInState(Conflict):
    """params: job_id, action, state."""

    code = "import.not_in_state"


class SameFile(Conflict):
    """params: name, job_id, applied_on."""

    code = "import.same_file"


class SheetNotEmpty(Conflict):
    """A first load into sheets that have parcels in force. params: sheets, count."""

    code = "import.sheet_not_empty"


class RegisterChanged(Conflict):
    """The register changed since the import was compared with it. params: job_id."""

    code = "import.register_changed"


class NothingToApply(Conflict):
    code = "import.nothing_to_apply"


class Overlapping(Conflict):
    """params: count, examples."""

    code = "import.overlapping"


class UndoBlocked(Conflict):
    """params: count, parcels (a list of what changed them since)."""

    code = "import.undo_blocked"


class SamePerson(Forbidden):
    code = "import.same_person"


class DateInFuture(Invalid):
    """The register holds what is, not what is to come. params: valid_from, today."""

    code = "import.date_in_future"


class SameName(Invalid):
    """Two files of one import bear one name, so that complaints could not tell them apart. params: name."""

    code = "import.same_name"


class UnknownField(Invalid):
    """params: field."""

    code = "import.unknown_field"


class UnbalancedCount(Invalid):
    """Our own proof failed: rows read are not all accounted for. params: counts."""

    code = "import.unbalanced"


class NumberTaken(Conflict):
    """Two parcels in force would bear one number on one sheet."""

    code = "parcel.number_taken"


class ClocksOverlap(Conflict):
    """Two versions of one parcel would hold for the same day as known at the same moment."""

    code = "parcel.clocks_overlap"


class ReferenceBroken(Invalid):
    """A bulk change wrote a row that points at nothing: our own fault, and nothing was kept. params: keys."""

    code = "database.reference_broken"


class SharesDoNotSum(Invalid):
    code = "right.shares_do_not_sum"


MENDABLE = (
    "sheet_no",
    "parcel_no",
    "land_use",
    "declared_area_m2",
    "legal_area_m2",
    "holder_name",
    "holder_class",
    "address",
    "former_sheet_no",
    "former_parcel_no",
    "certificate_serial",
    "certificate_register_no",
    "certificate_issued_on",
    "commune_code",
)


def step_for(action: Action) -> Step:
    """The row of ``STEPS`` for an action."""
    return next(step for step in STEPS if step.action is action)


def demand(job: ImportJob, action: Action) -> Step:
    """The step, if the import's state allows it. Raises: ``import.not_in_state``."""
    step = step_for(action)
    if job.state not in step.before:
        raise NotInState(job_id=str(job.job_id), action=action.value, state=job.state.value)
    return step


def actions_for(job: ImportJob, permissions: frozenset[str], *, barred: bool = False) -> list[str]:
    """What this caller can do with the import now, from the same table that the acts obey.

    ``barred``: the caller submitted it, and so may not approve it.
    """
    return [
        step.action.value
        for step in STEPS
        if job.state in step.before
        and (step.permission in permissions or "*" in permissions)
        and (step.action is not Action.APPROVE or (not barred and job.has_something_to_apply))
    ]

"""A registration: the act, its author and its ground, to which every change of the register belongs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class RegistrationKind(StrEnum):
    """What kind of act changed the register."""

    IMPORT = "import"
    UNDO = "undo"


@dataclass(frozen=True)
class Registration:
    """One act. ``effective_on`` is null where the source gives no date; ``author_id`` is null for the system."""

    registration_id: UUID
    kind: RegistrationKind
    recorded_at: dt.datetime
    import_job_id: UUID | None = None
    dossier_id: UUID | None = None
    author_id: UUID | None = None
    approver_id: UUID | None = None
    office_id: int | None = None
    legal_ground: str | None = None
    effective_on: dt.date | None = None

"""Submitting files for import (nộp tệp nhập dữ liệu): the job's row, its files, and the work for a reader."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from landdb.db.transaction import Tx, new_id
from landdb.exchange import queue
from landdb.files import StoredFile
from landdb.intake import store
from landdb.intake.check import set_aside_clashing
from landdb.intake.model import (
    Action,
    DateInFuture,
    ImportFile,
    ImportJob,
    Intent,
    SameFile,
    SameName,
    State,
    demand,
)


@dataclass(frozen=True)
class Request:
    """What the person says of the files. Null: not said, to be found in the file or left unknown.

    ``sheet_no`` serves files without a sheet column; ``series`` names a survey where one commune has several.
    """

    admin_unit_id: int
    intent: Intent = Intent.FIRST_LOAD
    profile: str | None = None
    srid: int | None = None
    layer: str | None = None
    sheet_no: str | None = None
    series: str = ""
    dossier_id: UUID | None = None
    valid_from: dt.date | None = None
    options: dict[str, Any] = field(default_factory=dict)


def submit(tx: Tx, request: Request, files: Sequence[StoredFile]) -> ImportJob:
    """Take files in. Reading begins when a worker is free, after this transaction commits.

    Raises: ``import.same_file`` where a first load of these very bytes already stands in the register,
    ``import.same_name`` where two of the files bear one name, ``import.date_in_future``.
    """
    _refuse_same_names(files)
    if request.valid_from is not None and request.valid_from > tx.today:
        raise DateInFuture(valid_from=request.valid_from.isoformat(), today=tx.today.isoformat())
    if request.intent is Intent.FIRST_LOAD:
        _refuse_twin(tx, request, files)
    job_id = new_id()
    store.add_job(
        tx,
        job_id,
        {
            "intent": request.intent.value,
            "admin_unit_id": request.admin_unit_id,
            "office_id": tx.actor.office_id,
            "submitted_by": tx.actor.staff_id,
            "submitted_at": tx.now,
            "layer": request.layer,
            "profile": request.profile,
            "srid": request.srid,
            "sheet_no": request.sheet_no,
            "series": request.series,
            "dossier_id": request.dossier_id,
            "valid_from": request.valid_from,
            "options": request.options,
        },
    )
    store.add_files(
        tx, job_id, [ImportFile(i, file.name, file.sha256, file.size_bytes) for i, file in enumerate(files, start=1)]
    )
    queue.defer(tx, queue.READ_IMPORT, job_id)
    return store.get_job(tx, job_id)


def correct(tx: Tx, job_id: UUID, **changes: Any) -> ImportJob:
    """Say better what the file is (zone, profile, layer, sheet, encoding) and have it read again from the start."""
    job = store.lock_job(tx, job_id)
    step = demand(job, Action.CORRECT)
    if "options" in changes:
        changes["options"] = {**job.options, **changes["options"]}
    store.close_staging(tx, job_id)
    store.set_state(tx, job_id, step.after, failure_code=None, failure_params=None, heartbeat_at=tx.now, **changes)
    queue.defer(tx, queue.READ_IMPORT, job_id)
    return store.get_job(tx, job_id)


def _refuse_twin(tx: Tx, request: Request, files: Sequence[StoredFile]) -> None:
    twin = store.find_applied_twin(tx, request.admin_unit_id, [file.sha256 for file in files])
    if twin is not None:
        raise SameFile(name=", ".join(file.name for file in files), job_id=str(twin[0]), applied_on=twin[1].isoformat())


def _refuse_same_names(files: Sequence[StoredFile]) -> None:
    names = [file.name for file in files]
    for name in names:
        if names.count(name) > 1:
            raise SameName(name=name)


def fail(tx: Tx, job_id: UUID, code: str, params: dict[str, Any]) -> None:
    """Say that a file could not be read, and why; its staged rows go."""
    store.close_staging(tx, job_id)
    store.set_state(tx, job_id, State.FAILED, failure_code=code, failure_params=params, finished_at=tx.now, stage=None)


def give_back(tx: Tx, job_id: UUID, code: str, params: dict[str, Any]) -> None:
    """Give an import back to the person as it stood before a refused act, with the reason; nothing was written."""
    job = store.get_job(tx, job_id)
    state = State.APPLIED if job.stands else State.CHECKED
    options = {**job.options, "recheck": False, "mend_files": []}
    store.hold_waiting(tx, job_id, held=job.stands)
    store.set_state(tx, job_id, state, options=options, stage=None, failure_code=code, failure_params=params)


def compare_again(tx: Tx, job_id: UUID) -> None:
    """Hold the rows of an import given back against the register as it is now; those that lie over it are set aside."""
    job = store.get_job(tx, job_id)
    store.hold_waiting(tx, job_id, held=False)
    counts = set_aside_clashing(tx, job)
    recognised = {**job.recognised, "register_version": store.register_version(tx)}
    store.hold_waiting(tx, job_id, held=job.stands)
    store.set_state(tx, job_id, job.state, counts=counts, recognised=recognised)

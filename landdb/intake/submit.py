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
from landdb.intake.check import compare
from landdb.intake.model import Action, ImportFile, ImportJob, Intent, SameFile, SheetNotEmpty, State, demand


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

    Raises: ``import.same_file`` where a first load of these very bytes already stands in the register.
    """
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
    store.set_state(tx, job_id, step.after, failure_code=None, failure_params=None, **changes)
    queue.defer(tx, queue.READ_IMPORT, job_id)
    return store.get_job(tx, job_id)


def _refuse_twin(tx: Tx, request: Request, files: Sequence[StoredFile]) -> None:
    twin = store.find_applied_twin(tx, request.admin_unit_id, [file.sha256 for file in files])
    if twin is not None:
        raise SameFile(name=", ".join(file.name for file in files), job_id=str(twin[0]), applied_on=twin[1].isoformat())


def fail(tx: Tx, job_id: UUID, code: str, params: dict[str, Any]) -> None:
    """Say that an import could not be done, and why; its staged rows go."""
    store.close_staging(tx, job_id)
    store.set_state(tx, job_id, State.FAILED, failure_code=code, failure_params=params, finished_at=tx.now, stage=None)


def reopen(tx: Tx, job_id: UUID, state: State, code: str, params: dict[str, Any]) -> None:
    """Give an import back to the person after a refused apply or undo, with the reason; nothing was written."""
    job = store.get_job(tx, job_id)
    recognised = {**job.recognised, "register_version": store.register_version(tx)}
    if state is State.CHECKED:
        counts = compare(tx, job) if code != SheetNotEmpty.code else job.counts
        store.set_state(
            tx,
            job_id,
            state,
            counts=counts,
            recognised=recognised,
            stage=None,
            failure_code=code,
            failure_params=params,
        )
    else:
        store.set_state(tx, job_id, state, stage=None, failure_code=code, failure_params=params)

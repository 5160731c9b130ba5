"""Approving or rejecting a checked import (duyệt, từ chối): a second person's decision, by all rows or by some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from landdb.config import settings
from landdb.db.transaction import Tx
from landdb.exchange import queue
from landdb.intake import check, store
from landdb.intake.model import Action, ImportJob, NothingToApply, SamePerson, demand


@dataclass(frozen=True)
class Selection:
    """Which rows a partial approval takes. ``rows`` null: all; ``without_codes``: but not those with an issue of these codes.

    A row is (file number, layer, row number).
    """

    rows: Sequence[tuple[int, str, int]] | None = None
    without_codes: Sequence[str] = ()


ALL = Selection()


def approve(tx: Tx, job_id: UUID, selection: Selection = ALL) -> ImportJob:
    """Let the selected rows into the register; a worker applies them after this transaction commits.

    Raises: ``import.not_in_state``, ``import.same_person`` where the submitter approves, ``import.nothing_to_apply``.
    """
    job = store.lock_job(tx, job_id)
    step = demand(job, Action.APPROVE)
    _refuse_same_person(tx, job)
    chosen = store.hold_all_but(tx, job_id, selection.rows, selection.without_codes)
    if chosen == 0 and not check.retiring(tx, job):
        raise NothingToApply(job_id=str(job_id))
    store.set_state(
        tx,
        job_id,
        step.after,
        approved_by=tx.actor.staff_id,
        approved_at=tx.now,
        heartbeat_at=tx.now,
        failure_code=None,
        failure_params=None,
    )
    queue.defer(tx, queue.APPLY_IMPORT, job_id)
    return store.get_job(tx, job_id)


def reject(tx: Tx, job_id: UUID, reason: str) -> ImportJob:
    """Send an import back for good, with the reason. Its staged rows, and the names in them, go."""
    job = store.lock_job(tx, job_id)
    step = demand(job, Action.REJECT)
    store.close_staging(tx, job_id)
    store.set_state(
        tx,
        job_id,
        step.after,
        approved_by=tx.actor.staff_id,
        finished_at=tx.now,
        options={**job.options, "reason": reason},
    )
    return store.get_job(tx, job_id)


def is_barred(tx: Tx, job: ImportJob) -> bool:
    """Whether the caller submitted the import and so may not approve it (a one-person setting exists for the demo)."""
    alone = settings().one_person and settings().env == "demo"
    return not alone and job.submitted_by is not None and job.submitted_by == tx.actor.staff_id


def _refuse_same_person(tx: Tx, job: ImportJob) -> None:
    if is_barred(tx, job):
        raise SamePerson(job_id=str(job.job_id))

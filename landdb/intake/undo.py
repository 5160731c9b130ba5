"""Undoing an applied import (hoàn tác): recorded intervals are closed, nothing is deleted, and the past stands again."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from landdb.administrative.model import Registration, RegistrationKind
from landdb.administrative.store import add_registration, set_undone, standing_registrations
from landdb.db.transaction import Tx, new_id
from landdb.exchange import queue
from landdb.intake import store
from landdb.intake.check import OVERLAP_M2
from landdb.intake.model import Action, ImportJob, Progress, State, UndoBlocked, demand, silent

CLOSE = ("undo_close_versions", "undo_references", "undo_rights", "undo_certificates")
REOPEN = (
    "undo_reopen_versions",
    "undo_reopen_land_uses",
    "undo_reopen_references",
    "undo_reopen_rights",
    "undo_end_parcels",
    "undo_restore_parcels",
)


def ask_undo(tx: Tx, job_id: UUID) -> ImportJob:
    """Ask for an import to be undone; refused at once where a later act stands in the way.

    Raises: ``import.not_in_state``, ``import.undo_blocked`` with the list.
    """
    job = store.lock_job(tx, job_id)
    step = demand(job, Action.UNDO)
    refuse_blocked(tx, job)
    store.set_state(tx, job_id, step.after, heartbeat_at=tx.now, failure_code=None, failure_params=None)
    queue.defer(tx, queue.UNDO_IMPORT, job_id)
    return store.get_job(tx, job_id)


def undo(tx: Tx, job_id: UUID, progress: Progress = silent) -> ImportJob:
    """Undo every round of an import, the last first. Safe to call again.

    Raises: ``import.undo_blocked`` with the list; then nothing was written.
    """
    recorded_at = store.lock_register(tx)
    job = store.get_job(tx, job_id)
    if job.state is not State.UNDOING:
        return job
    refuse_blocked(tx, job)
    act = Registration(new_id(), RegistrationKind.UNDO, recorded_at, import_job_id=job_id, author_id=tx.actor.staff_id)
    add_registration(tx, act)
    standing = standing_registrations(tx, job_id)
    for done, undone in enumerate(standing):
        progress("undo", done, len(standing) + 1)
        _undo_one(tx, act, undone.registration_id)
    progress("undo", len(standing), len(standing) + 1)
    if standing:
        _guard_overlaps(tx, act, standing[-1].recorded_at)
    store.run(tx, "drop_faces", registration_id=act.registration_id)
    store.run(tx, "write_faces", registration_id=act.registration_id)
    store.take_statistics(tx)
    store.raise_register_version(tx)
    store.close_staging(tx, job_id)
    store.set_state(tx, job_id, State.UNDONE, undo_registration_id=act.registration_id, finished_at=tx.now, stage=None)
    return store.get_job(tx, job_id)


def _guard_overlaps(tx: Tx, act: Registration, applied_at: dt.datetime) -> None:
    over = store.fetch(
        tx,
        "undo_overlaps",
        registration_id=act.registration_id,
        applied_at=applied_at,
        overlap_m2=OVERLAP_M2,
    )
    if over:
        raise UndoBlocked(count=len(over), parcels=[_blocker(row) for row in over[:1000]])


def refuse_blocked(tx: Tx, job: ImportJob) -> None:
    """Raises: ``import.undo_blocked`` where any parcel of the import was touched by a later act."""
    standing = standing_registrations(tx, job.job_id)
    if not standing:
        return
    blockers = store.fetch(
        tx,
        "undo_blockers",
        registrations=[act.registration_id for act in standing],
        applied_at=standing[-1].recorded_at,
    )
    if blockers:
        raise UndoBlocked(count=len(blockers), parcels=[_blocker(row) for row in blockers[:1000]])


def _blocker(row: dict[str, Any]) -> dict[str, str]:
    return {
        "parcel_id": str(row["parcel_id"]),
        "sheet_no": row["sheet_no"],
        "parcel_no": row["parcel_no"],
        "kind": row["kind"],
        "on": row["recorded_at"].date().isoformat(),
    }


def _undo_one(tx: Tx, act: Registration, undone_id: UUID) -> None:
    scope = {"registration_id": act.registration_id, "undone_id": undone_id, "recorded_at": act.recorded_at}
    for verb in (*CLOSE, *REOPEN):
        store.run(tx, verb, **scope)
    set_undone(tx, undone_id, by=act.registration_id)

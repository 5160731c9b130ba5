"""Applying an approved import (ghi vào cơ sở dữ liệu): one transaction, all of it or nothing, under one registration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from landdb.administrative.model import Registration, RegistrationKind
from landdb.administrative.store import add_registration
from landdb.db.transaction import Tx, new_id
from landdb.intake import check, store
from landdb.intake.model import ImportJob, Intent, Overlapping, Progress, RegisterChanged, State, silent
from landdb.reference.store import successors

CLOSE = ("close_retired_versions", "close_changed_versions", "keep_past", "keep_past_land_uses")
RETIRE = ("retire_parcels", "retire_references")
NEW = (
    "apply_sheets",
    "apply_new_parcels",
    "apply_new_versions",
    "apply_new_land_uses",
    "apply_references",
    "write_new_faces",
)
CHANGED = (
    "renumber_references",
    "close_changed_rights",
    "keep_past_rights",
    "apply_changed_parcels",
    "apply_changed_versions",
    "apply_changed_land_uses",
    "apply_kept_land_uses",
)
ATTACHED = ("apply_holders", "apply_certificates")
FACES = ("drop_changed_faces", "write_faces", "lineage")
"""The statements of an apply, each a file in ``sql/``, in the order in which they need one another."""


def apply(tx: Tx, job_id: UUID, progress: Progress = silent) -> ImportJob:
    """Put the approved rows into the register. Safe to call again: an import that is not applying is left as it is.

    Raises: ``import.register_changed``, ``import.sheet_not_empty``, ``import.overlapping``; then nothing was written.
    """
    # Not the job's row but the register is locked: the page goes on reading how far the work is.
    recorded_at = store.lock_register(tx)
    job = store.get_job(tx, job_id)
    if job.state is not State.APPLYING:
        return job
    progress("compare", 0, None)
    _compare_again(tx, job)
    _guard_overlaps(tx, job)
    act = Registration(
        registration_id=new_id(),
        kind=RegistrationKind.IMPORT,
        recorded_at=recorded_at,
        import_job_id=job_id,
        dossier_id=job.dossier_id,
        author_id=job.submitted_by,
        approver_id=job.approved_by,
        office_id=job.office_id,
        effective_on=job.valid_from,
    )
    add_registration(tx, act)
    retired = _write(tx, job, act, progress)
    return _finish(tx, job, act, retired)


def _compare_again(tx: Tx, job: ImportJob) -> None:
    """The person approved certain consequences; if the register moved since, they must be looked at again."""
    if store.register_version(tx) == job.recognised.get("register_version"):
        return
    before = store.count_verdicts(tx, job.job_id)
    check.compare(tx, job)
    if store.count_verdicts(tx, job.job_id) != before:
        raise RegisterChanged(job_id=str(job.job_id))


def _guard_overlaps(tx: Tx, job: ImportJob) -> None:
    overlaps = check.find_overlaps(tx, job)
    if overlaps:
        raise Overlapping(
            count=len(overlaps),
            examples="; ".join(
                f"{o['parcel_no']}/{o['sheet_no']} – {o['other_parcel']}/{o['other_sheet']}: {o['area_m2']} m²"
                for o in overlaps[:5]
            ),
        )


def _write(tx: Tx, job: ImportJob, act: Registration, progress: Progress) -> int:
    """All statements of the apply in their order; the number of parcels retired."""
    retired = [row["parcel_id"] for row in check.retiring(tx, job)]
    scope: dict[str, Any] = {
        "job_id": job.job_id,
        "admin_unit_id": job.admin_unit_id,
        "present_unit_id": _present_unit_id(tx, job.admin_unit_id),
        "series": job.series,
        "srid": job.srid,
        "registration_id": act.registration_id,
        "recorded_at": act.recorded_at,
        "valid_from": job.valid_from,
        "until": job.valid_from or tx.today,
        "retired": retired,
    }
    verbs: tuple[str, ...] = (*NEW, *ATTACHED)
    if job.intent is not Intent.FIRST_LOAD:
        verbs = (*CLOSE, *RETIRE, "free_numbers", *NEW, *CHANGED, *ATTACHED, *FACES)
    with store.bulk_writing(tx, act.registration_id, job.counts["new"] + job.counts["changed"]):
        for done, verb in enumerate(verbs):
            progress("apply", done, len(verbs))
            store.run(tx, verb, **scope)
    return len(retired)


def _finish(tx: Tx, job: ImportJob, act: Registration, retired: int) -> ImportJob:
    store.raise_register_version(tx)
    done = store.purge_applied(tx, job.job_id)
    applied = {f"applied_{verdict}": job.counts.get(f"applied_{verdict}", 0) + rows for verdict, rows in done.items()}
    applied["applied_retired"] = job.counts.get("applied_retired", 0) + retired
    counts = check.count(tx, replace(job, counts={**job.counts, **applied}, intent=Intent.FIRST_LOAD))
    store.set_state(
        tx,
        job.job_id,
        State.APPLIED,
        counts={**counts, "retired": applied["applied_retired"]},
        registration_id=act.registration_id,
        finished_at=tx.now,
        stage=None,
    )
    return store.get_job(tx, job.job_id)


def _present_unit_id(tx: Tx, admin_unit_id: int) -> int:
    """The unit in which these parcels lie today. A split unit stays named: its parcels go by geometry, not by table."""
    heirs = successors(tx, admin_unit_id)
    if len(heirs) == 1 and not heirs[0].partial:
        return _present_unit_id(tx, heirs[0].unit.admin_unit_id)
    return admin_unit_id

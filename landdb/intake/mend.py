"""Mending rows that were set aside (sửa dòng lỗi): over their fields, or by a second file; only they run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from landdb.db.transaction import Tx
from landdb.exchange import queue
from landdb.files import StoredFile
from landdb.intake import store
from landdb.intake.model import MENDABLE, Action, ImportFile, ImportJob, RowNotQuarantined, Step, UnknownField, demand


@dataclass(frozen=True)
class Mending:
    """What a person writes over one row: canonical field → new text, null empties it."""

    file_no: int
    layer: str
    row_no: int
    fields: Mapping[str, str | None]


def mend_rows(tx: Tx, job_id: UUID, mendings: Sequence[Mending]) -> ImportJob:
    """Write over rows that were set aside and have all such rows judged again. The file itself is never changed.

    Raises: ``import.not_in_state``, ``import.unknown_field``, ``import.row_unknown``, ``import.row_not_quarantined``.
    """
    job = store.lock_job(tx, job_id)
    step = demand(job, Action.MEND)
    for mending in mendings:
        for field in mending.fields:
            if field not in MENDABLE:
                raise UnknownField(field=field, known=", ".join(MENDABLE))
        row = store.get_row(tx, job_id, mending.file_no, mending.layer, mending.row_no)
        if row["verdict"] != "quarantined":
            raise RowNotQuarantined(row=mending.row_no, layer=mending.layer)
        store.set_mended(
            tx,
            job_id,
            file_no=mending.file_no,
            layer=mending.layer,
            row_no=mending.row_no,
            fields=mending.fields,
        )
    return _again(tx, job, step)


def mend_by_files(tx: Tx, job_id: UUID, files: Sequence[StoredFile]) -> ImportJob:
    """Take a second file whose rows stand in for those set aside, matched by sheet and parcel number.

    Raises: ``import.not_in_state``.
    """
    job = store.lock_job(tx, job_id)
    step = demand(job, Action.MEND)
    last = max((file.ordinal for file in job.files), default=0)
    store.add_files(
        tx,
        job_id,
        [ImportFile(last + i, f.name, f.sha256, f.size_bytes, role="mend") for i, f in enumerate(files, start=1)],
    )
    return _again(tx, job, step, mend_files=list(range(last + 1, last + 1 + len(files))))


def _again(tx: Tx, job: ImportJob, step: Step, *, mend_files: list[int] | None = None) -> ImportJob:
    store.set_state(
        tx,
        job.job_id,
        step.after,
        options={**job.options, "recheck": True, "mend_files": mend_files or []},
        stage="recheck",
        failure_code=None,
        failure_params=None,
        heartbeat_at=tx.now,
    )
    queue.defer(tx, queue.READ_IMPORT, job.job_id)
    return store.get_job(tx, job.job_id)

"""Holding staged rows against the register: which parcel each speaks of, what it would change, what it would lie over."""

from __future__ import annotations

from typing import Any

from landdb.db.transaction import Tx
from landdb.intake import store
from landdb.intake.model import ImportJob, Intent, SheetNotEmpty, UnbalancedCount

OVERLAP_M2 = 1.0
"""Below this shared area two parcels of different surveys are not said to overlap. Source: office practice, unconfirmed."""


def _scope(job: ImportJob) -> dict[str, Any]:
    return {"job_id": job.job_id, "admin_unit_id": job.admin_unit_id, "series": job.series}


def compare(tx: Tx, job: ImportJob) -> dict[str, int]:
    """Give every staged row its verdict; the counts, with read = new + changed + unchanged + quarantined.

    Raises: ``import.sheet_not_empty`` for a first load onto sheets that have parcels in force.
    """
    if job.intent is Intent.FIRST_LOAD:
        refuse_filled_sheets(tx, job)  # and nothing is compared: the rows were staged as new
    else:
        store.analyse_staging(tx, job.job_id)
        store.run(tx, "forget_matches", job_id=job.job_id)
        store.run(tx, "match_by_reference", **_scope(job))
        store.run(tx, "match_by_geometry", job_id=job.job_id)
        store.run(tx, "judge", job_id=job.job_id)
    store.analyse_staging(tx, job.job_id)
    return count(tx, job)


def set_aside_clashing(tx: Tx, job: ImportJob) -> dict[str, int]:
    """Compare, and set aside, each with its issue, the rows that cannot stand beside what is in force; the counts.

    Such are rows over a parcel that this import does not replace, and rows whose number such a parcel bears.
    Raises: as ``compare``.
    """
    compare(tx, job)
    overlaps, taken = find_overlaps(tx, job), find_taken_numbers(tx, job)
    store.add_overlap_issues(tx, job.job_id, overlaps)
    store.add_taken_issues(tx, job.job_id, taken)
    store.quarantine_rows(tx, job.job_id, [(o["file_no"], o["layer"], o["row_no"]) for o in (*overlaps, *taken)])
    return count(tx, job)


def refuse_filled_sheets(tx: Tx, job: ImportJob) -> None:
    """Raises: ``import.sheet_not_empty``, naming the sheets."""
    filled = store.fetch(tx, "filled_sheets", **_scope(job))
    if filled:
        raise SheetNotEmpty(
            sheets=", ".join(row["sheet_no"] for row in filled[:20]), count=sum(row["parcels"] for row in filled)
        )


def find_overlaps(tx: Tx, job: ImportJob) -> list[dict[str, Any]]:
    """Staged rows that lie over a parcel in force which this import does not replace; places are WKB, lon/lat."""
    replaces_sheets = job.intent is Intent.RESURVEY and not job.stands
    return store.fetch(tx, "overlaps", **_scope(job), resurvey=replaces_sheets, overlap_m2=OVERLAP_M2)


def find_taken_numbers(tx: Tx, job: ImportJob) -> list[dict[str, Any]]:
    """Staged rows whose number is that of another parcel in force, which this import neither renumbers nor retires."""
    if job.intent is Intent.FIRST_LOAD and not job.stands:
        return []  # its sheets are empty
    ending = [row["parcel_id"] for row in retiring(tx, job)]
    return store.fetch(tx, "taken_numbers", **_scope(job), retiring=ending)


def retiring(tx: Tx, job: ImportJob) -> list[dict[str, Any]]:
    """Parcels that the import would end: of a resurvey's sheets, those that the file does not speak of.

    Only the first round ends parcels: afterwards the rows of those that stay are no longer staged.
    """
    if job.intent is not Intent.RESURVEY or job.stands:
        return []
    return store.fetch(tx, "retiring", **_scope(job))


def count(tx: Tx, job: ImportJob) -> dict[str, int]:
    """Rows by verdict, those applied in earlier rounds included. Raises: ``import.unbalanced`` if one is unaccounted for."""
    staged = store.count_verdicts(tx, job.job_id)
    counts = {
        verdict: staged.get(verdict, 0) + job.counts.get(f"applied_{verdict}", 0)
        for verdict in ("new", "changed", "unchanged", "quarantined")
    }
    read = job.counts.get("read", 0)
    if read != sum(counts.values()):
        raise UnbalancedCount(counts={"read": read, **counts})
    earlier = {name: value for name, value in job.counts.items() if name.startswith("applied_")}
    return {"read": read, **counts, "retired": job.counts.get("applied_retired", 0) + len(retiring(tx, job)), **earlier}

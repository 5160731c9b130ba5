"""All SQL of online services: form versions, what the register knows of one citizen, submissions, public status, attempts."""

# ruff: noqa: S608 -- statements are put together from the fixed column lists of this file; values are always parameters

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from landdb.access.model import Office
from landdb.db.transaction import Tx, statement_file
from landdb.reference.model import fold
from landdb.service.model import FormUnknown, FormVersion, Holding

HERE: Final = Path(__file__).parent
MOST_HOLDINGS: Final = 500

# Forms --------------------------------------------------------------------------------------------------------------

_FORM = """SELECT form_version_id, form_code, procedure_code, version_no, lower(valid) AS valid_from,
                  upper(valid) AS valid_to, schema, layout, source
           FROM form_version"""


def get_form(tx: Tx, procedure_code: str, on: dt.date) -> FormVersion:
    """The form of a procedure in force on a day; one form may serve several. Raises: ``FormUnknown``."""
    row = tx.execute(
        f"""{_FORM} WHERE (procedure_code = :procedure_code OR jsonb_exists(layout -> 'procedures', :procedure_code))
              AND valid @> CAST(:day AS date)
            ORDER BY procedure_code <> :procedure_code, form_code LIMIT 1""",
        procedure_code=procedure_code,
        day=on,
    ).one_or_none()
    if row is None:
        raise FormUnknown(procedure=procedure_code)
    return FormVersion(**row._mapping)


def form_by_id(tx: Tx, form_version_id: int) -> FormVersion:
    """The version on which something was once filled in. Raises: ``FormUnknown``."""
    row = tx.execute(f"{_FORM} WHERE form_version_id = :id", id=form_version_id).one_or_none()
    if row is None:
        raise FormUnknown(procedure=form_version_id)
    return FormVersion(**row._mapping)


def list_forms(tx: Tx, on: dt.date) -> list[FormVersion]:
    """Every form in force on a day."""
    rows = tx.execute(f"{_FORM} WHERE valid @> CAST(:day AS date) ORDER BY procedure_code, form_code", day=on)
    return [FormVersion(**row._mapping) for row in rows]


# What the register knows --------------------------------------------------------------------------------------------


def holdings_of(tx: Tx, number_index: bytes) -> list[Holding]:
    """What stands under an identity number, by its blind index; empty if nothing does."""
    rows = tx.execute(
        statement_file(HERE, "holdings"),
        number_index=number_index,
        today=tx.today,
        now=tx.now,
        limit=MOST_HOLDINGS,
    ).mappings()
    return [Holding(**row, name_folded=fold(row["name"] or "")) for row in rows]


@dataclass(frozen=True)
class ServedCommune:
    """A commune that an office serves today."""

    admin_unit_id: int
    code: str
    full_name: str


def list_served_communes(tx: Tx) -> list[ServedCommune]:
    """The communes that some office serves today, by name: where an application can name land."""
    rows = tx.execute(
        """SELECT DISTINCT u.admin_unit_id, u.code, u.full_name
           FROM office_commune s JOIN admin_unit u USING (admin_unit_id) JOIN office o USING (office_id)
           WHERE s.valid @> CAST(:day AS date) AND u.valid @> CAST(:day AS date) AND o.valid @> CAST(:day AS date)
           ORDER BY u.full_name, u.code""",
        day=tx.today,
    )
    return [ServedCommune(**row._mapping) for row in rows]


_OFFICE = """SELECT o.office_id, o.code, o.name, o.kind, o.parent_id, lower(o.valid) AS valid_from,
                    upper(o.valid) AS valid_to, o.phone
             FROM office o"""


def branch_serving(tx: Tx, admin_unit_id: int, on: dt.date) -> Office | None:
    """The branch that serves a commune on a day; of several the one that began last."""
    row = tx.execute(
        f"""{_OFFICE} JOIN office_commune s USING (office_id)
            WHERE s.admin_unit_id = :unit AND s.valid @> CAST(:day AS date) AND o.valid @> CAST(:day AS date)
              AND o.kind = 'branch'
            ORDER BY lower(s.valid) DESC NULLS LAST, o.office_id LIMIT 1""",
        unit=admin_unit_id,
        day=on,
    ).one_or_none()
    return row and Office(**row._mapping)


def provincial_office(tx: Tx, on: dt.date) -> Office | None:
    """The provincial office on a day; null if there is none."""
    row = tx.execute(
        f"{_OFFICE} WHERE o.kind = 'provincial_office' AND o.valid @> CAST(:day AS date) ORDER BY o.office_id LIMIT 1",
        day=on,
    ).one_or_none()
    return row and Office(**row._mapping)


@dataclass(frozen=True)
class ParcelPlace:
    """A parcel in force and the unit in which it lies today."""

    parcel_id: UUID
    admin_unit_id: int
    sheet_no: str
    parcel_no: str


def find_parcels(tx: Tx, admin_unit_id: int, sheet_no: str, parcel_no: str) -> list[ParcelPlace]:
    """The parcels in force of a commune by sheet and number; several across survey series."""
    rows = tx.execute(
        """SELECT parcel_id, p.admin_unit_id, s.sheet_no, p.parcel_no
           FROM map_sheet s JOIN parcel p USING (map_sheet_id)
           WHERE p.admin_unit_id = :unit AND s.sheet_no = :sheet_no AND p.parcel_no = :parcel_no
             AND p.status = 'in_force'
           ORDER BY parcel_id""",
        unit=admin_unit_id,
        sheet_no=sheet_no,
        parcel_no=parcel_no,
    )
    return [ParcelPlace(**row._mapping) for row in rows]


def find_parcel(tx: Tx, parcel_id: UUID) -> ParcelPlace | None:
    """One parcel in force."""
    row = tx.execute(
        """SELECT parcel_id, p.admin_unit_id, s.sheet_no, p.parcel_no
           FROM parcel p JOIN map_sheet s USING (map_sheet_id)
           WHERE parcel_id = :parcel_id AND p.status = 'in_force'""",
        parcel_id=parcel_id,
    ).one_or_none()
    return row and ParcelPlace(**row._mapping)


# Submissions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredSubmission:
    """A submission as it lies in the database; the answers are sealed."""

    submission_id: UUID
    form_version_id: int
    dossier_id: UUID
    answers_encrypted: bytes
    answers_sha256: bytes
    submitted_at: dt.datetime


def add_submission(
    tx: Tx,
    submission: StoredSubmission,
    second_fact_index: bytes,
) -> None:
    """Keep what was sent, in the transaction that made its dossier."""
    tx.execute(
        """INSERT INTO submission (submission_id, form_version_id, dossier_id, answers_encrypted, answers_sha256,
                                   second_fact_index, submitted_at)
           VALUES (:submission_id, :form_version_id, :dossier_id, :answers_encrypted, :answers_sha256,
                   :second_fact_index, :submitted_at)""",
        vars(submission) | {"second_fact_index": second_fact_index},
    )


def find_submission(tx: Tx, dossier_id: UUID) -> StoredSubmission | None:
    """What was sent for a dossier; null if it came otherwise."""
    row = tx.execute(
        """SELECT submission_id, form_version_id, dossier_id, answers_encrypted, answers_sha256, submitted_at
           FROM submission WHERE dossier_id = :dossier_id""",
        dossier_id=dossier_id,
    ).one_or_none()
    return row and StoredSubmission(
        row.submission_id,
        row.form_version_id,
        row.dossier_id,
        bytes(row.answers_encrypted),
        bytes(row.answers_sha256),
        row.submitted_at,
    )


def papers_not_uploaded(tx: Tx, sha256s: Sequence[str]) -> list[str]:
    """Of these papers, those that this caller has not uploaded to the end: a digest alone opens nobody's file."""
    rows = tx.execute(
        """SELECT DISTINCT asked.sha256 FROM unnest(CAST(:asked AS text[])) AS asked (sha256)
           WHERE NOT EXISTS (SELECT FROM upload u
                             WHERE u.sha256 = asked.sha256 AND u.caller = :caller AND u.finished_at IS NOT NULL)
           ORDER BY 1""",
        asked=list(sha256s),
        caller=tx.actor.caller,
    )
    return list(rows.scalars())


# Public status ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StatusRow:
    """A dossier with what proves that somebody may be told of it."""

    dossier_id: UUID
    code: str
    procedure_id: int
    received_at: dt.datetime
    due_at: dt.datetime | None
    due_provisional: bool
    closed_at: dt.datetime | None
    office: str
    office_phone: str | None
    fact_indexes: list[bytes]
    phones: list[str]


def find_status(tx: Tx, code: str) -> StatusRow | None:
    """A dossier by its code, with the office that holds it and the facts that its people can prove themselves by."""
    row = tx.execute(
        """SELECT d.dossier_id, d.code, d.procedure_id, d.received_at, d.due_at, d.due_provisional, d.closed_at,
                  o.name AS office, o.phone AS office_phone,
                  ARRAY(SELECT identity_index FROM dossier_person
                        WHERE dossier_id = d.dossier_id AND identity_index IS NOT NULL)
                  || ARRAY(SELECT second_fact_index FROM submission WHERE dossier_id = d.dossier_id) AS fact_indexes,
                  ARRAY(SELECT phone FROM dossier_person
                        WHERE dossier_id = d.dossier_id AND phone IS NOT NULL) AS phones
           FROM dossier d JOIN office o ON o.office_id = d.holder_office_id
           WHERE d.code = :code""",
        code=code,
    ).one_or_none()
    return row and StatusRow(**{**row._mapping, "fact_indexes": [bytes(each) for each in row.fact_indexes]})


def list_stages(tx: Tx, dossier_id: UUID | None) -> list[tuple[str, dt.datetime]]:
    """The stages that a dossier came to, in order; none for null (asked all the same: an unknown code costs as much)."""
    rows = tx.execute(
        """SELECT to_stage, at FROM dossier_event
           WHERE dossier_id = CAST(:dossier_id AS uuid) AND to_stage IS NOT NULL ORDER BY event_no""",
        dossier_id=dossier_id,
    )
    return [(row.to_stage, row.at) for row in rows]


# Attempts -----------------------------------------------------------------------------------------------------------


def lock_attempts(tx: Tx, key: str) -> None:
    """One attempt after another from this address, or at this subject: fifty at once would all be counted as the first."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7461003))", key=key)


def count_from(tx: Tx, address: str, kinds: Sequence[str], since: dt.datetime) -> int:
    """Attempts of these kinds from one network address since a moment."""
    return int(
        tx.execute(
            """SELECT count(*) FROM access_event
               WHERE address = CAST(:address AS inet) AND at > :since AND kind = ANY(CAST(:kinds AS text[]))""",
            address=address,
            since=since,
            kinds=list(kinds),
        ).scalar_one()
    )


_MISSED_AT: Final[dict[str, str]] = {
    kind: f"SELECT count(*) FROM access_event WHERE kind = '{kind}' AND note = :subject AND at > :since"
    for kind in ("prefill_missed", "status_missed")
}


def count_missed_at(tx: Tx, kind: str, subject: str, since: dt.datetime) -> int:
    """Wrong guesses at one subject since a moment, from wherever. The kind is in the text so that the index serves."""
    return int(tx.execute(_MISSED_AT[kind], subject=subject, since=since).scalar_one())

"""SQL of registrations."""

from __future__ import annotations

from uuid import UUID

from landdb.administrative.model import Registration, RegistrationKind
from landdb.db.transaction import Tx


def add_registration(tx: Tx, act: Registration) -> None:
    """Write down an act before the changes that belong to it."""
    tx.execute(
        """
INSERT INTO registration (registration_id, kind, import_job_id, dossier_id, author_id, approver_id, office_id, legal_ground,
                          effective_on, recorded_at)
VALUES (:registration_id, :kind, :import_job_id, :dossier_id, :author_id, :approver_id, :office_id, :legal_ground,
        :effective_on, :recorded_at)
""",
        vars(act) | {"kind": act.kind.value},
    )


def standing_registrations(tx: Tx, import_job_id: UUID) -> list[Registration]:
    """What an import put into the register and nobody has undone, latest first."""
    rows = tx.execute(
        """
SELECT registration_id, kind, recorded_at, import_job_id, dossier_id, author_id, approver_id, office_id, legal_ground,
       effective_on
FROM registration
WHERE import_job_id = :import_job_id AND kind = 'import' AND undone_by IS NULL
ORDER BY recorded_at DESC
""",
        import_job_id=import_job_id,
    )
    return [Registration(**{**row, "kind": RegistrationKind(row["kind"])}) for row in rows.mappings()]


def set_undone(tx: Tx, registration_id: UUID, *, by: UUID) -> None:
    """Say that a later registration undid this one."""
    tx.execute(
        "UPDATE registration SET undone_by = :by WHERE registration_id = :registration_id",
        by=by,
        registration_id=registration_id,
    )

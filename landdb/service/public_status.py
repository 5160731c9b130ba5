"""Tell a citizen how their dossier stands (tra cứu hồ sơ): by its code and a second fact, without anybody's data."""

from __future__ import annotations

import hmac

from landdb.db.transaction import Tx
from landdb.errors import LandError
from landdb.reference.store import procedure_by_id
from landdb.sealing.identity import CITIZEN, blind_index
from landdb.sealing.keys import Keys
from landdb.service import attempts, store
from landdb.service.model import PublicStatus, StatusNotFound, phone_digits, status_changes
from landdb.service.store import StatusRow

PHONE = "phone"
LONGEST_CODE = 60


def public_status(tx: Tx, keys: Keys, *, code: str, fact: str, address: str | None) -> PublicStatus | LandError:
    """How it stands, or why nothing is told. ``fact``: identity number or telephone of the applicant or the proxy.

    The refusal is a value, not raised, as in ``prefill``. An unknown code and a wrong fact answer alike.
    """
    wanted = "".join(code.split()).upper()[:LONGEST_CODE]
    attempt = attempts.Attempt("status", wanted, address)
    refused = attempts.admit(tx, attempt)
    if refused is not None:
        return refused
    guessed_at = attempts.is_guessed_at(tx, attempt)
    row = store.find_status(tx, wanted)
    stages = store.list_stages(tx, row.dossier_id if row else None)
    proven = row is not None and _proves(keys, fact, row)
    attempts.note(tx, attempt, found=proven and not guessed_at)
    if row is None or not proven or guessed_at:
        return StatusNotFound()
    procedure = procedure_by_id(tx, row.procedure_id)
    history = status_changes(stages, {name: stage.national_status for name, stage in procedure.stages.items()})
    return PublicStatus(
        code=row.code,
        procedure_code=procedure.code,
        procedure_name_vi=procedure.name_vi,
        procedure_name_en=procedure.name_en,
        status=history[-1].status if history else 1,
        history=history,
        received_at=row.received_at,
        due_at=row.due_at,
        due_provisional=row.due_provisional,
        closed_at=row.closed_at,
        office=row.office,
        office_phone=row.office_phone,
    )


def phone_index(keys: Keys, phone: str) -> bytes:
    """The keyed index of a telephone number."""
    return blind_index(keys, PHONE, phone_digits(phone))


def _proves(keys: Keys, fact: str, row: StatusRow) -> bool:
    """Whether the fact is one of the dossier's people's. Every comparison is made, whichever agrees."""
    said = (blind_index(keys, CITIZEN, fact), phone_index(keys, fact))
    known = [*row.fact_indexes, *(phone_index(keys, phone) for phone in row.phones)]
    empty = blind_index(keys, PHONE, "")
    agreeing = [hmac.compare_digest(one, other) for one in said for other in known if one != empty]
    return any(agreeing)

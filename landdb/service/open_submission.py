"""Show an officer what the citizen wrote (mở đơn trực tuyến); only to those who may see the dossier, and written down."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from landdb.access.store import add_event
from landdb.db.transaction import Tx
from landdb.dossier import record
from landdb.dossier.store import find_dossier
from landdb.sealing.identity import SUBMISSION, SealBroken, decrypt
from landdb.sealing.keys import Keys
from landdb.service import store
from landdb.service.model import FormVersion, SubmissionUnknown


@dataclass(frozen=True)
class OpenedSubmission:
    """What was sent, as it was sent, with the form that it was written on."""

    submission_id: UUID
    dossier_id: UUID
    code: str
    form: FormVersion
    submitted_at: dt.datetime
    answers: dict[str, Any]


def open_submission(tx: Tx, keys: Keys, code: str) -> OpenedSubmission:
    """By the dossier's code. A dossier of other offices, one that came otherwise and no dossier at all answer alike.

    Raises: ``SubmissionUnknown``, ``SealBroken``.
    """
    dossier = find_dossier(tx, code)
    kept = store.find_submission(tx, dossier.dossier_id) if dossier and record.sees(tx, dossier) else None
    if dossier is None or kept is None:
        raise SubmissionUnknown(code=code)
    text = decrypt(keys, str(kept.submission_id), kept.answers_encrypted, purpose=SUBMISSION)
    if hashlib.sha256(text.encode()).digest() != kept.answers_sha256:
        raise SealBroken()
    add_event(tx, "submission_opened", staff_id=tx.actor.staff_id, note=dossier.code)
    form = store.form_by_id(tx, kept.form_version_id)
    return OpenedSubmission(
        kept.submission_id, dossier.dossier_id, dossier.code, form, kept.submitted_at, json.loads(text)
    )

"""The manifest of a hand-over: what goes from one office to the other, as canonical bytes that the sender seals. Pure."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from landdb.dossier.model import Dossier
from landdb.dossier.store import Paper
from landdb.sealing import chain

VERSION: Final = 1


def manifest(
    dossier: Dossier,
    papers: Sequence[Paper],
    *,
    handover_id: UUID,
    to_office: int,
    at: dt.datetime,
    officer_id: UUID | None,
    note: str | None = None,
    reason: str | None = None,
) -> bytes:
    """Canonical JSON of what is handed over: which dossier, of which epoch, from whom to whom, with which papers and history.

    The note enters as a commitment salted with the hand-over's id, so that the manifest may be shown without it.
    """
    facts: dict[str, Any] = {
        "v": VERSION,
        "handover_id": str(handover_id),
        "dossier_id": str(dossier.dossier_id),
        "dossier_code": dossier.code,
        "procedure": dossier.procedure_code,
        "epoch": dossier.epoch,
        "from_office": dossier.holder_office_id,
        "to_office": to_office,
        "stage": dossier.stage,
        "due_at": None if dossier.due_at is None else chain.instant(dossier.due_at),
        "items": [_item(place, paper) for place, paper in enumerate(papers, 1)],
        "data_sha256": hashlib.sha256(chain.canonical(_data(dossier))).hexdigest(),
        "event_no": dossier.event_no,
        "event_head": dossier.event_hash.hex(),
        "reason": reason,
        "note_commitment": None if note is None else chain.commit(handover_id.bytes, note).hex(),
        "created_at_claimed": chain.instant(at),
        "officer_id": None if officer_id is None else str(officer_id),
    }
    return chain.canonical(facts)


def _item(place: int, paper: Paper) -> dict[str, Any]:
    return {
        "n": place,
        "doc_type": paper.doc_type,
        "name": paper.name,
        "sha256": paper.sha256,
        "bytes": str(paper.size_bytes),
        "media_type": paper.media_type,
    }


def _data(dossier: Dossier) -> dict[str, Any]:
    """What the dossier says of itself; nothing of a person."""
    return {
        "received_at": chain.instant(dossier.received_at),
        "intake_office": dossier.intake_office_id,
        "channel": dossier.channel,
        "commune_id": dossier.commune_id,
        "parcel_id": None if dossier.parcel_id is None else str(dossier.parcel_id),
        "certificate_serial": dossier.certificate_serial,
        "summary": dossier.summary,
        "paper_place": dossier.paper_place,
    }

"""A dossier, its events, papers and hand-overs as clients read them: one form for the interface and for the pages.

Names that go with ids (offices, people) are looked up once for each answer, however long the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from landdb.access import store as access
from landdb.access.model import Office
from landdb.db.transaction import Tx
from landdb.dossier import store
from landdb.dossier.model import Document, Dossier, Event, Handover, Note, Receipt
from landdb.dossier.take_step import actions_for
from landdb.messages import Language, message
from landdb.reference import store as reference
from landdb.reference.procedure import Procedure
from landdb.views import workload

ALL_OFFICES: Final = 100_000


def named(thing: Any, tongue: Language) -> str:
    """The name of a row of reference data in the reader's language."""
    name: str = thing.name_en if tongue == "en" else thing.name_vi
    return name


class Names:
    """Who is meant by an id, in one answer."""

    def __init__(self, tx: Tx, tongue: Language) -> None:
        self._tx = tx
        self.tongue = tongue
        self._offices: dict[int, Office] | None = None
        self._staff: dict[UUID, str] = {}

    def office(self, office_id: int | None) -> dict[str, Any] | None:
        """An office, open or closed; null for none."""
        if office_id is None:
            return None
        if self._offices is None:
            self._offices = {o.office_id: o for o in access.list_offices(self._tx, closed_too=True, limit=ALL_OFFICES)}
        found = self._offices[office_id]
        return {"office_id": office_id, "code": found.code, "name": found.name}

    def staff(self, staff_id: UUID | None) -> dict[str, Any] | None:
        """A colleague; null where no person acted (a service, the system, a citizen)."""
        if staff_id is None:
            return None
        if staff_id not in self._staff:
            self.know([staff_id])
        return {"staff_id": staff_id, "name": self._staff.get(staff_id, "")}

    def know(self, staff_ids: Iterable[UUID | None]) -> None:
        """Look up many people at once."""
        wanted = {each for each in staff_ids if each is not None} - self._staff.keys()
        if wanted:
            self._staff |= access.staff_names(self._tx, sorted(wanted))


def dossier_as_json(tx: Tx, dossier: Dossier, tongue: Language) -> dict[str, Any]:
    """One dossier with all that its page shows, and what this caller may do with it now."""
    names = Names(tx, tongue)
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    custody = store.get_custody(tx, dossier)
    here = f"/v1/dossiers/{dossier.dossier_id}"
    opened = custody.open
    same_land = workload.on_same_land(
        tx, parcel_id=dossier.parcel_id, certificate_serial=dossier.certificate_serial, except_id=dossier.dossier_id
    )
    return {
        "dossier_id": dossier.dossier_id,
        "code": dossier.code,
        "version": dossier.event_no,
        "procedure": {"code": procedure.code, "name": named(procedure, tongue)},
        "stage": stage_as_json(procedure, dossier.stage, tongue),
        "custody": {
            "state": dossier.custody_state.value,
            "holder": names.office(dossier.holder_office_id),
            "epoch": dossier.epoch,
            "handover": opened
            and {
                "handover_id": opened.handover_id,
                "from_office": names.office(opened.from_office_id),
                "to_office": names.office(opened.to_office_id),
            },
        },
        "assignee": names.staff(dossier.assignee_id),
        "intake_office": names.office(dossier.intake_office_id),
        "received_at": dossier.received_at,
        "received_by": names.staff(dossier.received_by),
        "channel": dossier.channel,
        "commune_id": dossier.commune_id,
        "parcel_id": dossier.parcel_id,
        "certificate_serial": dossier.certificate_serial,
        "summary": dossier.summary,
        "paper_place": dossier.paper_place,
        "due_at": dossier.due_at,
        "due_provisional": dossier.due_provisional,
        "supplement_count": dossier.supplement_count,
        "finished_at": dossier.finished_at,
        "closed_at": dossier.closed_at,
        "people": [asdict(person) for person in store.list_people(tx, dossier.dossier_id)],
        "external_ids": [asdict(each) for each in store.list_external_ids(tx, dossier.dossier_id)],
        "same_land": [same_land_as_json(each, tongue) for each in same_land],
        "actions": [action_as_json(each, tongue) for each in actions_for(tx, dossier)],
        "links": {"self": here}
        | {name: f"{here}/{name}" for name in ("events", "documents", "deadlines", "receipts", "notes", "fees")}
        | {"receipt": f"{here}/receipt.pdf"},
    }


def row_as_json(row: workload.Row, tongue: Language) -> dict[str, Any]:
    """One line of a box. What is in a dossier (people, land) is null for who only followed it once."""
    english = tongue == "en"
    handover = row.handover_id and {
        "handover_id": row.handover_id,
        "from_office": {"office_id": row.from_office_id, "name": row.from_office},
        "to_office": {"office_id": row.to_office_id, "name": row.to_office},
        "offered_at": row.offered_at,
    }
    return {
        "dossier_id": row.dossier_id,
        "code": row.code,
        "procedure": {"code": row.procedure_code, "name": row.procedure_en if english else row.procedure_vi},
        "stage": {"stage": row.stage, "name": row.stage_en if english else row.stage_vi},
        "applicant": row.applicant,
        "commune": row.commune,
        "parcel": row.parcel_label,
        "received_at": row.received_at,
        "due_at": row.due_at,
        "due_provisional": row.due_provisional,
        "stage_due_at": row.stage_due_at,
        "standing": row.standing.value,
        "late": list(row.late),
        "pause_reason": row.pause_reason,
        "holder": {"office_id": row.holder_office_id, "name": row.holder},
        "assignee": row.assignee_id and {"staff_id": row.assignee_id, "name": row.assignee} if row.visible else None,
        "handover": handover,
        "closed_at": row.closed_at,
        "version": row.event_no,
        "links": {"self": f"/v1/dossiers/{row.dossier_id}"},
    }


def same_land_as_json(each: workload.SameLand, tongue: Language) -> dict[str, Any]:
    """Another open dossier on the same land; without its id and code where it is not for this caller."""
    english = tongue == "en"
    return {
        "dossier_id": each.dossier_id,
        "code": each.code,
        "procedure": each.procedure_en if english else each.procedure_vi,
        "stage": each.stage_en if english else each.stage_vi,
        "holder": each.holder,
        "received_at": each.received_at,
    }


def stage_as_json(procedure: Procedure, stage: str, tongue: Language) -> dict[str, Any]:
    """Where it stands, in the procedure's words and in the national portal's number."""
    found = procedure.stages[stage]
    return {
        "stage": stage,
        "name": named(found, tongue),
        "national_status": found.national_status,
        "pause_reason": found.pause_reason,
    }


def action_as_json(action: Any, tongue: Language) -> dict[str, Any]:
    """A button: what it does, what it takes, and why it is not this caller's to press."""
    return {
        "action": action.action,
        "name": named(action, tongue),
        "to_stage": action.to_stage,
        "duty": action.duty,
        "needs_reason": action.needs_reason,
        "needs_papers": list(action.needs_papers),
        "needs_signature": action.needs_signature,
        "allowed": action.allowed,
        "why_not": message(action.why_not, {}, tongue).title if action.why_not else None,
    }


def events_as_json(events: list[Event], names: Names, *, inside: bool) -> list[dict[str, Any]]:
    """The timeline. ``inside`` false: for a former holder, who sees that things happened and not what was in them."""
    names.know(event.staff_id for event in events)
    return [
        {
            "event_no": event.event_no,
            "kind": event.kind,
            "at": event.at,
            "office": names.office(event.office_id),
            "from_stage": event.from_stage,
            "to_stage": event.to_stage,
            "hash": event.hash.hex(),
        }
        | ({"staff": names.staff(event.staff_id), "payload": event.payload} if inside else {})
        for event in events
    ]


def document_as_json(document: Document, names: Names) -> dict[str, Any]:
    """A paper; its bytes lie under ``links.content``."""
    here = f"/v1/dossiers/{document.dossier_id}/documents/{document.document_id}"
    return {
        "document_id": document.document_id,
        "name": document.name,
        "doc_type": document.doc_type,
        "version": document.version,
        "supersedes_id": document.supersedes_id,
        "sha256": document.sha256,
        "size_bytes": document.size_bytes,
        "media_type": document.media_type,
        "state": document.state,
        "signature": document.signature,
        "added_at": document.added_at,
        "added_by": names.staff(document.added_by),
        "added_office": names.office(document.added_office_id),
        "withdrawn_at": document.withdrawn_at,
        "links": {"content": f"{here}/content"},
    }


def handover_as_json(handover: Handover, code: str, names: Names) -> dict[str, Any]:
    """One attempt to hand over: between whom, when, how it ended, and the seal's key."""
    here = f"/v1/handovers/{handover.handover_id}"
    return {
        "handover_id": handover.handover_id,
        "batch_id": handover.batch_id,
        "dossier_id": handover.dossier_id,
        "code": code,
        "epoch": handover.epoch,
        "state": handover.state.value,
        "from_office": names.office(handover.from_office_id),
        "to_office": names.office(handover.to_office_id),
        "note": handover.note,
        "offered_at": handover.offered_at,
        "offered_by": names.staff(handover.offered_by),
        "due_at": handover.due_at,
        "closed_at": handover.closed_at,
        "closed_by": names.staff(handover.closed_by),
        "reason_code": handover.reason_code,
        "reason_note": handover.reason_note,
        "manifest_sha256": handover.manifest_sha256.hex(),
        "seal_kid": handover.seal_kid,
        "links": {
            "self": here,
            "dossier": f"/v1/dossiers/{handover.dossier_id}",
            "receipt": f"{here}/receipt",
            "minutes": f"{here}/minutes.pdf",
        },
    }


def receipt_as_json(receipt: Receipt, names: Names) -> dict[str, Any]:
    """What the register certified. ``body`` is the signed text, byte for byte."""
    return {
        "receipt_id": receipt.receipt_id,
        "handover_id": receipt.handover_id,
        "kind": receipt.kind.value,
        "party_office": names.office(receipt.party_office_id),
        "issued_at": receipt.issued_at,
        "kid": receipt.kid,
        "body": receipt.body.decode("utf-8"),
        "jws": receipt.jws,
    }


def note_as_json(note: Note, names: Names) -> dict[str, Any]:
    """A note: who told the others what."""
    return {
        "note_id": note.note_id,
        "body": note.body,
        "at": note.at,
        "staff": names.staff(note.staff_id),
        "office": names.office(note.office_id),
    }

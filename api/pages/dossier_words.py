"""How a dossier is said on a page: when it is due in working time, what happened, what a paper is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from api.dossier_json import Names, named
from api.pages.wording import moment, number, word
from landdb.db.transaction import VIETNAM, Tx
from landdb.dossier.clock import SUPPLEMENTS_IN_TIME, Standing
from landdb.dossier.model import Deadline, Document, Dossier, Event, ExternalId
from landdb.dossier.take_step import ActionOffered
from landdb.messages import Language, message
from landdb.reference import store as reference
from landdb.reference.procedure import Procedure
from landdb.reference.working_time import WorkingCalendar
from landdb.views.workload import Row

NO_OFFICE: Final = -1
RESULT: Final = "RESULT"
HOURS_A_DAY: Final = 8
NEXT_KIND: Final = {"commune_desk": "branch", "branch": "commune_desk", "tax": "branch", "provincial_office": "branch"}
"""To which kind of office one of this kind mostly hands over: chosen first, never for good."""
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/webp"})


@dataclass(frozen=True)
class Clock:
    """The present moment, and the working calendar from it to the furthest due times on the page."""

    now_at: dt.datetime
    calendar: WorkingCalendar
    speaks: Language

    @classmethod
    def now(cls, tx: Tx, speaks: Language, dues: Iterable[dt.datetime | None]) -> Clock:
        """A clock for a page on which these due times are shown."""
        days = [tx.today, *(due.astimezone(VIETNAM).date() for due in dues if due is not None)]
        return cls(tx.now, reference.working_calendar(tx, min(days), max(days)), speaks)

    def due(self, row: Row) -> dict[str, Any]:
        """When it is due, in words and as a colour. The office's own clock counts where it runs out first."""
        ends = [each for each in (row.due_at, row.stage_due_at) if each is not None]
        if row.standing is Standing.CLOSED:
            timed = row.finished_at is not None and (row.due_at is not None or bool(row.late))
            key = ("closed_late" if row.late else "closed_on_time") if timed else "closed"
            return self._said(key, "late" if timed and row.late else "none", row.due_at)
        if row.standing is Standing.WAITING:
            why = word(f"pause.{row.pause_reason}", self.speaks)
            return self._said("paused", "paused", min(ends, default=None), why=why)
        if not ends:
            return self._said("none", "none", None)
        return self._running(row.standing, min(ends))

    def _running(self, standing: Standing, at: dt.datetime) -> dict[str, Any]:
        late = standing is Standing.OVERDUE
        css = "late" if late else "soon" if standing is Standing.DUE_SOON else ""
        hours = abs(self.calendar.between(self.now_at, at)) // 60
        if hours == 0 and not late:
            return self._said("now", css or "soon", at)
        unit, n = ("hours", hours) if hours < HOURS_A_DAY * 2 else ("days", hours // HOURS_A_DAY)
        return self._said(f"{'late' if late else 'left'}_{unit}", css, at, n=number(n, language=self.speaks))

    def _said(self, key: str, css: str, at: dt.datetime | None, **params: str) -> dict[str, Any]:
        return {"words": word(f"due.{key}", self.speaks, **params), "css": css, "at": at}


def line(row: Row, clock: Clock, speaks: Language) -> dict[str, Any]:
    """One dossier in a list."""
    parts = [f"{row.parcel_no}/{row.sheet_no}" if row.parcel_no else "", row.commune or ""]
    return {
        "dossier_id": row.dossier_id,
        "handover_id": row.handover_id,
        "code": row.code,
        "procedure": row.procedure_en if speaks == "en" else row.procedure_vi,
        "applicant": row.applicant,
        "place": ", ".join(part for part in parts if part),
        "stage": row.stage_en if speaks == "en" else row.stage_vi,
        "holder": row.holder,
        "to": row.to_office,
        "due": clock.due(row),
    }


def limit(procedure: Procedure, speaks: Language) -> str | None:
    """The limit of a procedure in working days; null: set by the office."""
    hours = procedure.limit_working_hours
    if hours is None:
        return None
    if hours % HOURS_A_DAY:
        return word("receive.limit_hours", speaks, n=number(hours, language=speaks))
    return word("receive.limit_days", speaks, n=number(hours // HOURS_A_DAY, language=speaks))


def action(offered: ActionOffered, speaks: Language) -> dict[str, Any]:
    """A button, and why it cannot be pressed where it cannot."""
    return {
        "action": offered.action,
        "name": named(offered, speaks),
        "needs_reason": offered.needs_reason,
        "allowed": offered.allowed,
        "why_not": message(offered.why_not, {}, speaks).title if offered.why_not else None,
    }


def who(staff_id: UUID | None, office_id: int | None, names: Names) -> str:
    """The person and the office behind an act; without either, the system or a citizen."""
    parts = [(names.staff(staff_id) or {}).get("name", ""), (names.office(office_id) or {}).get("name", "")]
    return ", ".join(part for part in parts if part) or word("event.system", names.tongue)


def timeline(events: Sequence[Event], procedure: Procedure, names: Names, *, inside: bool) -> list[dict[str, Any]]:
    """What happened, the newest first. A former holder sees that it happened, not what was said."""
    names.know(event.staff_id for event in events)
    return [
        {
            "words": _event_words(event, procedure, names),
            "note": _event_note(event, names.tongue) if inside else None,
            "at": event.at,
            "who": who(event.staff_id if inside else None, event.office_id, names),
        }
        for event in reversed(events)
    ]


def _event_words(event: Event, procedure: Procedure, names: Names) -> str:
    to = (names.office(event.payload.get("to_office")) or {}).get("name", "") if event.payload else ""
    if event.kind == "stepped" and event.to_stage:
        to = named(procedure.stages[event.to_stage], names.tongue)
    return word(f"event.{event.kind}", names.tongue, to=to)


def _event_note(event: Event, speaks: Language) -> str | None:
    said = event.payload
    parts = []
    reason = said.get("reason") or said.get("reason_code")
    if reason:
        found = message(f"step_reason.{reason}", {}, speaks).title
        parts.append(word(f"handover.reason.{reason}", speaks) if found == f"step_reason.{reason}" else found)
    parts += [str(said[key]) for key in ("note", "name", "place") if said.get(key)]
    return " · ".join(parts) or None


def paper(document: Document, kinds: Mapping[str, str], speaks: Language) -> dict[str, Any]:
    """A paper with its kind in words and a way to see it."""
    signature = None
    if document.signature and document.signature.get("signed"):
        signature = word("dossier.signed_ok" if document.signature.get("valid") else "dossier.signed_bad", speaks)
    return {
        "href": f"/v1/dossiers/{document.dossier_id}/documents/{document.document_id}/content",
        "title": kinds.get(document.doc_type, document.doc_type),
        "name": document.name,
        "size": document.size_bytes,
        "added_at": document.added_at,
        "kind": document.media_type.rpartition("/")[2][:4].upper(),
        "picture": document.media_type in PICTURES,
        "signature": signature,
    }


def on_paper(first: Sequence[Event], documents: Sequence[Document], kinds: Mapping[str, str]) -> list[str]:
    """What was handed in at the desk and has not been scanned since."""
    handed_in = first[0].payload.get("papers", []) if first else []
    scanned = {document.doc_type for document in documents}
    left = [each["doc_type"] for each in handed_in if not each["scanned"] and each["doc_type"] not in scanned]
    return [kinds.get(doc_type, doc_type) for doc_type in left]


def facts(dossier: Dossier, external: Sequence[ExternalId], names: Names) -> list[tuple[str, str]]:
    """What else is known of it: a word of ``pages.dossier.…`` and its value."""
    found = [
        ("received_at", moment(dossier.received_at)),
        ("due", moment(dossier.due_at) if dossier.due_at else word("due.none", names.tongue)),
        ("intake_office", (names.office(dossier.intake_office_id) or {}).get("name", "")),
        ("channel", word(f"receive.channel.{dossier.channel}", names.tongue)),
    ]
    if dossier.paper_place:
        found.append(("paper_place", dossier.paper_place))
    if external:
        found.append(("external", ", ".join(f"{each.system}: {each.value}" for each in external)))
    return found


def clocks(deadlines: Sequence[Deadline], procedure: Procedure, names: Names) -> list[dict[str, Any]]:
    """The time of each office at each stage."""
    return [
        {
            "stage": named(procedure.stages[each.stage], names.tongue),
            "office": (names.office(each.office_id) or {}).get("name", ""),
            "started_at": each.started_at,
            "met_at": each.met_at,
            "due_at": each.due_at,
        }
        for each in deadlines
    ]


def warnings(dossier: Dossier, *, sealed: bool, inside: bool, speaks: Language) -> list[str]:
    """What the reader should know before anything else."""
    found = []
    if not inside:
        found.append("dossier.timeline_only")
    if sealed:
        found.append("dossier.sealed")
    if dossier.due_provisional:
        found.append("dossier.due_provisional")
    if dossier.supplement_count > SUPPLEMENTS_IN_TIME:
        found.append("dossier.late_by_supplement")
    return [word(key, speaks) for key in found]

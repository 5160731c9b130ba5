"""The work before an office and its people: boxes and counts, what came since yesterday, indicators (khối lượng công việc).

A box is a condition, written once in ``BOXES``; its count and its list are made of the same words, so that no dossier is counted
and not shown, and none falls between two boxes. Who only followed a dossier once (a former holder) sees its track and not what is
in it: no name, no land.
"""

# ruff: noqa: S608 -- statements are put together from the fixed texts of this file; values are always parameters

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from landdb.access.cover_staff import desks_of
from landdb.db.transaction import VIETNAM, Tx
from landdb.dossier.clock import SUPPLEMENTS_IN_TIME, Standing, soon_until
from landdb.dossier.record import oversees
from landdb.errors import Malformed
from landdb.reference import store as reference
from landdb.reference.model import fold, is_working_day

LONGEST_PAGE: Final = 1000

# A clock that stands, or whose processing has ended, shows the time at which it stopped. A pause that lasted already when a
# clock began does not stop that clock.
_RUN_OUT = """(d.due_at < coalesce(d.finished_at, p.from_at, :now)
    OR l.due_at < CASE WHEN p.from_at >= l.started_at THEN p.from_at ELSE :now END)"""
_SOON = """((p.pause_id IS NULL AND d.finished_at IS NULL AND d.due_at <= :soon)
    OR ((p.pause_id IS NULL OR p.from_at < l.started_at) AND l.due_at <= :soon))"""
_HELD = "d.closed_at IS NULL AND (CAST(:office AS integer) IS NULL OR d.holder_office_id = :office)"
_INCOMING = "h.handover_id IS NOT NULL AND (CAST(:office AS integer) IS NULL OR h.to_office_id = :office)"
_CAME = f"""(({_HELD}) AND (c.started_at >= :since OR EXISTS (
        SELECT FROM handover r WHERE r.dossier_id = d.dossier_id AND r.from_office_id = d.holder_office_id
          AND r.state = 'refused' AND r.closed_at >= :since)))
    OR (({_INCOMING}) AND h.offered_at >= :since)"""
# Who holds it, received it, handed it over or took it has a custody of it; besides these there is who was only offered it.
_KNOWN = """(CAST(:office AS integer) IS NULL OR d.dossier_id IN (
    SELECT k.dossier_id FROM custody k WHERE k.office_id = :office
    UNION ALL
    SELECT k.dossier_id FROM handover k WHERE k.to_office_id = :office AND k.state IN ('offered', 'refused', 'recalled')))"""

BOXES: Final[Mapping[str, str]] = {
    "held": _HELD,
    "mine": f"{_HELD} AND d.assignee_id = ANY (CAST(:desks AS uuid[]))",
    "incoming": _INCOMING,
    "sent": "h.handover_id IS NOT NULL AND (CAST(:office AS integer) IS NULL OR h.from_office_id = :office)",
    "overdue": f"{_HELD} AND {_RUN_OUT}",
    "due-soon": f"{_HELD} AND {_SOON} AND ({_RUN_OUT}) IS NOT TRUE",
    "waiting": f"{_HELD} AND p.pause_id IS NOT NULL",
    "since-yesterday": _CAME,
    "closed": "d.closed_at IS NOT NULL AND (CAST(:office AS integer) IS NULL OR d.holder_office_id = :office)",
    "all-known": _KNOWN,
}
"""Every box by its name in the interface. :office null: the whole register, for oversight."""

_NEWEST_FIRST: Final = frozenset({"closed", "all-known", "since-yesterday"})

_JOINS = """FROM dossier d
LEFT JOIN deadline l ON l.dossier_id = d.dossier_id AND l.met_at IS NULL
LEFT JOIN pause p ON p.dossier_id = d.dossier_id AND p.to_at IS NULL
LEFT JOIN handover h ON h.dossier_id = d.dossier_id AND h.state = 'offered'
LEFT JOIN custody c ON c.dossier_id = d.dossier_id AND c.ended_at IS NULL"""

# The people, the land and the papers of a dossier are for who holds it, who is offered it, and oversight (V(d) of custody.md).
_VISIBLE = "coalesce(:oversees OR d.holder_office_id = :viewer OR h.to_office_id = :viewer, false)"

_ROW = f"""SELECT d.dossier_id, d.code, pr.code AS procedure_code, pr.name_vi AS procedure_vi, pr.name_en AS procedure_en,
    d.stage, ps.name_vi AS stage_vi, ps.name_en AS stage_en, {_VISIBLE} AS visible,
    CASE WHEN {_VISIBLE} THEN a.name END AS applicant, CASE WHEN {_VISIBLE} THEN u.full_name END AS commune,
    CASE WHEN {_VISIBLE} THEN m.sheet_no END AS sheet_no, CASE WHEN {_VISIBLE} THEN pc.parcel_no END AS parcel_no,
    d.received_at, d.due_at, d.due_provisional, l.due_at AS stage_due_at, p.reason AS pause_reason, d.closed_at, d.finished_at,
    d.supplement_count, d.custody_state, d.holder_office_id, o.name AS holder, d.assignee_id, s.full_name AS assignee, d.event_no,
    h.handover_id, h.from_office_id, h.to_office_id, f.name AS from_office, t.name AS to_office, h.offered_at,
    coalesce({_RUN_OUT}, false) AS run_out, coalesce({_SOON}, false) AS soon,
    coalesce(d.due_at < coalesce(d.finished_at, d.closed_at, p.from_at, :now), false) AS late
{_JOINS}
JOIN procedure pr USING (procedure_id)
JOIN procedure_stage ps ON ps.procedure_id = d.procedure_id AND ps.stage = d.stage
JOIN office o ON o.office_id = d.holder_office_id
LEFT JOIN office f ON f.office_id = h.from_office_id
LEFT JOIN office t ON t.office_id = h.to_office_id
LEFT JOIN staff s ON s.staff_id = d.assignee_id
LEFT JOIN dossier_person a ON a.dossier_id = d.dossier_id AND a.role = 'applicant'
LEFT JOIN admin_unit u ON u.admin_unit_id = d.commune_id
LEFT JOIN parcel pc ON pc.parcel_id = d.parcel_id
LEFT JOIN map_sheet m ON m.map_sheet_id = pc.map_sheet_id"""

_FOUND = f"""(d.code ILIKE :code_like
    OR EXISTS (SELECT FROM dossier_external_id x WHERE x.dossier_id = d.dossier_id AND x.value = :text)
    OR ({_VISIBLE} AND (d.certificate_serial = :serial OR EXISTS (
        SELECT FROM dossier_person y WHERE y.dossier_id = d.dossier_id AND y.name_folded LIKE :name_like))))"""


class BoxUnknown(Malformed):
    """Params: ``box``, ``known``."""

    code = "dossier.box_unknown"


class PlaceInListMalformed(Malformed):
    """Params: ``after``."""

    code = "dossier.after_malformed"


@dataclass(frozen=True)
class Row:
    """One dossier in a list. ``applicant``, ``commune`` and the parcel are null where they are none or not for this reader.

    ``standing``: how it stands with its time. ``late``: why the portal counts it as late (``due``, ``supplements``).
    ``due_at``: of the whole procedure; ``stage_due_at``: of the office that has it now.
    """

    dossier_id: UUID
    code: str
    procedure_code: str
    procedure_vi: str
    procedure_en: str
    stage: str
    stage_vi: str
    stage_en: str
    visible: bool
    applicant: str | None
    commune: str | None
    sheet_no: str | None
    parcel_no: str | None
    received_at: dt.datetime
    due_at: dt.datetime | None
    due_provisional: bool
    stage_due_at: dt.datetime | None
    pause_reason: str | None
    closed_at: dt.datetime | None
    finished_at: dt.datetime | None
    supplement_count: int
    custody_state: str
    holder_office_id: int
    holder: str
    assignee_id: UUID | None
    assignee: str | None
    event_no: int
    handover_id: UUID | None
    from_office_id: int | None
    to_office_id: int | None
    from_office: str | None
    to_office: str | None
    offered_at: dt.datetime | None
    standing: Standing
    late: tuple[str, ...]

    @property
    def parcel_label(self) -> str | None:
        """Sheet and parcel as people write them: ``12/45``; null: no parcel, or not for this reader."""
        return None if self.parcel_no is None else f"{self.sheet_no}/{self.parcel_no}"


@dataclass(frozen=True)
class Filters:
    """What narrows a box. ``q``: the beginning of a code, a part of a name, a serial, another system's number."""

    q: str | None = None
    procedure_code: str | None = None
    stage: str | None = None
    assignee_id: UUID | None = None
    commune_id: int | None = None


@dataclass(frozen=True)
class Page:
    """A part of a list. ``next_after`` null: the last."""

    rows: tuple[Row, ...]
    next_after: str | None


NO_FILTERS: Final = Filters()


def boxes(tx: Tx, office_id: int | None, staff_id: UUID | None) -> dict[str, int]:
    """How many dossiers lie in each box of an office, and on a person's desk ("mine", those that they look after included).

    office_id null: of the whole register; the caller makes sure that the reader may oversee it.
    """
    params = _moment(tx, office_id, staff_id)
    live = [name for name in BOXES if name not in {"closed", "all-known"}]
    counts = ", ".join(f'count(*) FILTER (WHERE {BOXES[name]}) AS "{name}"' for name in live)
    row = tx.execute(f"SELECT {counts} {_JOINS} WHERE {_LIVE}", params).one()
    found = {name: int(row._mapping[name]) for name in live}
    for name in ("closed", "all-known"):
        # All that there ever was: neither condition needs the joins.
        found[name] = int(tx.execute(f"SELECT count(*) FROM dossier d WHERE {BOXES[name]}", params).scalar_one())
    return {name: found[name] for name in BOXES}


# What no live box reaches beyond; it lets the count begin with the two partial indexes of an office.
_LIVE = """d.closed_at IS NULL AND (CAST(:office AS integer) IS NULL OR d.dossier_id IN (
    SELECT x.dossier_id FROM dossier x WHERE x.holder_office_id = :office AND x.closed_at IS NULL
    UNION SELECT y.dossier_id FROM handover y WHERE y.to_office_id = :office AND y.state = 'offered'))"""


def box(
    tx: Tx,
    name: str,
    office_id: int | None,
    staff_id: UUID | None,
    *,
    filters: Filters = NO_FILTERS,
    after: str | None = None,
    limit: int = 50,
) -> Page:
    """The dossiers of a box: those due first in front, of what has ended the newest.

    Raises: ``BoxUnknown``, ``PlaceInListMalformed``.
    """
    if name not in BOXES:
        raise BoxUnknown(box=name[:40], known=", ".join(BOXES))
    wanted = max(1, min(limit, LONGEST_PAGE))
    params = _moment(tx, office_id, staff_id) | _viewer(tx) | {"limit": wanted + 1}
    conditions = [BOXES[name], *_narrowed(filters, params)]
    order = "d.dossier_id DESC" if name in _NEWEST_FIRST else "coalesce(d.due_at, 'infinity'), d.dossier_id"
    if after:
        conditions.append(_beyond(name, after, params))
    where = " AND ".join(f"({condition})" for condition in conditions)
    rows = tx.execute(f"{_ROW} WHERE {where} ORDER BY {order} LIMIT :limit", params).mappings().all()
    shown = tuple(_row(row) for row in rows[:wanted])
    return Page(shown, _place(name, shown[-1]) if len(rows) > wanted else None)


def row_of(tx: Tx, dossier_id: UUID) -> Row | None:
    """One dossier as a list shows it; null: there is none."""
    params = _moment(tx, None, None) | _viewer(tx) | {"id": dossier_id}
    row = tx.execute(f"{_ROW} WHERE d.dossier_id = :id", params).mappings().first()
    return None if row is None else _row(row)


# ── since yesterday, and the digest of the day ──────────────────────────────────────────────────────────────────────


def since(tx: Tx) -> dt.datetime:
    """The beginning of the working day before today: on a Monday, of Friday. "Since yesterday" begins there."""
    exceptions = reference.calendar(tx, tx.today - dt.timedelta(days=30), tx.today)
    day = tx.today - dt.timedelta(days=1)
    while not is_working_day(day, exceptions) and day > tx.today - dt.timedelta(days=30):
        day -= dt.timedelta(days=1)
    return dt.datetime.combine(day, dt.time(), VIETNAM)


@dataclass(frozen=True)
class Told:
    """Something that was escalated to a person: 1 a clock of their office, 2 of an office below, 9 an offer without an answer."""

    dossier_id: UUID
    code: str
    level: int
    office: str
    at: dt.datetime


@dataclass(frozen=True)
class Digest:
    """The day of one person: counts, what came since yesterday, what presses on their desks, what was escalated to them."""

    since: dt.datetime
    counts: Mapping[str, int]
    came: tuple[Row, ...]
    mine_pressing: tuple[Row, ...]
    told: tuple[Told, ...]


def digest(tx: Tx, office_id: int | None, staff_id: UUID | None, *, limit: int = 50) -> Digest:
    """What a person finds in the morning; a service (staff_id null) has no desk, only its office's boxes."""
    counts = boxes(tx, office_id, staff_id)
    came = box(tx, "since-yesterday", office_id, staff_id, limit=limit).rows
    mine = box(tx, "mine", office_id, staff_id, limit=limit).rows
    pressing = tuple(row for row in mine if row.standing in {Standing.OVERDUE, Standing.DUE_SOON})
    return Digest(since(tx), counts, came, pressing, tuple(escalations(tx, staff_id) if staff_id else ()))


def escalations(tx: Tx, staff_id: UUID) -> list[Told]:
    """What was escalated to a person and still runs."""
    rows = tx.execute(
        """SELECT d.dossier_id, d.code, e.level, o.name AS office, e.at
           FROM escalation e JOIN deadline l USING (deadline_id) JOIN dossier d USING (dossier_id)
           JOIN office o ON o.office_id = l.office_id
           WHERE e.told_id = :staff AND l.met_at IS NULL ORDER BY e.at DESC, d.dossier_id""",
        staff=staff_id,
    )
    return [Told(**row._mapping) for row in rows]


# ── other dossiers on the same land ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SameLand:
    """Another open dossier on a parcel or a certificate. ``dossier_id`` and ``code`` null: it is not for this reader, who must
    know all the same that it runs, and whom to ask.
    """

    dossier_id: UUID | None
    code: str | None
    procedure_vi: str
    procedure_en: str
    stage_vi: str
    stage_en: str
    holder: str
    received_at: dt.datetime


def on_same_land(
    tx: Tx, *, parcel_id: UUID | None, certificate_serial: str | None = None, except_id: UUID | None = None
) -> list[SameLand]:
    """The open dossiers on a parcel or under a certificate, the oldest first."""
    rows = tx.execute(
        f"""SELECT CASE WHEN {_VISIBLE} THEN d.dossier_id END AS dossier_id, CASE WHEN {_VISIBLE} THEN d.code END AS code,
                   pr.name_vi AS procedure_vi, pr.name_en AS procedure_en, ps.name_vi AS stage_vi, ps.name_en AS stage_en,
                   o.name AS holder, d.received_at
            {_JOINS}
            JOIN procedure pr USING (procedure_id)
            JOIN procedure_stage ps ON ps.procedure_id = d.procedure_id AND ps.stage = d.stage
            JOIN office o ON o.office_id = d.holder_office_id
            WHERE d.closed_at IS NULL AND (d.parcel_id = :parcel OR d.certificate_serial = :serial)
              AND d.dossier_id IS DISTINCT FROM CAST(:except_id AS uuid)
            ORDER BY d.received_at, d.dossier_id LIMIT 100""",
        {
            **_viewer(tx),
            "parcel": parcel_id,
            "serial": "".join((certificate_serial or "").split()).upper() or None,
            "except_id": except_id,
        },
    )
    return [SameLand(**row._mapping) for row in rows]


# ── indicators ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Indicators:
    """A procedure at an intake office in a time, as the national portal counts. Source: domain.md §6.

    On time: processing ended by the due time with at most one request for supplements. ``without_limit``: neither, for want of a
    limit. ``online``: came online and its result is a file.
    """

    office_id: int
    office: str
    procedure_code: str
    received: int
    finished: int
    on_time: int
    late: int
    without_limit: int
    late_by_supplements: int
    withdrawn: int
    online: int
    open_now: int
    overdue_now: int


_INDICATORS = f"""
WITH counted AS (
    SELECT d.*, l.due_at AS stage_due_at, p.from_at,
           d.received_at >= :first AND d.received_at < :last AS came,
           d.finished_at >= :first AND d.finished_at < :last AS ended
    FROM dossier d
    LEFT JOIN deadline l ON l.dossier_id = d.dossier_id AND l.met_at IS NULL
    LEFT JOIN pause p ON p.dossier_id = d.dossier_id AND p.to_at IS NULL
    WHERE (CAST(:office AS integer) IS NULL OR d.intake_office_id = :office)
), judged AS (
    SELECT c.*, CASE WHEN supplement_count > {SUPPLEMENTS_IN_TIME} THEN false ELSE finished_at <= due_at END AS good FROM
    counted c
)
SELECT j.intake_office_id AS office_id, o.name AS office, pr.code AS procedure_code,
       count(*) FILTER (WHERE came) AS received,
       count(*) FILTER (WHERE ended) AS finished,
       count(*) FILTER (WHERE ended AND good) AS on_time,
       count(*) FILTER (WHERE ended AND NOT good) AS late,
       count(*) FILTER (WHERE ended AND good IS NULL) AS without_limit,
       count(*) FILTER (WHERE ended AND supplement_count > {SUPPLEMENTS_IN_TIME}) AS late_by_supplements,
       count(*) FILTER (WHERE stage = 'withdrawn' AND closed_at >= :first AND closed_at < :last) AS withdrawn,
       count(*) FILTER (WHERE ended AND channel = 2 AND EXISTS (SELECT FROM document r WHERE r.dossier_id = j.dossier_id
                        AND r.doc_type = 'RESULT' AND r.withdrawn_at IS NULL)) AS online,
       count(*) FILTER (WHERE closed_at IS NULL) AS open_now,
       count(*) FILTER (WHERE closed_at IS NULL AND due_at < coalesce(finished_at, from_at, :now)) AS overdue_now
FROM judged j JOIN office o ON o.office_id = j.intake_office_id JOIN procedure pr USING (procedure_id)
GROUP BY j.intake_office_id, o.name, pr.code ORDER BY o.name, pr.code
"""


def indicators(tx: Tx, first: dt.date, last: dt.date, office_id: int | None = None) -> list[Indicators]:
    """The indicators from one Vietnam day up to and with another; of one intake office, or (null) of all."""
    rows = tx.execute(_INDICATORS, **_days(first, last), office=office_id, now=tx.now)
    return [Indicators(**row._mapping) for row in rows]


@dataclass(frozen=True)
class OfficeTime:
    """How one office kept its own time at one stage: clocks that it met in a time, in time or late, and those without a limit."""

    office_id: int
    office: str
    stage: str
    in_time: int
    late: int
    without_limit: int


def office_times(tx: Tx, first: dt.date, last: dt.date, office_id: int | None = None) -> list[OfficeTime]:
    """Each office by its own time only (NĐ 101/2024 Đ22 k11), from one Vietnam day up to and with another."""
    rows = tx.execute(
        """SELECT l.office_id, o.name AS office, l.stage, count(*) FILTER (WHERE l.met_at <= l.due_at) AS in_time,
                  count(*) FILTER (WHERE l.met_at > l.due_at) AS late, count(*) FILTER (WHERE l.due_at IS NULL) AS without_limit
           FROM deadline l JOIN office o USING (office_id)
           WHERE l.met_at >= :first AND l.met_at < :last AND (CAST(:office AS integer) IS NULL OR l.office_id = :office)
           GROUP BY l.office_id, o.name, l.stage ORDER BY o.name, l.stage""",
        **_days(first, last),
        office=office_id,
    )
    return [OfficeTime(**row._mapping) for row in rows]


# ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _moment(tx: Tx, office_id: int | None, staff_id: UUID | None) -> dict[str, Any]:
    return {
        "now": tx.now,
        "soon": soon_until(tx),
        "since": since(tx),
        "office": office_id,
        "desks": [] if staff_id is None else desks_of(tx, staff_id),
    }


def _viewer(tx: Tx) -> dict[str, Any]:
    return {"viewer": tx.actor.office_id, "oversees": oversees(tx)}


def _narrowed(filters: Filters, params: dict[str, Any]) -> list[str]:
    conditions = []
    for column, value in (
        ("pr.code", filters.procedure_code),
        ("d.stage", filters.stage),
        ("d.assignee_id", filters.assignee_id),
        ("d.commune_id", filters.commune_id),
    ):
        if value is not None:
            name = column.replace(".", "_")
            params[name] = value
            hidden = f" AND {_VISIBLE}" if column == "d.commune_id" else ""
            conditions.append(f"{column} = :{name}{hidden}")
    if filters.q and filters.q.strip():
        text = " ".join(filters.q.split())
        params |= {
            "code_like": f"{_literal(text)}%",
            "text": text,
            "serial": "".join(text.split()).upper(),
            "name_like": f"%{_literal(fold(text))}%",
        }
        conditions.append(_FOUND)
    return conditions


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _place(name: str, row: Row) -> str:
    if name in _NEWEST_FIRST:
        return str(row.dossier_id)
    return f"{'infinity' if row.due_at is None else row.due_at.isoformat()}~{row.dossier_id}"


def _beyond(name: str, after: str, params: dict[str, Any]) -> str:
    """The condition that a row comes after the place at which the page before ended."""
    due, _, last_id = after.rpartition("~")
    try:
        params["after_id"] = UUID(last_id)
        params["after_due"] = due if name in _NEWEST_FIRST or due == "infinity" else dt.datetime.fromisoformat(due)
    except ValueError:
        raise PlaceInListMalformed(after=after[:80]) from None
    if name in _NEWEST_FIRST:
        del params["after_due"]
        return "d.dossier_id < :after_id"
    return "(coalesce(d.due_at, 'infinity'), d.dossier_id) > (CAST(:after_due AS timestamptz), :after_id)"


def _row(row: Mapping[Any, Any]) -> Row:
    values = dict(row)
    run_out, soon, late = values.pop("run_out"), values.pop("soon"), values.pop("late")
    twice = values["supplement_count"] > SUPPLEMENTS_IN_TIME
    return Row(
        **values,
        standing=_standing(values, run_out=run_out, soon=soon),
        late=(("due",) if late else ()) + (("supplements",) if twice else ()),
    )


def _standing(values: Mapping[str, Any], *, run_out: bool, soon: bool) -> Standing:
    """As ``landdb.dossier.clock.standing`` says it of one dossier (a test holds the two together)."""
    if values["closed_at"] is not None:
        return Standing.CLOSED
    if run_out:
        return Standing.OVERDUE
    if soon:
        return Standing.DUE_SOON
    return Standing.RUNNING if values["pause_reason"] is None else Standing.WAITING


def _days(first: dt.date, last: dt.date) -> dict[str, Any]:
    return {
        "first": dt.datetime.combine(first, dt.time(), VIETNAM),
        "last": dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), VIETNAM),
    }

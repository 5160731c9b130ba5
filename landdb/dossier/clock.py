"""When a dossier is due: a clock for the whole procedure, one for each office at each stage, and pauses (thời hạn).

Limits count working hours (``landdb.reference.working_time``); what the law takes out (NĐ 101/2024 Đ22 k10) is a pause with
its reason, and each office answers for its own time only (k11). So a clock goes on through a pause of its own office, and
what an office has used of a stage stays used when the dossier comes back to it. Only the register's time counts: no client's
clock is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from landdb.db.transaction import VIETNAM, Tx
from landdb.dossier import record, store
from landdb.dossier.model import Clocks, Deadline, Dossier, Pause
from landdb.reference import store as reference
from landdb.reference.procedure import Procedure
from landdb.reference.working_time import WorkingCalendar
from landdb.sealing.chain import instant

SOON_WORKING_HOURS: Final = 8
"""A dossier is due soon when it is due within a working day. Set by the office."""
SUPPLEMENTS_IN_TIME: Final = 1
"""Who asks for supplements more often is late, whatever the clock says. Source: the national indicators (domain.md §6)."""
YEAR_MISSING: Final = "calendar.year_missing"
"""Warning: a year's holidays are not loaded, so the due time is provisional."""
NO_CLOCKS: Final = Clocks((), ())
_AT_ONCE: Final = 100


class Standing(StrEnum):
    """How a dossier stands with its time."""

    RUNNING = "running"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"
    WAITING = "waiting"  # the clock stands still
    CLOSED = "closed"


@dataclass(frozen=True)
class Due:
    """When a dossier is due. Null: the procedure has no limit, it is set by the office."""

    due_at: dt.datetime | None
    provisional: bool


# ── what a clock says (pure) ────────────────────────────────────────────────────────────────────────────────────────


def has_run_out(due_at: dt.datetime | None, started_at: dt.datetime, pause: Pause | None, now: dt.datetime) -> bool:
    """Whether a clock has passed its end. While it stands, the time at which it stopped counts.

    pause: the one that lasts, if any; it stops a clock only if it began when that clock ran already.
    """
    stopped_at = pause.from_at if pause is not None and _stops(pause, started_at) else now
    return due_at is not None and due_at < stopped_at


def _stops(pause: Pause | None, started_at: dt.datetime) -> bool:
    return pause is not None and pause.from_at >= started_at


def standing(
    dossier: Dossier, running: Deadline | None, pause: Pause | None, now: dt.datetime, soon: dt.datetime
) -> Standing:
    """How a dossier stands: by its whole procedure, until processing ends, and by the clock of the office that has it.

    soon: the end of "due soon".
    """
    if dossier.closed_at is not None:
        return Standing.CLOSED
    own = [] if running is None else [(running.due_at, running.started_at)]
    if "due" in late_reasons(dossier, pause, now) or any(has_run_out(due, start, pause, now) for due, start in own):
        return Standing.OVERDUE
    ticking = own if dossier.finished_at else [(dossier.due_at, dossier.received_at), *own]
    if any(due is not None and due <= soon and not _stops(pause, start) for due, start in ticking):
        return Standing.DUE_SOON
    return Standing.RUNNING if pause is None else Standing.WAITING


def late_reasons(dossier: Dossier, pause: Pause | None, now: dt.datetime) -> tuple[str, ...]:
    """Why the national portal counts, or would count, a dossier as late: ``due``, ``supplements``; none: in time so far."""
    ended = dossier.finished_at or dossier.closed_at
    run_out = has_run_out(dossier.due_at, dossier.received_at, None if ended else pause, ended or now)
    twice = dossier.supplement_count > SUPPLEMENTS_IN_TIME
    return (("due",) if run_out else ()) + (("supplements",) if twice else ())


def on_time(dossier: Dossier) -> bool | None:
    """The national indicator: finished when due, supplements asked for once at most. Null: not finished, or no limit."""
    if dossier.finished_at is None:
        return None
    if dossier.supplement_count > SUPPLEMENTS_IN_TIME:
        return False
    return None if dossier.due_at is None else dossier.finished_at <= dossier.due_at


FINISHING: Final = (9, 10, 8, 3)
"""The national statuses at which processing has ended, the first of which counts. Source: domain.md §6 (three integrations)."""


# ── the whole procedure ─────────────────────────────────────────────────────────────────────────────────────────────


def promise(tx: Tx, procedure: Procedure, received_at: dt.datetime, pauses: Sequence[Pause] = ()) -> Due:
    """When a dossier received then is due, by the pauses that have ended."""
    if procedure.limit_working_hours is None:
        return Due(None, False)
    calendar = _calendar(tx, received_at)
    due_at = calendar.due(received_at, procedure.limit_working_hours * 60, _ended(pauses))
    return Due(due_at, not _covered(calendar, received_at, due_at))


def _covered(calendar: WorkingCalendar, start_at: dt.datetime, end_at: dt.datetime) -> bool:
    """Whether the holidays of every year in between are loaded."""
    years = range(_local_day(start_at).year, _local_day(end_at).year + 1)
    return all(calendar.covers(dt.date(year, 1, 1)) for year in years)


def soon_until(tx: Tx) -> dt.datetime:
    """The end of "due soon", seen from now."""
    return later(tx, tx.now, SOON_WORKING_HOURS)


def later(tx: Tx, at: dt.datetime, working_hours: int) -> dt.datetime:
    """So many working hours after a moment."""
    return _calendar(tx, at).add(at, working_hours * 60)


def recompute(tx: Tx) -> int:
    """Count anew what was counted without a year's holidays, now that they may be loaded; how many dossiers changed.

    ``landdb.dossier.watch`` calls it; a dossier whose year is still missing is neither read nor locked. Some at a time, so that
    nobody waits long for a lock; the rest is the next round's.
    """
    forget_calendars()
    ready = [
        dossier_id
        for dossier_id, received_at, due_at in store.list_provisional(tx)
        if _covered(_calendar(tx, received_at), received_at, due_at)
    ]
    changed = 0
    for dossier in store.lock_provisional(tx, ready[:_AT_ONCE]):
        procedure = reference.procedure_by_id(tx, dossier.procedure_id)
        clocks = store.get_clocks(tx, dossier.dossier_id)
        due = promise(tx, procedure, dossier.received_at, clocks.pauses)
        if due == Due(dossier.due_at, True):
            continue
        if clocks.running is not None:
            store.set_deadline(tx, clocks.running.deadline_id, due_at=_stage_due(tx, procedure, clocks.running, clocks))
        store.set_dossier(tx, dossier.dossier_id, due_at=due.due_at, due_provisional=due.provisional)
        record.record(tx, dossier, "due_changed", {**due_payload(due), "why": "calendar_loaded"})
        changed += 1
    return changed


def due_payload(due: Due) -> dict[str, Any]:
    """A due time as an event tells of it."""
    return {"due_at": None if due.due_at is None else instant(due.due_at), "provisional": due.provisional}


# ── the clock of an office at a stage ───────────────────────────────────────────────────────────────────────────────


def start(tx: Tx, dossier: Dossier) -> None:
    """The first clock of a dossier just received begins: that of its holder, at its stage."""
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    _follow(tx, dossier, procedure, dossier.stage, NO_CLOCKS)


def move(tx: Tx, dossier: Dossier) -> None:
    """Custody has changed: the clock of the office before ends, that of the holder begins. dossier: with its new holder."""
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    stage = dossier.stage if dossier.closed_at is None else None
    _follow(tx, dossier, procedure, stage, store.get_clocks(tx, dossier.dossier_id))


def meet(tx: Tx, dossier: Dossier) -> None:
    """The running clock ends now. If it stands, what it stood does not count against its office."""
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    _follow(tx, dossier, procedure, None, store.get_clocks(tx, dossier.dossier_id))


def pause(tx: Tx, dossier: Dossier, reason: str, note: str | None = None) -> None:
    """The clock stands from now on, and why. The due times stay as they are until it goes on."""
    store.add_pause(tx, dossier.dossier_id, reason, note)


def resume(tx: Tx, dossier: Dossier) -> dict[str, Any]:
    """The clock goes on: what was stood is added to the procedure's time and the running clock's. What changes of the row."""
    if not store.end_pause(tx, dossier.dossier_id):
        return {}
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    clocks = store.get_clocks(tx, dossier.dossier_id)
    if clocks.running is not None:
        store.set_deadline(tx, clocks.running.deadline_id, due_at=_stage_due(tx, procedure, clocks.running, clocks))
    due = promise(tx, procedure, dossier.received_at, clocks.pauses)
    return {"due_at": due.due_at, "due_provisional": due.provisional}


def enter(tx: Tx, dossier: Dossier, procedure: Procedure, to_stage: str) -> dict[str, Any]:
    """Let the clocks follow a step to another stage; what changes of the dossier's row. dossier: as it was before the step."""
    target = procedure.stages[to_stage]
    changes: dict[str, Any] = {}
    if procedure.stages[dossier.stage].pause_reason is not None:
        changes |= resume(tx, dossier)
    if target.pause_reason is not None:
        pause(tx, dossier, target.pause_reason)
    else:
        clocks = store.get_clocks(tx, dossier.dossier_id)
        if target.is_last:
            _follow(tx, dossier, procedure, None, clocks)
        elif (running := clocks.running) is None or (running.stage, running.office_id) != (
            to_stage,
            dossier.holder_office_id,
        ):
            _follow(tx, dossier, procedure, to_stage, clocks)
    if target.is_last:
        changes["closed_at"] = tx.now
    if target.national_status in FINISHING and dossier.finished_at is None:
        changes["finished_at"] = tx.now
    return changes


def _follow(tx: Tx, dossier: Dossier, procedure: Procedure, stage: str | None, clocks: Clocks) -> None:
    """In one statement the running clock, if any, ends, and that of the holder at a stage begins (null: none does)."""
    running = clocks.running
    if running is None and stage is None:
        return
    met_due = None
    deadlines = clocks.deadlines
    if running is not None:
        ended = Clocks(deadlines, tuple(replace(p, to_at=p.to_at or tx.now) for p in clocks.pauses))
        met_due = _stage_due(tx, procedure, running, ended)
        met = replace(running, met_at=max(tx.now, running.started_at))
        deadlines = tuple(met if d is running else d for d in deadlines)
    due_at = None
    if stage is not None:
        minutes = _minutes_left(tx, procedure, stage, dossier.holder_office_id, Clocks(deadlines, clocks.pauses))
        due_at = None if minutes is None else _calendar(tx, tx.now).add(tx.now, minutes)
    store.follow_clock(
        tx,
        dossier.dossier_id,
        met_due_at=met_due,
        stage=stage,
        office_id=dossier.holder_office_id,
        due_at=due_at,
    )


def _stage_due(tx: Tx, procedure: Procedure, running: Deadline, clocks: Clocks) -> dt.datetime | None:
    """When a running clock is due by the pauses that began while it ran and have ended."""
    minutes = _minutes_left(tx, procedure, running.stage, running.office_id, clocks)
    if minutes is None:
        return None
    stood = _ended(_of(running, clocks.pauses))
    return _calendar(tx, running.started_at).due(running.started_at, minutes, stood)


def _minutes_left(tx: Tx, procedure: Procedure, stage: str, office_id: int, clocks: Clocks) -> int | None:
    """What an office has for a stage, less what it has used of it before; null: set by the office."""
    limit = procedure.stages[stage].limit_working_hours
    if limit is None:
        return None
    before = [d for d in clocks.deadlines if d.met_at is not None and (d.stage, d.office_id) == (stage, office_id)]
    if not before:
        return limit * 60
    calendar = _calendar(tx, min(d.started_at for d in before))
    used = sum(
        calendar.elapsed(d.started_at, d.met_at or tx.now, [(p.from_at, p.to_at) for p in _of(d, clocks.pauses)])
        for d in before
    )
    return max(0, limit * 60 - used)


def _of(deadline: Deadline, pauses: Sequence[Pause]) -> list[Pause]:
    """The pauses that stop this clock: those that began while it ran. In one that lasted already it is the office's own time."""
    until = deadline.met_at
    return [p for p in pauses if p.from_at >= deadline.started_at and (until is None or p.from_at <= until)]


def _ended(pauses: Sequence[Pause]) -> list[tuple[dt.datetime, dt.datetime | None]]:
    return [(p.from_at, p.to_at) for p in pauses if p.to_at is not None]


# ── the calendar, kept for a minute ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Kept:
    """A calendar read at a time, good from a day on."""

    read_at: dt.datetime
    first: dt.date
    calendar: WorkingCalendar


_KEPT_FOR: Final = dt.timedelta(minutes=1)
_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def forget_calendars() -> None:
    """Read the calendar again when it is next asked for."""
    _kept.clear()


def _calendar(tx: Tx, start_at: dt.datetime) -> WorkingCalendar:
    """The working calendar from a moment on to the end of the year after this one, or after that moment's.

    Raises: ``procedure.working_hours_missing``.
    """
    first = _local_day(start_at)
    known = _kept.get(tx.connection.engine)
    fresh = known is not None and known.read_at <= tx.now < known.read_at + _KEPT_FOR
    if known is None or not fresh or first < known.first or first.year > _local_day(known.read_at).year:
        first = min(first, known.first) if known is not None and fresh else first
        calendar = reference.working_calendar(tx, first, max(tx.today, _local_day(start_at)))
        known = _Kept(tx.now, first, calendar)
        _kept[tx.connection.engine] = known
    return known.calendar


def _local_day(at: dt.datetime) -> dt.date:
    return at.astimezone(VIETNAM).date()

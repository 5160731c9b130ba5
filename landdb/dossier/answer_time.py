"""By when a hand-over should be answered. Nothing moves by itself when it is not: somebody is told (``watch``)."""

from __future__ import annotations

import datetime as dt
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from landdb.db.transaction import Tx
from landdb.reference import store as reference
from landdb.reference.model import CodeUnknown
from landdb.reference.procedure import WorkingHoursMissing
from landdb.reference.working_time import WorkingCalendar

LIMITS: Final = "office_limit"
FORWARD: Final = "forward"
KEPT_FOR: Final = dt.timedelta(minutes=1)

_kept: WeakKeyDictionary[Engine, tuple[dt.datetime, tuple[WorkingCalendar, int] | None]] = WeakKeyDictionary()


def answer_due(tx: Tx) -> dt.datetime | None:
    """When a hand-over offered now should be answered, by working time; null where the office has set no limit or no hours.

    The calendar is kept in the process for a minute.
    """
    read_at, known = _kept.get(tx.connection.engine, (None, None))
    if read_at is None or not read_at <= tx.now < read_at + KEPT_FOR:
        known = _read(tx)
        _kept[tx.connection.engine] = (tx.now, known)
    return known and known[0].add(tx.now, known[1]).astimezone(dt.UTC)


def _read(tx: Tx) -> tuple[WorkingCalendar, int] | None:
    try:
        limit = reference.get_code(tx, LIMITS, FORWARD)
        return reference.working_calendar(tx, tx.today, tx.today), int(limit.attributes["working_hours"]) * 60
    except (CodeUnknown, WorkingHoursMissing):
        return None

"""Working time: how much of it lies between two instants, and when a limit counted in it runs out. Pure.

Minutes are counted in Vietnam time; an instant is cut to its minute. Nothing walks minute by minute, but every answer equals
that count (a property test holds us to it).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from zoneinfo import ZoneInfo

from landdb.reference.model import CalendarDay
from landdb.reference.procedure import WorkingHoursMissing

Hours: TypeAlias = Mapping[int, Sequence[tuple[dt.time, dt.time]]]  # ISO weekday: the spans in which it is open
Span: TypeAlias = tuple[int, int]  # minutes of a day: the first that counts, the first that no longer does
Pause: TypeAlias = tuple[dt.datetime, dt.datetime | None]  # null: it lasts still

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
FIXED_HOLIDAYS = ((1, 1), (4, 30), (5, 1), (9, 2))
"""Month and day of the holidays that never move. Source: Bộ luật Lao động 2019 Đ112 k1a, c, d, đ."""


def years_loaded(off: Iterable[dt.date]) -> frozenset[int]:
    """The years whose holidays are loaded: those that have every fixed one. A single day set by hand does not make a year."""
    days = set(off)
    return frozenset(
        year for year in {day.year for day in days} if all(dt.date(year, *fixed) in days for fixed in FIXED_HOLIDAYS)
    )


@dataclass(frozen=True)
class WorkingCalendar:
    """The hours of a week, the days that differ, and the years of which these are known.

    A day worked in exchange has the hours of its weekday or, where that has none, those of the first weekday that has some.
    ``changes``: other hours, each from a day on. Raises, when made: WorkingHoursMissing.
    """

    hours: Hours
    exceptions: Mapping[dt.date, CalendarDay]
    years: frozenset[int]
    changes: Mapping[dt.date, Hours] = field(default_factory=dict)
    _weeks: Sequence[tuple[dt.date, Mapping[int, Sequence[Span]]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        eras = {dt.date.min: self.hours, **self.changes}
        newest_first = [(since, _week(eras[since], since)) for since in sorted(eras, reverse=True)]
        object.__setattr__(self, "_weeks", newest_first)

    def covers(self, day: dt.date) -> bool:
        """Whether the holidays of that year are loaded; where not, what is counted is provisional."""
        return day.year in self.years

    def is_open(self, at: dt.datetime) -> bool:
        """Whether the minute counts."""
        day, minute = _local(at)
        return any(opens <= minute < closes for opens, closes in self._spans(day))

    def add(self, start: dt.datetime, working_minutes: int) -> dt.datetime:
        """The first instant by which so many working minutes have passed since ``start``.

        It is the end of a span rather than the beginning of the next: eight hours from the morning end in the evening.
        """
        if working_minutes < 0:
            raise ValueError(working_minutes)
        day, minute = _local(start)
        left = working_minutes
        while left:
            for opens, closes in self._spans(day):
                there = max(0, closes - max(opens, minute))
                if there >= left:
                    return _instant(day, max(opens, minute) + left)
                left -= there
            day, minute = day + dt.timedelta(days=1), 0
        return _instant(day, minute)

    def between(self, start: dt.datetime, end: dt.datetime) -> int:
        """Working minutes from ``start`` up to ``end``; below zero where ``end`` is earlier."""
        if end < start:
            return -self.between(end, start)
        (day, minute), (last_day, last_minute) = _local(start), _local(end)
        found = 0
        while day <= last_day:
            until = last_minute if day == last_day else 24 * 60
            found += sum(max(0, min(closes, until) - max(opens, minute)) for opens, closes in self._spans(day))
            day, minute = day + dt.timedelta(days=1), 0
        return found

    def elapsed(self, start: dt.datetime, end: dt.datetime, pauses: Iterable[Pause] = ()) -> int:
        """Working minutes from ``start`` to ``end`` that lie in none of the pauses; one that lasts still reaches to ``end``."""
        found = 0
        for begins, ends in _apart(start, pauses):
            if begins >= end:
                break
            found += self.between(start, begins)
            start = min(ends or end, end)
        return found + self.between(start, end) if start < end else found

    def due(self, start: dt.datetime, working_minutes: int, pauses: Iterable[Pause] = ()) -> dt.datetime:
        """When so many working minutes have passed that lie in no pause.

        A pause that begins when the limit has already run out changes nothing, nor does one that lasts still: while the clock
        stands, the answer is when the limit would end if nothing had stopped it.
        """
        left = working_minutes
        for begins, ends in _apart(start, pauses):
            worked = self.between(start, begins)
            if worked >= left or ends is None:
                break
            left, start = left - worked, ends
        return self.add(start, left)

    def _spans(self, day: dt.date) -> Sequence[Span]:
        exception = self.exceptions.get(day)
        if exception is not None and exception.is_off:
            return ()
        week = next(week for since, week in self._weeks if since <= day)
        own = week.get(day.isoweekday(), ())
        return week[min(week)] if exception is not None and not own else own


def _week(hours: Hours, since: dt.date) -> Mapping[int, Sequence[Span]]:
    week = {weekday: _spans_of(spans) for weekday, spans in hours.items() if spans}
    if not week:
        raise WorkingHoursMissing(on=since.isoformat())
    return week


def _spans_of(spans: Iterable[tuple[dt.time, dt.time]]) -> Sequence[Span]:
    """The spans in order and apart: a minute that two of them hold counts once."""
    found: list[Span] = []
    for opens, closes in sorted((_minute(opens), _minute(closes)) for opens, closes in spans):
        if found and opens <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], closes))
        else:
            found.append((opens, closes))
    return found


def _apart(start: dt.datetime, pauses: Iterable[Pause]) -> list[Pause]:
    """The pauses after ``start``, in order, each cut where the one before still lasts, to whole minutes."""
    found: list[Pause] = []
    reach: dt.datetime | None = _cut(start)
    for begins, ends in sorted(((_cut(b), e and _cut(e)) for b, e in pauses), key=lambda pause: pause[0]):
        if reach is None:
            break
        if ends is None or ends > max(begins, reach):
            found.append((max(begins, reach), ends))
            reach = ends
    return found


def _cut(at: dt.datetime) -> dt.datetime:
    return at.replace(second=0, microsecond=0)


def _minute(at: dt.time) -> int:
    return at.hour * 60 + at.minute


def _local(at: dt.datetime) -> tuple[dt.date, int]:
    if at.tzinfo is None:
        raise ValueError(at)
    there = at.astimezone(VIETNAM)
    return there.date(), _minute(there.time())


def _instant(day: dt.date, minute: int) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), VIETNAM) + dt.timedelta(minutes=minute)

"""Working time equals a count minute by minute: over five years, with holidays, days worked in exchange and pauses."""

from __future__ import annotations

import csv
import datetime as dt
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import landdb.reference
from landdb.db.transaction import VIETNAM as VIETNAM_OF_THE_DATABASE
from landdb.reference.model import CalendarDay
from landdb.reference.procedure import WorkingHoursMissing
from landdb.reference.working_time import VIETNAM, Hours, Pause, WorkingCalendar, years_loaded

MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
FIRST, LAST = dt.date(2024, 1, 1), dt.date(2028, 12, 31)
OFFICE: Hours = {day: [(dt.time(7, 30), dt.time(11, 30)), (dt.time(13, 30), dt.time(17, 30))] for day in range(1, 6)}
SUMMER: Hours = {day: [(dt.time(7), dt.time(11)), (dt.time(13), dt.time(17))] for day in range(1, 6)} | {
    6: [(dt.time(7), dt.time(10, 15)), (dt.time(9, 30), dt.time(11))]  # overlapping: a minute counts once
}


def differing(day: dt.date, kind: str) -> CalendarDay:
    return CalendarDay(day, kind, "Thử", "Test", True, "test")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


def holidays() -> dict[dt.date, CalendarDay]:
    """Those that come with the program, some more, and days worked in exchange: on Saturdays, on a Sunday, on a Wednesday."""
    path = Path(landdb.reference.__file__).parent / "data" / "holiday.csv"
    with path.open(encoding="utf-8", newline="") as file:
        days = {dt.date.fromisoformat(row["on_date"]): row["kind"] for row in csv.DictReader(file)}
    days |= {dt.date(2024, 2, 8) + n * DAY: "holiday" for n in range(7)}
    days |= {dt.date(2028, 1, 24) + n * DAY: "in_lieu" for n in range(9)}
    days |= {
        dt.date.fromisoformat(day): "working_day" for day in ("2024-05-04", "2025-04-26", "2026-08-22", "2027-03-07")
    }
    return {day: differing(day, kind) for day, kind in days.items()} | {
        dt.date(2026, 11, 25): differing(dt.date(2026, 11, 25), "working_day")
    }


CALENDAR = WorkingCalendar(OFFICE, holidays(), frozenset({2025, 2026, 2027}), {dt.date(2027, 6, 1): SUMMER})


def naive(calendar: WorkingCalendar, when: dt.datetime) -> bool:
    """Whether one minute counts, said once more and simply. ``when`` without a zone: the clock on the wall."""
    hours = calendar.hours
    for since in sorted(calendar.changes):
        if since <= when.date():
            hours = calendar.changes[since]
    spans = hours.get(when.isoweekday(), ())
    special = calendar.exceptions.get(when.date())
    if special is not None:
        if special.is_off:
            return False
        if not spans:
            spans = next(hours[day] for day in range(1, 8) if hours.get(day))
    return any(opens <= when.time() < closes for opens, closes in spans)


def wall(when: dt.datetime) -> dt.datetime:
    return when.astimezone(VIETNAM).replace(tzinfo=None, second=0, microsecond=0)


# ------------------------------------------------------------------ five years


@pytest.fixture(scope="module")
def passed() -> array[int]:
    """Working minutes before each minute of the five years, counted one by one."""
    found, total = array("l"), 0
    when, end = dt.datetime.combine(FIRST, dt.time()), dt.datetime.combine(LAST + DAY, dt.time())
    while when < end:
        found.append(total)
        total += naive(CALENDAR, when)
        when += MINUTE
    return found


def minutes() -> st.SearchStrategy[int]:
    return st.integers(0, ((LAST - FIRST).days - 90) * 1440)


def instant(minute: int, second: int = 0) -> dt.datetime:
    return dt.datetime.combine(FIRST, dt.time(), VIETNAM) + dt.timedelta(minutes=minute, seconds=second)


@given(first=minutes(), last=minutes(), second=st.integers(0, 59))
@settings(max_examples=300, deadline=None)
def test_between_is_the_count(passed: array[int], first: int, last: int, second: int) -> None:
    start, end = instant(first, second), instant(last, 59 - second)
    assert CALENDAR.between(start, end) == passed[last] - passed[first]


@given(start=minutes(), limit=st.integers(0, 25 * 480))
@settings(max_examples=300, deadline=None)
def test_add_is_the_first_minute_by_which_so_many_have_passed(passed: array[int], start: int, limit: int) -> None:
    expected = bisect_left(passed, passed[start] + limit, lo=start)
    assert CALENDAR.add(instant(start), limit) == instant(expected)


@given(minute=minutes())
@settings(max_examples=200, deadline=None)
def test_is_open_is_the_count_of_one_minute(passed: array[int], minute: int) -> None:
    assert CALENDAR.is_open(instant(minute)) is (passed[minute + 1] > passed[minute])


# ------------------------------------------------------------------ drawn calendars and pauses


@st.composite
def calendars(draw: st.DrawFn) -> tuple[WorkingCalendar, dt.datetime]:
    """A week of any hours, exceptions around a day of the five years, and that day."""
    clock = st.times(dt.time(5), dt.time(20)).map(lambda time: time.replace(second=0, microsecond=0))
    spans = st.lists(st.tuples(clock, clock).filter(lambda span: span[0] < span[1]), min_size=1, max_size=2)
    hours = draw(st.dictionaries(st.integers(1, 7), spans, min_size=1, max_size=6))
    day = draw(st.dates(FIRST, LAST))
    kinds = st.sampled_from(("holiday", "in_lieu", "working_day"))
    off = draw(st.dictionaries(st.integers(-1, 9), kinds, max_size=5))
    special = {day + n * DAY: differing(day + n * DAY, kind) for n, kind in off.items()}
    start = dt.datetime.combine(day, draw(st.times()), VIETNAM)
    return WorkingCalendar(hours, special, frozenset()), start


def pauses(start: dt.datetime) -> st.SearchStrategy[list[tuple[dt.datetime, dt.datetime]]]:
    span = st.tuples(st.integers(-1500, 7000), st.integers(0, 3000), st.integers(0, 59))
    return st.lists(
        span.map(
            lambda s: (start + s[0] * MINUTE + dt.timedelta(seconds=s[2]), start + (s[0] + s[1]) * MINUTE + MINUTE)
        ),
        max_size=4,
    )


def counts(calendar: WorkingCalendar, stopped: Sequence[Pause]) -> Callable[[dt.datetime], bool]:
    for_ever = dt.datetime.combine(LAST + 365 * DAY, dt.time())
    walls = [(wall(begins), wall(ends) if ends else for_ever) for begins, ends in stopped]
    return lambda when: naive(calendar, when) and not any(begins <= when < ends for begins, ends in walls)


@given(drawn=calendars(), span=st.integers(0, 7000), data=st.data())
@settings(max_examples=80, deadline=None)
def test_elapsed_leaves_out_every_paused_minute_once(
    drawn: tuple[WorkingCalendar, dt.datetime], span: int, data: st.DataObject
) -> None:
    calendar, start = drawn
    stopped: list[Pause] = [*data.draw(pauses(start))]
    if data.draw(st.booleans()):
        stopped.append((start + data.draw(st.integers(-10, 7000)) * MINUTE, None))
    end, when, running = start + span * MINUTE, wall(start), counts(calendar, stopped)
    expected = 0
    while when < wall(end):
        expected += running(when)
        when += MINUTE
    assert calendar.elapsed(start, end, stopped) == expected


@given(drawn=calendars(), limit=st.integers(0, 400), data=st.data())
@settings(max_examples=80, deadline=None)
def test_due_is_when_the_running_minutes_are_used_up(
    drawn: tuple[WorkingCalendar, dt.datetime], limit: int, data: st.DataObject
) -> None:
    calendar, start = drawn
    stopped = data.draw(pauses(start))
    when, running, left = wall(start), counts(calendar, stopped), limit
    while left:
        left -= running(when)
        when += MINUTE
    assert wall(calendar.due(start, limit, stopped)) == when
    assert calendar.elapsed(start, calendar.due(start, limit, stopped), stopped) == limit


# ------------------------------------------------------------------ examples


def test_four_hours_of_friday_afternoon_end_on_monday() -> None:
    assert CALENDAR.add(at("2026-11-20 15:30:40"), 240) == at("2026-11-23 09:30")
    assert CALENDAR.add(at("2026-11-20 07:30"), 480) == at("2026-11-20 17:30")
    assert CALENDAR.add(at("2026-11-21 10:00"), 0) == at("2026-11-21 10:00")


def test_other_hours_hold_from_their_very_day() -> None:
    assert not CALENDAR.is_open(at("2027-05-31 07:15"))
    assert CALENDAR.is_open(at("2027-06-01 07:15"))


def test_the_answer_does_not_depend_on_the_zone_of_the_question() -> None:
    start = at("2026-11-20 15:30")
    assert CALENDAR.add(start.astimezone(dt.UTC), 240) == CALENDAR.add(start, 240)
    assert CALENDAR.between(start.astimezone(dt.UTC), at("2026-11-23 09:30")) == 240
    assert CALENDAR.between(at("2026-11-23 09:30"), start) == -240
    assert VIETNAM is VIETNAM_OF_THE_DATABASE


def test_an_instant_without_a_zone_and_a_limit_below_zero_are_mistakes() -> None:
    with pytest.raises(ValueError, match="2026"):
        CALENDAR.add(dt.datetime(2026, 1, 5, 8), 1)  # noqa: DTZ001  # the mistake
    with pytest.raises(ValueError, match="-1"):
        CALENDAR.add(at("2026-01-05 08:00"), -1)


def test_a_pause_after_the_limit_ran_out_does_not_make_it_timely() -> None:
    late = [(at("2026-11-24 08:00"), at("2026-11-30 08:00"))]
    assert CALENDAR.due(at("2026-11-20 07:30"), 480, late) == at("2026-11-20 17:30")
    in_time = [(at("2026-11-20 11:30"), at("2026-11-23 13:30"))]
    assert CALENDAR.due(at("2026-11-20 07:30"), 480, in_time) == at("2026-11-23 17:30")
    assert CALENDAR.due(at("2026-11-20 07:30"), 480, [(at("2026-11-20 08:00"), None)]) == at("2026-11-20 17:30")


def test_a_year_is_known_when_all_its_fixed_holidays_are() -> None:
    off = [day for day, special in CALENDAR.exceptions.items() if special.is_off]
    assert years_loaded(off) == {2025, 2026, 2027}
    assert years_loaded([*off, dt.date(2028, 9, 2)]) == {2025, 2026, 2027}
    assert not CALENDAR.covers(dt.date(2028, 1, 3))
    assert CALENDAR.covers(dt.date(2027, 12, 31))


def test_a_week_without_hours_is_refused() -> None:
    with pytest.raises(WorkingHoursMissing):
        WorkingCalendar({}, {}, frozenset())
    with pytest.raises(WorkingHoursMissing) as refusal:
        WorkingCalendar(OFFICE, {}, frozenset(), {dt.date(2027, 1, 1): {1: []}})
    assert refusal.value.params == {"on": "2027-01-01"}

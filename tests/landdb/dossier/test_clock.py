"""Clocks: due times against a count minute by minute, pauses, each office's own time, calendars, escalation, indicators."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from etl.worker import Worker
from landdb.access.set_working_day import set_working_day
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, VIETNAM, Database, Tx
from landdb.dossier import clock, store
from landdb.dossier.model import Deadline, Dossier, Notice, Pause
from landdb.dossier.notice import DemoSink, deliver
from landdb.dossier.recall import recall
from landdb.dossier.receive import receive
from landdb.dossier.watch import ABOVE, HEAD, UNANSWERED, watch
from landdb.errors import Unavailable
from landdb.reference import store as reference
from landdb.sealing.keys import make_secret
from landdb.views.workload import escalations, indicators, office_times
from tests.dossier_make import KEYS, STEPS, place
from tests.landdb.dossier.desk import Work, application, vn, work

MINUTE = dt.timedelta(minutes=1)
LIMIT_MINUTES = 80 * 60
STAGE_MINUTES = {"received": 8 * 60, "in_process": 40 * 60, "to_sign": 8 * 60, "signed": 8 * 60}


@pytest.fixture
def here(tx: Tx) -> Work:
    return work(tx)


# ── against a count minute by minute ────────────────────────────────────────────────────────────────────────────────


def open_minutes(tx: Tx) -> Callable[[dt.datetime], bool]:
    """Whether an office is open in a minute, asked of the tables alone."""
    hours = tx.execute("SELECT weekday, opens_at, closes_at FROM working_hours WHERE upper(valid) IS NULL").all()
    days = {r.on_date: r.kind for r in tx.execute("SELECT on_date, kind FROM working_day_exception")}

    def is_open(at: dt.datetime) -> bool:
        there = at.astimezone(VIETNAM)
        kind = days.get(there.date())
        if kind in {"holiday", "in_lieu"}:
            return False
        weekday = 1 if kind == "working_day" and there.isoweekday() > 5 else there.isoweekday()
        return any(r.weekday == weekday and r.opens_at <= there.time() < r.closes_at for r in hours)

    return is_open


def cut(at: dt.datetime) -> dt.datetime:
    return at.replace(second=0, microsecond=0)


def runs_out(
    is_open: Callable[[dt.datetime], bool], start: dt.datetime, minutes: int, pauses: list[tuple[dt.datetime, dt.datetime]]
) -> dt.datetime:  # fmt: skip
    """The first instant by which so many minutes counted, walking minute by minute."""
    at, left = cut(start), minutes
    while left:
        left -= is_open(at) and not any(cut(a) <= at < cut(b) for a, b in pauses)
        at += MINUTE
    return at


def counted(
    is_open: Callable[[dt.datetime], bool], start: dt.datetime, end: dt.datetime, pauses: list[tuple[dt.datetime, dt.datetime]]
) -> int:  # fmt: skip
    at, found = cut(start), 0
    while at < cut(end):
        found += is_open(at) and not any(cut(a) <= at < cut(b) for a, b in pauses)
        at += MINUTE
    return found


def wander(here: Work, dice: random.Random, dossier: Dossier, acts: int) -> None:
    """Random lawful steps and hand-overs between two branches, with random time between them."""
    places = here.places
    power = {"dossier:work", "dossier:receive", "dossier:sign", "dossier:tax", "dossier:return", "dossier:handover"}
    for _ in range(acts):
        here.go(
            here.tx.now
            + dt.timedelta(minutes=dice.choice([1, 7, 50, 200, 700, 1500, 4000]), seconds=dice.randrange(60))
        )
        now = here.get(dossier)
        if dice.random() < 0.15:
            here.hand_over(dossier, places.other_branch if now.holder_office_id == places.branch else places.branch)
            continue
        steps = [
            s for s in STEPS if s[0] == now.stage and "branch" in s[5] and s[2] not in {"closed", "refused", "withdrawn"}
        ]  # fmt: skip
        if not steps:
            return
        step = dice.choice(steps)
        actor = replace(places.at(now.holder_office_id), permissions=frozenset(power))
        here.step(dossier, step[1], actor, reason="papers_missing" if step[6] else None)


@pytest.mark.parametrize("seed", range(6))
def test_every_due_time_equals_a_count_minute_by_minute(here: Work, seed: int) -> None:
    """Over random histories across a public holiday, for the whole procedure and for the clock that runs at the end."""
    dice = random.Random(seed)
    is_open = open_minutes(here.tx)
    here.go(vn(dice.randrange(20, 29), dice.randrange(24), dice.randrange(60), month=4))
    dossier = here.at_branch()
    wander(here, dice, dossier, 14)
    now = here.get(dossier)
    pauses = store.list_pauses(here.tx, dossier.dossier_id)
    ended = [(p.from_at, p.to_at) for p in pauses if p.to_at is not None]
    still = [p.from_at for p in pauses if p.to_at is None]
    naive = runs_out(is_open, dossier.received_at, LIMIT_MINUTES, ended)
    # A pause that lasts moves nothing yet; one that began after the end moves nothing ever.
    assert now.due_at == naive, (seed, still)
    for running in store.list_deadlines(here.tx, dossier.dossier_id):
        assert running.due_at == naive_stage(here, is_open, running, pauses), (seed, running)


def naive_stage(
    here: Work, is_open: Callable[[dt.datetime], bool], clock_: Deadline, pauses: list[Pause]
) -> dt.datetime | None:  # fmt: skip
    """What an office has for a stage, less what it used of it before; pauses that began while the clock ran are left out."""
    minutes = STAGE_MINUTES.get(clock_.stage)
    if minutes is None:
        return None

    def own(of: Deadline) -> list[tuple[dt.datetime, dt.datetime]]:
        until = of.met_at or here.tx.now + dt.timedelta(days=3650)
        # A pause in which the clock was met counts as far as the meeting; of a running clock, only those that have ended.
        ends = [(p.from_at, min(p.to_at or until, until)) for p in pauses if of.started_at <= p.from_at <= until]
        return [pause for pause, p in zip(ends, [q for q in pauses if of.started_at <= q.from_at <= until], strict=True)
                if p.to_at is not None or of.met_at is not None]  # fmt: skip

    for before in store.list_deadlines(here.tx, clock_.dossier_id):
        same = (before.stage, before.office_id) == (clock_.stage, clock_.office_id)
        if same and before.deadline_id < clock_.deadline_id:
            minutes -= counted(is_open, before.started_at, before.met_at or here.tx.now, own(before))
    return runs_out(is_open, clock_.started_at, max(0, minutes), own(clock_))


# ── pauses ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("into", "out_of", "reason"),
    [
        ("ask_supplement", "supplement_received", "supplement"),
        ("send_to_tax", "tax_answered", "tax"),
        ("await_payment", "payment_confirmed", "payment"),
        ("start_posting", "end_posting", "posting"),
        ("start_inspection", "end_inspection", "inspection"),
    ],
)
def test_each_wait_stops_both_clocks_with_its_reason(here: Work, into: str, out_of: str, reason: str) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    before = here.get(dossier)
    running = store.running_deadline(here.tx, dossier.dossier_id)
    here.go(vn(3))
    here.step(dossier, into, reason="papers_missing" if into == "ask_supplement" else None)
    (pause,) = store.list_pauses(here.tx, dossier.dossier_id)
    assert (pause.reason, pause.from_at, pause.to_at) == (reason, vn(3), None)
    assert here.get(dossier).due_at == before.due_at  # nobody knows yet how long it will be
    here.go(vn(9))  # four working days later
    if out_of == "tax_answered":  # the branch enters what the tax office wrote
        here.tx.execute("UPDATE procedure_step SET office_kinds = '{branch}' WHERE action = 'tax_answered'")
        reference.forget_procedures()
    able = replace(here.places.officer, permissions=here.places.officer.permissions | {"dossier:tax"})
    after = here.step(dossier, out_of, able)
    assert before.due_at is not None
    assert running is not None
    assert running.due_at is not None
    hours = reference.working_calendar(here.tx, vn(2).date(), here.tx.today)
    assert after.due_at == hours.add(before.due_at, 4 * 8 * 60)
    now_running = store.running_deadline(here.tx, dossier.dossier_id)
    assert now_running is not None
    assert now_running.deadline_id == running.deadline_id
    assert now_running.due_at == hours.add(running.due_at, 4 * 8 * 60)
    assert after == here.get(dossier)


def test_a_pause_that_begins_when_the_time_is_out_saves_nobody(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.go(vn(20, month=4))
    here.step(dossier, "start_posting")
    assert standing(here, dossier) is clock.Standing.OVERDUE
    here.go(vn(27, month=4))
    assert here.step(dossier, "end_posting").due_at == dossier.due_at
    assert standing(here, dossier) is clock.Standing.OVERDUE


def standing(here: Work, dossier: Dossier) -> clock.Standing:
    pause = next((p for p in store.list_pauses(here.tx, dossier.dossier_id) if p.to_at is None), None)
    running = store.running_deadline(here.tx, dossier.dossier_id)
    return clock.standing(here.get(dossier), running, pause, here.tx.now, clock.soon_until(here.tx))


def test_a_dossier_that_waits_does_not_become_late(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    assert standing(here, dossier) is clock.Standing.RUNNING
    here.step(dossier, "await_payment")
    here.go(vn(2, month=6))
    assert standing(here, dossier) is clock.Standing.WAITING


# ── each office its own time ────────────────────────────────────────────────────────────────────────────────────────


def test_the_receivers_clock_begins_when_it_accepts_and_the_senders_ends(here: Work) -> None:
    dossier = here.receive()
    here.go(vn(2, 11))
    here.hand_over(dossier, here.places.branch)
    first, second = store.list_deadlines(here.tx, dossier.dossier_id)
    assert (first.office_id, first.met_at) == (here.places.desk, vn(2, 11))
    assert (second.office_id, second.stage, second.started_at, second.met_at) == (
        here.places.branch, "received", vn(2, 11), None,
    )  # fmt: skip
    assert here.get(dossier).due_at == dossier.due_at  # the citizen's time is one


def test_what_an_office_has_used_of_a_stage_stays_used(here: Work) -> None:
    """Handing back and forth gives nobody a new clock."""
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.go(vn(3))
    here.hand_over(dossier, here.places.other_branch)
    here.go(vn(4))
    here.hand_over(dossier, here.places.branch)
    clocks = store.list_deadlines(here.tx, dossier.dossier_id)
    hours = reference.working_calendar(here.tx, vn(2).date(), here.tx.today)
    assert clocks[-2].due_at == hours.add(vn(3), 40 * 60)
    assert clocks[-1].due_at == hours.add(vn(4), 40 * 60 - hours.between(vn(2), vn(3)))


def test_a_receiver_within_a_pause_has_its_own_time_still(here: Work) -> None:
    """The citizen's clock stands while the tax office works; the tax office's own does not."""
    here.tx.execute("UPDATE procedure_stage SET limit_working_hours = 16 WHERE stage = 'at_tax'")
    reference.forget_procedures()
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.step(dossier, "send_to_tax")
    here.go(vn(3))
    here.hand_over(dossier, here.places.tax)
    own = store.running_deadline(here.tx, dossier.dossier_id)
    assert own is not None
    assert (own.office_id, own.due_at) == (here.places.tax, vn(5, 8))
    here.go(vn(5, 8, 1))
    assert standing(here, dossier) is clock.Standing.OVERDUE
    after = here.step(dossier, "tax_answered", here.places.tax_officer)
    assert standing(here, after) is clock.Standing.RUNNING
    met = [d for d in store.list_deadlines(here.tx, dossier.dossier_id) if d.stage == "at_tax"]
    assert [(d.due_at, d.met_at) for d in met] == [(vn(5, 8), vn(5, 8, 1))]
    times = {(t.office_id, t.stage): (t.in_time, t.late) for t in office_times(here.tx, vn(1).date(), vn(9).date())}
    assert times[here.places.tax, "at_tax"] == (0, 1)
    assert times[here.places.branch, "in_process"] == (1, 0)


@pytest.mark.parametrize("by", ["step", "handover"])
def test_a_clock_met_while_it_stood_is_judged_without_the_wait(here: Work, by: str) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.step(dossier, "ask_supplement", reason="papers_missing")
    here.go(vn(20, month=4))
    if by == "step":
        here.step(dossier, "withdraw", reason="citizen_request")
    else:
        here.hand_over(dossier, here.places.other_branch)
    times = {t.stage: (t.in_time, t.late) for t in office_times(here.tx, vn(1).date(), vn(20, month=4).date())}
    assert times["in_process"] == (1, 0)


# ── whose clock counts ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clients_clock_a_year_off_changes_nothing(here: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the register's time counts: with the machine's own clock set a year ahead, all comes out the same."""
    import time

    first = here.at_branch()
    honest = time.time
    monkeypatch.setattr(time, "time", lambda: honest() + 365 * 86_400)
    second = here.at_branch()
    assert (second.due_at, second.received_at) == (first.due_at, first.received_at)
    assert [e.at for e in store.list_events(here.tx, second.dossier_id)] == [here.tx.now]


def test_a_register_whose_clock_was_set_back_keeps_a_history_in_order(here: Work) -> None:
    dossier = here.at_branch()
    here.go(vn(2, 7))
    here.step(dossier, "take_up")
    here.step(dossier, "await_payment")
    here.go(vn(2, 6))
    here.step(dossier, "payment_confirmed")
    assert all(d.met_at is None or d.met_at >= d.started_at for d in store.list_deadlines(here.tx, dossier.dossier_id))
    assert here.get(dossier).due_at == dossier.due_at


# ── a year without its holidays ─────────────────────────────────────────────────────────────────────────────────────


def load_year(tx: Tx, year: int) -> None:
    for month, day in ((1, 1), (4, 30), (5, 1), (9, 2)):
        set_working_day(tx, dt.date(year, month, day), kind="holiday", name_vi="Nghỉ", name_en="Holiday", source="thử")


def test_due_times_are_provisional_without_the_year_and_counted_anew_when_it_is_loaded(here: Work) -> None:
    here.go(vn(28, month=12, year=2027))
    dossier = here.at_branch()
    assert dossier.due_provisional
    before = store.running_deadline(here.tx, dossier.dossier_id)
    assert clock.recompute(here.tx) == 0
    assert here.get(dossier) == dossier
    load_year(here.tx, 2027)
    load_year(here.tx, 2028)
    set_working_day(
        here.tx, dt.date(2028, 1, 3), kind="in_lieu", name_vi="Nghỉ bù", name_en="In lieu", source="thử"
    )  # New Year falls on a Saturday
    assert clock.recompute(here.tx) == 1
    now = here.get(dossier)
    assert not now.due_provisional
    assert dossier.due_at is not None
    assert now.due_at == dossier.due_at + dt.timedelta(days=1)
    assert store.list_events(here.tx, dossier.dossier_id)[-1].kind == "due_changed"
    running = store.running_deadline(here.tx, dossier.dossier_id)
    assert running is not None
    assert before is not None
    assert running.due_at is not None
    assert clock.recompute(here.tx) == 0


# ── told to those above, and to the citizen ─────────────────────────────────────────────────────────────────────────


def levels(here: Work) -> list[tuple[int, object]]:
    rows = here.ask("SELECT level, told_id FROM escalation ORDER BY deadline_id, level")
    return [(row["level"], row["told_id"]) for row in rows]


def test_a_clock_that_has_run_out_goes_to_the_head_once_and_then_above_once(here: Work) -> None:
    places = here.places
    dossier = here.at_branch()
    assert watch(here.tx).escalated == 0
    here.go(vn(3, 9))  # the stage had eight working hours
    assert watch(here.tx).escalated == 1
    assert levels(here) == [(HEAD, places.head.staff_id)]
    assert watch(here.tx).escalated == 0
    (told,) = escalations(here.tx, places.head.staff_id) if places.head.staff_id else ()
    assert (told.dossier_id, told.level) == (dossier.dossier_id, HEAD)
    here.go(vn(4, 9))
    assert watch(here.tx).escalated == 1
    assert levels(here)[1][0] == ABOVE
    assert levels(here)[1][1] in {places.supervisor.staff_id, places.second_supervisor.staff_id}
    here.go(vn(30))
    assert watch(here.tx).escalated == 0
    assert here.get(dossier).event_no == dossier.event_no  # nothing moves by itself


def test_a_clock_that_stands_is_not_escalated_and_no_head_is_no_obstacle(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.step(dossier, "await_payment")
    here.go(vn(1, month=7))
    assert watch(here.tx).escalated == 0
    here.receive()  # the desk has no head
    here.go(vn(2, 9, month=7))
    assert watch(here.tx).escalated == 1
    assert levels(here) == [(HEAD, None)]


def test_an_offer_that_nobody_answers_is_told_to_the_receivers_head(here: Work) -> None:
    handover = here.hand_over(here.receive(), here.places.branch, accepted=False)
    assert handover.due_at is not None
    here.go(handover.due_at + MINUTE)
    watch(here.tx)
    assert (UNANSWERED, here.places.head.staff_id) in levels(here)
    assert store.get_handover(here.tx, handover.handover_id).state == "offered"


def test_a_second_offer_that_nobody_answers_is_told_again(here: Work) -> None:
    dossier = here.receive()
    for day in (3, 10):
        here.go(vn(day))
        handover = here.hand_over(dossier, here.places.branch, accepted=False)
        here.go(vn(day + 3))
        watch(here.tx)
        told = here.ask("SELECT at FROM escalation WHERE level = :level", level=UNANSWERED)
        assert [row["at"] for row in told] == [here.tx.now]
        recall(here.by(here.places.clerk), KEYS, handover.handover_id)


def test_the_longest_late_are_told_first_and_the_others_in_a_later_round(
    here: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landdb.dossier.watch._CLOCKS_AT_ONCE", 1)
    for hour in (9, 8, 10):
        here.at_branch()
        here.go(vn(2, hour))
    here.go(vn(30))
    assert [watch(here.tx).escalated for _ in range(4)] == [2, 2, 2, 0]


def test_a_pause_begins_no_earlier_than_its_clock(here: Work) -> None:
    """The clocks of two machines differ, or one act waited for another: the pause must stop the clock all the same."""
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.go(here.tx.now - 5 * MINUTE)
    here.step(dossier, "await_payment")
    clocks = store.get_clocks(here.tx, dossier.dossier_id)
    assert clocks.running is not None
    assert clocks.pauses[-1].from_at == clocks.running.started_at
    here.go(vn(1, month=6))
    assert watch(here.tx).escalated == 0


def test_the_citizen_gets_one_letter_of_apology(here: Work) -> None:
    dossier = here.at_branch()
    here.go(vn(1, month=6))
    assert watch(here.tx).apologies == 1
    assert watch(here.tx).apologies == 0
    deliver(here.tx, DemoSink())
    letter = store.list_notices(here.tx, dossier.dossier_id)[-1]
    assert letter.kind == "late"
    assert dossier.code in letter.body
    assert letter.sent_at == here.tx.now


def test_a_channel_that_refuses_keeps_the_text_waiting(here: Work) -> None:
    class Broken:
        def send(self, notice: Notice) -> None:
            raise Unavailable()

    dossier = here.at_branch()
    assert deliver(here.tx, Broken()) == 0
    (waiting,) = store.list_notices(here.tx, dossier.dossier_id)
    assert (waiting.sent_at, waiting.failure) == (None, Unavailable.code)
    assert deliver(here.tx, DemoSink()) == 1
    (sent,) = store.list_notices(here.tx, dossier.dossier_id)
    assert (sent.sent_at, sent.failure) == (here.tx.now, None)
    assert deliver(here.tx, DemoSink()) == 0


def test_in_production_nothing_counts_as_sent_without_a_channel(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    with database.begin(SYSTEM) as tx:
        places = place(tx)
    with database.begin(places.clerk) as tx:
        dossier = receive(tx, KEYS, application()).dossier
    make_secret(tmp_path / "secret")
    settings = Settings(data=tmp_path, env="production", secret_file=tmp_path / "secret")
    Worker(settings, database_url).watch_dossiers()
    with database.begin(SYSTEM) as tx:
        assert [notice.sent_at for notice in store.list_notices(tx, dossier.dossier_id)] == [None]


def test_the_worker_sends_what_waits(database: Database, database_url: str, tmp_path: Path) -> None:
    with database.begin(SYSTEM) as tx:
        places = place(tx)
    with database.begin(places.clerk) as tx:
        dossier = receive(tx, KEYS, application()).dossier
    Worker(Settings(data=tmp_path), database_url).watch_dossiers()
    with database.begin(SYSTEM) as tx:
        assert [notice.sent_at is not None for notice in store.list_notices(tx, dossier.dossier_id)] == [True]


# ── indicators ──────────────────────────────────────────────────────────────────────────────────────────────────────


def finish(here: Work, dossier: Dossier) -> Dossier:
    here.step(dossier, "submit_for_signature")
    here.step(dossier, "sign", here.places.head)
    return here.step(dossier, "prepare_result")


def test_the_indicators_are_those_of_the_national_portal(here: Work) -> None:
    """Finished at status 9; on time up to the very minute; twice asked is late; withdrawn and without a limit are neither."""
    good, twice, late, refused, gone, still = (here.at_branch() for _ in range(6))
    for dossier in (good, twice, late, refused, gone, still):
        here.step(dossier, "take_up")
    for _ in range(2):
        here.step(twice, "ask_supplement", reason="papers_missing")
        here.step(twice, "supplement_received")
    here.step(twice, "submit_for_signature")
    here.step(twice, "sign", here.places.head)
    here.step(twice, "prepare_result")
    here.step(refused, "refuse", reason="not_eligible")
    assert good.due_at is not None
    here.go(good.due_at)
    done = finish(here, good)
    assert (done.stage, done.finished_at) == ("ready", good.due_at)
    assert clock.on_time(done) is True
    here.go(good.due_at + MINUTE)
    assert clock.on_time(finish(here, late)) is False
    returning = replace(here.places.officer, permissions=here.places.officer.permissions | {"dossier:return"})
    assert here.step(good, "return_result", returning).finished_at == good.due_at  # status 9 counts, not 10
    assert clock.on_time(here.get(twice)) is False
    assert clock.on_time(here.get(still)) is None
    assert clock.late_reasons(here.get(twice), None, here.tx.now) == ("supplements",)
    assert clock.late_reasons(here.get(still), None, here.tx.now) == ("due",)
    (found,) = indicators(here.tx, vn(1).date(), here.tx.today)
    assert (found.received, found.finished, found.on_time, found.late, found.without_limit) == (6, 4, 2, 2, 0)
    assert (found.late_by_supplements, found.withdrawn, found.online) == (1, 0, 0)
    assert (found.open_now, found.overdue_now) == (4, 3)
    assert indicators(here.tx, vn(1).date(), here.tx.today, here.places.desk) == []


def test_without_a_limit_a_dossier_is_neither_and_withdrawn_ones_are_counted_apart(here: Work) -> None:
    here.tx.execute("UPDATE procedure SET limit_working_hours = NULL, limit_source = NULL WHERE code = '9.999001'")
    reference.forget_procedures()
    finished, withdrawn = here.at_branch(channel=2), here.receive()
    here.step(finished, "take_up")
    assert clock.on_time(finish(here, finished)) is None
    here.step(withdrawn, "withdraw", here.places.clerk, reason="citizen_request")
    of_branch, of_desk = sorted(
        indicators(here.tx, vn(1).date(), here.tx.today), key=lambda i: i.office_id
    )  # fmt: skip
    assert (of_branch.finished, of_branch.on_time, of_branch.late, of_branch.without_limit) == (1, 0, 0, 1)
    assert (of_desk.finished, of_desk.withdrawn) == (0, 1)

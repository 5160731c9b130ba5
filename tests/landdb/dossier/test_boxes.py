"""Boxes: for random histories every dossier lies exactly where a naive scan puts it; pages, filters, who sees what."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from landdb.access.cover_staff import cover_staff
from landdb.db.transaction import Actor, Tx
from landdb.dossier import clock, record, store
from landdb.dossier.accept import accept
from landdb.dossier.assign import assign
from landdb.dossier.model import Dossier
from landdb.dossier.offer import offer
from landdb.dossier.recall import recall
from landdb.dossier.receive import Person
from landdb.dossier.refuse import refuse
from landdb.dossier.watch import watch
from landdb.reference import store as reference
from landdb.views.workload import (
    BOXES,
    BoxUnknown,
    Filters,
    PlaceInListMalformed,
    box,
    boxes,
    digest,
    on_same_land,
    row_of,
    since,
)
from tests.dossier_make import COMMUNE, KEYS, PROCEDURE_CODE, STEPS, Places
from tests.landdb.dossier.desk import NAME, Work, vn, work

POWER = frozenset(
    {"dossier:work", "dossier:receive", "dossier:sign", "dossier:tax", "dossier:return", "dossier:handover", "dossier:assign"}
)  # fmt: skip


@pytest.fixture
def here(tx: Tx) -> Work:
    return work(tx)


# ── random histories ────────────────────────────────────────────────────────────────────────────────────────────────


def live_a_while(here: Work, dice: random.Random, acts: int) -> None:
    """Dossiers are received, worked on, assigned, handed over, refused and recalled, with random time between."""
    known: list[UUID] = []
    for _ in range(acts):
        here.go(here.tx.now + dt.timedelta(minutes=dice.choice([0, 3, 40, 300, 1100])))
        if not known or dice.random() < 0.25:
            office = dice.choice([here.places.desk, here.places.branch])
            known.append(here.receive(_able(here, office), accept_incomplete=dice.random() < 0.3).dossier_id)
        else:
            _act(here, dice, here.get(dice.choice(known)))


def _able(here: Work, office: int) -> Actor:
    return replace(here.places.at(office), permissions=POWER)


def _act(here: Work, dice: random.Random, dossier: Dossier) -> None:
    places, one = here.places, dossier.dossier_id
    if dossier.closed_at is not None:
        return
    opened = store.get_open(here.tx, dossier)
    if opened is not None:
        answer = dice.choice(["accept", "accept", "refuse", "recall", "wait"])
        if answer == "accept":
            accept(here.by(places.at(opened.to_office_id)), KEYS, opened.handover_id)
        elif answer == "refuse":
            refuse(here.by(places.at(opened.to_office_id)), KEYS, opened.handover_id, "not_ours")
        elif answer == "recall":
            recall(here.by(places.at(opened.from_office_id)), KEYS, opened.handover_id)
        return
    holder = _able(here, dossier.holder_office_id)
    if dice.random() < 0.3:
        others = [o for o in (places.desk, places.branch, places.other_branch, places.tax) if o != holder.office_id]
        offer(here.by(holder), KEYS, [one], dice.choice(others))
    elif dice.random() < 0.4 and dossier.holder_office_id == places.branch:
        assign(here.by(holder), one, dice.choice([places.officer.staff_id, places.colleague.staff_id, None]))
    else:
        kind = here.ask("SELECT kind FROM office WHERE office_id = :id", id=holder.office_id)[0]["kind"]
        steps = [s for s in STEPS if s[0] == dossier.stage and kind in s[5]]
        if steps:
            step = dice.choice(steps)
            here.step(dossier, step[1], holder, reason="papers_missing" if step[6] else None)


# ── the naive scan ──────────────────────────────────────────────────────────────────────────────────────────────────


def scan(here: Work, office: int | None, desks: Sequence[UUID]) -> dict[str, set[UUID]]:
    """Every dossier looked at by itself, with whole tables in memory and the pure rules of the model."""
    found: dict[str, set[UUID]] = {name: set() for name in BOXES}
    handovers = here.ask("SELECT * FROM handover")
    custodies = here.ask("SELECT * FROM custody")
    soon, began = clock.soon_until(here.tx), since(here.tx)
    for row in here.ask("SELECT dossier_id FROM dossier"):
        dossier = here.get(row["dossier_id"])
        one = dossier.dossier_id
        mine = [h for h in handovers if h["dossier_id"] == one]
        opened = next((h for h in mine if h["state"] == "offered"), None)
        held_by = [c for c in custodies if c["dossier_id"] == one]
        pause = next((p for p in store.list_pauses(here.tx, one) if p.to_at is None), None)
        standing = clock.standing(dossier, store.running_deadline(here.tx, one), pause, here.tx.now, soon)
        ours = office is None or dossier.holder_office_id == office
        held = ours and dossier.closed_at is None
        incoming = opened is not None and (office is None or opened["to_office_id"] == office)
        now_held = next(c for c in held_by if c["ended_at"] is None)
        came_back = any(
            h["state"] == "refused" and h["closed_at"] >= began and h["from_office_id"] == dossier.holder_office_id
            for h in mine
        )
        parties = {dossier.intake_office_id, *(c["office_id"] for c in held_by)}
        parties |= {h[side] for h in mine for side in ("from_office_id", "to_office_id")}
        lies = {
            "held": held,
            "mine": held and dossier.assignee_id in desks,
            "incoming": incoming,
            "sent": opened is not None and (office is None or opened["from_office_id"] == office),
            "overdue": held and standing is clock.Standing.OVERDUE,
            "due-soon": held and standing is clock.Standing.DUE_SOON,
            "waiting": held and pause is not None,
            "since-yesterday": (held and (now_held["started_at"] >= began or came_back))
            or (incoming and opened is not None and opened["offered_at"] >= began),
            "closed": ours and dossier.closed_at is not None,
            "all-known": office is None or office in parties,
        }
        for name, there in lies.items():
            if there:
                found[name].add(one)
    return found


def shown(tx: Tx, name: str, office: int | None, staff: UUID | None, **said: Any) -> list[UUID]:
    """All that a box shows, page by page."""
    ids: list[UUID] = []
    after = None
    while True:
        page = box(tx, name, office, staff, after=after, limit=3, **said)
        ids += [row.dossier_id for row in page.rows]
        after = page.next_after
        if after is None:
            return ids


@pytest.mark.parametrize("seed", range(3))
def test_every_dossier_lies_in_exactly_the_boxes_of_a_naive_scan(here: Work, seed: int) -> None:
    dice = random.Random(seed)
    places = here.places
    here.go(vn(dice.randrange(20, 29), 8, month=4))  # a public holiday is near
    # Whoever is handed a dossier that waits has a clock of their own, which the wait does not stop.
    here.tx.execute("UPDATE procedure_stage SET limit_working_hours = 3 WHERE pause_reason IS NOT NULL")
    reference.forget_procedures()
    assert places.officer.staff_id is not None
    assert places.colleague.staff_id is not None
    cover_staff(
        here.by(places.officer), places.officer.staff_id, places.colleague.staff_id, here.tx.today, dt.date(2026, 12, 1)
    )
    seen: set[str] = set()
    for _ in range(2):
        live_a_while(here, dice, 45)
        for office, staff, desks in _readers(places):
            reader = here.by(places.at(office)) if office else here.tx
            expected = scan(here, office, desks)
            counts = boxes(reader, office, staff)
            for name in BOXES:
                ids = shown(reader, name, office, staff)
                assert len(ids) == len(set(ids)), (seed, name)
                assert set(ids) == expected[name], (seed, name, office)
                assert counts[name] == len(ids), (seed, name, office)
            seen |= {name for name in BOXES if expected[name]}
            _rows_agree(here, reader, office)
    assert seen == set(BOXES), "a box that was never filled proves nothing"


def _readers(places: Places) -> list[tuple[int | None, UUID | None, list[UUID]]]:
    officer, colleague = places.officer.staff_id, places.colleague.staff_id
    assert officer is not None
    assert colleague is not None
    return [
        (places.branch, officer, [officer]),
        (places.branch, colleague, [colleague, officer]),
        (places.desk, None, []),
        (places.other_branch, None, []),
        (places.tax, None, []),
        (None, None, []),
    ]


def _rows_agree(here: Work, reader: Tx, office: int | None) -> None:
    """A row says of its dossier what the pure rules say, and shows people to those only who may see them."""
    soon = clock.soon_until(here.tx)
    for row in box(reader, "all-known", office, None, limit=1000).rows:
        dossier = here.get(row.dossier_id)
        pause = next((p for p in store.list_pauses(here.tx, row.dossier_id) if p.to_at is None), None)
        running = store.running_deadline(here.tx, row.dossier_id)
        assert row.standing == clock.standing(dossier, running, pause, here.tx.now, soon)
        assert row.late == clock.late_reasons(dossier, pause, here.tx.now)
        assert row.visible == record.sees(reader, dossier)
        assert (row.applicant == NAME) == row.visible
        assert record.knows(reader, dossier)
        assert row.event_no == dossier.event_no


# ── pages and filters ───────────────────────────────────────────────────────────────────────────────────────────────


def test_those_due_first_stand_in_front_and_those_without_a_limit_last(here: Work) -> None:
    late, early = [], here.receive()
    here.tx.execute("UPDATE dossier SET due_at = NULL WHERE dossier_id = :id", id=early.dossier_id)
    for day in (5, 4, 3):
        here.go(vn(day))
        late.append(here.receive())
    expected = [d.dossier_id for d in reversed(late)][::-1]  # received later, due later
    got = shown(here.by(here.places.clerk), "held", here.places.desk, None)
    assert got == [late[2].dossier_id, late[1].dossier_id, late[0].dossier_id, early.dossier_id]
    assert set(got[:3]) == set(expected)


def test_filters_narrow_and_a_name_is_found_without_its_marks(here: Work) -> None:
    first = here.receive(certificate_serial="AA 01234567", external_ids={"portal": "H51-9"})
    second = here.receive(applicant=Person("Lê Đình 100%"))
    reader = here.by(here.places.clerk)

    def found(**said: Any) -> set[UUID]:
        return set(shown(reader, "held", here.places.desk, None, filters=Filters(**said)))

    assert found() == {first.dossier_id, second.dossier_id}
    for q in ("nguyen thi", "Thị ÁNH", "mc1-260302-0001", "AA01234567", "aa 01234567", "H51-9"):
        assert found(q=q) == {first.dossier_id}, q
    assert found(q="100%") == {second.dossier_id}
    assert found(q="%") == {second.dossier_id}
    assert found(q="MC1-260302") == {first.dossier_id, second.dossier_id}
    assert found(stage="in_process") == set()
    assert found(stage="received", procedure_code=PROCEDURE_CODE) == {first.dossier_id, second.dossier_id}
    assert found(commune_id=COMMUNE) == set()
    assert found(assignee_id=here.places.officer.staff_id) == set()


def test_who_only_followed_it_finds_its_code_and_no_name(here: Work) -> None:
    dossier = here.receive(commune_id=COMMUNE)
    here.hand_over(dossier, here.places.branch)
    reader = here.by(here.places.clerk)

    def found(**said: Any) -> list[UUID]:
        return shown(reader, "all-known", here.places.desk, None, filters=Filters(**said))

    assert found(q=dossier.code) == [dossier.dossier_id]
    assert found(q=NAME) == []
    assert found(commune_id=COMMUNE) == []
    row = row_of(reader, dossier.dossier_id)
    assert row is not None
    assert (row.visible, row.applicant, row.commune, row.parcel_label) == (False, None, None, None)
    own = row_of(here.by(here.places.officer), dossier.dossier_id)
    assert own is not None
    assert (own.applicant, own.holder) == (NAME, "Chi nhánh khu vực 1")


def test_a_box_or_a_place_that_is_none_is_refused(here: Work) -> None:
    with pytest.raises(BoxUnknown):
        box(here.tx, "trash", here.places.desk, None)
    for after in ("x", "~", "2026~1", "infinity~x"):
        for name in ("held", "closed"):
            with pytest.raises(PlaceInListMalformed):
                box(here.tx, name, here.places.desk, None, after=after)


# ── since yesterday, the digest, the same land ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("today", "began"),
    [
        (vn(5, 9), vn(4, 0)),  # Thursday: Wednesday
        (vn(9, 9), vn(6, 0)),  # Monday: Friday
        (vn(4, 9, month=5), vn(29, 0, month=4)),  # after 30 April, 1 May and the week-end
    ],
)
def test_since_yesterday_begins_with_the_working_day_before(here: Work, today: dt.datetime, began: dt.datetime) -> None:
    here.go(today)
    assert since(here.tx) == began


def test_the_digest_of_the_day(here: Work) -> None:
    places = here.places
    assert places.head.staff_id is not None
    assert places.officer.staff_id is not None
    slow = here.at_branch()
    assign(here.by(places.head), slow.dossier_id, places.officer.staff_id)
    here.go(vn(6, 9))
    fresh = here.receive()
    here.hand_over(fresh, places.branch, accepted=False)
    watch(here.tx)
    of_head = digest(here.by(places.head), places.branch, places.head.staff_id)
    assert [row.dossier_id for row in of_head.came] == [fresh.dossier_id]
    assert (of_head.counts["held"], of_head.counts["incoming"], of_head.counts["overdue"]) == (1, 1, 1)
    assert [(told.dossier_id, told.level) for told in of_head.told] == [(slow.dossier_id, 1)]
    assert of_head.mine_pressing == ()
    of_officer = digest(here.by(places.officer), places.branch, places.officer.staff_id)
    assert [row.dossier_id for row in of_officer.mine_pressing] == [slow.dossier_id]


def test_other_open_dossiers_on_the_land_are_shown_and_name_no_one_to_strangers(here: Work) -> None:
    first = here.receive(certificate_serial="AA 01234567")
    second = here.at_branch(certificate_serial="AA01234567")
    gone = here.receive(certificate_serial="AA01234567")
    here.step(gone, "withdraw", here.places.clerk, reason="citizen_request")
    seen = on_same_land(
        here.by(here.places.clerk), parcel_id=None, certificate_serial="aa 01234567", except_id=first.dossier_id
    )
    assert [(s.dossier_id, s.code, s.holder) for s in seen] == [(None, None, "Chi nhánh khu vực 1")]
    own = on_same_land(here.by(here.places.officer), parcel_id=None, certificate_serial="AA01234567")
    assert [s.code for s in own] == [None, second.code]
    assert on_same_land(here.tx, parcel_id=None) == []


def test_what_another_office_refused_has_come_back(here: Work) -> None:
    dossier = here.receive()
    here.go(vn(6, 9))
    offered = here.hand_over(dossier, here.places.branch, accepted=False)
    assert shown(here.by(here.places.clerk), "since-yesterday", here.places.desk, None) == []
    refuse(here.by(here.places.officer), KEYS, offered.handover_id, "not_ours")
    assert shown(here.by(here.places.clerk), "since-yesterday", here.places.desk, None) == [dossier.dossier_id]
    assert shown(here.by(here.places.officer), "since-yesterday", here.places.branch, None) == []

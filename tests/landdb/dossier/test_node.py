"""A node's side of custody, and the register's answers to it, without a database: every state against every act and outcome."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from landdb.dossier import hub, node
from landdb.dossier.hub import Handled, Ledger, Told
from landdb.dossier.model import (
    Custody,
    CustodyState,
    DossierNotHeld,
    DossierSealed,
    EpochStale,
    HandoverClosed,
    HandoverState,
    HandoverToSelf,
    Open,
    ReceiverClosed,
)
from landdb.dossier.node import (
    TERMINAL,
    Command,
    CommandKind,
    Copy,
    CopyState,
    Outcome,
    OutcomeKind,
    Standing,
    differing,
    hear,
)
from landdb.errors import LandError

A, B, C = 1, 2, 3
D = UUID(int=100)
OLD, NOW, NEW = UUID(int=1), UUID(int=2), UUID(int=3)
E = 4
BOUND = {CopyState.SEALED, CopyState.OFFERED, CopyState.ACCEPTING}


def copy(state: CopyState, epoch: int = E) -> Copy:
    return Copy(state, epoch, NOW if state in BOUND else None)


def outcome(kind: OutcomeKind, handover_id: UUID = NOW, epoch: int = E) -> Outcome:
    return Outcome(kind, D, handover_id, epoch, 9, None, A, B, handover_id, A)


# ── acts ────────────────────────────────────────────────────────────────────────────────────────────────────────────

ACTS: dict[str, Callable[[Copy | None], tuple[Copy, Command]]] = {
    "offer": lambda now: node.offer(now, D, NEW, by_office=A, to_office=B),
    "recall": lambda now: node.recall(now, D),
    "accept": lambda now: node.accept(now, D),
    "refuse": lambda now: node.refuse(now, D),
}
LAWFUL = {
    ("offer", CopyState.ACTIVE): (Copy(CopyState.SEALED, E, NEW), Command(CommandKind.OFFER, D, NEW, E, B)),
    ("recall", CopyState.SEALED): (copy(CopyState.SEALED), Command(CommandKind.RECALL, D, NOW, E)),
    ("accept", CopyState.OFFERED): (copy(CopyState.ACCEPTING), Command(CommandKind.ACCEPT, D, NOW, E)),
    ("refuse", CopyState.OFFERED): (copy(CopyState.OFFERED), Command(CommandKind.REFUSE, D, NOW, E)),
}


@pytest.mark.parametrize("state", [None, *CopyState])
@pytest.mark.parametrize("act", ACTS)
def test_each_act_in_each_state(act: str, state: CopyState | None) -> None:
    now = None if state is None else copy(state)
    if state is not None and (act, state) in LAWFUL:
        assert ACTS[act](now) == LAWFUL[act, state]
        return
    expected: type[LandError] = HandoverClosed
    if act == "offer":
        expected = DossierSealed if state is CopyState.SEALED else DossierNotHeld
    with pytest.raises(expected):
        ACTS[act](now)


def test_nobody_offers_to_himself() -> None:
    with pytest.raises(HandoverToSelf):
        node.offer(copy(CopyState.ACTIVE), D, NEW, by_office=A, to_office=A)


def test_no_act_makes_a_copy_active() -> None:
    assert {after.state for after, _ in LAWFUL.values()}.isdisjoint({CopyState.ACTIVE})


# ── outcomes ────────────────────────────────────────────────────────────────────────────────────────────────────────

EPOCHS = (E - 1, E, E + 1)
HEARD: dict[tuple[CopyState, OutcomeKind], Callable[[UUID, int], Copy | None]] = {
    (CopyState.ACTIVE, OutcomeKind.STORED): lambda t, e: Copy(CopyState.SEALED, E, t) if e == E else None,
    (CopyState.ACTIVE, OutcomeKind.OFFERED): lambda t, e: Copy(CopyState.OFFERED, e, t) if e > E else None,
    (CopyState.SEALED, OutcomeKind.OFFERED): lambda t, e: Copy(CopyState.OFFERED, e, t) if e > E and t != NOW else None,
    (CopyState.GONE, OutcomeKind.OFFERED): lambda t, e: Copy(CopyState.OFFERED, e, t) if e >= E else None,
    (CopyState.CLOSED, OutcomeKind.OFFERED): lambda t, e: Copy(CopyState.OFFERED, e, t) if e >= E else None,
    (CopyState.OFFERED, OutcomeKind.OFFERED): lambda t, e: Copy(CopyState.OFFERED, e, t) if e >= E and t != NOW else None,
    (CopyState.ACCEPTING, OutcomeKind.OFFERED): lambda t, e: Copy(CopyState.OFFERED, e, t) if e >= E and t != NOW else None,
    **{
        (state, OutcomeKind.GRANTED): lambda _, e: Copy(CopyState.ACTIVE, e) if e > E else None
        for state in CopyState
    },
    (CopyState.ACTIVE, OutcomeKind.RELEASED): lambda _, e: Copy(CopyState.GONE, e) if e >= E else None,
    (CopyState.SEALED, OutcomeKind.RELEASED): lambda _, e: Copy(CopyState.GONE, e) if e >= E else None,
    (CopyState.SEALED, OutcomeKind.RETURNED): lambda t, e: Copy(CopyState.ACTIVE, e) if t == NOW else None,
    **{
        (state, kind): lambda t, e: Copy(CopyState.CLOSED, e) if t == NOW else None
        for state in (CopyState.OFFERED, CopyState.ACCEPTING)
        for kind in (OutcomeKind.REFUSED, OutcomeKind.CLOSED)
    },
}  # fmt: skip
"""What changes a copy, written out once more; null, and what is not named: nothing changes."""


@pytest.mark.parametrize("kind", list(OutcomeKind))
@pytest.mark.parametrize("state", list(CopyState))
def test_each_outcome_in_each_state(state: CopyState, kind: OutcomeKind) -> None:
    for handover_id, epoch in itertools.product((OLD, NOW, NEW), EPOCHS):
        after = HEARD.get((state, kind), lambda _t, _e: None)(handover_id, epoch)
        assert hear(copy(state), outcome(kind, handover_id, epoch)) == (after or copy(state)), (handover_id, epoch)


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_what_an_unknown_dossier_becomes(kind: OutcomeKind) -> None:
    known = {
        OutcomeKind.OFFERED: Copy(CopyState.OFFERED, E, NOW),
        OutcomeKind.GRANTED: Copy(CopyState.ACTIVE, E),
    }
    assert hear(None, outcome(kind)) == known.get(kind)


def test_a_copy_becomes_active_only_by_granted_or_by_returned_for_its_own_attempt() -> None:
    for state, kind, attempt, epoch in itertools.product(CopyState, OutcomeKind, (OLD, NOW, NEW), EPOCHS):
        after = hear(copy(state), outcome(kind, attempt, epoch))
        if state is CopyState.ACTIVE or after is None or after.state is not CopyState.ACTIVE:
            continue
        assert kind is OutcomeKind.GRANTED or (kind, state, attempt) == (OutcomeKind.RETURNED, CopyState.SEALED, NOW)


def test_hearing_twice_is_hearing_once() -> None:
    for state, kind, attempt, epoch in itertools.product(CopyState, OutcomeKind, (OLD, NOW, NEW), EPOCHS):
        once = hear(copy(state), outcome(kind, attempt, epoch))
        assert hear(once, outcome(kind, attempt, epoch)) == once


# ── the register's answers ──────────────────────────────────────────────────────────────────────────────────────────

HELD = Ledger(D, Custody(CustodyState.HELD, A, E), (C, B, C, A), event_no=7, ended=frozenset({OLD}))
OPEN = replace(HELD, custody=Custody(CustodyState.IN_TRANSIT, A, E, Open(NOW, E, A, B)))


def command(kind: CommandKind, handover_id: UUID = NOW, epoch: int = E, to_office: int = B) -> Command:
    return Command(kind, D, handover_id, epoch, to_office if kind is CommandKind.OFFER else None)


def told(handled: Handled) -> set[tuple[int, str, UUID, int]]:
    return {(t.office, t.outcome.kind.value, t.outcome.handover_id, t.outcome.epoch) for t in handled.told}


def test_an_offer_is_opened_and_each_end_is_told_to_both() -> None:
    offered = hub.handle(HELD, command(CommandKind.OFFER, NEW), A)
    assert told(offered) == {(A, "stored", NEW, E), (B, "offered", NEW, E)}
    assert offered.ledger.event_no == 8
    accepted = hub.handle(OPEN, command(CommandKind.ACCEPT), B)
    assert told(accepted) == {(A, "released", NOW, E), (B, "granted", NOW, E + 1)}
    assert accepted.ledger.holders == (C, B, C, A, B)
    assert told(hub.handle(OPEN, command(CommandKind.REFUSE), B)) == {(A, "returned", NOW, E), (B, "refused", NOW, E)}
    assert told(hub.handle(OPEN, command(CommandKind.RECALL), A)) == {(A, "returned", NOW, E), (B, "closed", NOW, E)}


@pytest.mark.parametrize("late", [CommandKind.ACCEPT, CommandKind.REFUSE, CommandKind.RECALL])
@pytest.mark.parametrize("first", [CommandKind.ACCEPT, CommandKind.REFUSE, CommandKind.RECALL])
def test_who_comes_too_late_is_not_told_a_second_end(first: CommandKind, late: CommandKind) -> None:
    sender = {CommandKind.RECALL: A}
    won = hub.handle(OPEN, command(first), sender.get(first, B))
    assert sorted(t.office for t in won.told if t.outcome.kind in TERMINAL) == [A, B]
    lost = hub.handle(won.ledger, command(late), sender.get(late, B))
    assert (lost.told, type(lost.refusal), lost.quarantined) == ((), HandoverClosed, False)
    assert lost.ledger == won.ledger


def test_an_offer_that_cannot_be_opened_is_given_back() -> None:
    handled = hub.handle(HELD, command(CommandKind.OFFER, NEW), A, ReceiverClosed(office=B))
    assert told(handled) == {(A, "returned", NEW, E)}
    assert not handled.quarantined
    assert handled.ledger.event_no == 8, "no message without an event (I8)"
    assert hub.handle(handled.ledger, command(CommandKind.OFFER, NEW), A) == Handled(handled.ledger)


@pytest.mark.parametrize("state", [HELD, OPEN], ids=["held", "in transit"])
def test_an_offer_of_an_old_epoch_is_kept_for_a_person_and_its_sender_released(state: Ledger) -> None:
    handled = hub.handle(state, command(CommandKind.OFFER, NEW, E - 1), C)
    assert told(handled) == {(C, "released", NEW, E - 1)}
    assert handled.quarantined
    assert handled.ledger.custody == state.custody


@pytest.mark.parametrize(
    ("ledger", "given"), [(HELD, command(CommandKind.OFFER, NEW, E + 1)), (OPEN, command(CommandKind.OFFER, NEW))]
)
def test_what_nothing_true_can_be_said_to_waits_for_a_person(ledger: Ledger, given: Command) -> None:
    handled = hub.handle(ledger, given, A)
    assert (handled.told, handled.quarantined, handled.ledger) == ((), True, ledger)


def test_what_is_said_of_an_epoch_that_force_ended_goes_to_quarantine() -> None:
    forced = hub.force(OPEN, NEW, C)
    assert told(forced) == {
        (A, "released", NEW, E), (C, "granted", NEW, E + 1), (A, "released", NOW, E), (B, "closed", NOW, E)
    }  # fmt: skip
    assert (forced.ledger.holders[-1], forced.ledger.forced) == (C, {E})
    for kind, by_office in ((CommandKind.ACCEPT, B), (CommandKind.REFUSE, B), (CommandKind.RECALL, A)):
        late = hub.handle(forced.ledger, command(kind), by_office)
        assert (late.told, late.quarantined, late.ledger) == ((), True, forced.ledger)


def test_an_answer_to_an_attempt_nobody_knows_goes_to_quarantine() -> None:
    assert hub.handle(HELD, command(CommandKind.ACCEPT, NEW), B).quarantined


# ── restores ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_of_a_restored_node_agrees_or_names_what_differs() -> None:
    (standing,) = hub.standings([OPEN], A)
    assert standing == Standing(D, Copy(CopyState.SEALED, E, NOW))
    (shown,) = hub.standings([OPEN], B)
    assert hub.standings([OPEN], C) == ()
    assert hub.standings([HELD], A) == (Standing(D, Copy(CopyState.ACTIVE, E)),)
    for state in CopyState:
        assert differing({D: copy(state)}, [standing]) == (() if state is CopyState.SEALED else (D,))
        answering = state in {CopyState.OFFERED, CopyState.ACCEPTING}
        assert differing({D: copy(state)}, [shown]) == (() if answering else (D,))
        assert differing({D: copy(state)}, []) == (() if state in {CopyState.GONE, CopyState.CLOSED} else (D,))
    assert differing({}, [standing]) == (D,)
    assert differing({}, []) == ()


def a_long_road() -> tuple[Ledger, list[tuple[Ledger, tuple[Told, ...]]]]:
    """Every kind of event after one start: each end of an offer, one that is never opened, and force over an open one."""
    ids = [UUID(int=n) for n in range(10, 20)]
    made: list[tuple[Ledger, tuple[Told, ...]]] = []
    ledger = start = hub.first(D, A)

    def note(handled: Handled) -> Ledger:
        made.append((handled.ledger, handled.told))
        return handled.ledger

    ledger = note(hub.handle(ledger, command(CommandKind.OFFER, ids[0], 1), A))
    ledger = note(hub.handle(ledger, command(CommandKind.REFUSE, ids[0], 1), B))
    ledger = note(hub.handle(ledger, command(CommandKind.OFFER, ids[1], 1), A))
    ledger = note(hub.handle(ledger, command(CommandKind.RECALL, ids[1], 1), A))
    ledger = note(hub.handle(ledger, command(CommandKind.OFFER, ids[2], 1), A, ReceiverClosed()))
    ledger = note(hub.handle(ledger, command(CommandKind.OFFER, ids[3], 1), A))
    ledger = note(hub.handle(ledger, command(CommandKind.ACCEPT, ids[3], 1), B))
    ledger = note(hub.handle(ledger, command(CommandKind.OFFER, ids[4], 2, C), B))
    note(hub.force(ledger, ids[5], A))
    return start, made


def test_a_register_put_back_anywhere_finds_its_way_again_by_the_receipts() -> None:
    start, made = a_long_road()
    ledgers = [start, *(ledger for ledger, _ in made)]
    for back in range(len(ledgers)):
        shown = {n: [t.outcome for _, told in made[back:] for t in told if t.office == n] for n in (A, B, C)}
        handled = hub.reapply(ledgers[back], shown)
        assert handled.ledger == ledgers[-1]
        assert (handled.told, handled.refusal) == ((), None)


def test_who_lacks_an_outcome_that_is_reapplied_is_told_it_again() -> None:
    start, made = a_long_road()
    everything = [t for _, told in made for t in told]
    for deaf in (A, B, C):
        shown = {n: [t.outcome for t in everything if t.office == n and n != deaf] for n in (A, B, C)}
        handled = hub.reapply(start, shown)
        missing = [t for t in everything if t.office == deaf and t.outcome.state is not None]
        assert [t for t in handled.told if t.office == deaf] == missing
        assert {t.office for t in handled.told} <= {deaf}


def test_receipts_with_a_hole_between_them_wait_for_a_person() -> None:
    start, made = a_long_road()
    last = [t.outcome for t in made[-2][1] if t.office == C]  # an offer of epoch 2, by an office that held nothing yet
    handled = hub.reapply(start, {C: last})
    assert (handled.ledger, handled.told, handled.quarantined) == (start, (), True)
    assert isinstance(handled.refusal, DossierNotHeld)


def test_a_hole_in_the_epochs_waits_for_a_person_too() -> None:
    start, _ = a_long_road()
    claimed = replace(outcome(OutcomeKind.STORED, NEW, 3), state=HandoverState.OFFERED)
    assert isinstance(hub.reapply(start, {A: [claimed]}).refusal, EpochStale)

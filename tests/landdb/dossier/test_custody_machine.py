"""Custody at the register, without a database: every command in every state, and every road of five commands from the start."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from landdb.dossier.model import (
    RECEIPTS,
    AlreadyOffered,
    Custody,
    CustodyState,
    DossierNotHeld,
    EpochStale,
    HandoverClosed,
    HandoverState,
    HandoverToSelf,
    Moved,
    NotTheReceiver,
    NotTheSender,
    Open,
    ReceiptKind,
    accept,
    force,
    offer,
    recall,
    refuse,
)
from landdb.errors import LandError

A, B, C = 1, 2, 3
OFFICES = (A, B, C)
OLD, NOW, NEW = UUID(int=1), UUID(int=2), UUID(int=3)
EPOCH = 4
HELD = Custody(CustodyState.HELD, A, EPOCH)
IN_TRANSIT = Custody(CustodyState.IN_TRANSIT, A, EPOCH, Open(NOW, EPOCH, A, B))
BACK = Custody(CustodyState.HELD, A, EPOCH)
TAKEN = Custody(CustodyState.HELD, B, EPOCH + 1)

Act = Callable[[Custody], Moved]


def acts() -> Iterator[tuple[str, tuple[object, ...], Act]]:
    """Every command with every party, attempt and epoch that can be told apart."""
    for by, to, epoch in itertools.product(OFFICES, OFFICES, (EPOCH - 1, EPOCH, EPOCH + 1)):
        yield "offer", (by, to, epoch), lambda now, b=by, t=to, e=epoch: offer(now, NEW, b, t, e)
    for verb, by, attempt in itertools.product((accept, refuse, recall), OFFICES, (OLD, NOW)):
        yield verb.__name__, (by, attempt), lambda now, v=verb, b=by, h=attempt: v(now, h, b)
    for to, epoch in itertools.product(OFFICES, (EPOCH - 1, EPOCH, EPOCH + 1)):
        yield "force", (to, epoch), lambda now, t=to, e=epoch: force(now, NEW, t, e)


def offering(now: Custody, by: int, to: int, epoch: int) -> Custody | type[LandError]:
    if by != A:
        return DossierNotHeld
    if now is IN_TRANSIT:
        return AlreadyOffered
    if epoch != EPOCH:
        return EpochStale
    return HandoverToSelf if to == A else Custody(CustodyState.IN_TRANSIT, A, EPOCH, Open(NEW, EPOCH, A, to))


def answering(now: Custody, verb: str, by: int, attempt: UUID) -> Custody | type[LandError]:
    if now is HELD or attempt != NOW:
        return HandoverClosed
    if verb == "recall":
        return BACK if by == A else NotTheSender
    if by != B:
        return NotTheReceiver
    return TAKEN if verb == "accept" else BACK


def forcing(to: int, epoch: int) -> Custody | type[LandError]:
    if epoch != EPOCH:
        return EpochStale
    return HandoverToSelf if to == A else Custody(CustodyState.HELD, to, EPOCH + 1)


def lawful(now: Custody, verb: str, facts: tuple[object, ...]) -> Custody | type[LandError]:
    """What must come of it: written out once more, so that a slip in the machine is seen."""
    if verb == "offer":
        return offering(now, *facts)  # type: ignore[arg-type]
    if verb == "force":
        return forcing(*facts)  # type: ignore[arg-type]
    return answering(now, verb, *facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verb", "facts", "act"),
    [pytest.param(verb, facts, act, id=f"{verb} {' '.join(map(str, facts))}") for verb, facts, act in acts()],
)
@pytest.mark.parametrize("now", [HELD, IN_TRANSIT], ids=["held", "in transit"])
def test_every_command_in_every_state(now: Custody, verb: str, facts: tuple[object, ...], act: Act) -> None:
    expected = lawful(now, verb, facts)
    if isinstance(expected, Custody):
        assert act(now).custody == expected
        return
    with pytest.raises(expected) as refused:
        act(now)
    assert type(refused.value) is expected


def test_the_table_of_what_must_come_refuses_more_than_it_allows() -> None:
    """Not vacuous: both answers occur for every command in transit, and for those that a held dossier knows."""
    found = {
        (name, verb, isinstance(lawful(now, verb, facts), Custody))
        for name, now in (("held", HELD), ("in transit", IN_TRANSIT))
        for verb, facts, _ in acts()
    }
    never = {("held", verb, True) for verb in ("accept", "refuse", "recall")} | {("in transit", "offer", True)}
    every = set(
        itertools.product(("held", "in transit"), ("offer", "accept", "refuse", "recall", "force"), (True, False))
    )
    assert found == every - never


@pytest.mark.parametrize(
    ("moved", "state", "receipts"),
    [
        (offer(HELD, NEW, A, B, EPOCH), HandoverState.OFFERED, {("stored", A), ("delivered", B)}),
        (accept(IN_TRANSIT, NOW, B), HandoverState.ACCEPTED, {("released", A), ("granted", B)}),
        (refuse(IN_TRANSIT, NOW, B), HandoverState.REFUSED, {("returned", A), ("refused", B)}),
        (recall(IN_TRANSIT, NOW, A), HandoverState.RECALLED, {("returned", A), ("closed", B)}),
        (force(HELD, NEW, C, EPOCH), HandoverState.FORCED, {("released", A), ("granted", C)}),
        (force(IN_TRANSIT, NEW, C, EPOCH), HandoverState.FORCED, {("released", A), ("granted", C)}),
    ],
    ids=lambda value: value.value if isinstance(value, HandoverState) else "",
)
def test_each_end_brings_its_receipts_to_both_sides(
    moved: Moved, state: HandoverState, receipts: set[tuple[str, int]]
) -> None:
    assert moved.handover is state
    assert {(kind.value, office) for kind, office in moved.receipts} == receipts
    assert len(moved.receipts) == len(receipts)


def test_every_state_has_one_receipt_for_each_side() -> None:
    assert {state: sorted(side for _, side in receipts) for state, receipts in RECEIPTS.items()} == {
        state: ["from", "to"] for state in HandoverState
    }
    assert {kind for receipts in RECEIPTS.values() for kind, _ in receipts} == set(ReceiptKind)


def test_an_attempt_of_another_epoch_is_closed() -> None:
    torn = replace(IN_TRANSIT, epoch=EPOCH + 1)  # cannot come about; if it did, nobody could act on it
    for verb, by in ((accept, B), (refuse, B), (recall, A)):
        with pytest.raises(HandoverClosed):
            verb(torn, NOW, by)


# ── roads ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Register:
    """The machine with a memory: what every attempt came to."""

    custody: Custody = field(default_factory=lambda: Custody(CustodyState.HELD, A, 1))
    states: dict[UUID, HandoverState] = field(default_factory=dict)
    holders: list[int] = field(default_factory=lambda: [A])

    def do(self, verb: str, handover_id: UUID, by: int, to: int) -> LandError | None:
        before = self.custody
        try:
            moved = self.moved(verb, handover_id, by, to)
        except LandError as refusal:
            assert self.custody is before
            return refusal
        self.custody = moved.custody
        self.note(before, verb, handover_id, moved)
        return None

    def moved(self, verb: str, handover_id: UUID, by: int, to: int) -> Moved:
        now = self.custody
        match verb:
            case "offer":
                return offer(now, handover_id, by, to, now.epoch)
            case "accept":
                return accept(now, handover_id, by)
            case "refuse":
                return refuse(now, handover_id, by)
            case "recall":
                return recall(now, handover_id, by)
            case _:
                return force(now, handover_id, to, now.epoch)

    def note(self, before: Custody, verb: str, handover_id: UUID, moved: Moved) -> None:
        grows = verb in {"accept", "force"}
        assert self.custody.epoch == before.epoch + grows
        if grows:
            self.holders.append(self.custody.holder_office_id)
        else:
            assert self.custody.holder_office_id == before.holder_office_id
        assert self.states.get(handover_id) in {None, HandoverState.OFFERED}, "an end was opened again"
        if verb == "force" and before.open is not None:
            self.states[before.open.handover_id] = HandoverState.FORCED
        self.states[handover_id] = moved.handover
        assert {kind for kind, _ in moved.receipts} == {kind for kind, _ in RECEIPTS[moved.handover]}

    def check(self) -> None:
        open_ones = [h for h, state in self.states.items() if state is HandoverState.OFFERED]
        opened = self.custody.open
        assert (self.custody.state is CustodyState.IN_TRANSIT) == (opened is not None)
        assert open_ones == ([opened.handover_id] if opened else [])
        if opened is not None:
            assert (opened.from_office_id, opened.epoch) == (self.custody.holder_office_id, self.custody.epoch)
        assert len(self.holders) == self.custody.epoch
        assert self.holders[-1] == self.custody.holder_office_id
        assert all(one != next_one for one, next_one in itertools.pairwise(self.holders))


VERBS = ("offer", "accept", "refuse", "recall", "force")


def roads(register: Register, length: int, seen: set[tuple[object, ...]]) -> int:
    """Take every road; attempts keep their ids, so that late answers to old ones are among them. Returns the steps taken."""
    state = (register.custody, tuple(sorted(register.states.items())), length)
    if length == 0 or state in seen:
        return 0
    seen.add(state)
    taken = 0
    for verb, by in itertools.product(VERBS, OFFICES):
        fresh = UUID(int=len(register.states) + 1)
        for attempt in [fresh] if verb in {"offer", "force"} else [*register.states, fresh]:
            for to in OFFICES if verb in {"offer", "force"} else (0,):
                after = Register(register.custody, dict(register.states), list(register.holders))
                refusal = after.do(verb, attempt, by, to)
                after.check()
                taken += 1
                if refusal is None:
                    taken += roads(after, length - 1, seen)
    return taken


def test_every_road_of_five_commands_keeps_one_holder_and_whole_epochs() -> None:
    assert roads(Register(), 5, set()) > 8_000


class AnyRoad(RuleBasedStateMachine):
    """Longer roads, at random: attempts are named by anyone at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.register = Register()
        self.ids = 0

    @rule(verb=st.sampled_from(["offer", "offer", "force"]), by=st.sampled_from(OFFICES), to=st.sampled_from(OFFICES))
    def opens(self, verb: str, by: int, to: int) -> None:
        self.ids += 1
        self.register.do(verb, UUID(int=self.ids), by, to)

    @rule(
        verb=st.sampled_from(["accept", "refuse", "recall"]),
        by=st.sampled_from(OFFICES),
        back=st.integers(min_value=0, max_value=3),
    )
    def answers(self, verb: str, by: int, back: int) -> None:
        self.register.do(verb, UUID(int=max(self.ids - back, 0)), by, 0)

    @invariant()
    def is_whole(self) -> None:
        self.register.check()


TestAnyRoad = AnyRoad.TestCase
TestAnyRoad.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

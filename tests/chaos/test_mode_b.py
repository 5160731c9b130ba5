"""Offices with their own database behind a bad line (mode B): no dossier is held twice or lost, and each rule is needed.

A history is made from its seed alone: ``play([SEED])`` runs it again. What is simulated and what is not stands in
docs/decisions/0014-mode-b-simulation.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from landdb.dossier import hub, node
from landdb.dossier.hub import Handled, Ledger, Told
from landdb.dossier.model import Custody, CustodyState, HandoverState, Open
from landdb.dossier.node import Command, CommandKind, Copy, CopyState, Outcome, OutcomeKind
from landdb.errors import LandError
from landdb.exchange.sequence import Ack, Inlet, Numbered, Outlet, Verdict
from tests.chaos.mode_b import NODES, Report, Rules, World, play, world_of

pytestmark = pytest.mark.chaos

HISTORIES = 500
FULL = 20_000
BLOCK = 2_500
WITHOUT_A_RULE = 60
ON_THE_LINE = 20

# In 500 histories; a world in which less happens proves less.
FLOORS = {
    "now offered": 1500, "now accepted": 600, "now refused": 200, "now recalled": 500, "not opened": 60,
    "loser": 500, "forced": 60, "quarantined": 40, "already done": 50, "fenced node still active": 10,
    "packet lost": 50_000, "packet to a dead party": 5_000, "stale packet": 5_000, "crash": 1_500, "cut": 2_000,
    "up duplicate": 10_000, "up gap": 500, "down duplicate": 10_000, "down gap": 1_000,
    "node destroyed": 100, "node restored": 300, "restored node agreed": 200,
    "hub restored": 150, "hub reopened": 100, "receipts presented": 100,
}  # fmt: skip


def say(words: str) -> None:
    """Seen with ``pytest -s``, and wherever a test fails."""
    sys.stdout.write(f"{words}\n")


def shown(report: Report) -> Report:
    """The report, printed: a failing run tells its seeds and what it went through."""
    say("\n".join(report.violated[:10]))
    say(f"undecided: {report.undecided}")
    say(str(dict(sorted(report.seen.items()))))
    return report


def twice_put_back(seed: int) -> bool:
    """Whether both the register and a node may have been restored: only then can a receipt be held by nobody."""
    world = world_of(seed)
    return world.hub_restored and (world.node_restored or world.destroyed)


def test_no_history_violates_anything() -> None:
    report = shown(play(range(HISTORIES)))
    assert report.violated == []
    assert [seed for seed in report.undecided if not twice_put_back(seed)] == []
    assert len(report.undecided) <= HISTORIES // 100
    assert {what: report.seen[what] for what, floor in FLOORS.items() if report.seen[what] < floor} == {}


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, FULL, BLOCK))
def test_no_history_of_many_violates_anything(first: int) -> None:
    report = shown(play(range(first, first + BLOCK)))
    assert report.violated == []
    assert [seed for seed in report.undecided if not twice_put_back(seed)] == []
    assert len(report.undecided) <= BLOCK // 100


def test_a_node_that_is_really_lost_is_never_active_beside_the_new_holder() -> None:
    report = play(range(80), world=lambda seed: World(destroyed=True, node_restored=bool(seed & 1)))
    assert report.violated == []
    assert report.seen["forced"] > 20
    assert report.seen["fenced node still active"] == 0


def test_a_history_is_its_seed() -> None:
    assert play([15]).seen == play([15]).seen
    assert play([15]).seen != play([31]).seen


# ── each rule, switched off ─────────────────────────────────────────────────────────────────────────────────────────


def unsealed(copy: Copy | None, *args: Any, **kwargs: Any) -> tuple[Copy, Command]:
    """R1 off: the offer leaves, and the sender works on."""
    _, command = node.offer(copy, *args, **kwargs)
    assert copy is not None
    return copy, command


def trusting(ledger: Ledger, command: Command, by_office: int, hindrance: LandError | None = None) -> Handled:
    """R2 off: the register believes a command about holder, epoch and attempt instead of its own row."""
    other = next(n for n in NODES if n != by_office)
    opened = {
        CommandKind.OFFER: None,
        CommandKind.ACCEPT: Open(command.handover_id, command.epoch, ledger.custody.holder_office_id, by_office),
        CommandKind.REFUSE: Open(command.handover_id, command.epoch, ledger.custody.holder_office_id, by_office),
        CommandKind.RECALL: Open(command.handover_id, command.epoch, by_office, other),
    }[command.kind]
    state = CustodyState.IN_TRANSIT if opened else CustodyState.HELD
    holder = opened.from_office_id if opened else by_office
    return hub.handle(replace(ledger, custody=Custody(state, holder, command.epoch, opened)), command, by_office)


def at_once(copy: Copy | None, dossier_id: UUID) -> tuple[Copy, Command]:
    """R3 off: the receiver works on it as soon as he has said yes."""
    accepting, command = node.accept(copy, dossier_id)
    return Copy(CopyState.ACTIVE, accepting.epoch + 1), command


def unsealing(copy: Copy | None, dossier_id: UUID) -> tuple[Copy, Command]:
    """R4 off: pressing recall opens the copy."""
    sealed, command = node.recall(copy, dossier_id)
    return Copy(CopyState.ACTIVE, sealed.epoch), command


def unbound(ledger: Ledger, command: Command, by_office: int, hindrance: LandError | None = None) -> Handled:
    """R4 off at the register: a command is taken for whatever attempt is open."""
    if command.kind is not CommandKind.OFFER and ledger.custody.open is not None:
        command = replace(command, handover_id=ledger.custody.open.handover_id)
    return hub.handle(ledger, command, by_office, hindrance)


def hearing_any(copy: Copy | None, outcome: Outcome) -> Copy | None:
    """R4 off at the node: an outcome is taken for whatever attempt the copy is bound to."""
    bound = copy is not None and copy.handover_id is not None and outcome.kind in node.TERMINAL
    return node.hear(copy, replace(outcome, handover_id=copy.handover_id) if bound and copy else outcome)


def receiving_all(inlet: Inlet[Any], message: Numbered[Any]) -> tuple[Verdict, Inlet[Any]]:
    """R5 off: whatever arrives is taken."""
    return Verdict.NEW, Inlet((*inlet.taken, message), message.head)


def believing(out: Outlet[Any], ack: Ack) -> Outlet[Any]:
    """R5 off, the other half: an acknowledgement is a number and proves nothing."""
    return replace(out, acked_seq=max(out.acked_seq, min(ack.seq, out.next_seq - 1)))


def half_told(ledger: Ledger, command: Command, by_office: int, hindrance: LandError | None = None) -> Handled:
    """R6 off: only the one who acted is told how it ended."""
    handled = hub.handle(ledger, command, by_office, hindrance)
    told = (t for t in handled.told if t.office == by_office or t.outcome.kind not in node.TERMINAL)
    return replace(handled, told=tuple(told))


def told_again(ledger: Ledger, command: Command, by_office: int, hindrance: LandError | None = None) -> Handled:
    """R6 off the other way: a recall that comes too late is answered as well, with RETURNED."""
    handled = hub.handle(ledger, command, by_office, hindrance)
    if handled.refusal is None or command.kind is not CommandKind.RECALL:
        return handled
    again = Outcome(
        OutcomeKind.RETURNED, command.dossier_id, command.handover_id, command.epoch, ledger.event_no,
        HandoverState.RECALLED, by_office, by_office, command.handover_id, ledger.custody.holder_office_id,
    )  # fmt: skip
    return replace(handled, told=(*handled.told, Told(by_office, again)))


OFF: dict[str, Rules] = {
    "R1 the copy is not sealed": Rules(offer=unsealed),
    "R1 seal and outbox in two transactions": Rules(atomic_outbox=False),
    "R2 the register compares nothing": Rules(handle=trusting),
    "R3 active before granted": Rules(accept=at_once),
    "R4 unsealed by pressing recall": Rules(recall=unsealing),
    "R4 commands not bound to their attempt": Rules(handle=unbound),
    "R5 any number is taken": Rules(receive=receiving_all, acknowledge=believing),
    "R6 one party is not told": Rules(handle=half_told),
    "R6 a party is told twice": Rules(handle=told_again),
    "F19 a restored node acts at once": Rules(restored_node_asks=False),
    "F20 a restored register does not wait for all receipts": Rules(restored_hub_waits=False),
}


@pytest.mark.parametrize("off", OFF)
def test_each_rule_switched_off_is_caught(off: str) -> None:
    assert violating(off, WITHOUT_A_RULE, world_of) > 0


@pytest.mark.parametrize("off", [name for name in OFF if name.startswith("R")])
def test_the_line_alone_shows_that_each_rule_is_needed(off: str) -> None:
    """Without any restore or forced move: loss, doubles, delays and crashes are enough."""
    assert violating(off, ON_THE_LINE, lambda _: World()) > 0


@pytest.mark.full
@pytest.mark.parametrize("off", OFF)
def test_how_often_each_rule_is_needed(off: str) -> None:
    """The figures of docs/decisions/0014-mode-b-simulation.md."""
    assert violating(off, 300, world_of) > 0
    assert off.startswith("F") or violating(off, 300, lambda _: World()) > 0


def violating(off: str, histories: int, world: Callable[[int], World]) -> int:
    count = len(play(range(histories), OFF[off], world).violated)
    say(f"{off}: {count} of {histories}")
    return count


def test_binding_at_the_node_is_the_second_lock_behind_r5_and_r6() -> None:
    """With every outcome told once and in order no late one exists; where the register repeats itself, only R4 stands."""
    alone = play(range(WITHOUT_A_RULE), Rules(hear=hearing_any)).violated
    with_lock = twice_active(Rules(handle=told_again))
    without = twice_active(Rules(handle=told_again, hear=hearing_any))
    assert alone == []
    assert with_lock == []
    assert without != []


def twice_active(rules: Rules) -> list[str]:
    """The violations that two would have worked on one dossier."""
    found = play(range(WITHOUT_A_RULE), rules).violated
    return [text for text in found if "active" in text or "works on" in text]

"""Fifty callers race accept, refuse and recall on one hand-over: one wins, and each of the others is told who was quicker."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from landdb.db.transaction import SYSTEM, Actor, Database, Tx, connect
from landdb.dossier import store
from landdb.dossier.accept import accept
from landdb.dossier.model import AlreadyHeld, CustodyState, Handover, HandoverClosed, HandoverState
from landdb.dossier.recall import recall
from landdb.dossier.refuse import refuse
from landdb.errors import Conflict
from tests.dossier_make import KEYS, Bench

CALLERS = 50
CONNECTIONS = 12
ENDS = {"accept": HandoverState.ACCEPTED, "refuse": HandoverState.REFUSED, "recall": HandoverState.RECALLED}


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    pool: Database = connect(database_url, pool_size=CONNECTIONS, application_name="landdb-test")
    yield Bench.on(pool)
    pool.dispose()


def commands(bench: Bench, handover: Handover) -> dict[str, tuple[Actor, Callable[[Tx], Handover]]]:
    places, handover_id = bench.places, handover.handover_id
    return {
        "accept": (places.officer, lambda tx: accept(tx, KEYS, handover_id)),
        "refuse": (places.colleague, lambda tx: refuse(tx, KEYS, handover_id, "other")),
        "recall": (places.clerk, lambda tx: recall(tx, KEYS, handover_id)),
    }


def race(
    bench: Bench, pool: ThreadPoolExecutor, handover: Handover, chance: random.Random
) -> tuple[str, list[Conflict]]:
    """What won, and what the others were answered."""
    known = commands(bench, handover)

    def call(kind: str) -> str | Conflict:
        actor, act = known[kind]
        try:
            with bench.database.begin(actor) as tx:
                act(tx)
        except Conflict as refusal:
            return refusal
        return kind

    answers = list(pool.map(call, chance.choices(list(known), k=CALLERS)))
    (winner,) = [answer for answer in answers if isinstance(answer, str)]
    return winner, [answer for answer in answers if isinstance(answer, Conflict)]


def judge(bench: Bench, handover: Handover, winner: str, losers: list[Conflict]) -> None:
    with bench.database.begin(SYSTEM) as tx:
        closed = store.get_handover(tx, handover.handover_id)
        dossier = store.get_dossier(tx, handover.dossier_id)
    assert closed.state is ENDS[winner]
    assert dossier.custody_state is CustodyState.HELD
    receiver = winner == "accept"
    assert (dossier.holder_office_id == handover.to_office_id, dossier.epoch == handover.epoch + 1) == (
        receiver,
        receiver,
    )
    by = "Một cửa xã Thử Nghiệm" if winner == "recall" else "Chi nhánh khu vực 1"
    assert len(losers) == CALLERS - 1
    for refusal in losers:
        assert isinstance(refusal, HandoverClosed | AlreadyHeld), refusal
        assert isinstance(refusal, HandoverClosed) or winner == "accept"
        named = (refusal.params["handover"], refusal.params["winner"], refusal.params["by"])
        assert named == (str(handover.handover_id), closed.state.value, by)
        assert refusal.params["closed_at"]


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.full)])
def test_of_fifty_callers_one_wins_and_the_others_are_told_who(bench: Bench, rounds: int) -> None:
    chance = random.Random(rounds)
    won: Counter[str] = Counter()
    dossier = bench.receive()
    with ThreadPoolExecutor(CALLERS) as pool:
        for _ in range(rounds):
            if bench.get(dossier).holder_office_id != bench.places.desk:
                dossier = bench.receive()  # it was accepted: the next round takes another
            handover = bench.offer(dossier)
            winner, losers = race(bench, pool, handover, chance)
            judge(bench, handover, winner, losers)
            won[winner] += 1
    assert set(won) == set(ENDS), won  # each of the three has won at least once
    assert bench.broken() == {}

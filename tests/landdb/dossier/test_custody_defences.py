"""Each defence of custody is taken away once, and what it keeps out is seen to happen; with it in place, it does not."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from landdb.access import kept_answer
from landdb.access.kept_answer import KeptAnswer
from landdb.access.model import IdempotencyKeyReused, IdempotencyKeyRunning
from landdb.db.constraints import DatabaseUnavailable
from landdb.db.transaction import SYSTEM, Actor, Database, Tx, new_id
from landdb.dossier import record as history
from landdb.dossier import store
from landdb.dossier.accept import accept
from landdb.dossier.model import (
    AlreadyHeld,
    AlreadyOffered,
    CustodyState,
    Dossier,
    EpochStale,
    Handover,
    HandoverClosed,
    HandoverState,
)
from landdb.dossier.offer import offer
from landdb.dossier.recall import recall
from landdb.dossier.record import record
from landdb.errors import LandError, Stale
from landdb.exchange.model import Envelope
from landdb.exchange.send import post
from tests.dossier_make import KEYS, Bench

WAIT_S = 60


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench.on(database)


def blocked(database: Database, by: int = 1) -> None:
    """Wait until so many sessions wait for a lock of another."""
    while True:
        with database.begin(SYSTEM) as tx:
            waiting = tx.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).scalar_one()
        if waiting >= by:
            return


def meeting(
    bench: Bench, first: tuple[Actor, Callable[[Tx], object]], second: tuple[Actor, Callable[[Tx], object]]
) -> object:
    """``first`` acts and has not committed when ``second`` begins, and comes to wait for it; what ``second`` was answered."""

    def act() -> object:
        with bench.database.begin(second[0]) as tx:
            return second[1](tx)

    with ThreadPoolExecutor(1) as other:
        with bench.database.begin(first[0]) as tx:
            first[1](tx)
            waiting = other.submit(act)
            blocked(bench.database)
        try:
            return waiting.result(WAIT_S)
        except LandError as refusal:
            return refusal


# ── the lock of the row ─────────────────────────────────────────────────────────────────────────────────────────────


def accept_meets_recall(bench: Bench) -> object:
    handover = bench.offer(bench.receive())
    return meeting(
        bench,
        (bench.places.officer, lambda tx: accept(tx, KEYS, handover.handover_id)),
        (bench.places.clerk, lambda tx: recall(tx, KEYS, handover.handover_id)),
    )


def test_the_loser_is_told_who_won(bench: Bench) -> None:
    refusal = accept_meets_recall(bench)
    assert isinstance(refusal, HandoverClosed)
    assert (refusal.params["winner"], refusal.params["by"]) == ("accepted", "Chi nhánh khu vực 1")


def test_without_the_lock_the_loser_is_told_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOCK_BOTH", "")
    refusal = accept_meets_recall(bench)
    assert isinstance(refusal, HandoverClosed)  # the state is compared once more, so nothing is lost
    assert refusal.params == {}


def two_notes(bench: Bench) -> object:
    dossier = bench.receive()

    def note(tx: Tx) -> Dossier:
        return record(tx, store.lock_dossier(tx, dossier.dossier_id), "paper_moved", {})

    return meeting(bench, (bench.places.clerk, note), (bench.places.second_clerk, note))


def test_two_that_write_at_once_follow_one_another(bench: Bench) -> None:
    second = two_notes(bench)
    assert isinstance(second, Dossier)
    assert second.event_no == 3
    assert bench.broken() == {}


def test_without_the_lock_the_second_of_them_is_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOCK", "")
    assert isinstance(two_notes(bench), Stale)


@pytest.mark.parametrize("ordered", [True, False])
def test_batches_that_share_dossiers_never_wait_in_a_circle(bench: Bench, ordered: bool) -> None:
    """Dossiers are locked in the order of their ids; two sessions that lock in opposite orders are refused by the server."""
    one, two = sorted(bench.receive().dossier_id for _ in range(2))
    meet = threading.Barrier(2)

    def lock(ids: Sequence[UUID]) -> bool:
        try:
            with bench.database.begin(bench.places.clerk) as tx:
                if ordered:
                    meet.wait(WAIT_S)
                    store.lock_dossiers(tx, ids)
                else:
                    store.lock_dossier(tx, ids[0])
                    meet.wait(WAIT_S)
                    store.lock_dossier(tx, ids[1])
        except DatabaseUnavailable:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        through = list(pool.map(lock, [(one, two), (two, one)]))
    assert all(through) == ordered


# ── the unique indexes ──────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def dropped(bench: Bench, index: str) -> Iterator[None]:
    with bench.database.begin(SYSTEM) as tx:
        tx.execute(f"DROP INDEX {index}")
    yield


def test_a_dossier_has_one_open_handover(bench: Bench) -> None:
    handover = bench.offer(bench.receive())
    with pytest.raises(AlreadyOffered), bench.database.begin(SYSTEM) as tx:
        second_offer(tx, handover)
    with dropped(bench, "handover_open_key"), bench.database.begin(SYSTEM) as tx:
        second_offer(tx, handover)
    assert bench.received[0].code in bench.broken()["handover_open_one"]


def second_offer(tx: Tx, handover: Handover) -> None:
    tx.execute(
        """INSERT INTO handover SELECT (jsonb_populate_record(h, jsonb_build_object('handover_id', gen_random_uuid()))).*
           FROM handover h WHERE handover_id = :id""",
        id=handover.handover_id,
    )


def test_an_epoch_is_handed_over_once(bench: Bench) -> None:
    handover = bench.hand_over(bench.receive())
    with pytest.raises(HandoverClosed), bench.database.begin(SYSTEM) as tx:
        second_offer(tx, handover)
    with dropped(bench, "handover_done_key"), bench.database.begin(SYSTEM) as tx:
        second_offer(tx, handover)
    assert bench.broken()["custody_by_handover"] == [bench.received[0].code]


def test_a_dossier_has_one_holder(bench: Bench) -> None:
    handover = bench.hand_over(bench.receive())
    second = """INSERT INTO custody (dossier_id, epoch, office_id, started_at, via_handover_id)
                VALUES (:dossier, 3, :office, now(), :id)"""
    said = {"dossier": handover.dossier_id, "office": bench.places.tax, "id": handover.handover_id}
    with pytest.raises(HandoverClosed), bench.database.begin(SYSTEM) as tx:
        tx.execute(second, said)
    with dropped(bench, "custody_open_key"), bench.database.begin(SYSTEM) as tx:
        tx.execute(second, said)
    assert bench.broken()["custody_open_one"] == [bench.received[0].code]


def test_a_receipt_is_issued_once(bench: Bench) -> None:
    handover = bench.hand_over(bench.receive())
    again = """INSERT INTO receipt SELECT (jsonb_populate_record(r, jsonb_build_object('receipt_id', gen_random_uuid()))).*
               FROM receipt r WHERE handover_id = :id AND kind = 'granted'"""
    with pytest.raises(IntegrityError, match="receipt_once_key"), bench.database.begin(SYSTEM) as tx:
        tx.execute(again, id=handover.handover_id)
    with bench.database.begin(SYSTEM) as tx:
        tx.execute("ALTER TABLE receipt DROP CONSTRAINT receipt_once_key")
        tx.execute(again, id=handover.handover_id)
    assert bench.received[0].code in bench.broken()["handover_receipts"]


# ── the epoch ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_decided_on_an_earlier_custody_is_refused(bench: Bench) -> None:
    """Somebody at the desk looks at a page, the dossier goes to the branch and comes back, and only then do they press."""
    dossier = bench.receive()
    seen = bench.get(dossier).epoch
    bench.hand_over(dossier)
    bench.hand_over(dossier, bench.places.desk)
    with pytest.raises(EpochStale), bench.database.begin(bench.places.clerk) as tx:
        offer(tx, KEYS, [dossier.dossier_id], bench.places.tax, epochs={dossier.dossier_id: seen})
    assert bench.get(dossier).custody_state is CustodyState.HELD
    with bench.database.begin(bench.places.clerk) as tx:  # who does not say what they saw is not protected
        offer(tx, KEYS, [dossier.dossier_id], bench.places.tax)
    assert bench.get(dossier).custody_state is CustodyState.IN_TRANSIT


def test_custody_moves_by_compare_and_set(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An acceptance of another epoch, by a verb without guards, moves nothing; without the comparison it tears custody."""
    handover = bench.offer(bench.receive())
    stale = replace(handover, state=HandoverState.ACCEPTED, epoch=7, closed_at=handover.offered_at)

    def move() -> None:
        with bench.database.begin(SYSTEM) as tx:
            store.set_moved(tx, stale, _later(tx, handover))

    with pytest.raises(HandoverClosed):
        move()
    assert bench.broken() == {}
    whole = store.statement_file(store.HERE, "move_custody")
    unguarded = whole.replace(" AND epoch = :epoch\n", "\n").replace(" AND c.epoch = :epoch AND", " AND")
    assert unguarded.count(":epoch") == 1
    monkeypatch.setattr(store, "statement_file", lambda _folder, _verb: unguarded)
    move()
    monkeypatch.undo()
    assert "custody_unbroken" in bench.broken()


def _later(tx: Tx, handover: Handover) -> list[store.Receipt]:
    """Receipts of an end, with whatever in them: only the movement matters here."""
    kinds = {"stored": store.ReceiptKind.RELEASED, "delivered": store.ReceiptKind.GRANTED}
    return [
        replace(receipt, receipt_id=new_id(), kind=kinds[receipt.kind.value])
        for receipt in store.list_receipts(tx, handover.handover_id)
    ]


# ── messages in the same transaction ────────────────────────────────────────────────────────────────────────────────


class Killed(Exception):
    """The process dies here."""


def killed(bench: Bench, act: Callable[[Tx], object]) -> None:
    """Somebody of the branch acts, and the process dies before the commit."""

    def die() -> None:
        with bench.database.begin(bench.places.officer) as tx:
            act(tx)
            raise Killed

    with pytest.raises(Killed):
        die()


def test_a_killed_change_leaves_neither_change_nor_message(bench: Bench) -> None:
    handover = bench.offer(bench.receive())
    killed(bench, lambda tx: accept(tx, KEYS, handover.handover_id))
    assert bench.handover(handover).state is HandoverState.OFFERED
    assert bench.one("SELECT count(*) FROM outbox WHERE kind = 'handover.accepted'") == 0
    assert bench.broken() == {}


def test_messages_of_a_second_transaction_are_lost_when_it_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    handover = bench.offer(bench.receive())
    later: list[Envelope] = []
    monkeypatch.setattr(history, "post", lambda _tx, messages: later.extend(messages))
    bench.accept(handover)
    killed(bench, lambda tx: post(tx, later))
    assert bench.broken() == {"event_messages": [bench.received[0].code]}


def test_a_number_is_never_seen_before_the_one_below_it(bench: Bench) -> None:
    """A second writer waits for the counter; with a sequence it would overtake, and a reader "after the last" miss a row."""
    with bench.database.begin(SYSTEM) as tx:
        post(tx, [Envelope("portal", "test", b"{}")])
        tx.execute("CREATE TABLE by_sequence (n BIGSERIAL)")

    def impatient(write: Callable[[Tx], object]) -> bool:
        try:
            with bench.database.begin(SYSTEM) as tx:
                tx.execute("SET LOCAL lock_timeout = '50ms'")
                write(tx)
        except DatabaseUnavailable:
            return False
        return True

    def by_counter(tx: Tx) -> None:
        post(tx, [Envelope("portal", "test", b"{}")])

    def by_sequence(tx: Tx) -> None:
        tx.execute("INSERT INTO by_sequence DEFAULT VALUES")

    for write, overtakes in ((by_counter, False), (by_sequence, True)):
        with bench.database.begin(SYSTEM) as first:
            write(first)
            assert impatient(write) == overtakes
            if overtakes:
                assert bench.ask("SELECT n FROM by_sequence") == [
                    {"n": 2}
                ]  # a reader goes on after 2, and 1 comes later


# ── the kept answer ─────────────────────────────────────────────────────────────────────────────────────────────────


def once(tx: Tx, key: str, request: bytes, act: Callable[[], bytes]) -> bytes:
    """As the edge does it: take the key, work, keep the answer."""
    kept = kept_answer.take(tx, key, request)
    if kept is not None:
        return kept.body
    answer = act()
    kept_answer.keep(tx, key, KeptAnswer(request, 200, "{}", answer))
    return answer


def test_the_same_command_twice_is_one_effect_and_the_same_answer(bench: Bench) -> None:
    """I14. The answer is lost on the way, the offer is recalled meanwhile, and then the client asks again."""
    dossier = bench.receive()

    def command(tx: Tx) -> bytes:
        (offered,) = offer(tx, KEYS, [dossier.dossier_id], bench.places.branch)
        assert offered.handover is not None
        return offered.handover.handover_id.bytes

    with bench.database.begin(bench.places.clerk) as tx:
        first = once(tx, "offer-0001", b"r", lambda: command(tx))
    bench.recall(UUID(bytes=first))
    with bench.database.begin(bench.places.clerk) as tx:
        assert once(tx, "offer-0001", b"r", lambda: command(tx)) == first
    assert bench.get(dossier).custody_state is CustodyState.HELD
    with pytest.raises(IdempotencyKeyReused), bench.database.begin(bench.places.clerk) as tx:
        once(tx, "offer-0001", b"another", lambda: command(tx))
    with bench.database.begin(bench.places.clerk) as tx:  # without the kept answer it goes a second time
        command(tx)
    assert bench.get(dossier).custody_state is CustodyState.IN_TRANSIT


def test_a_twin_that_runs_at_the_same_time_is_held_off(bench: Bench) -> None:
    handover = bench.offer(bench.receive())

    def command(tx: Tx) -> bytes:
        return accept(tx, KEYS, handover.handover_id).handover_id.bytes

    with bench.database.begin(bench.places.officer) as tx:
        once(tx, "accept-001", b"r", lambda: command(tx))
        with pytest.raises(IdempotencyKeyRunning), bench.database.begin(bench.places.officer) as twin:
            once(twin, "accept-001", b"r", lambda: command(twin))
    with pytest.raises(AlreadyHeld), bench.database.begin(bench.places.officer) as tx:
        command(tx)  # without a key the second is refused, although its first was a success


# ── a client's journal ──────────────────────────────────────────────────────────────────────────────────────────────


class Client:
    """Sends commands with keys, hears answers or does not, asks again with the same key, and writes down what it heard."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.chance = random.Random(seed)
        self.heard: list[tuple[str, UUID]] = []

    def do(self, actor: Actor, command: Callable[[Tx], tuple[str, UUID]]) -> tuple[str, UUID] | None:
        key, tries = str(new_id()), 0
        while True:
            tries += 1
            try:
                answer = self._send(actor, key, command, tries)
            except (Killed, DatabaseUnavailable, IdempotencyKeyRunning):
                continue
            except LandError:
                return None
            self.heard.append(answer)
            return answer

    def _send(self, actor: Actor, key: str, command: Callable[[Tx], tuple[str, UUID]], tries: int) -> tuple[str, UUID]:
        fate = self.chance.random() if tries < 4 else 1.0
        with self.bench.database.begin(actor) as tx:
            kept = kept_answer.take(tx, key, b"r")
            if kept is None:
                kind, handover_id = command(tx)
                kept = KeptAnswer(b"r", 200, "{}", f"{kind} {handover_id}".encode())
                kept_answer.keep(tx, key, kept)
            if fate < 0.2:  # the server dies before the commit
                raise Killed
            if fate < 0.3:  # the database does
                tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        if fate < 0.5:  # the answer is lost on its way
            raise Killed
        kind, _, handover = kept.body.decode().partition(" ")
        return kind, UUID(handover)


def test_what_a_client_heard_is_in_the_register_once(bench: Bench) -> None:
    """I14, I15. Eight clients, servers and connections that die, answers that are lost."""
    dossiers = [bench.receive() for _ in range(12)]
    clients = [Client(bench, seed) for seed in range(8)]

    def work(client: Client) -> None:
        for _ in range(15):
            _one_turn(bench, client, client.chance.choice(dossiers))

    with ThreadPoolExecutor(8) as pool:
        done: list[Future[None]] = [pool.submit(work, client) for client in clients]
        for each in done:
            each.result(10 * WAIT_S)
    heard = [answer for client in clients for answer in client.heard]
    assert len(heard) == len(set(heard)) > 40
    with bench.database.begin(SYSTEM) as tx:
        told = [
            (event.kind, UUID(event.payload["handover_id"]))
            for dossier in dossiers
            for event in store.list_events(tx, dossier.dossier_id)
            if "handover_id" in event.payload
        ]
    assert sorted(told) == sorted(heard)  # each acknowledged command exactly once, and nothing that nobody was told
    assert bench.broken() == {}


def _one_turn(bench: Bench, client: Client, dossier: Dossier) -> None:
    now = bench.get(dossier)
    places, chance = bench.places, client.chance
    if now.custody_state is CustodyState.HELD:
        target = chance.choice([o for o in (places.desk, places.branch, places.tax) if o != now.holder_office_id])

        def offers(tx: Tx) -> tuple[str, UUID]:
            (offered,) = offer(tx, KEYS, [dossier.dossier_id], target, epochs={dossier.dossier_id: now.epoch})
            assert offered.handover is not None
            return "offered", offered.handover.handover_id

        client.do(places.at(now.holder_office_id), offers)
        return
    with bench.database.begin(SYSTEM) as tx:
        opened = store.get_open(tx, now)
    if opened is None:
        return
    if chance.random() < 0.3:
        client.do(
            places.at(opened.from_office_id),
            lambda tx: ("recalled", recall(tx, KEYS, opened.handover_id).handover_id),
        )
    else:
        client.do(
            places.at(opened.to_office_id), lambda tx: ("accepted", accept(tx, KEYS, opened.handover_id).handover_id)
        )

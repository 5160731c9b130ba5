"""Messages that leave: numbered without a gap, linked by hash, locked in one order; and those that arrive: each once."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from landdb.db.transaction import SYSTEM, Database, Tx, new_id
from landdb.exchange import store
from landdb.exchange.model import NO_HEAD, Envelope
from landdb.exchange.send import hold, post
from landdb.views import verify


def letter(link: str, body: bytes = b"{}") -> Envelope:
    return Envelope(link, "test", body)


def test_messages_are_numbered_and_linked(tx: Tx) -> None:
    post(tx, [letter("portal", b"1"), letter("tax", b"x")])
    post(tx, [letter("portal", b"2"), letter("portal", b"3")])
    found = store.list_waiting(tx, "portal")
    assert [(message.seq, message.body) for message in found] == [(1, b"1"), (2, b"2"), (3, b"3")]
    head = NO_HEAD
    for message in found:
        assert message.prev_hash == head
        assert message.body_sha256 == hashlib.sha256(message.body).digest()
        head = hashlib.sha256(head + message.body_sha256).digest()
    assert bytes(tx.execute("SELECT head_hash FROM link WHERE name = 'portal'").scalar_one()) == head
    assert [message.seq for message in store.list_waiting(tx, "tax")] == [1]


def test_a_message_carries_what_it_is_about(tx: Tx) -> None:
    about = Envelope("portal", "test", b"{}", dossier_id=new_id(), event_no=3, epoch=2, handover_id=new_id())
    post(tx, [about])
    (found,) = store.list_waiting(tx, "portal")
    assert (found.dossier_id, found.event_no, found.epoch, found.handover_id) == (
        about.dossier_id, about.event_no, about.epoch, about.handover_id,
    )  # fmt: skip


def test_writers_at_once_leave_no_gap_and_never_wait_in_a_circle(database: Database) -> None:
    links = [f"office:{n}" for n in range(1, 6)]

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(20):
            with database.begin(SYSTEM) as tx:
                post(tx, [letter(link) for link in chance.sample(links, 3)])
                if chance.random() < 0.2:
                    tx.connection.get_transaction().rollback()  # type: ignore[union-attr]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with database.begin(SYSTEM) as tx:
        assert [verify.broken(tx, check) for check in ("outbox_numbered", "outbox_linked")] == [None, None]
        assert tx.execute("SELECT count(*) FROM outbox").scalar_one() > 200


def test_a_batch_holds_its_counters_in_one_order(database: Database) -> None:
    """Two batches over the same links in opposite orders: held first, none is refused by the server."""
    links = [f"office:{n}" for n in range(1, 9)]

    def write(seed: int) -> None:
        order = random.Random(seed).sample(links, len(links))
        for _ in range(10):
            with database.begin(SYSTEM) as tx:
                hold(tx, order)
                for link in order:
                    post(tx, [letter(link)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with database.begin(SYSTEM) as tx:
        assert tx.execute("SELECT array_agg(DISTINCT next_seq) FROM link").scalar_one() == [41]


def test_what_arrives_is_taken_once_and_in_order(tx: Tx) -> None:
    store.add_links(tx, ["office:1"])
    first, second = new_id(), new_id()
    assert not store.add_received(tx, "office:1", 2, second, b"s" * 32)  # one is missing before it
    assert store.add_received(tx, "office:1", 1, first, b"f" * 32)
    assert not store.add_received(tx, "office:1", 1, first, b"f" * 32)  # it came twice
    assert store.add_received(tx, "office:1", 2, second, b"s" * 32)
    store.set_answered(tx, "office:1", 1, "done", {"ok": True})
    store.set_answered(tx, "office:1", 1, "done again", {"ok": False})  # the first answer stays
    rows = tx.execute("SELECT seq, message_id, outcome, answer FROM inbox ORDER BY seq").all()
    assert [(row.seq, row.message_id, row.outcome, row.answer) for row in rows] == [
        (1, first, "done", {"ok": True}),
        (2, second, None, None),
    ]
    assert verify.broken(tx, "inbox_numbered") is None


def test_a_link_that_is_stopped_takes_nothing(tx: Tx) -> None:
    store.add_links(tx, ["office:1"])
    tx.execute("UPDATE link SET state = 'stopped'")
    assert not store.add_received(tx, "office:1", 1, UUID(int=1), b"f" * 32)

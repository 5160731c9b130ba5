"""Numbers on a link, without a database: every message once and in order, whatever the line does and whoever is restored."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landdb.exchange.sequence import (
    BATCH,
    Ack,
    Incarnations,
    Inlet,
    LinkForked,
    MessagesForgotten,
    Outlet,
    Talk,
    Verdict,
    acknowledge,
    adopt,
    agree,
    forget,
    post,
    receive,
    since,
    taken_since,
    talk,
    waiting,
)


def outlet(*bodies: str) -> Outlet[str]:
    out: Outlet[str] = Outlet()
    for body in bodies:
        out = post(out, body, sha256(body.encode()).digest())
    return out


def inlet(out: Outlet[str], count: int) -> Inlet[str]:
    taken: Inlet[str] = Inlet()
    for message in since(out, 1)[:count]:
        _, taken = receive(taken, message)
    return taken


ABC = outlet("a", "b", "c")


def test_the_head_is_the_one_that_the_outbox_writes() -> None:
    """sha256(head before || sha256(body)), as landdb/exchange/sql/add_messages.sql."""
    one = sha256(bytes(32) + sha256(b"a").digest()).digest()
    assert outlet("a").head == one
    assert outlet("a", "b").head == sha256(one + sha256(b"b").digest()).digest()


def test_only_the_expected_number_is_taken() -> None:
    first, second, third = since(ABC, 1)
    none: Inlet[str] = Inlet()
    assert receive(none, second) == (Verdict.GAP, none)
    _, one = receive(none, first)
    assert receive(one, first) == (Verdict.DUPLICATE, one)
    assert receive(one, third) == (Verdict.GAP, one)
    assert one.ack == Ack(1, first.head)


def test_another_message_under_a_taken_number_is_a_fork() -> None:
    taken = inlet(ABC, 2)
    for other in (outlet("a", "x"), outlet("x", "b", "c")):
        assert receive(taken, since(other, 2)[0])[0] is Verdict.FORK
    assert receive(taken, since(outlet("a", "x", "c"), 3)[0])[0] is Verdict.FORK, "the next one does not follow either"


@given(st.lists(st.integers(1, 6), max_size=60))
def test_whatever_the_line_does_every_message_is_taken_once_in_order(arrivals: list[int]) -> None:
    out = outlet(*"abcdef")
    taken: Inlet[str] = Inlet()
    for seq in [*arrivals, *range(1, 7)]:
        verdict, after = receive(taken, since(out, seq)[0])
        assert (verdict is Verdict.NEW) == (seq == taken.expected_seq)
        assert (after is taken) == (verdict is not Verdict.NEW)
        out, taken = acknowledge(out, after.ack), after
    assert [message.body for message in taken.taken] == list("abcdef")
    assert waiting(out) == ()


def test_a_late_acknowledgement_says_nothing_new() -> None:
    out = acknowledge(ABC, inlet(ABC, 2).ack)
    assert acknowledge(out, inlet(ABC, 1).ack) == out
    assert [message.body for message in waiting(out)] == ["c"]


def test_one_request_carries_a_hundred() -> None:
    assert len(waiting(outlet(*map(str, range(BATCH + 3))))) == BATCH


@pytest.mark.parametrize(
    "ack", [Ack(4, bytes(32)), Ack(2, bytes(32))], ids=["of what was not sent", "of something else"]
)
def test_an_acknowledgement_of_what_was_not_said_is_a_fork(ack: Ack) -> None:
    for act in (acknowledge, agree):
        with pytest.raises(LinkForked):
            act(ABC, ack)


# ── restores ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_a_receiver_put_back_is_sent_what_it_forgot(before: int) -> None:
    done = acknowledge(ABC, inlet(ABC, 3).ack)
    again = agree(done, inlet(ABC, before).ack)
    assert [message.body for message in waiting(again)] == list("abc"[before:])


@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_a_sender_put_back_gets_its_own_messages_and_never_uses_their_numbers(before: int) -> None:
    other = inlet(ABC, 3)
    put_back = outlet(*"abc"[:before])
    whole = agree(adopt(put_back, taken_since(other, put_back.next_seq)), other.ack)
    assert (whole.next_seq, whole.head, whole.kept, waiting(whole)) == (4, ABC.head, ABC.kept, ())


def test_a_sender_put_back_sends_what_it_still_has_and_the_other_lacks() -> None:
    other = inlet(ABC, 1)
    put_back = outlet("a", "b")
    assert [m.body for m in waiting(agree(adopt(put_back, taken_since(other, 3)), other.ack))] == ["b"]


def test_what_does_not_follow_is_not_taken_back() -> None:
    for mine, theirs in ((outlet("x"), since(ABC, 2)), (outlet("a"), since(ABC, 3))):
        with pytest.raises(LinkForked):
            adopt(mine, theirs)


def test_messages_are_kept_until_acknowledged_and_in_the_others_backup() -> None:
    done = acknowledge(ABC, inlet(ABC, 2).ack)
    assert [m.body for m in forget(done, 2).kept] == ["b", "c"]
    assert [m.body for m in forget(done, 99).kept] == ["c"], "what is not acknowledged is never dropped"
    with pytest.raises(MessagesForgotten):
        since(forget(done, 99), 2)
    with pytest.raises(MessagesForgotten):
        agree(forget(done, 99), inlet(ABC, 1).ack)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (Incarnations(3, 2), Talk.CURRENT),
        (Incarnations(2, 2), Talk.STALE),
        (Incarnations(2, 1), Talk.STALE),
        (Incarnations(3, 1), Talk.UNAWARE),
        (Incarnations(4, 1), Talk.UNAWARE),
        (Incarnations(4, 2), Talk.RESTORED),
        (Incarnations(3, 3), Talk.ROLLED_BACK),
        (Incarnations(2, 3), Talk.ROLLED_BACK),
    ],
)
def test_who_may_talk(said: Incarnations, answer: Talk) -> None:
    known = Incarnations(mine=2, theirs=3)
    assert talk(known, said) is answer

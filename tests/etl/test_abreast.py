"""Steps side by side: the order stays, errors come across, and nothing goes on behind the back of one who has left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from etl.abreast import ahead, meanwhile


def test_chunks_made_ahead_come_in_order_and_so_does_an_error() -> None:
    def faulty() -> Iterator[bytes]:
        yield b"one"
        yield b"two"
        raise ValueError("the maker failed")

    taken: list[bytes] = []
    with pytest.raises(ValueError, match="the maker failed"):
        taken.extend(ahead(faulty()))
    assert taken == [b"one", b"two"]


def test_the_maker_of_chunks_stops_with_the_taker() -> None:
    made = []

    def endless() -> Iterator[bytes]:
        while True:
            made.append(len(made))
            yield b"more"

    chunks = ahead(endless())
    next(chunks)
    chunks.close()
    count = len(made)
    assert count <= 5
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_a_chain_of_makers_stops_with_the_taker() -> None:
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    first = ahead(endless())
    second = ahead(number * 2 for number in first)
    assert [next(second), next(second)] == [2, 4]
    second.close()
    first.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_work_done_meanwhile_is_there_at_the_end_of_the_block() -> None:
    with meanwhile(lambda: 6 * 7) as answer:
        pass
    assert answer() == 42


def test_an_error_met_meanwhile_comes_to_who_asks() -> None:
    def fails() -> None:
        raise ValueError("met meanwhile")

    with meanwhile(fails) as answer:
        pass
    with pytest.raises(ValueError, match="met meanwhile"):
        answer()

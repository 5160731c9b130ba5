"""Let messages leave: they are numbered and written in the transaction of the change that they tell of (gửi đi).

Nothing is sent here. A relay reads the outbox later; what it finds is exactly what was committed, in order, without a gap. A job
queue may wake the relay, and is never the guarantee.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from landdb.db.transaction import Tx
from landdb.exchange import store
from landdb.exchange.model import Envelope

__all__ = ["Envelope", "hold", "post"]


def post(tx: Tx, messages: Sequence[Envelope]) -> None:
    """Write messages into the outbox, those of one link in their order. A link that does not exist yet is opened."""
    for some in _one_for_each_link(messages):
        if not store.add_messages(tx, some):  # the first message ever on a link
            store.add_links(tx, [message.link for message in some])
            store.add_messages(tx, some)


def hold(tx: Tx, links: Iterable[str]) -> None:
    """Lock the counters of all links on which a batch will post: one after the other, batches could wait in a circle."""
    names = sorted(set(links))
    store.add_links(tx, names)
    store.lock_links(tx, names)


def _one_for_each_link(messages: Sequence[Envelope]) -> list[list[Envelope]]:
    rounds: list[list[Envelope]] = []
    seen: dict[str, int] = defaultdict(int)
    for message in messages:
        turn = seen[message.link]
        seen[message.link] += 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(message)
    return rounds

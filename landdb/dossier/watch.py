"""What the register does by itself as time passes: it tells, and moves nothing (theo dõi thời hạn).

A clock that has run out is told to the head of its office, and after a working day more to those above; an offer that nobody
answers to the head of the receiver; each once. The citizen gets one letter of apology. Due times that were counted without a
year's holidays are counted anew when these are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from landdb.access import store as access
from landdb.db.transaction import Tx
from landdb.dossier import clock, notice, store
from landdb.dossier.store import LateClock

HEAD, ABOVE, UNANSWERED = 1, 2, 9
"""Levels of escalation: the head of the office, those above it, the head of an office that leaves an offer unanswered."""
ABOVE_AFTER_WORKING_HOURS: Final = 8
"""Set by the office."""
HEADS: Final = ("branch_head", "commune_leader")
OVERSEERS: Final = ("supervisor", "branch_head")
_LETTERS_AT_ONCE: Final = 200
_CLOCKS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Watched:
    """What one round did."""

    escalated: int
    apologies: int
    recomputed: int


def watch(tx: Tx) -> Watched:
    """One round. It may be called at any time and any number of times; the worker does every few minutes.

    What it writes for citizens is sent in a transaction of its own (``notice.deliver``): a channel may take its time, and nobody
    should wait for a dossier meanwhile.
    """
    recomputed = clock.recompute(tx)
    return Watched(escalate(tx), apologise(tx), recomputed)


def escalate(tx: Tx) -> int:
    """Tell those above of clocks that have run out and of offers unanswered; how many were told now.

    Some at a time, the longest late first: the rest is the next round's.
    """
    told = 0
    for late in store.late_clocks(tx, 0, _CLOCKS_AT_ONCE):
        told += _tell(tx, late, HEAD, late.office_id, HEADS)
    for late in store.late_clocks(tx, HEAD, _CLOCKS_AT_ONCE):
        if tx.now < clock.later(tx, late.due_at, ABOVE_AFTER_WORKING_HOURS):
            break  # the longest late come first
        told += _tell(tx, late, ABOVE, late.parent_id or late.office_id, OVERSEERS)
    for late in store.late_offers(tx, UNANSWERED, _CLOCKS_AT_ONCE):
        told += store.add_escalation(tx, late, UNANSWERED, _first(access.heads_of(tx, late.office_id, HEADS)))
    return told


def apologise(tx: Tx) -> int:
    """One letter to each citizen whose dossier is late (thư xin lỗi); how many."""
    late = store.late_untold(tx, "late", _LETTERS_AT_ONCE)
    for dossier in late:
        notice.tell(tx, dossier, "late")
    return len(late)


def _tell(tx: Tx, late: LateClock, level: int, office_id: int, roles: tuple[str, ...]) -> int:
    told = store.add_escalation(tx, late, level, _first(access.heads_of(tx, office_id, roles)))
    store.set_escalation_level(tx, late.deadline_id, level)
    return int(told)


def _first(people: list[UUID]) -> UUID | None:
    return people[0] if people else None

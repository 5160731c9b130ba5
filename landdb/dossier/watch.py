"""What the register does by itself as time passes: it tells, and moves nothing (theo dõi thời hạn).

A clock that has run out is told to the head of its office, and after a working day more to those above; an offer that nobody
answers to the head of the receiver; each once. The citizen gets one letter of apology. Due times that were counted without a
year's holidays are counted anew when these are loaded.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from landdb.access import store as access
from landdb.db.transaction import Tx
from landdb.dossier import clock, notice, store
from landdb.dossier.notice import NoticeSink
from landdb.dossier.store import LateClock
from landdb.reference import store as reference

HEAD, ABOVE, UNANSWERED = 1, 2, 9
"""Levels of escalation: the head of the office, those above it, the head of an office that leaves an offer unanswered."""
ABOVE_AFTER_WORKING_HOURS: Final = 8
"""Set by the office."""
HEADS: Final = ("branch_head", "commune_leader")
OVERSEERS: Final = ("supervisor", "branch_head")
_LETTERS_AT_ONCE: Final = 200


@dataclass(frozen=True)
class Watched:
    """What one round did."""

    escalated: int
    apologies: int
    recomputed: int
    sent: int


def watch(tx: Tx, sink: NoticeSink) -> Watched:
    """One round. It may be called at any time and any number of times; the worker does every few minutes."""
    recomputed = clock.recompute(tx)
    return Watched(escalate(tx), apologise(tx), recomputed, notice.deliver(tx, sink))


def escalate(tx: Tx) -> int:
    """Tell those above of clocks that have run out and of offers unanswered; how many were told now."""
    told = 0
    for late in store.late_clocks(tx, ABOVE):
        if late.escalation_level < HEAD:
            told += _tell(tx, late, HEAD, late.office_id, HEADS)
        if tx.now >= _above_at(tx, late.due_at):
            told += _tell(tx, late, ABOVE, late.parent_id or late.office_id, OVERSEERS)
    for late in store.late_offers(tx, UNANSWERED):
        told += store.add_escalation(
            tx, late.deadline_id, UNANSWERED, _first(access.heads_of(tx, late.office_id, HEADS))
        )
    return told


def apologise(tx: Tx) -> int:
    """One letter to each citizen whose dossier is late (thư xin lỗi); how many."""
    late = store.late_untold(tx, "late", _LETTERS_AT_ONCE)
    for dossier in late:
        notice.tell(tx, dossier, "late")
    return len(late)


def _tell(tx: Tx, late: LateClock, level: int, office_id: int, roles: tuple[str, ...]) -> int:
    told = store.add_escalation(tx, late.deadline_id, level, _first(access.heads_of(tx, office_id, roles)))
    store.set_escalation_level(tx, late.deadline_id, level)
    return int(told)


def _above_at(tx: Tx, due_at: dt.datetime) -> dt.datetime:
    day = due_at.astimezone(dt.UTC).date()
    return reference.working_calendar(tx, day, tx.today).add(due_at, ABOVE_AFTER_WORKING_HOURS * 60)


def _first(people: list[UUID]) -> UUID | None:
    return people[0] if people else None

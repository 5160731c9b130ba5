"""How often the public may ask what only some may know: counted in the database, since every worker process answers.

Attempts are rows of ``access_event``, as wrong sign-ins are. They are committed whatever the answer: the verbs that use this
return their refusal instead of raising it.
"""

from __future__ import annotations

from dataclasses import dataclass

from landdb.access.store import add_event
from landdb.db.transaction import Tx
from landdb.service import store
from landdb.service.model import (
    ASKS_PER_ADDRESS,
    MISSES_PER_ADDRESS,
    MISSES_PER_SUBJECT,
    SUBJECT_WINDOW,
    WINDOW,
    TooManyAsks,
)


@dataclass(frozen=True)
class Attempt:
    """One question about one subject. ``subject`` is a keyed index or a dossier's code, never a number of a person."""

    what: str  # prefill | status
    subject: str
    address: str | None

    @property
    def missed(self) -> str:
        return f"{self.what}_missed"

    @property
    def found(self) -> str:
        return f"{self.what}_found"


def admit(tx: Tx, attempt: Attempt) -> TooManyAsks | None:
    """Whether this address may ask now; holds its other attempts until this one is counted."""
    if attempt.address is None:
        return None
    store.lock_attempts(tx, attempt.address)
    since = tx.now - WINDOW
    missed = store.count_from(tx, attempt.address, [attempt.missed], since)
    asked = missed + store.count_from(tx, attempt.address, [attempt.found], since)
    if missed >= MISSES_PER_ADDRESS or asked >= ASKS_PER_ADDRESS:
        return TooManyAsks(retry_after_s=int(WINDOW.total_seconds()))
    return None


def is_guessed_at(tx: Tx, attempt: Attempt) -> bool:
    """Whether so many wrong guesses were made at the subject that no answer is given for the rest of the day."""
    store.lock_attempts(tx, f"{attempt.what}:{attempt.subject}")
    return store.count_missed_at(tx, attempt.missed, attempt.subject, tx.now - SUBJECT_WINDOW) >= MISSES_PER_SUBJECT


def note(tx: Tx, attempt: Attempt, *, found: bool) -> None:
    """Write the attempt down."""
    add_event(tx, attempt.found if found else attempt.missed, address=attempt.address, note=attempt.subject)

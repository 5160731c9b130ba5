"""Fill a form with what the register knows of a citizen (điền sẵn): number and a second fact, or nothing at all."""

from __future__ import annotations

from landdb.config import Settings
from landdb.db.transaction import Tx
from landdb.errors import LandError
from landdb.sealing.identity import CITIZEN, blind_index
from landdb.sealing.keys import Keys
from landdb.service import attempts, store
from landdb.service.model import PrefillClosed, Prefilled, PrefillNotFound, SecondFact, filled_from, shown_to


def prefill(
    tx: Tx, keys: Keys, *, settings: Settings, identity_no: str, fact: SecondFact, address: str | None
) -> Prefilled | LandError:
    """What is known, each value with its source and the moment from which the register has known it; or why not.

    The refusal is a value, not raised: a miss must be committed, or nobody would ever be stopped from guessing. An unknown
    number, a fact that does not agree and a person guessed at too often get the same answer after the same statements.
    Raises: ``PrefillClosed`` in production, until the office opens it.
    """
    if settings.env == "production" and not settings.prefill_open:
        raise PrefillClosed()
    index = blind_index(keys, CITIZEN, identity_no)
    attempt = attempts.Attempt("prefill", index.hex()[:32], address)
    refused = attempts.admit(tx, attempt)
    if refused is not None:
        return refused
    guessed_at = attempts.is_guessed_at(tx, attempt)
    theirs = shown_to(fact, store.holdings_of(tx, index))
    found = bool(theirs) and not guessed_at
    attempts.note(tx, attempt, found=found)
    return filled_from(theirs) if found else PrefillNotFound()

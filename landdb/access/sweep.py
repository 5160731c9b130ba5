"""Clear away what no longer counts; the worker's periodic sweep calls it."""

from __future__ import annotations

import datetime as dt
from typing import Final

from landdb.access import store
from landdb.db.transaction import Tx

ANSWERS_KEPT: Final = dt.timedelta(hours=48)
"""A client that retries after a week-end reads a fresh answer; longer is a matter of disk only."""
LASTING_ANSWERS_KEPT: Final = dt.timedelta(days=400)
"""Of acts on dossiers and hand-overs: an office may be cut off for weeks, and disputes come late. Source: custody.md §6."""


def sweep_access(tx: Tx) -> None:
    """Delete ended sessions, old token revocations, and kept answers past their time."""
    store.delete_spent(tx, answers_before=tx.now - ANSWERS_KEPT, lasting_before=tx.now - LASTING_ANSWERS_KEPT)

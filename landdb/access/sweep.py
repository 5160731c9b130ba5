"""Clear away what no longer counts; the worker's periodic sweep calls it."""

from __future__ import annotations

import datetime as dt
from typing import Final

from landdb.access import store
from landdb.db.transaction import Tx

ANSWERS_KEPT: Final = dt.timedelta(hours=48)
"""A client that retries after a week-end reads a fresh answer; longer is a matter of disk only."""


def sweep_access(tx: Tx) -> None:
    """Delete ended sessions, old token revocations, and answers kept for longer than two days."""
    store.delete_spent(tx, answers_before=tx.now - ANSWERS_KEPT)

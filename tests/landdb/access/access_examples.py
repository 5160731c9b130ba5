"""Words that the examples of access share: a password, a later instant, a person who acts."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import UUID

from landdb.db.transaction import Actor, Tx

PASSWORD = "một câu chỉ mình tôi biết"


def later(tx: Tx, **span: float) -> Tx:
    """The same transaction at a later instant."""
    return replace(tx, now=tx.now + dt.timedelta(**span))


def as_staff(tx: Tx, staff_id: UUID) -> Tx:
    """The same transaction, acted in by a person."""
    return replace(tx, actor=Actor(kind="staff", staff_id=staff_id))

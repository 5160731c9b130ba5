"""A short bearer token for a service or a script."""

from __future__ import annotations

import datetime as dt

from landdb.access import store
from landdb.access.identify import identify_key
from landdb.access.model import PasswordChangeRequired
from landdb.access.permissions import permissions_of
from landdb.access.sign_in import admit
from landdb.db.transaction import Tx
from landdb.errors import LandError
from landdb.sealing.keys import Keys
from landdb.sealing.tokens import sign


def issue_token(
    tx: Tx, keys: Keys, *, login: str, password: str, address: str | None
) -> tuple[str, dt.datetime] | LandError:
    """A token for login and password; a refusal is a value, so that the attempt is committed (see ``sign_in``)."""
    account = admit(tx, login=login, password=password, address=address)
    if isinstance(account, LandError):
        return account
    holder = store.get_holder(tx, account.staff_id)
    if holder is None or holder.must_change_password:
        return PasswordChangeRequired()
    return sign(
        keys,
        subject=f"staff:{holder.staff_id}",
        office_id=holder.office_id,
        permissions=permissions_of(holder.roles),
        now=tx.now,
    )


def exchange_key(tx: Tx, keys: Keys, key: str) -> tuple[str, dt.datetime]:
    """A token for a service key. Raises: ``KeyInvalid``."""
    actor = identify_key(tx, key).actor
    return sign(
        keys,
        subject=f"service:{actor.api_key_id}",
        office_id=actor.office_id,
        permissions=actor.permissions,
        now=tx.now,
    )

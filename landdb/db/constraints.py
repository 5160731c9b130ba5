"""From the name of a violated constraint to the error of the domain that it protects.

A store registers the names beside its statements; an unknown name stays a database error (our bug, answered as 500).
"""

from __future__ import annotations

import re

import psycopg2
from psycopg2 import errorcodes

from landdb.errors import LandError, StorageFull, Unavailable

_MEANING: dict[str, type[LandError]] = {}
# Citus reports the constraint of the shard: custody_open_102013.
_SHARD_SUFFIX = re.compile(r"_\d{5,}$")
_TRY_LATER = {
    errorcodes.SERIALIZATION_FAILURE,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.QUERY_CANCELED,
    errorcodes.ADMIN_SHUTDOWN,
    errorcodes.CRASH_SHUTDOWN,
    errorcodes.CANNOT_CONNECT_NOW,
    errorcodes.TOO_MANY_CONNECTIONS,
}


class DatabaseUnavailable(Unavailable):
    code = "database.unavailable"


def register(constraint: str, meaning: type[LandError]) -> None:
    """Let a violated ``constraint`` be raised as ``meaning``."""
    _MEANING[constraint] = meaning


def refusal_of(error: Exception) -> Exception:
    """The domain error behind a database error, or the error itself where nobody gave it a meaning."""
    original = getattr(error, "orig", error)
    if not isinstance(original, psycopg2.Error):
        return error
    name = original.diag.constraint_name or ""
    meaning = _MEANING.get(name) or _MEANING.get(_SHARD_SUFFIX.sub("", name))
    if meaning is not None:
        return meaning()
    if original.pgcode == errorcodes.DISK_FULL:
        return StorageFull()
    if original.pgcode in _TRY_LATER or (original.pgcode is None and isinstance(original, psycopg2.OperationalError)):
        return DatabaseUnavailable()
    return error

"""How passwords are kept: argon2id, and the same work for a login that does not exist."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from landdb.access.model import LONGEST_PASSWORD, normal_password

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane. Ten sign-ins at once stay under 200 MB.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


def hashed(password: str) -> str:
    """The argon2id hash to be stored."""
    return HASHER.hash(normal_password(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the stored one. A null hash does the same work and answers no."""
    stored = password_hash or _of_nobody()
    try:
        # Longer than any that can be set: cut before the work, so that a megabyte costs no more than a word.
        right = HASHER.verify(stored, normal_password(password[: LONGEST_PASSWORD + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return right and password_hash is not None


def outdated(password_hash: str) -> bool:
    """Whether a stored hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


@lru_cache(maxsize=1)
def _of_nobody() -> str:
    return HASHER.hash("a password that nobody has")

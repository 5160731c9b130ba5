"""The secret key of an office and all that is derived from it; nothing else in the system holds a key.

The secret file has one key a line, ``<number> <64 hexadecimal digits>``, the newest first:

    2 9f…   encrypts and signs from now on
    1 4c…   still decrypts, still verifies

To rotate: put a new line on top and restart. The blind index stays with the last line (the oldest key), because rows
must keep matching; changing that one means computing every index anew.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from landdb.config import Settings
from landdb.errors import Unavailable

SECRET_BYTES: Final = 32
DERIVED_BYTES: Final = 32


class SecretMissing(Unavailable):
    """Production names its secret file. Params: ``variable``."""

    code = "sealing.secret_missing"


class SecretUnreadable(Unavailable):
    """Params: ``file``, ``reason``."""

    code = "sealing.secret_unreadable"


class SecretOpen(Unavailable):
    """Others on this machine can read the secret. Params: ``file``, ``mode``."""

    code = "sealing.secret_open"


@dataclass(frozen=True)
class Keys:
    """The office's secrets by key number, newest first. Never printed, never pickled into a job."""

    secrets: tuple[tuple[int, bytes], ...] = field(repr=False)

    @property
    def current(self) -> int:
        """The number of the key that encrypts and signs now."""
        return self.secrets[0][0]

    @property
    def oldest(self) -> int:
        """The number of the key on which blind indexes stand."""
        return self.secrets[-1][0]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All known key numbers, newest first."""
        return tuple(number for number, _ in self.secrets)

    def derived(self, purpose: str, number: int | None = None) -> bytes:
        """The key of one purpose (HKDF-SHA-256, RFC 5869): purposes share no bytes. Raises: ``KeyError``."""
        wanted = self.current if number is None else number
        return _derive(dict(self.secrets)[wanted], purpose)

    def tag(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA-256 of a message under the purpose's current key."""
        return hmac.digest(self.derived(purpose), message, "sha256")


@lru_cache(maxsize=128)
def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), DERIVED_BYTES, salt=None, info=f"landdb/{purpose}".encode()).derive(secret)


def load_keys(settings: Settings) -> Keys:
    """The keys of this process. The demo makes its secret on first use; production must name one.

    Raises: ``SecretMissing``, ``SecretUnreadable``, ``SecretOpen``.
    """
    if settings.secret_file is not None:
        return read_secret(settings.secret_file)
    if settings.env == "production":
        raise SecretMissing(variable="LANDDB_SECRET_FILE")
    path = settings.data / "secret.key"
    if not path.exists():
        make_secret(path)
    return read_secret(path)


def make_secret(path: Path) -> None:
    """Write a new secret, readable by its owner only. Two processes that start together agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(f"1 {secrets.token_hex(SECRET_BYTES)}\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(draft, path)  # fails where another process was first; its secret counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def read_secret(path: Path) -> Keys:
    """The keys in a secret file. Raises: ``SecretUnreadable``, ``SecretOpen``."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretUnreadable(file=str(path), reason=type(error).__name__) from error
    if mode & 0o037:  # the group may read: container secrets come as 0440
        raise SecretOpen(file=str(path), mode=oct(mode & 0o777))
    return Keys(tuple(_parsed(path, text)))


def _parsed(path: Path, text: str) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            number, digits = line.split()
            secret = bytes.fromhex(digits)
            valid = len(secret) == SECRET_BYTES and 0 < int(number) < 256
        except ValueError:
            valid = False
        if not valid or int(number) in dict(found):
            raise SecretUnreadable(file=str(path), reason=f"line {place}")
        found.append((int(number), secret))
    if not found:
        raise SecretUnreadable(file=str(path), reason="empty")
    return found


def fingerprint(keys: Keys) -> str:
    """A short name of the current key for logs and ``landdb verify``; tells nothing of the key itself."""
    return hashlib.sha256(keys.derived("fingerprint")).hexdigest()[:12]

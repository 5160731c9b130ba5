"""Identity numbers of people: encrypted for storage, with a keyed blind index for exact search (decisions.md §8).

A sealed value is ``version (1 byte) | key number (1) | nonce (12) | AES-256-GCM ciphertext and tag``. The kind of
number is bound to the value: a passport cannot be passed off as a citizen's card by moving bytes between columns.
Other private text is sealed alike under a ``purpose`` of its own, bound to what it belongs to.
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from landdb.errors import LandError
from landdb.sealing.keys import Keys

VERSION: Final = 1
NONCE_BYTES: Final = 12
IDENTITY: Final = "identity"
SUBMISSION: Final = "submission"
"""Purposes: each has a key of its own."""
CITIZEN: Final = "citizen"
"""The kind under which people's numbers of old files and of applications are sealed and found."""


class SealBroken(LandError):
    """A stored value cannot be opened: other key, or changed bytes. Our fault or tampering: 500, never a 4xx."""

    code = "sealing.broken"


def normalised(number: str) -> str:
    """An identity number as it is compared: NFKC, capitals, letters and digits only (``038 092-001`` = ``038092001``)."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", number).upper() if sign.isalnum())


def encrypt(keys: Keys, kind: str, number: str, *, purpose: str = IDENTITY) -> bytes:
    """Seal a number (or another private text) as written. Two seals of the same number differ."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(keys.derived(purpose)).encrypt(nonce, number.encode(), kind.encode())
    return bytes((VERSION, keys.current)) + nonce + sealed


def decrypt(keys: Keys, kind: str, sealed: bytes, *, purpose: str = IDENTITY) -> str:
    """Open what ``encrypt`` sealed for the same kind and purpose. Raises: ``SealBroken``."""
    value = bytes(sealed)
    if len(value) < 2 + NONCE_BYTES + 16 or value[0] != VERSION or value[1] not in keys.numbers:
        raise SealBroken()
    nonce, rest = value[2 : 2 + NONCE_BYTES], value[2 + NONCE_BYTES :]
    try:
        return AESGCM(keys.derived(purpose, value[1])).decrypt(nonce, rest, kind.encode()).decode()
    except InvalidTag as error:
        raise SealBroken() from error


def blind_index(keys: Keys, kind: str, number: str) -> bytes:
    """What equal numbers share in the database: HMAC-SHA-256 of the normalised number under a key of its own."""
    message = f"{kind}\x1f{normalised(number)}".encode()
    return hmac.digest(keys.derived("identity-index", keys.oldest), message, "sha256")

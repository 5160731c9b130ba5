"""Seals: detached signatures (JWS with an unencoded payload, RFC 7797) of an office or of the register over canonical bytes.

The bytes travel as they are and the seal beside them, so that a person can read what was signed, and a stranger needs nothing
but the published key and Ed25519. A seal says that *an office's installation* made something; a person's own signature is
another matter (``pdf.py``).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from landdb.sealing.chain import canonical
from landdb.sealing.keys import Keys

ALGORITHM: Final = "EdDSA"
LONGEST: Final = 4096
_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True)
class Seal:
    """A detached JWS in compact form, ``header..signature``, and the name of its key."""

    kid: str
    jws: str


def kid_of(keys: Keys, office_id: int | None) -> str:
    """The name of the key with which an office (null: the register) seals now."""
    return f"{'register' if office_id is None else f'office-{office_id}'}-{keys.current}"


def public_jwk(keys: Keys, office_id: int | None) -> dict[str, Any]:
    """The public half of that key (RFC 8037)."""
    public = _private(keys, office_id).public_key().public_bytes_raw()
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _text(public),
        "kid": kid_of(keys, office_id),
        "use": "sig",
        "alg": ALGORITHM,
    }


def seal(keys: Keys, office_id: int | None, payload: bytes) -> Seal:
    """Seal a payload for an office, or for the register. The key must be published: ``signing_keys.ensure_key``."""
    kid = kid_of(keys, office_id)
    header = _text(canonical({"alg": ALGORITHM, "b64": False, "crit": ["b64"], "kid": kid}))
    signature = _private(keys, office_id).sign(signing_input(header, payload))
    return Seal(kid, f"{header}..{_text(signature)}")


def check(public_jwk: Mapping[str, Any], jws: str, payload: bytes) -> bool:
    """Whether ``jws`` is a seal of this key over exactly these bytes; whatever is unreadable is not."""
    try:
        header, signature = _read(public_jwk, jws)
        key = Ed25519PublicKey.from_public_bytes(_bytes(str(public_jwk["x"])))
        key.verify(signature, signing_input(header, payload))
    except (InvalidSignature, ValueError, KeyError, TypeError, RecursionError):
        return False
    return True


def signing_input(header: str, payload: bytes) -> bytes:
    """What is signed (RFC 7797 §3): the encoded header, a full stop, the payload as it is."""
    return header.encode("ascii") + b"." + payload


def _read(public_jwk: Mapping[str, Any], jws: str) -> tuple[str, bytes]:
    """The encoded header and the signature of a seal that this key may have made. Raises: ``ValueError`` and its like."""
    if len(jws) > LONGEST:
        raise ValueError("too long")
    header, empty, signature = jws.split(".")
    fields = json.loads(_bytes(header))
    # A header may ask for more (other algorithms, keys by address); a seal of ours has these four and nothing else.
    wanted = {"alg": ALGORITHM, "b64": False, "crit": ["b64"], "kid": public_jwk["kid"]}
    if empty or fields != wanted or fields["b64"] is not False:
        raise ValueError("no seal of ours")
    if (public_jwk["kty"], public_jwk["crv"]) != ("OKP", "Ed25519"):
        raise ValueError("another kind of key")
    found = _bytes(signature)
    if len(found) != _SIGNATURE_BYTES:
        raise ValueError("no signature")
    return header, found


def _private(keys: Keys, office_id: int | None) -> Ed25519PrivateKey:
    return _loaded(keys.derived(f"seal/{'register' if office_id is None else office_id}"))


@lru_cache(maxsize=256)
def _loaded(secret: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secret)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    """Decode base64url, one spelling only: a signature that can be written in two ways could be stored as two."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("no base64url") from error
    if _text(value) != text:
        raise ValueError("no base64url")
    return value

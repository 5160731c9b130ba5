"""Seals: checked here by bare Ed25519 and by another library, refused when a bit of them changes, keys with their validity."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws as other_jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey

from landdb.db.transaction import Tx
from landdb.sealing.chain import canonical
from landdb.sealing.keys import Keys
from landdb.sealing.model import OVERLAP, SigningKeyOther, SigningKeyOver, SigningKeyUnknown
from landdb.sealing.seal import Seal, check, public_jwk, seal, signing_input
from landdb.sealing.signing_keys import ensure_key, key_set, published, revoke

KEYS = Keys(((1, bytes(range(32))),))
NEWER = Keys(((2, b"n" * 32), (1, bytes(range(32)))))
OTHERS = Keys(((1, b"o" * 32),))
PAYLOAD = canonical({"kind": "granted", "note": "Nguyễn. Thị. Huệ"})


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def signed(header: dict[str, Any], payload: bytes = PAYLOAD) -> str:
    """A seal by the register's true key under any header."""
    head = encoded(json.dumps(header).encode())
    key = Ed25519PrivateKey.from_private_bytes(KEYS.derived("seal/register"))
    return f"{head}..{encoded(key.sign(head.encode() + b'.' + payload))}"


def test_the_signing_input_is_that_of_rfc_7797_section_4_2() -> None:
    secret = decoded("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
    header = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19"
    mac = hmac.digest(secret, signing_input(header, b"$.02"), "sha256")
    assert encoded(mac) == "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY"


def test_a_seal_is_checked_by_bare_ed25519() -> None:
    made = seal(KEYS, None, PAYLOAD)
    header, empty, signature = made.jws.split(".")
    assert empty == ""
    assert json.loads(decoded(header)) == {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": "register-1"}
    public = Ed25519PublicKey.from_public_bytes(decoded(public_jwk(KEYS, None)["x"]))
    public.verify(decoded(signature), header.encode() + b"." + PAYLOAD)


def test_a_seal_is_checked_by_another_library() -> None:
    made = seal(KEYS, 12, PAYLOAD)
    key = OKPKey.import_key({k: v for k, v in public_jwk(KEYS, 12).items() if k in {"kty", "crv", "x"}})
    found = other_jws.deserialize_compact(made.jws, key, algorithms=["EdDSA"], payload=PAYLOAD)
    assert found.payload == PAYLOAD
    with pytest.raises(BadSignatureError):
        other_jws.deserialize_compact(made.jws, key, algorithms=["EdDSA"], payload=PAYLOAD + b" ")


def test_register_and_offices_seal_with_keys_of_their_own() -> None:
    assert [seal(KEYS, office, b"x").kid for office in (None, 1, 2)] == ["register-1", "office-1-1", "office-2-1"]
    assert seal(NEWER, 1, b"x").kid == "office-1-2"
    assert len({public_jwk(keys, office)["x"] for keys in (KEYS, NEWER) for office in (None, 1, 2)}) == 6
    assert check(public_jwk(KEYS, 1), seal(KEYS, 1, b"x").jws, b"x")
    assert not check(public_jwk(KEYS, 2), seal(KEYS, 1, b"x").jws, b"x")


def test_one_flipped_bit_anywhere_breaks_a_seal() -> None:
    made, jwk = seal(KEYS, None, PAYLOAD), public_jwk(KEYS, None)
    assert check(jwk, made.jws, PAYLOAD)
    for place in range(len(PAYLOAD)):
        assert not check(jwk, made.jws, flipped(PAYLOAD, place))
    for place in range(len(made.jws)):
        assert not check(jwk, flipped(made.jws.encode(), place).decode(), PAYLOAD)


def flipped(value: bytes, place: int) -> bytes:
    return value[:place] + bytes((value[place] ^ 1,)) + value[place + 1 :]


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "b64": False, "crit": ["b64"], "kid": "register-1"},
        {"alg": "EdDSA", "kid": "register-1"},
        {"alg": "EdDSA", "b64": True, "crit": ["b64"], "kid": "register-1"},
        {"alg": "EdDSA", "b64": 0, "crit": ["b64"], "kid": "register-1"},
        {"alg": "EdDSA", "b64": False, "kid": "register-1"},
        {"alg": "EdDSA", "b64": False, "crit": ["b64", "exp"], "exp": 1, "kid": "register-1"},
        {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": "office-1-1"},
        {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": "register-1", "jwk": public_jwk(OTHERS, None)},
    ],
)
def test_a_header_that_asks_for_something_else_is_no_seal(header: dict[str, Any]) -> None:
    assert check(
        public_jwk(KEYS, None), signed({"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": "register-1"}), PAYLOAD
    )
    assert not check(public_jwk(KEYS, None), signed(header), PAYLOAD)


@pytest.mark.parametrize(
    "jws", ["", "..", "a.b", "a..b", "....", "é..é", "e30..AA", "x" * 5000, "bnVsbA..AA", "W10..AA"]
)
def test_rubbish_is_no_seal_and_no_error(jws: str) -> None:
    assert not check(public_jwk(KEYS, None), jws, PAYLOAD)
    assert not check({}, seal(KEYS, None, PAYLOAD).jws, PAYLOAD)
    assert not check({"kid": "register-1", "kty": "EC", "crv": "P-256"}, seal(KEYS, None, PAYLOAD).jws, PAYLOAD)


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    made, jwk = seal(KEYS, None, PAYLOAD), public_jwk(KEYS, None)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = made.jws[:-1] + alphabet[alphabet.index(made.jws[-1]) ^ 1]
    assert decoded(sibling.split(".")[2]) == decoded(made.jws.split(".")[2])
    assert not check(jwk, sibling, PAYLOAD)
    assert not check(jwk, made.jws + "==", PAYLOAD)


def test_a_key_is_published_once_and_for_the_time_before_as_well(tx: Tx) -> None:
    assert [ensure_key(tx, KEYS, office) for office in (None, 3, None)] == ["register-1", "office-3-1", "register-1"]
    register, office = published(tx)
    assert (register.kid, register.office_id, office.office_id) == ("register-1", None, 3)
    assert register.jwk == public_jwk(KEYS, None)
    assert register.good_at(tx.now)
    assert register.good_at(tx.now - OVERLAP)
    assert not register.good_at(tx.now - OVERLAP * 2)


def test_a_new_secret_brings_new_keys_and_ends_the_old_ones(tx: Tx) -> None:
    for office in (None, 3):
        ensure_key(tx, KEYS, office)
    assert ensure_key(tx, NEWER, None) == "register-2"
    ends = {key.kid: key.not_after for key in published(tx)}
    assert ends == {"register-1": tx.now + OVERLAP, "register-2": None, "office-3-1": None}
    assert ensure_key(tx, KEYS, None) == "register-1"  # a process that was not restarted yet
    later = replace(tx, now=tx.now + OVERLAP)
    assert ensure_key(later, NEWER, None) == "register-2"
    with pytest.raises(SigningKeyOver):
        ensure_key(later, KEYS, None)


def test_a_revoked_key_seals_no_more_and_its_old_seals_count(tx: Tx) -> None:
    ensure_key(tx, KEYS, None)
    later = replace(tx, now=tx.now + dt.timedelta(days=1))
    revoke(later, "register-1")
    revoke(replace(tx, now=tx.now + dt.timedelta(days=2)), "register-1")
    (key,) = published(tx)
    assert key.revoked_at == later.now
    assert key.good_at(tx.now)
    assert not key.good_at(later.now)
    with pytest.raises(SigningKeyOver):
        ensure_key(later, KEYS, None)
    with pytest.raises(SigningKeyUnknown):
        revoke(tx, "register-9")


def test_a_foreign_secret_file_seals_nothing(tx: Tx) -> None:
    ensure_key(tx, KEYS, None)
    with pytest.raises(SigningKeyOther):
        ensure_key(tx, OTHERS, None)


def test_the_published_set_is_a_jwks_with_validity_and_no_private_half(tx: Tx) -> None:
    ensure_key(tx, KEYS, 3)
    revoke(tx, "office-3-1")
    (told,) = key_set(published(tx))["keys"]
    assert told["revoked_at"].endswith("Z")
    assert told["not_after"] is None
    assert told["office_id"] == 3
    assert "d" not in told
    made = seal(KEYS, 3, PAYLOAD)
    assert isinstance(made, Seal)
    assert check(told, made.jws, PAYLOAD)

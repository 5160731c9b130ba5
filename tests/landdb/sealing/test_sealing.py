"""Keys, sealed identity numbers, short tokens: what opens, and that nothing else does."""

from __future__ import annotations

import base64
import datetime as dt
import json
import stat
import threading
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from landdb.config import Settings
from landdb.sealing.identity import SealBroken, blind_index, decrypt, encrypt
from landdb.sealing.keys import (
    Keys,
    SecretMissing,
    SecretOpen,
    SecretUnreadable,
    fingerprint,
    load_keys,
    make_secret,
    read_secret,
)
from landdb.sealing.tokens import LIFETIME, Revocations, TokenExpired, TokenInvalid, sign, verify

KEYS = Keys(((1, bytes(range(32))),))
NEWER = Keys(((2, b"n" * 32), (1, bytes(range(32)))))
NOW = dt.datetime(2026, 3, 31, 8, 0, 0, 123456, tzinfo=dt.UTC)
NUMBER = "094 190-012345"


def test_the_demo_makes_its_secret_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    first = load_keys(settings)
    path = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keys(settings) == first
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    threads = [threading.Thread(target=make_secret, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read_secret(path)
    assert len(list(tmp_path.iterdir())) == 1


def test_production_names_its_secret(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing):
        load_keys(Settings(env="production", data=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "1 abcd\n", "1\n", "0 " + "00" * 32, "x " + "00" * 32, ("1 " + "00" * 32 + "\n") * 2]
)
def test_a_wrong_secret_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SecretUnreadable):
        read_secret(path)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    make_secret(path)
    path.chmod(0o644)
    with pytest.raises(SecretOpen):
        read_secret(path)


def test_keys_are_not_printed() -> None:
    assert "00010203" not in repr(KEYS) + str(KEYS)
    assert bytes(range(32)).hex()[:8] not in fingerprint(KEYS)


def test_purposes_share_no_bytes() -> None:
    assert len({KEYS.derived(purpose) for purpose in ("csrf", "token", "identity", "identity-index")}) == 4


def test_a_sealed_number_opens_again_and_hides_itself() -> None:
    sealed = encrypt(KEYS, "cccd", NUMBER)
    assert decrypt(KEYS, "cccd", sealed) == NUMBER
    assert sealed != encrypt(KEYS, "cccd", NUMBER)
    assert NUMBER.encode() not in sealed


def test_old_numbers_open_after_the_key_was_rotated() -> None:
    assert decrypt(NEWER, "cccd", encrypt(KEYS, "cccd", NUMBER)) == NUMBER
    assert encrypt(NEWER, "cccd", NUMBER)[1] == 2
    assert blind_index(NEWER, "cccd", NUMBER) == blind_index(KEYS, "cccd", NUMBER)


def test_changed_bytes_do_not_open() -> None:
    sealed = encrypt(KEYS, "cccd", NUMBER)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            decrypt(KEYS, "cccd", bytes(changed))
    for wrong in (b"", sealed[:20], sealed[:-1], sealed + b"x"):
        with pytest.raises(SealBroken):
            decrypt(KEYS, "cccd", wrong)
    with pytest.raises(SealBroken):
        decrypt(KEYS, "passport", sealed)


def test_equal_numbers_share_an_index_however_they_are_written() -> None:
    assert blind_index(KEYS, "cccd", "094 190-012345") == blind_index(KEYS, "cccd", "０94190012345")
    assert blind_index(KEYS, "cccd", "094190012345") != blind_index(KEYS, "cccd", "094190012346")
    assert blind_index(KEYS, "cccd", "094190012345") != blind_index(KEYS, "passport", "094190012345")
    other = Keys(((1, b"o" * 32),))
    assert blind_index(KEYS, "cccd", NUMBER) != blind_index(other, "cccd", NUMBER)


def token(keys: Keys = KEYS) -> str:
    return sign(keys, subject="staff:x", office_id=7, permissions=frozenset({"parcel:card"}), now=NOW)[0]


def test_a_token_says_who_until_it_ends() -> None:
    claims = verify(KEYS, token(), NOW)
    assert (claims.subject, claims.office_id, claims.permissions) == ("staff:x", 7, {"parcel:card"})
    assert claims.issued_at == NOW
    verify(NEWER, token(KEYS), NOW)
    with pytest.raises(TokenExpired):
        verify(KEYS, token(), NOW + LIFETIME)


def test_revocation_counts_from_its_moment() -> None:
    claims = verify(KEYS, token(), NOW)
    assert Revocations(1, {"staff:x": NOW}).refuses(claims)
    assert not Revocations(1, {"staff:x": NOW - dt.timedelta(milliseconds=1)}).refuses(claims)
    assert not Revocations(1, {"staff:y": NOW}).refuses(claims)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _forged(header: dict[str, object], key: bytes | None = None, **changed: object) -> str:
    """A token signed with ``key`` (none: no signature at all) whose header and claims are as told."""
    _, payload, _ = token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | changed
    if key is None:
        return f"{_part(header)}.{_part(claims)}."
    return jwt.encode(header, claims, OctKey.import_key(key), algorithms=["HS256", "HS512"])


GOOD = {"alg": "HS256", "typ": "at+jwt", "kid": "1"}
KEY = KEYS.derived("token")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b.c",
        "....",
        "\x00" * 50,
        "é.é.é",
        "x" * 5000,
        "[" * 3000,
        _forged({"alg": "none", "typ": "at+jwt"}),
        _forged({"alg": "none", "typ": "at+jwt", "kid": "1"}),
        _forged(GOOD, b"another secret, of some length..."),
        _forged(GOOD | {"kid": "9"}, KEY),
        _forged(GOOD | {"kid": "../../etc/passwd"}, KEY),
        _forged(GOOD | {"alg": "HS512"}, KEY),
        _forged(GOOD | {"typ": "JWT"}, KEY),
        _forged(GOOD, KEY, iss="other"),
        _forged(GOOD, KEY, aud="other"),
        _forged(GOOD, KEY, exp="soon"),
        _forged(GOOD, KEY, exp=1e300),
        _forged(GOOD, KEY, permissions=5),
        _forged(GOOD, KEY, iat=NOW.timestamp() + 3600),
        token()[:-2] + "xx",
        token(Keys(((1, b"o" * 32),))),
    ],
    ids=lambda text: text[:24] if text.isprintable() else "binary",
)
def test_nothing_else_is_a_token(text: str) -> None:
    with pytest.raises(TokenInvalid):
        verify(KEYS, text, NOW)


def test_the_forger_of_these_tests_can_make_a_good_one() -> None:
    """Otherwise the refusals above would prove nothing."""
    assert verify(KEYS, _forged(GOOD, KEY), NOW).subject == "staff:x"

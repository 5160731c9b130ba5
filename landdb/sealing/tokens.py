"""Short signed tokens (JWT, HS256): what services carry, and what the reading lane checks without a database.

A token says who (``sub``), in which office, with which permissions, and lives minutes. Revocation is a table of
moments: tokens of a subject issued before its moment are refused. The lane keeps that small table in memory
(``Revocations``) and reloads it every few seconds, longer than no revocation may take to be felt.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from landdb.errors import Unauthenticated
from landdb.sealing.keys import Keys

ISSUER: Final = "landdb"
AUDIENCE: Final = "landdb"
TYPE: Final = "at+jwt"
ALGORITHM: Final = "HS256"
LIFETIME: Final = dt.timedelta(minutes=15)
LONGEST_TEXT: Final = 4096


class TokenInvalid(Unauthenticated):
    """Not ours, changed, or revoked."""

    code = "access.token_invalid"


class TokenExpired(Unauthenticated):
    """Ours, and its minutes are over."""

    code = "access.token_expired"


@dataclass(frozen=True)
class Claims:
    """What a token says. ``subject`` is ``staff:<uuid>`` or ``service:<uuid>``; ``office_id`` null: province-wide."""

    subject: str
    office_id: int | None
    permissions: frozenset[str]
    issued_at: dt.datetime
    expires_at: dt.datetime


@dataclass(frozen=True)
class Revocations:
    """From which moment on tokens of a subject count; ``counter`` tells a cache whether it is up to date."""

    counter: int = 0
    since: Mapping[str, dt.datetime] = field(default_factory=dict)

    def refuses(self, claims: Claims) -> bool:
        """Whether the token was issued no later than the last revocation of its subject."""
        moment = self.since.get(claims.subject)
        return moment is not None and claims.issued_at <= moment


def sign(
    keys: Keys, *, subject: str, office_id: int | None, permissions: frozenset[str], now: dt.datetime
) -> tuple[str, dt.datetime]:
    """A new token and when it ends."""
    ends = now + LIFETIME
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": now.timestamp(),
        "nbf": int(now.timestamp()),
        "exp": int(ends.timestamp()),
        "office": office_id,
        "permissions": sorted(permissions),
    }
    key = OctKey.import_key(keys.derived("token"))
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": str(keys.current)}
    return jwt.encode(header, claims, key, algorithms=[ALGORITHM]), ends.replace(microsecond=0)


def verify(keys: Keys, text: str, now: dt.datetime) -> Claims:
    """What a token says, if it is ours and in time; ask ``Revocations.refuses`` as well.

    Only our algorithm, type and key numbers are read; ``jku``, ``x5u``, ``jwk`` in a header play no part.
    Raises: ``TokenInvalid``, ``TokenExpired``.
    """
    if len(text) > LONGEST_TEXT:
        raise TokenInvalid()
    try:
        # joserfc fails on hostile input with several kinds of error; a caller's rubbish is never our fault.
        token = jwt.decode(text, _key_set(keys), algorithms=[ALGORITHM])
        claims = _read(token.header, token.claims)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise TokenInvalid() from error
    if now < claims.issued_at - dt.timedelta(seconds=60):
        raise TokenInvalid()
    if now >= claims.expires_at:
        raise TokenExpired()
    return claims


def _key_set(keys: Keys) -> KeySet:
    return KeySet([OctKey.import_key(keys.derived("token", number), {"kid": str(number)}) for number in keys.numbers])


def _read(header: Mapping[str, Any], claims: Mapping[str, Any]) -> Claims:
    if header.get("typ") != TYPE or claims["iss"] != ISSUER or claims["aud"] != AUDIENCE:
        raise ValueError("not a token of this register")
    office = claims["office"]
    return Claims(
        subject=str(claims["sub"]),
        office_id=None if office is None else int(office),
        permissions=frozenset(str(each) for each in claims["permissions"]),
        issued_at=dt.datetime.fromtimestamp(float(claims["iat"]), dt.UTC),
        expires_at=dt.datetime.fromtimestamp(float(claims["exp"]), dt.UTC),
    )

"""Words and rules of access: accounts, sessions, keys, passwords; pure, without a database."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from landdb.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited, Unauthenticated

SESSION_LIFETIME: Final = dt.timedelta(hours=8)
"""A working day, counted from sign-in (security.md §5)."""
SESSION_IDLE: Final = dt.timedelta(hours=2)
"""Longer than a lunch break; an unattended screen closes after it."""
LAST_SEEN_STEP: Final = dt.timedelta(minutes=1)
"""``last_seen_at`` is written at most once per step: a page of twenty requests costs one write."""
RESET_LIFETIME: Final = dt.timedelta(hours=24)
FAILURES_BEFORE_LOCK: Final = 5
LONGEST_LOCK: Final = dt.timedelta(hours=1)
FAILURES_PER_ADDRESS: Final = 30
ADDRESS_WINDOW: Final = dt.timedelta(minutes=5)
SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 128

_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}[a-z0-9]")
# Only what the length rule lets through; folded to lower case before the look-up.
_COMMON_PASSWORDS: Final = frozenset(
    [
        "0123456789",
        "1234567890",
        "12345678910",
        "123456789a",
        "9876543210",
        "0987654321",
        "1111111111",
        "qwertyuiop",
        "qwerty12345",
        "password12",
        "password123",
        "password1234",
        "passw0rd123",
        "administrator",
        "admin12345",
        "admin123456",
        "iloveyou123",
        "matkhau123",
        "matkhau1234",
        "matkhau12345",
        "vietnam123",
        "vietnam1234",
        "vietnam2025",
        "vietnam2026",
        "welcome123",
        "abcd123456",
        "abc123456789",
        "1q2w3e4r5t",
        "anhyeuem123",
        "landdb1234",
        "landdb12345",
        "datdai1234",
        "diachinh123",
    ]
)


class SignInRefused(Unauthenticated):
    """One answer for an unknown login, a wrong password, a locked and a closed account."""

    code = "access.sign_in_refused"


class TooManyAttempts(RateLimited):
    """Params: ``retry_after_s``."""

    code = "access.too_many_attempts"


class SessionExpired(Unauthenticated):
    code = "access.session_expired"


class KeyInvalid(Unauthenticated):
    """Unknown, revoked and expired keys answer alike."""

    code = "access.key_invalid"


class PermissionMissing(Forbidden):
    """Params: ``permission``."""

    code = "access.permission_missing"


class PasswordChangeRequired(Forbidden):
    code = "access.password_change_required"


class CsrfRefused(Forbidden):
    code = "access.csrf"


class PasswordTooShort(Invalid):
    """Params: ``length``."""

    code = "access.password_too_short"


class PasswordTooLong(Invalid):
    """Params: ``length``."""

    code = "access.password_too_long"


class PasswordTooCommon(Invalid):
    code = "access.password_too_common"


class PasswordLikeLogin(Invalid):
    code = "access.password_like_login"


class PasswordWrong(Invalid):
    code = "access.password_wrong"


class PasswordUnchanged(Invalid):
    code = "access.password_unchanged"


class ResetCodeInvalid(Invalid):
    """Unknown, used and expired codes answer alike."""

    code = "access.reset_code_invalid"


class LoginMalformed(Invalid):
    """Params: ``login``."""

    code = "access.login_malformed"


class LoginTaken(Conflict):
    code = "access.login_taken"


class StaffUnknown(NotFound):
    """Params: ``staff``."""

    code = "access.staff_unknown"


class OwnAccount(Forbidden):
    """Nobody grants themselves a role or closes their own account."""

    code = "access.own_account"


class RoleUnknown(Invalid):
    """Params: ``role``."""

    code = "access.role_unknown"


class OfficeUnknown(NotFound):
    """Params: ``office``."""

    code = "access.office_unknown"


class OfficeTaken(Conflict):
    """The code is already carried by an office on some of these days."""

    code = "access.office_taken"


class OfficeKindUnknown(Invalid):
    """Params: ``kind``."""

    code = "access.office_kind_unknown"


class OfficeInUse(Conflict):
    """Params: ``office``, ``staff`` (active people), ``offices`` (open offices below)."""

    code = "access.office_in_use"


class OfficeDatesWrong(Invalid):
    """Params: ``office``, ``from_on``, ``to_on``."""

    code = "access.office_dates_wrong"


class CoverTaken(Conflict):
    """Somebody looks after this desk on some of these days already."""

    code = "access.cover_taken"


class CoverRefused(Invalid):
    """A desk is looked after by another person of the same office. Params: ``staff``, ``cover``."""

    code = "access.cover_refused"


class CoverDatesWrong(Invalid):
    """Params: ``from_on``, ``to_on``."""

    code = "access.cover_dates_wrong"


class CommuneUnknown(NotFound):
    """Params: ``commune``."""

    code = "access.commune_unknown"


class CommuneServedAlready(Conflict):
    code = "access.commune_served_already"


class KeyUnknown(NotFound):
    """Params: ``key``."""

    code = "access.key_unknown"


class KeyPermissionRefused(Invalid):
    """Params: ``permissions``: those that no key may hold."""

    code = "access.key_permission_refused"


class KeyDateWrong(Invalid):
    """Params: ``expires_at``."""

    code = "access.key_date_wrong"


class IdempotencyKeyRunning(Conflict):
    """Another call with the same key has not ended yet."""

    code = "request.idempotency_running"


class IdempotencyKeyReused(Invalid):
    """The key was used for another request."""

    code = "request.idempotency_reused"


OFFICE_KINDS: Final = ("provincial_office", "branch", "commune_desk", "commune_committee", "tax", "department")


@dataclass(frozen=True)
class Office:
    """One row of the dated tree of offices. ``valid_to`` is the first day on which it no longer exists; null: open."""

    office_id: int
    code: str
    name: str
    kind: str
    parent_id: int | None
    valid_from: dt.date | None
    valid_to: dt.date | None
    phone: str | None


@dataclass(frozen=True)
class Staff:
    """A person with a local account. ``has_password`` is false until the first reset code is used."""

    staff_id: UUID
    login: str
    full_name: str
    office_id: int
    office_name: str
    has_password: bool
    must_change_password: bool
    language: str
    active: bool
    failed_sign_ins: int
    locked_until: dt.datetime | None
    created_at: dt.datetime


@dataclass(frozen=True)
class StaffRole:
    """A role that a person holds in an office."""

    staff_id: UUID
    role: str
    office_id: int
    office_name: str
    granted_at: dt.datetime


@dataclass(frozen=True)
class Cover:
    """Leave: whose desk is looked after by whom. ``to_on`` is the first day on which they are back."""

    staff_id: UUID
    staff_name: str
    cover_id: UUID
    cover_name: str
    from_on: dt.date
    to_on: dt.date


@dataclass(frozen=True)
class Account:
    """What sign-in must know of a person. ``password_hash`` null: no local sign-in."""

    staff_id: UUID
    login: str
    password_hash: str | None
    active: bool
    failed_sign_ins: int
    locked_until: dt.datetime | None
    must_change_password: bool


@dataclass(frozen=True)
class NewSession:
    """A session just opened; ``token`` is shown to the browser once and kept nowhere."""

    token: str
    staff_id: UUID
    expires_at: dt.datetime
    must_change_password: bool


@dataclass(frozen=True)
class ApiKey:
    """A service key as administrators see it; the secret is not among it."""

    api_key_id: UUID
    name: str
    permissions: tuple[str, ...]
    office_id: int
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None


@dataclass(frozen=True)
class AccessEvent:
    """One line of what happened to accounts; names no password and no secret."""

    access_event_id: int
    at: dt.datetime
    kind: str
    staff_id: UUID | None
    by_staff_id: UUID | None
    address: str | None
    note: str | None


def new_secret() -> str:
    """32 random bytes as URL-safe text."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    """SHA-256 of a random secret. Enough where the secret has 256 random bits; passwords go through argon2id."""
    return hashlib.sha256(secret.encode()).digest()


def new_reset_code() -> str:
    """A one-time code that can be read out over the telephone: 16 signs without 0, 1, I, O (80 bits)."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    signs = "".join(secrets.choice(alphabet) for _ in range(16))
    return "-".join(signs[at : at + 4] for at in range(0, 16, 4))


def reset_code_read(text: str) -> str:
    """The code as typed by a person, without spaces, dashes and case."""
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def normal_login(login: str) -> str:
    """The login as stored: NFKC, lower case, no outer blanks."""
    return unicodedata.normalize("NFKC", login).strip().lower()


def checked_login(login: str) -> str:
    """A login fit to be stored: 3 to 64 small letters, digits, ``.``, ``_``, ``-``. Raises: ``LoginMalformed``."""
    normal = normal_login(login)
    if not _LOGIN.fullmatch(normal):
        raise LoginMalformed(login=login[:80])
    return normal


def normal_password(password: str) -> str:
    """NFKC, so that the same Vietnamese letters typed on another keyboard are the same password (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, login: str) -> None:
    """The rules for a new password. Raises: ``PasswordTooShort``, ``…TooLong``, ``…LikeLogin``, ``…TooCommon``."""
    normal = normal_password(password)
    if len(normal) < SHORTEST_PASSWORD:
        raise PasswordTooShort(length=SHORTEST_PASSWORD)
    if len(normal) > LONGEST_PASSWORD:
        raise PasswordTooLong(length=LONGEST_PASSWORD)
    folded = normal.casefold()
    if login in folded and len(folded) - len(login) < 4:
        raise PasswordLikeLogin()
    if folded in _COMMON_PASSWORDS or len(set(folded)) < 4:
        raise PasswordTooCommon()


def lock_after(failures: int) -> dt.timedelta | None:
    """How long an account rests after its n-th failure in a row: 1 minute at the fifth, doubling to an hour."""
    if failures < FAILURES_BEFORE_LOCK:
        return None
    doublings = min(failures - FAILURES_BEFORE_LOCK, 10)
    return min(dt.timedelta(minutes=1 << doublings), LONGEST_LOCK)


def is_locked(account: Account, now: dt.datetime) -> bool:
    """Whether the account rests after failed sign-ins."""
    return account.locked_until is not None and account.locked_until > now


def key_text(api_key_id: UUID, secret: str) -> str:
    """The key as a service carries it: ``lk_<id>_<secret>``."""
    return f"lk_{api_key_id.hex}_{secret}"


def parse_key(text: str) -> tuple[UUID, str]:
    """Identifier and secret of a carried key. Raises: ``KeyInvalid``."""
    match = re.fullmatch(r"lk_([0-9a-f]{32})_([A-Za-z0-9_-]{20,100})", text)
    if match is None:
        raise KeyInvalid()
    return UUID(hex=match[1]), match[2]

"""All SQL of access: offices, staff, sessions, keys, resets, tokens, events, kept answers."""

# ruff: noqa: S608 -- statements are put together from the fixed column lists of this file; values are always parameters

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from landdb.access.model import (
    LAST_SEEN_STEP,
    SESSION_IDLE,
    AccessEvent,
    Account,
    ApiKey,
    CommuneServedAlready,
    Cover,
    CoverTaken,
    LoginTaken,
    Office,
    OfficeTaken,
    Staff,
    StaffRole,
)
from landdb.db.constraints import register
from landdb.db.transaction import Tx

register("staff_login_key", LoginTaken)
register("office_code_valid_excl", OfficeTaken)
register("office_commune_valid_excl", CommuneServedAlready)
register("staff_cover_days_excl", CoverTaken)

# Offices ------------------------------------------------------------------------------------------------------------

_OFFICE = "office_id, code, name, kind, parent_id, lower(valid) AS valid_from, upper(valid) AS valid_to, phone"


def get_office(tx: Tx, office_id: int) -> Office | None:
    """One office, open or closed."""
    row = tx.execute(f"SELECT {_OFFICE} FROM office WHERE office_id = :office_id", office_id=office_id).one_or_none()
    return row and Office(**row._mapping)


def find_office(tx: Tx, code: str, on: dt.date) -> Office | None:
    """The office that carries a code on a day."""
    row = tx.execute(
        f"SELECT {_OFFICE} FROM office WHERE code = :code AND valid @> CAST(:day AS date)", code=code, day=on
    ).one_or_none()
    return row and Office(**row._mapping)


def list_offices(tx: Tx, *, closed_too: bool, after: int = 0, limit: int = 1000) -> list[Office]:
    """Offices by id; the closed ones only if asked for."""
    rows = tx.execute(
        f"""SELECT {_OFFICE} FROM office
            WHERE office_id > :after AND (:closed_too OR upper(valid) IS NULL OR upper(valid) > :today)
            ORDER BY office_id LIMIT :limit""",
        after=after,
        closed_too=closed_too,
        today=tx.today,
        limit=limit,
    )
    return [Office(**row._mapping) for row in rows]


def add_office(
    tx: Tx, *, code: str, name: str, kind: str, parent_id: int | None, valid_from: dt.date | None, phone: str | None
) -> int:
    """A new office. Raises: ``OfficeTaken``."""
    return int(
        tx.execute(
            """INSERT INTO office (code, name, kind, parent_id, valid, phone)
               VALUES (:code, :name, :kind, :parent_id, daterange(:valid_from, NULL), :phone) RETURNING office_id""",
            code=code,
            name=name,
            kind=kind,
            parent_id=parent_id,
            valid_from=valid_from,
            phone=phone,
        ).scalar_one()
    )


def set_office_words(tx: Tx, office_id: int, *, name: str, phone: str | None) -> None:
    """Correct the name or the telephone number of an office."""
    tx.execute(
        "UPDATE office SET name = :name, phone = :phone WHERE office_id = :office_id",
        office_id=office_id,
        name=name,
        phone=phone,
    )


def set_office_end(tx: Tx, office_id: int, to_on: dt.date) -> None:
    """End an office and its service of communes on a day (the first without it)."""
    tx.execute(
        "UPDATE office SET valid = daterange(lower(valid), :to_on) WHERE office_id = :office_id",
        office_id=office_id,
        to_on=to_on,
    )
    tx.execute(
        """UPDATE office_commune SET valid = valid * daterange(NULL, :to_on)
           WHERE office_id = :office_id AND (upper(valid) IS NULL OR upper(valid) > :to_on)""",
        office_id=office_id,
        to_on=to_on,
    )
    tx.execute("DELETE FROM office_commune WHERE office_id = :office_id AND isempty(valid)", office_id=office_id)


def lock_office(tx: Tx, office_id: int) -> None:
    """Nobody else founds below, staffs or closes this office until the transaction ends."""
    tx.execute("SELECT FROM office WHERE office_id = :office_id FOR UPDATE", office_id=office_id)


def count_office_users(tx: Tx, office_id: int) -> tuple[int, int]:
    """Active people in an office, and open offices below it."""
    row = tx.execute(
        """SELECT (SELECT count(*) FROM staff WHERE office_id = :office_id AND active) AS staff,
                  (SELECT count(*) FROM office WHERE parent_id = :office_id AND upper(valid) IS NULL) AS offices""",
        office_id=office_id,
    ).one()
    return row.staff, row.offices


@dataclass(frozen=True)
class ServedCommune:
    """A commune that an office serves, and since when; ``valid_to`` null: still."""

    office_id: int
    admin_unit_id: int
    commune_code: str
    commune: str
    valid_from: dt.date | None
    valid_to: dt.date | None


def list_served(tx: Tx, office_ids: Sequence[int]) -> list[ServedCommune]:
    """The communes that these offices serve now or will."""
    rows = tx.execute(
        """SELECT s.office_id, s.admin_unit_id, u.code AS commune_code, u.full_name AS commune,
                  lower(s.valid) AS valid_from, upper(s.valid) AS valid_to
           FROM office_commune s JOIN admin_unit u USING (admin_unit_id)
           WHERE s.office_id = ANY(:office_ids) AND (upper(s.valid) IS NULL OR upper(s.valid) > :today)
           ORDER BY s.office_id, u.code""",
        office_ids=list(office_ids),
        today=tx.today,
    )
    return [ServedCommune(**row._mapping) for row in rows]


def is_commune(tx: Tx, admin_unit_id: int) -> bool:
    """Whether this is a commune of any time."""
    return bool(
        tx.execute(
            "SELECT EXISTS (SELECT FROM admin_unit WHERE admin_unit_id = :unit AND kind = 'commune')",
            unit=admin_unit_id,
        ).scalar_one()
    )


def add_served(tx: Tx, office_id: int, admin_unit_id: int, valid_from: dt.date | None) -> None:
    """An office begins to serve a commune. Raises: ``CommuneServedAlready``."""
    tx.execute(
        "INSERT INTO office_commune (office_id, admin_unit_id, valid) VALUES (:office, :unit, daterange(:start, NULL))",
        office=office_id,
        unit=admin_unit_id,
        start=valid_from,
    )


def end_served(tx: Tx, office_id: int, admin_unit_id: int, to_on: dt.date) -> int:
    """An office ceases to serve a commune on a day; rows changed."""
    begun_later = tx.execute(
        """DELETE FROM office_commune
           WHERE office_id = :office AND admin_unit_id = :unit AND lower(valid) >= :to_on""",
        office=office_id,
        unit=admin_unit_id,
        to_on=to_on,
    ).rowcount
    ended = tx.execute(
        """UPDATE office_commune SET valid = daterange(lower(valid), :to_on)
           WHERE office_id = :office AND admin_unit_id = :unit AND (upper(valid) IS NULL OR upper(valid) > :to_on)""",
        office=office_id,
        unit=admin_unit_id,
        to_on=to_on,
    ).rowcount
    return begun_later + ended


# Staff and roles ----------------------------------------------------------------------------------------------------

_STAFF = """SELECT s.staff_id, s.login, s.full_name, s.office_id, o.name AS office_name,
                   s.password_hash IS NOT NULL AS has_password, s.must_change_password, s.language, s.active,
                   s.failed_sign_ins, s.locked_until, s.created_at
            FROM staff s JOIN office o USING (office_id)"""


def get_staff(tx: Tx, staff_id: UUID) -> Staff | None:
    """One person."""
    row = tx.execute(f"{_STAFF} WHERE s.staff_id = :staff_id", staff_id=staff_id).one_or_none()
    return row and Staff(**row._mapping)


def find_staff(tx: Tx, login: str) -> Staff | None:
    """The person with a login (in its stored form)."""
    row = tx.execute(f"{_STAFF} WHERE s.login = :login", login=login).one_or_none()
    return row and Staff(**row._mapping)


def staff_names(tx: Tx, staff_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names of these people, active or not; whom the register does not know is left out."""
    rows = tx.execute("SELECT staff_id, full_name FROM staff WHERE staff_id = ANY(:ids)", ids=list(staff_ids))
    return {row.staff_id: row.full_name for row in rows}


def list_staff(tx: Tx, *, after: str, limit: int, office_id: int | None, inactive_too: bool) -> list[Staff]:
    """People by login; those who left only if asked for."""
    rows = tx.execute(
        f"""{_STAFF} WHERE s.login > :after AND (:inactive_too OR s.active)
              AND (CAST(:office_id AS integer) IS NULL OR s.office_id = :office_id)
            ORDER BY s.login LIMIT :limit""",
        after=after,
        limit=limit,
        office_id=office_id,
        inactive_too=inactive_too,
    )
    return [Staff(**row._mapping) for row in rows]


def add_staff(tx: Tx, *, staff_id: UUID, login: str, full_name: str, office_id: int, language: str) -> None:
    """A new account without a password. Raises: ``LoginTaken``."""
    tx.execute(
        """INSERT INTO staff (staff_id, login, full_name, office_id, language, created_at)
           VALUES (:staff_id, :login, :full_name, :office_id, :language, :now)""",
        staff_id=staff_id,
        login=login,
        full_name=full_name,
        office_id=office_id,
        language=language,
        now=tx.now,
    )


def set_staff_words(tx: Tx, staff_id: UUID, *, full_name: str, office_id: int, language: str) -> None:
    """Correct a name, move a person to another office, change the language."""
    tx.execute(
        """UPDATE staff SET full_name = :full_name, office_id = :office_id, language = :language
           WHERE staff_id = :staff_id""",
        staff_id=staff_id,
        full_name=full_name,
        office_id=office_id,
        language=language,
    )


def set_active(tx: Tx, staff_id: UUID, active: bool) -> None:
    """Open or close an account."""
    tx.execute("UPDATE staff SET active = :active WHERE staff_id = :staff_id", staff_id=staff_id, active=active)


def list_roles(tx: Tx, staff_ids: Sequence[UUID]) -> list[StaffRole]:
    """The roles that these people hold."""
    rows = tx.execute(
        """SELECT r.staff_id, r.role, r.office_id, o.name AS office_name, r.granted_at
           FROM staff_role r JOIN office o USING (office_id)
           WHERE r.staff_id = ANY(:staff_ids) ORDER BY r.staff_id, r.role, r.office_id""",
        staff_ids=list(staff_ids),
    )
    return [StaffRole(**row._mapping) for row in rows]


def add_role(tx: Tx, staff_id: UUID, role: str, office_id: int) -> bool:
    """Grant a role; false if it was held already."""
    return bool(
        tx.execute(
            """INSERT INTO staff_role (staff_id, role, office_id, granted_by, granted_at)
               VALUES (:staff_id, :role, :office_id, :by, :now) ON CONFLICT DO NOTHING""",
            staff_id=staff_id,
            role=role,
            office_id=office_id,
            by=tx.actor.staff_id,
            now=tx.now,
        ).rowcount
    )


def delete_role(tx: Tx, staff_id: UUID, role: str, office_id: int) -> bool:
    """Take a role back; false if it was not held. The event log keeps that it was."""
    return bool(
        tx.execute(
            "DELETE FROM staff_role WHERE staff_id = :staff_id AND role = :role AND office_id = :office_id",
            staff_id=staff_id,
            role=role,
            office_id=office_id,
        ).rowcount
    )


# Cover for leave ----------------------------------------------------------------------------------------------------


def add_cover(tx: Tx, staff_id: UUID, cover_id: UUID, from_on: dt.date, to_on: dt.date) -> None:
    """A desk is looked after from a day until another (the first without). Raises: ``CoverTaken``."""
    tx.execute(
        """INSERT INTO staff_cover (staff_id, cover_id, days)
           VALUES (:staff_id, :cover_id, daterange(CAST(:from_on AS date), CAST(:to_on AS date)))""",
        staff_id=staff_id,
        cover_id=cover_id,
        from_on=from_on,
        to_on=to_on,
    )


def end_cover(tx: Tx, staff_id: UUID, on: dt.date) -> bool:
    """From this day on the person is back: a cover under way ends, one to come is dropped; false if there is none."""
    dropped = tx.execute(
        "DELETE FROM staff_cover WHERE staff_id = :staff_id AND lower(days) >= :day", staff_id=staff_id, day=on
    )
    ended = tx.execute(
        """UPDATE staff_cover SET days = daterange(lower(days), CAST(:day AS date))
           WHERE staff_id = :staff_id AND upper(days) > :day""",
        staff_id=staff_id,
        day=on,
    )
    return bool(dropped.rowcount + ended.rowcount)


def list_covers(tx: Tx, office_id: int) -> list[Cover]:
    """Who is away or will be, in one office, and who looks after their desk."""
    rows = tx.execute(
        """SELECT c.staff_id, s.full_name AS staff_name, c.cover_id, k.full_name AS cover_name,
                  lower(c.days) AS from_on, upper(c.days) AS to_on
           FROM staff_cover c JOIN staff s USING (staff_id) JOIN staff k ON k.staff_id = c.cover_id
           WHERE s.office_id = :office_id AND upper(c.days) > :today ORDER BY lower(c.days), s.login""",
        office_id=office_id,
        today=tx.today,
    )
    return [Cover(**row._mapping) for row in rows]


def covered_by(tx: Tx, staff_id: UUID, on: dt.date) -> list[UUID]:
    """Whose desks a person looks after on a day, apart from their own."""
    return list(
        tx.execute(
            "SELECT staff_id FROM staff_cover WHERE cover_id = :staff_id AND days @> CAST(:day AS date) ORDER BY staff_id",
            staff_id=staff_id,
            day=on,
        ).scalars()
    )


def heads_of(tx: Tx, office_id: int, roles: Sequence[str]) -> list[UUID]:
    """Active people who hold one of the roles in an office, the longest-serving first."""
    return list(
        tx.execute(
            """SELECT s.staff_id FROM staff s JOIN staff_role r USING (staff_id)
               WHERE r.office_id = :office_id AND r.role = ANY(:roles) AND s.active
               GROUP BY s.staff_id, s.created_at ORDER BY s.created_at, s.staff_id""",
            office_id=office_id,
            roles=list(roles),
        ).scalars()
    )


# Passwords and lock-outs --------------------------------------------------------------------------------------------

_ACCOUNT = """SELECT staff_id, login, password_hash, active, failed_sign_ins, locked_until, must_change_password
              FROM staff"""


def lock_account(tx: Tx, login: str) -> Account | None:
    """The account with a login, held until the transaction ends: guesses at one account go one by one."""
    row = tx.execute(f"{_ACCOUNT} WHERE login = :login FOR NO KEY UPDATE", login=login).one_or_none()
    return row and Account(**row._mapping)


def lock_account_of(tx: Tx, staff_id: UUID) -> Account | None:
    """The account of a person, held until the transaction ends."""
    row = tx.execute(f"{_ACCOUNT} WHERE staff_id = :staff_id FOR NO KEY UPDATE", staff_id=staff_id).one_or_none()
    return row and Account(**row._mapping)


def set_password_hash(tx: Tx, staff_id: UUID, password_hash: str, *, must_change: bool) -> None:
    """Store a new password and lift any lock-out."""
    tx.execute(
        """UPDATE staff SET password_hash = :password_hash, must_change_password = :must_change,
                  failed_sign_ins = 0, locked_until = NULL
           WHERE staff_id = :staff_id""",
        staff_id=staff_id,
        password_hash=password_hash,
        must_change=must_change,
    )


def set_rehashed(tx: Tx, staff_id: UUID, password_hash: str) -> None:
    """Store the same password under today's parameters."""
    tx.execute(
        "UPDATE staff SET password_hash = :password_hash WHERE staff_id = :staff_id",
        staff_id=staff_id,
        password_hash=password_hash,
    )


def set_failures(tx: Tx, staff_id: UUID, failures: int, locked_until: dt.datetime | None) -> None:
    """Keep the count of failed sign-ins in a row and the end of the lock-out."""
    tx.execute(
        "UPDATE staff SET failed_sign_ins = :failures, locked_until = :locked_until WHERE staff_id = :staff_id",
        staff_id=staff_id,
        failures=failures,
        locked_until=locked_until,
    )


def add_reset(tx: Tx, staff_id: UUID, token_hash: bytes, expires_at: dt.datetime) -> None:
    """A one-time code; earlier unused ones of this person end."""
    tx.execute(
        "UPDATE password_reset SET used_at = :now WHERE staff_id = :staff_id AND used_at IS NULL",
        staff_id=staff_id,
        now=tx.now,
    )
    tx.execute(
        """INSERT INTO password_reset (token_hash, staff_id, issued_by, expires_at)
           VALUES (:token_hash, :staff_id, :by, :expires_at)""",
        token_hash=token_hash,
        staff_id=staff_id,
        by=tx.actor.staff_id,
        expires_at=expires_at,
    )


def use_reset(tx: Tx, token_hash: bytes) -> UUID | None:
    """Spend a code: whose it is, or null. Two that spend it together get one success."""
    return tx.execute(
        """UPDATE password_reset SET used_at = :now
           WHERE token_hash = :token_hash AND used_at IS NULL AND expires_at > :now RETURNING staff_id""",
        token_hash=token_hash,
        now=tx.now,
    ).scalar_one_or_none()


# Sessions and tokens ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SessionHolder:
    """Whom a session, a token or a page belongs to."""

    staff_id: UUID
    full_name: str
    office_id: int
    language: str
    must_change_password: bool
    roles: frozenset[str]


_HOLDER = """s.staff_id, s.full_name, s.office_id, s.language, s.must_change_password,
             coalesce((SELECT array_agg(r.role) FROM staff_role r WHERE r.staff_id = s.staff_id), '{}') AS roles"""


def _holder(row: Any) -> SessionHolder | None:
    return row and SessionHolder(**{**row._mapping, "roles": frozenset(row.roles)})


def add_session(tx: Tx, token_hash: bytes, staff_id: UUID, expires_at: dt.datetime) -> None:
    """Open a session."""
    tx.execute(
        """INSERT INTO session (token_hash, staff_id, created_at, last_seen_at, expires_at)
           VALUES (:token_hash, :staff_id, :now, :now, :expires_at)""",
        token_hash=token_hash,
        staff_id=staff_id,
        now=tx.now,
        expires_at=expires_at,
    )


def touch_session(tx: Tx, token_hash: bytes) -> SessionHolder | None:
    """Whose session this is, if it is in time and the account open; notes that it was seen."""
    found = _holder(
        tx.execute(
            f"""SELECT {_HOLDER} FROM session e JOIN staff s USING (staff_id)
                WHERE e.token_hash = :token_hash AND e.expires_at > :now AND e.last_seen_at > :idle_since
                  AND s.active""",
            token_hash=token_hash,
            now=tx.now,
            idle_since=tx.now - SESSION_IDLE,
        ).one_or_none()
    )
    if found is not None:
        tx.execute(
            """UPDATE session SET last_seen_at = :now
               WHERE token_hash = :token_hash AND last_seen_at < :not_since""",
            token_hash=token_hash,
            now=tx.now,
            not_since=tx.now - LAST_SEEN_STEP,
        )
    return found


def get_holder(tx: Tx, staff_id: UUID) -> SessionHolder | None:
    """A person with an open account, as a session would name them."""
    return _holder(
        tx.execute(
            f"SELECT {_HOLDER} FROM staff s WHERE staff_id = :staff_id AND active", staff_id=staff_id
        ).one_or_none()
    )


def delete_session(tx: Tx, token_hash: bytes) -> UUID | None:
    """End one session; whose it was."""
    return tx.execute(
        "DELETE FROM session WHERE token_hash = :token_hash RETURNING staff_id", token_hash=token_hash
    ).scalar_one_or_none()


def delete_sessions_of(tx: Tx, staff_id: UUID) -> int:
    """End every session of a person."""
    return tx.execute("DELETE FROM session WHERE staff_id = :staff_id", staff_id=staff_id).rowcount


def delete_spent(tx: Tx, *, answers_before: dt.datetime, lasting_before: dt.datetime) -> None:
    """Sweep what no longer counts: ended sessions, old revocations and old kept answers."""
    tx.execute("DELETE FROM session WHERE expires_at < :now", now=tx.now)
    tx.execute("DELETE FROM token_revocation WHERE at < :before", before=tx.now - dt.timedelta(days=1))
    tx.execute(
        "DELETE FROM idempotency_key WHERE created_at < CASE WHEN lasting THEN CAST(:far AS timestamptz) ELSE :near END",
        far=lasting_before,
        near=answers_before,
    )


def add_revocation(tx: Tx, subject: str) -> None:
    """From now on no token of this subject counts that was issued before."""
    tx.execute("INSERT INTO token_revocation (subject, at) VALUES (:subject, :now)", subject=subject, now=tx.now)


def revoked_since(tx: Tx, subject: str) -> dt.datetime | None:
    """The last moment at which the tokens of a subject were revoked."""
    moment: dt.datetime | None = tx.execute(
        "SELECT max(at) FROM token_revocation WHERE subject = :subject", subject=subject
    ).scalar_one()
    return moment


# Service keys -------------------------------------------------------------------------------------------------------

_KEY = "api_key_id, name, permissions, office_id, created_at, expires_at, revoked_at"


def _key(row: Any) -> ApiKey | None:
    return row and ApiKey(**{**row._mapping, "permissions": tuple(row.permissions)})


def add_key(tx: Tx, key: ApiKey, secret_hash: bytes) -> None:
    """Keep a new key by the hash of its secret."""
    tx.execute(
        """INSERT INTO api_key (api_key_id, name, secret_hash, permissions, office_id, created_by, created_at, expires_at)
           VALUES (:api_key_id, :name, :secret_hash, :permissions, :office_id, :by, :now, :expires_at)""",
        api_key_id=key.api_key_id,
        name=key.name,
        secret_hash=secret_hash,
        permissions=list(key.permissions),
        office_id=key.office_id,
        by=tx.actor.staff_id,
        now=tx.now,
        expires_at=key.expires_at,
    )


def find_live_key(tx: Tx, api_key_id: UUID, secret_hash: bytes | None) -> ApiKey | None:
    """A key that counts now; the secret is compared unless it is null (a token that the key was exchanged for)."""
    return _key(
        tx.execute(
            f"""SELECT {_KEY} FROM api_key
                WHERE api_key_id = :api_key_id AND (CAST(:secret_hash AS bytea) IS NULL OR secret_hash = :secret_hash)
                  AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)""",
            api_key_id=api_key_id,
            secret_hash=secret_hash,
            now=tx.now,
        ).one_or_none()
    )


def list_keys(tx: Tx, *, after: UUID, limit: int, revoked_too: bool) -> list[ApiKey]:
    """Keys in order of making."""
    rows = tx.execute(
        f"""SELECT {_KEY} FROM api_key WHERE api_key_id > :after AND (:revoked_too OR revoked_at IS NULL)
            ORDER BY api_key_id LIMIT :limit""",
        after=after,
        limit=limit,
        revoked_too=revoked_too,
    )
    return [ApiKey(**{**row._mapping, "permissions": tuple(row.permissions)}) for row in rows]


def set_key_revoked(tx: Tx, api_key_id: UUID) -> bool:
    """Revoke a key; false if there is none that counts. It is refused from the next request on."""
    return bool(
        tx.execute(
            "UPDATE api_key SET revoked_at = :now WHERE api_key_id = :api_key_id AND revoked_at IS NULL",
            api_key_id=api_key_id,
            now=tx.now,
        ).rowcount
    )


# Events -------------------------------------------------------------------------------------------------------------


def add_event(
    tx: Tx, kind: str, *, staff_id: UUID | None = None, address: str | None = None, note: str | None = None
) -> None:
    """Append what happened to an account, by whom."""
    tx.execute(
        """INSERT INTO access_event (at, kind, staff_id, by_staff_id, address, note)
           VALUES (:now, :kind, :staff_id, :by, CAST(:address AS inet), :note)""",
        now=tx.now,
        kind=kind,
        staff_id=staff_id,
        by=tx.actor.staff_id,
        address=address,
        note=note,
    )


def count_failures_from(tx: Tx, address: str, since: dt.datetime) -> int:
    """Failed sign-ins from one network address since a moment."""
    return int(
        tx.execute(
            """SELECT count(*) FROM access_event
               WHERE address = CAST(:address AS inet) AND at > :since AND kind = 'sign_in_failed'""",
            address=address,
            since=since,
        ).scalar_one()
    )


def list_events(tx: Tx, *, before: int | None, limit: int, staff_id: UUID | None) -> list[AccessEvent]:
    """What happened to accounts, the latest first."""
    rows = tx.execute(
        """SELECT access_event_id, at, kind, staff_id, by_staff_id, host(address) AS address, note FROM access_event
           WHERE (CAST(:before AS bigint) IS NULL OR access_event_id < :before)
             AND (CAST(:staff_id AS uuid) IS NULL OR staff_id = :staff_id)
           ORDER BY access_event_id DESC LIMIT :limit""",
        before=before,
        limit=limit,
        staff_id=staff_id,
    )
    return [AccessEvent(**row._mapping) for row in rows]


# Kept answers (Idempotency-Key) -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeptAnswer:
    """The answer that a key has got already. ``headers`` is JSON; ``lasting``: of an act on a dossier or a hand-over."""

    request_hash: bytes
    status: int
    headers: str
    body: bytes
    lasting: bool = False


def try_lock_key(tx: Tx, caller: str, key: str) -> bool:
    """Take the key for this transaction; false while another one runs with it."""
    return bool(
        tx.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(:caller || chr(31) || :key, 7461002))",
            caller=caller,
            key=key,
        ).scalar_one()
    )


def get_answer(tx: Tx, caller: str, key: str) -> KeptAnswer | None:
    """What was answered to this caller under this key."""
    row = tx.execute(
        "SELECT request_hash, status, headers, body FROM idempotency_key WHERE caller = :caller AND key = :key",
        caller=caller,
        key=key,
    ).one_or_none()
    return row and KeptAnswer(bytes(row.request_hash), row.status, row.headers, bytes(row.body))


def add_answer(tx: Tx, caller: str, key: str, answer: KeptAnswer) -> None:
    """Keep an answer in the transaction of the work itself, in place of a refusal that had been kept."""
    tx.execute(
        """INSERT INTO idempotency_key (caller, key, request_hash, status, headers, body, lasting, created_at)
           VALUES (:caller, :key, :request_hash, :status, :headers, :body, :lasting, :now)
           ON CONFLICT ON CONSTRAINT idempotency_key_pkey DO UPDATE
           SET request_hash = :request_hash, status = :status, headers = :headers, body = :body, created_at = :now
           WHERE idempotency_key.status >= 400""",
        caller=caller,
        key=key,
        request_hash=answer.request_hash,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        lasting=answer.lasting,
        now=tx.now,
    )

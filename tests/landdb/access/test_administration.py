"""Offices, roles and service keys: what may be granted, by whom, and that it ends at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest

from landdb.access import store
from landdb.access.add_api_key import add_api_key, revoke_api_key
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.close_office import close_office
from landdb.access.deactivate_staff import deactivate_staff
from landdb.access.grant_role import grant_role, revoke_role
from landdb.access.identify import identify_key, identify_token
from landdb.access.issue_token import exchange_key, issue_token
from landdb.access.model import (
    CommuneServedAlready,
    CommuneUnknown,
    KeyDateWrong,
    KeyInvalid,
    KeyPermissionRefused,
    KeyUnknown,
    LoginMalformed,
    LoginTaken,
    OfficeDatesWrong,
    OfficeInUse,
    OfficeTaken,
    OfficeUnknown,
    OwnAccount,
    RoleUnknown,
)
from landdb.access.permissions import ADMINISTRATION, ANYTHING, KEY_PERMISSIONS, PERMISSIONS, PUBLIC, ROLES, allows
from landdb.access.serve_commune import serve_commune, stop_serving_commune
from landdb.access.set_working_day import set_working_day
from landdb.access.sweep import sweep_access
from landdb.db.transaction import PUBLIC as NOBODY
from landdb.db.transaction import SYSTEM, Actor, Tx
from landdb.messages import LANGUAGES, catalogue
from landdb.reference import store as reference
from landdb.sealing.keys import Keys
from landdb.sealing.tokens import LIFETIME, TokenExpired, TokenInvalid
from tests.landdb.access.access_examples import PASSWORD, as_staff, later

KEYS = Keys(((1, b"k" * 32),))


def test_roles_bundle_known_permissions_only() -> None:
    for role, permissions in ROLES.items():
        assert permissions <= PERMISSIONS, role
        assert not permissions & PUBLIC, role
    assert ANYTHING not in PERMISSIONS
    assert not KEY_PERMISSIONS & ADMINISTRATION


def test_who_runs_the_machine_reads_no_holders() -> None:
    assert not ROLES["sysadmin"] & {"parcel:card", "import:read", "export:run"}


def test_who_submits_does_not_approve() -> None:
    for role, permissions in ROLES.items():
        assert not {"import:submit", "import:approve"} <= permissions, role


def test_every_role_and_permission_has_its_words() -> None:
    for tongue in LANGUAGES:
        words = catalogue(tongue)
        assert [r for r in ROLES if f"role.{r}" not in words] == []
        assert [p for p in PERMISSIONS if f"permission.{p}" not in words] == []


def test_deny_by_default() -> None:
    assert allows(NOBODY, "parcel:read")
    assert not allows(NOBODY, "parcel:card")
    assert not allows(Actor(kind="staff", permissions=frozenset({"import:read"})), "import:approve")
    assert allows(SYSTEM, "import:approve")


def test_logins_are_small_letters_and_unique(tx: Tx, person: UUID, office: int) -> None:
    with pytest.raises(LoginMalformed):
        add_staff(tx, login="nguyễn lan", full_name="X", office_id=office)
    nested = tx.connection.begin_nested()
    with pytest.raises(LoginTaken):
        add_staff(tx, login="LAN.nguyen", full_name="X", office_id=office)
    nested.rollback()
    with pytest.raises(OfficeUnknown):
        add_staff(tx, login="moi", full_name="X", office_id=999_999)


def test_nobody_serves_themselves(tx: Tx, person: UUID) -> None:
    own = as_staff(tx, person)
    with pytest.raises(OwnAccount):
        grant_role(own, person, "sysadmin")
    with pytest.raises(OwnAccount):
        deactivate_staff(own, person)


def test_roles_come_and_go(tx: Tx, person: UUID, office: int) -> None:
    assert grant_role(tx, person, "registrar")
    assert not grant_role(tx, person, "registrar")
    assert [(r.role, r.office_id) for r in store.list_roles(tx, [person])] == [("registrar", office)]
    assert revoke_role(tx, person, "registrar")
    assert not revoke_role(tx, person, "registrar")
    with pytest.raises(RoleUnknown):
        grant_role(tx, person, "king")


def test_offices_are_a_dated_tree(tx: Tx, office: int) -> None:
    below = add_office(tx, code="XA-1", name="Bộ phận một cửa", kind="commune_desk", parent_id=office)
    with pytest.raises(OfficeInUse) as refusal:
        close_office(tx, office, tx.today)
    assert refusal.value.params["offices"] == 1
    close_office(tx, below, tx.today)
    close_office(tx, office, tx.today)
    with pytest.raises(OfficeUnknown):
        add_office(tx, code="XA-2", name="X", kind="commune_desk", parent_id=office)
    assert store.find_office(tx, "CN-SOC-TRANG", tx.today) is None
    assert store.find_office(tx, "CN-SOC-TRANG", tx.today - dt.timedelta(days=1)) is not None


def test_a_code_is_free_again_after_the_office_has_closed(tx: Tx) -> None:
    first = add_office(tx, code="CN", name="Cũ", kind="branch", valid_from=dt.date(2020, 1, 1))
    nested = tx.connection.begin_nested()
    with pytest.raises(OfficeTaken):
        add_office(tx, code="CN", name="Mới", kind="branch", valid_from=dt.date(2025, 7, 1))
    nested.rollback()
    with pytest.raises(OfficeDatesWrong):
        close_office(tx, first, dt.date(2020, 1, 1))
    close_office(tx, first, dt.date(2025, 7, 1))
    add_office(tx, code="CN", name="Mới", kind="branch", valid_from=dt.date(2025, 7, 1))


def test_an_office_with_people_stays_open(tx: Tx, person: UUID, office: int) -> None:
    with pytest.raises(OfficeInUse):
        close_office(tx, office, tx.today)
    deactivate_staff(tx, person)
    close_office(tx, office, tx.today)


@pytest.fixture
def commune(tx: Tx) -> int:
    tx.execute(
        """INSERT INTO admin_unit (admin_unit_id, kind, code, name, full_name, parent_id, valid, name_folded,
                                   search_folded, source)
           VALUES (990001, 'province', '99', 'Thử', 'Tỉnh Thử', NULL, '(,)', 'thu', 'thu', 'test'),
                  (990002, 'commune', '99001', 'Đại Tâm', 'Xã Đại Tâm', 990001, '(,)', 'dai tam', 'dai tam', 'test')"""
    )
    return 990002


def test_offices_serve_communes_for_a_time(tx: Tx, office: int, commune: int) -> None:
    with pytest.raises(CommuneUnknown):
        serve_commune(tx, office, 990001)  # a province
    serve_commune(tx, office, commune, dt.date(2025, 7, 1))
    nested = tx.connection.begin_nested()
    with pytest.raises(CommuneServedAlready):
        serve_commune(tx, office, commune)
    nested.rollback()
    assert [served.commune for served in store.list_served(tx, [office])] == ["Xã Đại Tâm"]
    stop_serving_commune(tx, office, commune, tx.today)
    assert store.list_served(tx, [office]) == []
    with pytest.raises(CommuneUnknown):
        stop_serving_commune(tx, office, commune, tx.today)


def test_closing_an_office_ends_its_service(tx: Tx, office: int, commune: int) -> None:
    serve_commune(tx, office, commune, dt.date(2025, 7, 1))
    close_office(tx, office, dt.date(2025, 7, 1))
    assert store.list_served(tx, [office]) == []


def test_a_key_works_until_it_is_revoked(tx: Tx, office: int) -> None:
    key, text = add_api_key(tx, name="Cổng dịch vụ", permissions=["parcel:card"], office_id=office)
    assert text.startswith(f"lk_{key.api_key_id.hex}_")
    actor = identify_key(tx, text).actor
    assert (actor.kind, actor.api_key_id, actor.permissions) == ("service", key.api_key_id, {"parcel:card"})
    revoke_api_key(tx, key.api_key_id)
    with pytest.raises(KeyInvalid):
        identify_key(tx, text)
    with pytest.raises(KeyUnknown):
        revoke_api_key(tx, key.api_key_id)


def test_a_key_of_another_id_or_secret_is_no_key(tx: Tx, office: int) -> None:
    _, first = add_api_key(tx, name="a", permissions=["parcel:card"], office_id=office)
    _, second = add_api_key(tx, name="b", permissions=["import:read"], office_id=office)
    mixed = "_".join([*first.split("_", 2)[:2], second.split("_", 2)[2]])
    for wrong in (mixed, first[:-1], first + "x", "lk_", "lk_zz_yy", ""):
        with pytest.raises(KeyInvalid):
            identify_key(tx, wrong)


def test_keys_expire(tx: Tx, office: int) -> None:
    ends = tx.now + dt.timedelta(days=1)
    _, text = add_api_key(tx, name="a", permissions=["parcel:card"], office_id=office, expires_at=ends)
    identify_key(tx, text)
    with pytest.raises(KeyInvalid):
        identify_key(later(tx, days=1), text)
    with pytest.raises(KeyDateWrong):
        add_api_key(tx, name="a", permissions=["parcel:card"], office_id=office, expires_at=tx.now)


def test_no_key_administers(tx: Tx, office: int) -> None:
    for wanted in ("admin:staff", "*", "reference:load", "unheard:of"):
        with pytest.raises(KeyPermissionRefused):
            add_api_key(tx, name="a", permissions=["parcel:card", wanted], office_id=office)


def test_short_tokens_of_people(tx: Tx, person: UUID) -> None:
    grant_role(tx, person, "registrar")
    now = later(tx, seconds=1)
    outcome = issue_token(now, KEYS, login="lan.nguyen", password=PASSWORD, address=None)
    assert isinstance(outcome, tuple)
    assert identify_token(now, KEYS, outcome[0]).actor.staff_id == person
    with pytest.raises(TokenExpired):
        identify_token(replace(now, now=now.now + LIFETIME), KEYS, outcome[0])
    revoke_role(later(tx, seconds=2), person, "registrar")
    with pytest.raises(TokenInvalid):
        identify_token(later(tx, seconds=3), KEYS, outcome[0])


def test_short_tokens_of_keys_end_with_the_key(tx: Tx, office: int) -> None:
    key, text = add_api_key(tx, name="a", permissions=["import:read"], office_id=office)
    token, _ = exchange_key(tx, KEYS, text)
    assert identify_token(tx, KEYS, token).actor.permissions == {"import:read"}
    revoke_api_key(later(tx, seconds=1), key.api_key_id)
    with pytest.raises(TokenInvalid):
        identify_token(later(tx, seconds=2), KEYS, token)


def test_the_working_calendar(tx: Tx) -> None:
    day = dt.date(2031, 9, 2)
    set_working_day(tx, day, kind="holiday", name_vi="Quốc khánh", name_en="National Day", source="test")
    assert reference.calendar(tx, day, day)[day].is_off
    set_working_day(tx, day, kind="working_day", name_vi="Làm bù", name_en="Worked", source="test")
    assert not reference.calendar(tx, day, day)[day].is_off


def test_answers_to_acts_on_dossiers_are_kept_for_long(tx: Tx) -> None:
    for lasting in (True, False):
        for days in (1, 3, 399, 401):
            then = replace(tx, now=tx.now - dt.timedelta(days=days))
            store.add_answer(then, "a", f"{lasting}-{days}", store.KeptAnswer(b"h", 200, "{}", b"", lasting))
    sweep_access(tx)
    left = tx.execute("SELECT key FROM idempotency_key ORDER BY key").scalars().all()
    assert left == ["False-1", "True-1", "True-3", "True-399"]


def test_the_sweep_leaves_what_counts(tx: Tx, person: UUID) -> None:
    store.add_session(tx, b"old", person, tx.now - dt.timedelta(seconds=1))
    store.add_session(tx, b"new", person, tx.now + dt.timedelta(hours=1))
    sweep_access(tx)
    assert [bytes(row.token_hash) for row in tx.execute("SELECT token_hash FROM session")] == [b"new"]

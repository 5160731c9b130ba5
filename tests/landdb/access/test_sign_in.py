"""Sign-in: the lock-out, the same answer for everything that is wrong, sessions that end."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
from argon2 import PasswordHasher

from landdb.access import store
from landdb.access.change_password import change_password
from landdb.access.deactivate_staff import deactivate_staff
from landdb.access.grant_role import grant_role
from landdb.access.identify import identify_session
from landdb.access.issue_password_reset import issue_password_reset
from landdb.access.model import (
    FAILURES_PER_ADDRESS,
    NewSession,
    PasswordLikeLogin,
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    PasswordUnchanged,
    PasswordWrong,
    ResetCodeInvalid,
    SessionExpired,
    SignInRefused,
    TooManyAttempts,
    check_password,
    lock_after,
)
from landdb.access.passwords import HASHER, matches
from landdb.access.reset_password import reset_password
from landdb.access.set_password import set_password
from landdb.access.sign_in import sign_in
from landdb.access.sign_out import sign_out, sign_out_everywhere
from landdb.access.unlock_account import unlock_account
from landdb.db.transaction import Tx
from tests.landdb.access.access_examples import PASSWORD, later


def opened(tx: Tx, password: str = PASSWORD, login: str = "lan.nguyen") -> NewSession:
    outcome = sign_in(tx, login=login, password=password, address="10.0.0.7")
    assert isinstance(outcome, NewSession), outcome
    return outcome


def test_the_right_password_opens_a_session(tx: Tx, person: UUID) -> None:
    session = opened(tx, login="  LAN.Nguyen ")
    found = identify_session(tx, session.token)
    assert found.actor.staff_id == person
    assert found.actor.permissions == {"session:own"}
    assert session.expires_at == tx.now + dt.timedelta(hours=8)


def test_the_token_itself_is_not_in_the_database(tx: Tx, person: UUID) -> None:
    session = opened(tx)
    stored = bytes(tx.execute("SELECT token_hash FROM session").scalar_one())
    assert len(stored) == 32
    assert session.token.encode() not in stored


@pytest.mark.parametrize("login", ["lan.nguyen", "khong.co"])
def test_wrong_password_and_unknown_login_get_one_answer(tx: Tx, person: UUID, login: str) -> None:
    outcome = sign_in(tx, login=login, password="sai mật khẩu rồi", address=None)
    assert type(outcome) is SignInRefused
    assert outcome.params == {}


def test_unknown_logins_cost_the_same_work(monkeypatch: pytest.MonkeyPatch, tx: Tx) -> None:
    asked: list[str] = []
    real = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda self, h, p: asked.append(h) or real(self, h, p))
    sign_in(tx, login="khong.co", password="bất kỳ", address=None)
    assert len(asked) == 1
    assert asked[0].split("$")[:4] == HASHER.hash("x").split("$")[:4]


def test_five_failures_lock_and_the_right_password_waits(tx: Tx, person: UUID) -> None:
    for _ in range(5):
        sign_in(tx, login="lan.nguyen", password="sai", address=None)
    assert type(sign_in(tx, login="lan.nguyen", password=PASSWORD, address=None)) is SignInRefused
    assert type(sign_in(later(tx, seconds=59), login="lan.nguyen", password=PASSWORD, address=None)) is SignInRefused
    opened(later(tx, seconds=61))
    account = store.lock_account_of(tx, person)
    assert account is not None
    assert account.failed_sign_ins == 0


def test_each_further_failure_locks_longer() -> None:
    minutes = [lock_after(n) for n in (4, 5, 6, 7, 10, 11, 12, 99)]
    hour = dt.timedelta(hours=1)
    minute = dt.timedelta(minutes=1)
    assert minutes == [None, minute, 2 * minute, 4 * minute, 32 * minute, hour, hour, hour]


def test_an_administrator_lifts_the_lock(tx: Tx, person: UUID) -> None:
    for _ in range(5):
        sign_in(tx, login="lan.nguyen", password="sai", address=None)
    unlock_account(tx, person)
    opened(tx)


def test_an_address_that_guesses_is_slowed_down(tx: Tx, person: UUID) -> None:
    for n in range(FAILURES_PER_ADDRESS):
        store.add_event(tx, "sign_in_failed", address="10.9.9.9", note=str(n))
    outcome = sign_in(tx, login="lan.nguyen", password=PASSWORD, address="10.9.9.9")
    assert type(outcome) is TooManyAttempts
    assert outcome.params["retry_after_s"] == 300
    opened(tx)  # from elsewhere it goes on


def test_sessions_end_when_idle_and_after_the_day(tx: Tx, person: UUID) -> None:
    session = opened(tx)
    with pytest.raises(SessionExpired):
        identify_session(later(tx, hours=2, seconds=1), session.token)
    for hour in range(1, 8):
        identify_session(later(tx, hours=hour), session.token)
    with pytest.raises(SessionExpired):
        identify_session(later(tx, hours=8, seconds=1), session.token)


def test_signing_out_here_and_everywhere(tx: Tx, person: UUID) -> None:
    here, there = opened(tx), opened(tx)
    sign_out(tx, here.token)
    with pytest.raises(SessionExpired):
        identify_session(tx, here.token)
    identify_session(tx, there.token)
    assert sign_out_everywhere(tx, person) == 1
    with pytest.raises(SessionExpired):
        identify_session(tx, there.token)


def test_a_closed_account_neither_stays_nor_comes_in(tx: Tx, person: UUID) -> None:
    session = opened(tx)
    deactivate_staff(tx, person)
    with pytest.raises(SessionExpired):
        identify_session(tx, session.token)
    assert type(sign_in(tx, login="lan.nguyen", password=PASSWORD, address=None)) is SignInRefused


def test_a_temporary_password_opens_nothing_but_the_own_account(tx: Tx, person: UUID) -> None:
    grant_role(tx, person, "registrar")
    set_password(tx, person, "tạm thời cho hôm nay", must_change=True)
    found = identify_session(tx, opened(tx, "tạm thời cho hôm nay").token)
    assert found.must_change_password
    assert found.actor.permissions == {"session:own"}


def test_changing_the_password(tx: Tx, person: UUID) -> None:
    session = opened(tx)
    assert type(change_password(tx, person, old="không phải", new="một câu hoàn toàn mới")) is PasswordWrong
    with pytest.raises(PasswordUnchanged):
        change_password(tx, person, old=PASSWORD, new=PASSWORD)
    assert change_password(tx, person, old=PASSWORD, new="một câu hoàn toàn mới") is None
    with pytest.raises(SessionExpired):
        identify_session(tx, session.token)
    opened(tx, "một câu hoàn toàn mới")


def test_guessing_the_old_password_locks_the_account(tx: Tx, person: UUID) -> None:
    for _ in range(5):
        change_password(tx, person, old="không phải", new="một câu hoàn toàn mới")
    assert type(change_password(tx, person, old=PASSWORD, new="một câu hoàn toàn mới")) is SignInRefused


def test_a_reset_code_works_once_as_it_is_typed(tx: Tx, person: UUID) -> None:
    for _ in range(6):
        sign_in(tx, login="lan.nguyen", password="sai", address=None)
    code, expires_at = issue_password_reset(tx, person)
    assert expires_at == tx.now + dt.timedelta(hours=24)
    reset_password(tx, code=f" {code.lower().replace('-', ' ')} ", password="một câu hoàn toàn mới")
    opened(tx, "một câu hoàn toàn mới")
    with pytest.raises(ResetCodeInvalid):
        reset_password(tx, code=code, password="thêm một câu mới nữa")


def test_reset_codes_end(tx: Tx, person: UUID) -> None:
    first, _ = issue_password_reset(tx, person)
    second, _ = issue_password_reset(tx, person)
    with pytest.raises(ResetCodeInvalid):
        reset_password(tx, code=first, password="một câu hoàn toàn mới")
    with pytest.raises(ResetCodeInvalid):
        reset_password(later(tx, hours=25), code=second, password="một câu hoàn toàn mới")


def test_a_hash_of_older_parameters_is_renewed(tx: Tx, person: UUID) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    store.set_rehashed(tx, person, old)
    opened(tx)
    account = store.lock_account_of(tx, person)
    assert account is not None
    assert account.password_hash != old
    assert matches(account.password_hash, PASSWORD)


def test_letters_typed_apart_are_the_same_password(tx: Tx, person: UUID) -> None:
    import unicodedata

    assert unicodedata.normalize("NFD", PASSWORD) != PASSWORD
    opened(tx, unicodedata.normalize("NFD", PASSWORD))


@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("ngắn", PasswordTooShort),
        ("a" * 9, PasswordTooShort),
        ("aaaaaaaaaaaa", PasswordTooCommon),
        ("Matkhau123", PasswordTooCommon),
        ("lan.nguyen1", PasswordLikeLogin),
        ("x" * 64 + "yz" * 40, PasswordTooLong),
    ],
)
def test_rules_for_new_passwords(password: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        check_password(password, "lan.nguyen")


def test_every_attempt_is_logged_without_the_password(tx: Tx, person: UUID) -> None:
    sign_in(tx, login="lan.nguyen", password="bí mật lỡ gõ", address="10.0.0.7")
    opened(tx)
    events = store.list_events(tx, before=None, limit=10, staff_id=person)
    assert [event.kind for event in events][:2] == ["sign_in", "sign_in_failed"]
    assert events[0].address == "10.0.0.7"
    assert "bí mật" not in repr(events)

"""What the register fills in: a citizen's own data for two facts that agree, nothing and nobody else's otherwise."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from landdb.config import Settings
from landdb.db.transaction import Database, Tx
from landdb.errors import LandError
from landdb.service.model import (
    ASKS_PER_ADDRESS,
    MISSES_PER_ADDRESS,
    MISSES_PER_SUBJECT,
    SUBJECT_WINDOW,
    WINDOW,
    PrefillClosed,
    Prefilled,
    PrefillNotFound,
    SecondFact,
    SecondFactKind,
    TooManyAsks,
)
from landdb.service.prefill import prefill
from tests.landdb.service.land_of_people import COMMUNE_CODE, KEYS, MR_BA, MS_HOA, MS_LAN, People
from tests.make import add_unit

DEMO = Settings(env="demo")
SERIAL, PARCEL, BIRTH = SecondFactKind.CERTIFICATE_SERIAL, SecondFactKind.PARCEL, SecondFactKind.BIRTH_DATE


@pytest.fixture
def people(tx: Tx) -> People:
    """Hoa has parcels 1 and 2 with papers, Ba parcel 3; all made up."""
    add_unit(tx)
    people = People.on(tx)
    people.owns("1", "Trần Thị Hoa", MS_HOA, "CX 000001")
    people.owns("2", "Trần Thị Hoa", MS_HOA, "CX 000002")
    people.owns("3", "Lê Văn Ba", MR_BA, "CX 000003")
    return people


def ask(
    tx: Tx, identity_no: str, kind: SecondFactKind, value: str, *, address: str | None = None, settings: Settings = DEMO
) -> Prefilled | LandError:
    fact = SecondFact(kind, value)
    return prefill(tx, KEYS, settings=settings, identity_no=identity_no, fact=fact, address=address)


def found(answer: Prefilled | LandError) -> Prefilled:
    assert isinstance(answer, Prefilled), answer
    return answer


def as_texts(answer: Prefilled | LandError) -> list[dict[str, str]]:
    """The person's values and those of each parcel, by pointer."""
    filled = found(answer)
    return [{v.pointer: v.value for v in values} for values in (filled.values, *(p.values for p in filled.parcels))]


def test_number_and_serial_that_agree(tx: Tx, people: People) -> None:
    """The parcel that the paper names comes first; blanks and small letters of a serial do not matter."""
    person, first, second = as_texts(ask(tx, "000 190 000001", SERIAL, "cx000002"))
    assert person == {"/holder/name": "Trần Thị Hoa"}
    assert (first["/land/parcel_no"], first["/land/certificate_serial"]) == ("2", "CX 000002")
    assert (second["/land/parcel_no"], second["/land/certificate_serial"]) == ("1", "CX 000001")
    assert first["/land/commune_code"] == COMMUNE_CODE
    assert first["/land/certificate_issued_on"] == "2020-05-04"


def test_every_value_says_where_it_comes_from_and_since_when(tx: Tx, people: People) -> None:
    filled = found(ask(tx, MS_HOA, SERIAL, "CX 000001"))
    kinds = {value.pointer: value.source_kind for value in (*filled.values, *filled.parcels[0].values)}
    assert kinds["/holder/name"] == "registration"
    assert kinds["/land/parcel_no"] == "parcel"
    assert kinds["/land/certificate_serial"] == "certificate"
    assert {value.as_of for value in (*filled.values, *filled.parcels[0].values)} == {tx.now}
    assert filled.values[0].source_id == people.make.registration_id


@pytest.mark.parametrize("value", ["12/3", " 12 / 3 ", f"{COMMUNE_CODE}/12/3"])
def test_parcel_as_second_fact(tx: Tx, people: People, value: str) -> None:
    _, parcel = as_texts(ask(tx, MR_BA, PARCEL, value))
    assert parcel["/land/parcel_no"] == "3"


@pytest.mark.parametrize("value", ["1990-05-21", "21/05/1990", "21/5/1990"])
def test_day_of_birth_as_second_fact(tx: Tx, people: People, value: str) -> None:
    people.right(people.parcel("4"), people.party("Võ Thị Lan", MS_LAN, born_on=dt.date(1990, 5, 21)))
    person, _ = as_texts(ask(tx, MS_LAN, BIRTH, value))
    assert person == {"/holder/name": "Võ Thị Lan", "/holder/born_on": "1990-05-21", "/holder/address": "ấp Đại Chí"}


@pytest.mark.parametrize(
    ("identity_no", "kind", "value"),
    [
        (MS_HOA, SERIAL, "CX 000003"),  # another's paper
        (MS_HOA, SERIAL, ""),
        (MS_HOA, SERIAL, "–"),
        (MS_HOA, PARCEL, "12/3"),  # another's parcel
        (MS_HOA, PARCEL, "1"),  # not enough said
        (MS_HOA, PARCEL, "98001/12/1/1"),
        (MS_HOA, PARCEL, "98002/12/1"),  # another commune
        (MS_HOA, BIRTH, "1990-05-21"),  # the register knows no day of birth
        (MS_HOA, BIRTH, "31/02/1990"),
        (MS_HOA, BIRTH, ""),
        (MS_LAN, SERIAL, "CX 000001"),  # nobody has this number
        ("", SERIAL, "CX 000001"),
    ],
)
def test_whatever_does_not_agree_answers_alike(
    tx: Tx, people: People, identity_no: str, kind: SecondFactKind, value: str
) -> None:
    answer = ask(tx, identity_no, kind, value)
    assert isinstance(answer, PrefillNotFound)
    assert answer.params == {}


def test_unknown_number_and_wrong_fact_cost_the_same_statements(tx: Tx, people: People) -> None:
    told: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    event.listen(tx.connection.engine, "before_cursor_execute", hear)
    try:
        ask(tx, MS_HOA, SERIAL, "CX 000009", address="10.0.0.1")
        known, told = told, []
        ask(tx, MS_LAN, SERIAL, "CX 000009", address="10.0.0.1")
    finally:
        event.remove(tx.connection.engine, "before_cursor_execute", hear)
    assert known
    assert told == known


def test_nobody_elses_paper_on_a_shared_parcel(tx: Tx, people: People) -> None:
    """Two rights on one parcel, each with its paper: only the paper that the citizen names is shown."""
    parcel = people.parcel("5")
    people.right(parcel, people.claim("Võ Thị Lan", MS_LAN))
    people.right(parcel, people.claim("Lê Văn Ba", MR_BA))
    people.certificate("CX 000051", parcel)
    people.certificate("CX 000052", parcel)
    _, named = as_texts(ask(tx, MS_LAN, SERIAL, "CX 000051"))
    assert named["/land/certificate_serial"] == "CX 000051"
    _, unnamed = as_texts(ask(tx, MS_LAN, PARCEL, "12/5"))
    assert unnamed["/land/parcel_no"] == "5"
    assert not [pointer for pointer in unnamed if "certificate" in pointer]


def test_fellow_holders_are_not_named(tx: Tx, people: People) -> None:
    parcel = people.parcel("6")
    people.right(parcel, people.claim("Võ Thị Lan", MS_LAN), people.claim("Người Khác", None))
    people.certificate("CX 000060", parcel)
    texts = as_texts(ask(tx, MS_LAN, SERIAL, "CX 000060"))
    assert "Người Khác" not in str(texts)
    assert texts[0]["/holder/name"] == "Võ Thị Lan"


def test_a_number_with_two_names_is_two_people(tx: Tx, people: People) -> None:
    """A number mistyped in an old file does not open the data of the one it truly belongs to."""
    people.owns("7", "Ngô Gõ Nhầm", MS_HOA, "CX 000070")
    person, *parcels = as_texts(ask(tx, MS_HOA, SERIAL, "CX 000070"))
    assert person["/holder/name"] == "Ngô Gõ Nhầm"
    assert [parcel["/land/parcel_no"] for parcel in parcels] == ["7"]
    assert "Ngô" not in str(as_texts(ask(tx, MS_HOA, SERIAL, "CX 000001")))


def test_a_serial_that_stands_with_both_names_opens_neither(tx: Tx, people: People) -> None:
    people.owns("8", "Ngô Gõ Nhầm", MS_HOA, "CX 000001")
    assert isinstance(ask(tx, MS_HOA, SERIAL, "CX 000001"), PrefillNotFound)


def test_what_has_ended_or_was_undone_is_not_filled_in(tx: Tx, people: People) -> None:
    parcel = people.parcel("9")
    people.right(parcel, people.claim("Võ Thị Lan", MS_LAN), known_to=tx.now)
    people.certificate("CX 000090", parcel)
    assert isinstance(ask(tx, MS_LAN, SERIAL, "CX 000090"), PrefillNotFound)
    other = people.parcel("10")
    people.right(other, people.claim("Võ Thị Lan", MS_LAN))
    people.certificate("CX 000100", other, known_to=tx.now)
    assert isinstance(ask(tx, MS_LAN, SERIAL, "CX 000100"), PrefillNotFound)
    assert len(as_texts(ask(tx, MS_LAN, PARCEL, "12/10"))) == 2


def test_a_member_of_a_household_finds_its_land(tx: Tx, people: People) -> None:
    household = people.party("Hộ bà Lan", None, kind="household")
    people.member(household, people.party("Võ Thị Lan", MS_LAN, born_on=dt.date(1990, 5, 21)))
    parcel = people.parcel("11")
    people.right(parcel, household)
    person, land = as_texts(ask(tx, MS_LAN, PARCEL, "12/11"))
    assert person["/holder/name"] == "Võ Thị Lan"
    assert land["/land/parcel_no"] == "11"


def test_production_waits_until_the_office_opens_it(tx: Tx, people: People) -> None:
    closed = Settings(env="production")
    with pytest.raises(PrefillClosed):
        ask(tx, MS_HOA, SERIAL, "CX 000001", settings=closed)
    opened = Settings(env="production", prefill_open=True)
    assert found(ask(tx, MS_HOA, SERIAL, "CX 000001", settings=opened))


# ── guessing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_that_misses_is_stopped_before_the_register_is_asked(tx: Tx, people: People) -> None:
    for number in range(MISSES_PER_ADDRESS):
        assert isinstance(ask(tx, f"0009000{number:05}", SERIAL, "CX 000001", address="10.0.0.1"), PrefillNotFound)
    refused = ask(tx, MS_HOA, SERIAL, "CX 000001", address="10.0.0.1")
    assert isinstance(refused, TooManyAsks)
    assert refused.params["retry_after_s"] == WINDOW.total_seconds()
    assert found(ask(tx, MS_HOA, SERIAL, "CX 000001", address="10.0.0.2"))
    later = replace(tx, now=tx.now + WINDOW + dt.timedelta(seconds=1))
    assert found(ask(later, MS_HOA, SERIAL, "CX 000001", address="10.0.0.1"))


def test_an_address_that_always_hits_is_stopped_too(tx: Tx, people: People) -> None:
    answers = [ask(tx, MS_HOA, SERIAL, "CX 000001", address="10.0.0.1") for _ in range(ASKS_PER_ADDRESS + 1)]
    assert all(isinstance(answer, Prefilled) for answer in answers[:-1])
    assert isinstance(answers[-1], TooManyAsks)


def test_a_person_guessed_at_from_many_addresses_is_shut_and_nobody_learns_it(tx: Tx, people: People) -> None:
    for number in range(MISSES_PER_SUBJECT):
        ask(tx, MS_HOA, PARCEL, f"12/{number + 100}", address=f"10.0.0.{number}")
    assert isinstance(ask(tx, MS_HOA, SERIAL, "CX 000001", address="10.0.1.1"), PrefillNotFound)
    assert found(ask(tx, MR_BA, SERIAL, "CX 000003", address="10.0.1.1"))
    tomorrow = replace(tx, now=tx.now + SUBJECT_WINDOW + dt.timedelta(seconds=1))
    assert found(ask(tomorrow, MS_HOA, SERIAL, "CX 000001", address="10.0.1.1"))


def test_attempts_are_written_down_without_the_number(tx: Tx, people: People) -> None:
    ask(tx, MS_HOA, SERIAL, "CX 000001", address="10.0.0.1")
    ask(tx, MS_HOA, SERIAL, "CX 000009", address="10.0.0.1")
    rows = tx.execute("SELECT kind, note, host(address) AS address FROM access_event ORDER BY access_event_id").all()
    assert [(row.kind, row.address) for row in rows] == [("prefill_found", "10.0.0.1"), ("prefill_missed", "10.0.0.1")]
    assert MS_HOA not in str(rows)


def test_thirty_guesses_at_once_are_counted_one_by_one(database: Database) -> None:
    """Each worker process has its own memory; what counts is the database."""

    def guess(number: int) -> str:
        with database.begin() as tx:
            return type(ask(tx, f"0009100{number:05}", SERIAL, "CX 000001", address="10.0.0.1")).__name__

    with ThreadPoolExecutor(8) as threads:
        answers = Counter(threads.map(guess, range(30)))
    assert answers == {"PrefillNotFound": MISSES_PER_ADDRESS, "TooManyAsks": 30 - MISSES_PER_ADDRESS}

"""Canonical bytes by the vectors of RFC 8785, commitments, and links that any changed fact breaks."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import struct
import unicodedata
from dataclasses import replace
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from landdb.dossier.model import Event
from landdb.sealing.chain import GENESIS, canonical, commit, event_facts, instant, link
from landdb.sealing.model import NotCanonical

AT = dt.datetime(2026, 11, 22, 3, 4, 5, 123456, tzinfo=dt.UTC)
EVENT = Event(
    dossier_id=UUID(int=7), event_no=1, kind="received", at=AT, staff_id=UUID(int=8), office_id=4, from_stage=None,
    to_stage="received", payload={"paper": "đơn"}, payload_salt=b"s" * 16, payload_commit=b"c" * 32, messages=1,
    prev_hash=GENESIS, hash=b"h" * 32,
)  # fmt: skip


def test_the_strings_and_literals_of_rfc_8785_3_2_2() -> None:
    given_text = r'{"string": "\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}'
    expected = bytes.fromhex(
        "7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72 75 65 2c 66 61 6c 73 65 5d 2c 22 73 74 72 69 6e 67 22 3a"
        "22 e2 82 ac 24 5c 75 30 30 30 66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d"
    )
    assert canonical(json.loads(given_text)) == expected


def test_the_keys_of_rfc_8785_3_2_3_stand_in_the_order_of_utf_16() -> None:
    # The RFC's dalet with dagesh is left out: NFC takes it apart (it is excluded from composition), see below.
    keys = {
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "1": "One", "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis", "\uffee": "beyond the surrogates",
    }  # fmt: skip
    written = json.loads(canonical(keys), object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    assert written == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\uffee"]
    assert canonical("\ufb33") == '"\u05d3\u05bc"'.encode()


def test_vietnamese_typed_apart_or_together_is_the_same_text() -> None:
    name = {"Đường": "Nguyễn Thị Huệ"}
    apart = {unicodedata.normalize("NFD", k): unicodedata.normalize("NFD", v) for k, v in name.items()}
    assert apart != name
    assert canonical(apart) == canonical(name) == '{"Đường":"Nguyễn Thị Huệ"}'.encode()


class Word(StrEnum):
    HELD = "held"


def test_words_and_rows_are_written_as_text_and_lists() -> None:
    assert canonical((Word.HELD, True, 1, -(2**53 - 1))) == b'["held",true,1,-9007199254740991]'


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"area_m2": 12.5}, "$.area_m2"),
        ([1, {"a": float("nan")}], "$[1].a"),
        ({"id": 2**53}, "$.id"),
        ({"at": AT}, "$.at"),
        ({"dossier": UUID(int=1)}, "$.dossier"),
        ({"raw": b"bytes"}, "$.raw"),
        ({1: "key"}, "$"),
        ({"é": 1, "e\u0301": 2}, "$.é"),
        ({"text": "\ud800"}, "$"),
        ({"set": {1}}, "$.set"),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_its_place(value: Any, place: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        canonical(value)
    assert refused.value.params["place"] == place


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda deeper: st.lists(deeper) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), deeper),
)


def composed(value: Any) -> Any:
    """The value with all its text in NFC; refuses two spellings of one key by losing one, so ask ``canonical`` first."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [composed(each) for each in value]
    if isinstance(value, dict):
        return {composed(key): composed(each) for key, each in value.items()}
    return value


@given(VALUES)
def test_it_is_what_a_library_for_rfc_8785_writes(value: Any) -> None:
    try:
        written = canonical(value)
    except NotCanonical:
        return  # two spellings of one key
    assert written == rfc8785.dumps(composed(value))


@given(VALUES)
def test_reading_canonical_bytes_and_writing_them_again_changes_nothing(value: Any) -> None:
    try:
        written = canonical(value)
    except NotCanonical:
        return  # two spellings of one key
    assert canonical(json.loads(written)) == written


def test_a_moment_is_utc_with_six_digits() -> None:
    hanoi = dt.timezone(dt.timedelta(hours=7))
    assert instant(AT.astimezone(hanoi)) == "2026-11-22T03:04:05.123456Z"
    assert instant(AT.replace(microsecond=0)) == "2026-11-22T03:04:05.000000Z"
    with pytest.raises(NotCanonical):
        instant(AT.replace(tzinfo=None))


def test_a_commitment_needs_its_salt() -> None:
    assert commit(b"salt", {"b": 1, "a": "x"}) == hashlib.sha256(b'salt{"a":"x","b":1}').digest()
    assert commit(b"salt", {}) != commit(b"tlas", {})


def test_a_link_is_made_as_written_down() -> None:
    facts = event_facts(EVENT)
    text = (
        '{"at":"2026-11-22T03:04:05.123456Z","dossier_id":"00000000-0000-0000-0000-000000000007","event_no":1,'
        '"from_stage":null,"kind":"received","messages":1,"office_id":4,'
        f'"payload_commit":"{"63" * 32}","staff_id":"00000000-0000-0000-0000-000000000008","to_stage":"received"}}'
    ).encode()
    assert link(GENESIS, facts) == hashlib.sha256(
        b"land.event.v1" + bytes(32) + struct.pack(">Q", len(text)) + text
    ).digest()  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"dossier_id": UUID(int=9)}, {"event_no": 2}, {"kind": "noted"}, {"at": AT + dt.timedelta(microseconds=1)},
        {"staff_id": None}, {"office_id": 5}, {"office_id": None}, {"from_stage": "received"}, {"to_stage": None},
        {"payload_commit": b"d" * 32}, {"messages": 2},
    ],
)  # fmt: skip
def test_every_fact_takes_part_in_the_link(changes: dict[str, Any]) -> None:
    assert link(GENESIS, event_facts(replace(EVENT, **changes))) != link(GENESIS, event_facts(EVENT))
    assert link(b"\1" * 32, event_facts(EVENT)) != link(GENESIS, event_facts(EVENT))

"""The chain of a dossier's events: canonical bytes, commitments to payloads, and the link from one event to the next.

    commit_n = SHA-256(salt ‖ canonical(payload))
    hash_n   = SHA-256("land.event.v1" ‖ hash_(n-1) ‖ length ‖ canonical(facts))        length: 8 bytes, big-endian

Erasing a payload with its salt erases what was said and leaves that something was said.

Canonical bytes are RFC 8785 over text in Unicode NFC: Vietnamese typed on a telephone arrives decomposed, and would otherwise be
another hash of the same words.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from landdb.sealing.model import NotCanonical

GENESIS: Final = bytes(32)
"""What the first event of a dossier is linked to."""
DOMAIN: Final = b"land.event.v1"
LARGEST: Final = 2**53 - 1
"""The largest integer that every reader of JSON reads alike (RFC 8785 §3.2.2.3, RFC 7493 §2.2)."""


# For text, integers and constants in sorted mappings Python's encoder writes what RFC 8785 §3.2.2 asks for, and faster than a
# library that also knows fractions (this runs for every event, message and receipt); a test holds the two equal.
_written: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Recorded(Protocol):
    """An event as far as the chain covers it; the payload takes part through its commitment."""

    @property
    def dossier_id(self) -> UUID: ...
    @property
    def event_no(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def at(self) -> dt.datetime: ...
    @property
    def staff_id(self) -> UUID | None: ...
    @property
    def office_id(self) -> int | None: ...
    @property
    def from_stage(self) -> str | None: ...
    @property
    def to_stage(self) -> str | None: ...
    @property
    def payload_commit(self) -> bytes: ...
    @property
    def messages(self) -> int: ...


def canonical(value: Any) -> bytes:
    """The one way to write a value as JSON. Takes text, integers, true, false, null, lists and mappings of them.

    Amounts, areas and identifiers are text or integers; moments go through ``instant`` first.
    Raises: ``NotCanonical``.
    """
    try:
        return _written(_normalised(value, "$")).encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise NotCanonical(place="$", kind=type(error).__name__) from error


def instant(at: dt.datetime) -> str:
    """A moment as canonical text: UTC, always six digits of a second. Raises: ``NotCanonical`` without a time zone."""
    if at.tzinfo is None:
        raise NotCanonical(place="$", kind="naive datetime")
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def commit(salt: bytes, payload: Any) -> bytes:
    """What stands for a payload in the chain; nobody can guess the payload from it once the salt is gone."""
    return hashlib.sha256(salt + canonical(payload)).digest()


def link(prev: bytes, facts: Mapping[str, Any]) -> bytes:
    """The hash of an event with these facts that follows ``prev``."""
    written = canonical(facts)
    return hashlib.sha256(DOMAIN + prev + len(written).to_bytes(8, "big") + written).digest()


def event_facts(event: Recorded) -> dict[str, Any]:
    """What is hashed of an event."""
    return {
        "dossier_id": str(event.dossier_id),
        "event_no": event.event_no,
        "kind": event.kind,
        "at": instant(event.at),
        "staff_id": None if event.staff_id is None else str(event.staff_id),
        "office_id": event.office_id,
        "from_stage": event.from_stage,
        "to_stage": event.to_stage,
        "payload_commit": event.payload_commit.hex(),
        "messages": event.messages,
    }


def _normalised(value: Any, place: str) -> Any:
    match value:
        case str():
            return str(value) if value.isascii() else unicodedata.normalize("NFC", value)
        case None | bool():
            return value
        case int() if abs(value) <= LARGEST:
            return int(value)
        case dict() | Mapping():
            return _normalised_mapping(value, place)
        case list() | tuple() | Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [_normalised(each, f"{place}[{n}]") for n, each in enumerate(value)]
        case _:
            raise NotCanonical(place=place, kind=type(value).__name__)


def _normalised_mapping(value: Mapping[Any, Any], place: str) -> dict[str, Any]:
    """The same members under normalised names, in the order of their UTF-16 code units (RFC 8785 §3.2.3)."""
    found: dict[str, Any] = {}
    for key, each in value.items():
        if not isinstance(key, str):
            raise NotCanonical(place=place, kind=f"key {type(key).__name__}")
        name = str(key) if key.isascii() else unicodedata.normalize("NFC", key)
        if name in found:  # two spellings of one key: one of the values would be lost
            raise NotCanonical(place=f"{place}.{name}", kind="repeated key")
        found[name] = _normalised(each, f"{place}.{name}")
    return {name: found[name] for name in sorted(found, key=_utf_16)}


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")

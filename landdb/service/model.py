"""Online forms and what citizens are told: form versions, what the register fills in, how far guessing may go, refusals. Pure."""

from __future__ import annotations

import datetime as dt
import hmac
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from landdb.errors import Conflict, Invalid, NotFound, RateLimited, Unavailable

WINDOW: Final = dt.timedelta(minutes=15)
MISSES_PER_ADDRESS: Final = 10
ASKS_PER_ADDRESS: Final = 60
"""A desk that helps citizens asks from one address all day; who guesses misses."""
SUBJECT_WINDOW: Final = dt.timedelta(days=1)
MISSES_PER_SUBJECT: Final = 10
"""Guesses at one person or one dossier, from wherever: a day of birth is one of thirty thousand, a parcel's number less."""

APPLICATION_PAPER: Final = "DDKBD"
"""The kind of paper that the application itself is (code list ``scan_kind``)."""


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class FormVersion:
    """A form as it was in force. ``schema`` is JSON Schema 2020-12; ``layout`` has sections and fields in order, labels in
    both languages, and says of each field whether it was checked against the legal text (``verified``)."""

    form_version_id: int
    form_code: str
    procedure_code: str
    version_no: int
    valid_from: dt.date | None
    valid_to: dt.date | None
    schema: Mapping[str, Any]
    layout: Mapping[str, Any]
    source: str

    @property
    def etag(self) -> str:
        """A version never changes once it is published; a change is another version."""
        return f'"{self.form_code}-{self.version_no}"'

    def fields(self) -> Iterator[Mapping[str, Any]]:
        """Every field of the layout in order."""
        for section in self.layout["sections"]:
            yield from section["fields"]

    def option(self, pointer: str, value: Any) -> Mapping[str, Any]:
        """The option of a field that has this value; empty if it has none."""
        options = (self.field(pointer) or {}).get("options", ())
        return next((option for option in options if option["value"] == value), {})

    def field(self, pointer: str) -> Mapping[str, Any] | None:
        """The field at a JSON pointer, or the nearest one above it (an item of a list belongs to the list's field)."""
        by_pointer = {field["pointer"]: field for field in self.fields()}
        while pointer:
            if pointer in by_pointer:
                return by_pointer[pointer]
            pointer = pointer.rpartition("/")[0]
        return None


@dataclass(frozen=True)
class FieldFault:
    """What is wrong at one place of the answers. ``rule`` is a code of messages; nothing of the answer itself is repeated."""

    pointer: str
    rule: str
    params: Mapping[str, Any]


def value_at(answers: Mapping[str, Any], pointer: str) -> Any:
    """What the answers say at a pointer; null where they say nothing."""
    found: Any = answers
    for step in pointer.strip("/").split("/"):
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found


# ── who asks for whom ───────────────────────────────────────────────────────────────────────────────────────────────


class SecondFactKind(StrEnum):
    """What a citizen says besides the number, so that a number alone opens nothing."""

    CERTIFICATE_SERIAL = "certificate_serial"
    PARCEL = "parcel"
    BIRTH_DATE = "birth_date"


@dataclass(frozen=True)
class SecondFact:
    """``parcel`` is written ``12/45`` (sheet, parcel) or ``31507/12/45``; a day ``1990-05-21`` or ``21/05/1990``."""

    kind: SecondFactKind
    value: str


@dataclass(frozen=True)
class Holding:
    """One right in force that the register has under an identity number, and the paper of its parcel.

    ``name_folded`` is the holder's: a number that stands with two names is two people until somebody decides. ``alone``: no
    other holder has a right of use on the parcel, so its certificates are this person's.
    """

    name: str
    name_folded: str
    born_on: dt.date | None
    address: str | None
    person_source: str
    person_id: UUID
    person_as_of: dt.datetime
    right_id: UUID
    right_as_of: dt.datetime
    alone: bool
    parcel_id: UUID
    parcel_as_of: dt.datetime
    commune_code: str
    commune: str
    sheet_no: str
    parcel_no: str
    parcel_address: str | None
    certificate_id: UUID | None
    serial_no: str | None
    register_no: str | None
    issued_on: dt.date | None
    certificate_as_of: dt.datetime | None


def folded_serial(text: str) -> str:
    """A certificate's serial as it is compared: capitals, no blanks and signs."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).upper() if sign.isalnum())


def read_day(text: str) -> str | None:
    """A day as ISO text, from ISO or from day/month/year; null if it is none."""
    found = re.fullmatch(r"\s*(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\s*", text)
    try:
        if found:
            return dt.date(int(found[3]), int(found[2]), int(found[1])).isoformat()
        return dt.date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return None


def agrees(fact: SecondFact, holding: Holding) -> bool:
    """Whether the second fact is one of this holding's."""
    said, known = _sides(fact, holding)
    return bool(said) and hmac.compare_digest(said.encode(), known.encode())


def _sides(fact: SecondFact, holding: Holding) -> tuple[str, str]:
    match fact.kind:
        case SecondFactKind.CERTIFICATE_SERIAL:
            return folded_serial(fact.value), folded_serial(holding.serial_no or "")
        case SecondFactKind.BIRTH_DATE:
            return read_day(fact.value) or "", holding.born_on.isoformat() if holding.born_on else ""
        case SecondFactKind.PARCEL:
            parts = [part.strip() for part in re.split(r"[/,;]", unicodedata.normalize("NFKC", fact.value))]
            place = [holding.commune_code, holding.sheet_no, holding.parcel_no]
            return "/".join(parts), "/".join(place[-len(parts) :] if 2 <= len(parts) <= 3 else ["–"])


def shown_to(fact: SecondFact, holdings: Sequence[Holding]) -> list[Holding]:
    """The holdings of the very person whose second fact agrees, that one's first; empty if none agrees.

    A certificate is left in only where the person alone holds the parcel, or has named that certificate.
    """
    agreeing = [holding for holding in holdings if agrees(fact, holding)]
    names = {holding.name_folded for holding in agreeing}
    if len(names) != 1:
        return []
    named = folded_serial(fact.value) if fact.kind is SecondFactKind.CERTIFICATE_SERIAL else ""
    theirs = [
        holding
        for holding in holdings
        if holding.name_folded in names
        and (holding.certificate_id is None or holding.alone or folded_serial(holding.serial_no or "") == named)
    ]
    # A parcel whose certificates were left out is still theirs: it stays, without a paper.
    kept = {holding.parcel_id for holding in theirs}
    bare = [_without_paper(h) for h in holdings if h.name_folded in names and h.parcel_id not in kept]
    return sorted(_once(theirs + bare), key=lambda holding: holding not in agreeing)


def _without_paper(holding: Holding) -> Holding:
    return Holding(
        **{
            **vars(holding),
            "certificate_id": None,
            "serial_no": None,
            "register_no": None,
            "issued_on": None,
            "certificate_as_of": None,
        }
    )


def _once(holdings: Iterable[Holding]) -> list[Holding]:
    return list({(h.parcel_id, h.certificate_id): h for h in holdings}.values())


@dataclass(frozen=True)
class FilledValue:
    """One value that the register fills in. ``source_kind``: certificate, registration (of a person or right) or parcel."""

    pointer: str
    value: str
    source_kind: str
    source_id: UUID
    as_of: dt.datetime


@dataclass(frozen=True)
class FilledParcel:
    """A parcel of the citizen with the values that it fills in."""

    parcel_id: UUID
    commune: str
    sheet_no: str
    parcel_no: str
    values: tuple[FilledValue, ...]


@dataclass(frozen=True)
class Prefilled:
    """What the register knows for one citizen; ``parcels`` begin with the one that the second fact names."""

    values: tuple[FilledValue, ...]
    parcels: tuple[FilledParcel, ...]


def filled_from(holdings: Sequence[Holding]) -> Prefilled:
    """The values of ``shown_to``'s holdings by the pointers of the form."""
    first = holdings[0]
    person = {"/holder/name": first.name, "/holder/born_on": first.born_on, "/holder/address": first.address}
    values = tuple(
        FilledValue(pointer, str(value), first.person_source, first.person_id, first.person_as_of)
        for pointer, value in person.items()
        if value
    )
    chosen: dict[UUID, Holding] = {}
    for holding in holdings:
        chosen.setdefault(holding.parcel_id, holding)
    return Prefilled(values, tuple(_parcel(holding) for holding in chosen.values()))


def _parcel(holding: Holding) -> FilledParcel:
    land = {
        "/land/parcel_id": str(holding.parcel_id),
        "/land/commune_code": holding.commune_code,
        "/land/sheet_no": holding.sheet_no,
        "/land/parcel_no": holding.parcel_no,
        "/land/address": holding.parcel_address,
    }
    paper = {
        "/land/certificate_serial": holding.serial_no,
        "/land/certificate_register_no": holding.register_no,
        "/land/certificate_issued_on": holding.issued_on,
    }
    values = [FilledValue(p, v, "parcel", holding.parcel_id, holding.parcel_as_of) for p, v in land.items() if v]
    if holding.certificate_id and holding.certificate_as_of:
        known = holding.certificate_as_of
        values += [FilledValue(p, str(v), "certificate", holding.certificate_id, known) for p, v in paper.items() if v]
    return FilledParcel(holding.parcel_id, holding.commune, holding.sheet_no, holding.parcel_no, tuple(values))


# ── public status ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class StatusChange:
    """From this moment on the dossier had this national status (1..10)."""

    status: int
    at: dt.datetime


@dataclass(frozen=True)
class PublicStatus:
    """What a citizen is told of a dossier: nothing of any person. ``due_at`` null: no limit is known, the office sets it."""

    code: str
    procedure_code: str
    procedure_name_vi: str
    procedure_name_en: str
    status: int
    history: tuple[StatusChange, ...]
    received_at: dt.datetime
    due_at: dt.datetime | None
    due_provisional: bool
    closed_at: dt.datetime | None
    office: str
    office_phone: str | None


def status_changes(stages: Iterable[tuple[str, dt.datetime]], status_of: Mapping[str, int]) -> tuple[StatusChange, ...]:
    """The national statuses in order, one after another alike told once; stages of no status are passed over."""
    changes: list[StatusChange] = []
    for stage, at in stages:
        status = status_of.get(stage)
        if status is not None and (not changes or changes[-1].status != status):
            changes.append(StatusChange(status, at))
    return tuple(changes)


def phone_digits(text: str) -> str:
    """A Vietnamese telephone number as it is compared: ``+84 912…`` and ``0912…`` are one."""
    digits = "".join(sign for sign in unicodedata.normalize("NFKC", text) if sign.isdecimal())
    return f"0{digits[2:]}" if digits.startswith("84") and len(digits) > 10 else digits


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


class FormUnknown(NotFound):
    """Params: ``procedure``."""

    code = "service.form_unknown"


class FormOutdated(Conflict):
    """The form was filled in on a version that is no longer in force. Params: ``version``, ``in_force``."""

    code = "service.form_outdated"


class AnswersWrong(Invalid):
    """Params: ``count``. ``faults`` says what and where; ``form`` has the labels."""

    code = "service.answers_wrong"

    def __init__(self, form: FormVersion, faults: Sequence[FieldFault]) -> None:
        super().__init__(count=len(faults))
        self.form = form
        self.faults = tuple(faults)


class PaperUnknown(Invalid):
    """A paper was named that was never uploaded, or did not pass. Params: ``papers``."""

    code = "service.paper_unknown"


class PrefillClosed(Unavailable):
    code = "service.prefill_closed"


class PrefillNotFound(NotFound):
    """One answer for an unknown number, a fact that does not agree, and a person guessed at too often."""

    code = "service.prefill_not_found"


class StatusNotFound(NotFound):
    """One answer for an unknown code, a fact that does not agree, and a dossier guessed at too often."""

    code = "service.status_not_found"


class TooManyAsks(RateLimited):
    """Params: ``retry_after_s``."""

    code = "service.too_many_asks"


class OfficeMissing(Unavailable):
    """Neither a branch nor the provincial office is there to take it. Params: ``commune``."""

    code = "service.office_missing"


class SubmissionUnknown(NotFound):
    """Params: ``code``."""

    code = "service.submission_unknown"

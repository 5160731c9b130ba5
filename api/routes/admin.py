"""Administration of people, offices, service keys and the working calendar, for scripts and for the pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.deps import Limit, TxDep, language, permission
from landdb.access import store
from landdb.access.add_api_key import add_api_key, revoke_api_key
from landdb.access.add_office import add_office, correct_office
from landdb.access.add_staff import add_staff
from landdb.access.close_office import close_office
from landdb.access.correct_staff import correct_staff
from landdb.access.deactivate_staff import deactivate_staff, reactivate_staff
from landdb.access.grant_role import grant_role, revoke_role
from landdb.access.issue_password_reset import issue_password_reset
from landdb.access.model import ApiKey, Office, OfficeUnknown, Staff, StaffUnknown
from landdb.access.permissions import ROLES
from landdb.access.serve_commune import serve_commune, stop_serving_commune
from landdb.access.set_working_day import set_working_day
from landdb.access.sign_out import sign_out_everywhere
from landdb.access.unlock_account import unlock_account
from landdb.db.transaction import Tx
from landdb.messages import message
from landdb.reference import store as reference

router = APIRouter(prefix="/v1/admin", tags=["administration"])

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
OfficeId = Annotated[int, Path(ge=1, le=2**31 - 1)]
UnitId = Annotated[int, Path(ge=1, le=2**31 - 1)]
OfficeKind = Literal["provincial_office", "branch", "commune_desk", "commune_committee", "tax", "department"]
FIRST_KEY = UUID(int=0)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewStaff(_Body):
    """A person who is to have an account."""

    login: Name
    full_name: Name
    office_id: Annotated[int, Field(ge=1, le=2**31 - 1)]
    language: Literal["vi", "en"] = "vi"
    roles: list[str] = []


class StaffWords(_Body):
    """What may be corrected of an account."""

    full_name: Name
    office_id: Annotated[int, Field(ge=1, le=2**31 - 1)]
    language: Literal["vi", "en"] = "vi"


class RoleHeld(BaseModel):
    """A role of a person and the office where it holds."""

    role: str
    label: str
    office_id: int
    office: str
    granted_at: dt.datetime


class Person(BaseModel):
    """An account. ``locked_until`` null: not locked out."""

    staff_id: UUID
    login: str
    full_name: str
    office_id: int
    office: str
    has_password: bool
    must_change_password: bool
    language: str
    active: bool
    locked_until: dt.datetime | None
    created_at: dt.datetime
    roles: list[RoleHeld]


class People(BaseModel):
    """Accounts by login; ``next`` null: no more."""

    items: list[Person]
    next: str | None


class ResetCode(BaseModel):
    """A one-time code, shown once: hand it over in person or by telephone."""

    code: str
    expires_at: dt.datetime


class Role(BaseModel):
    """A role and the permissions that it bundles."""

    role: str
    label: str
    permissions: list[str]


class NewOffice(_Body):
    """An office to be founded. ``valid_from`` null: it has been there since before the register."""

    code: Annotated[str, Field(min_length=1, max_length=30, pattern=r"^\S+$")]
    name: Name
    kind: OfficeKind
    parent_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    valid_from: dt.date | None = None
    phone: Annotated[str, Field(max_length=40)] | None = None


class OfficeWords(_Body):
    """What may be corrected of an office."""

    name: Name
    phone: Annotated[str, Field(max_length=40)] | None = None


class Closing(_Body):
    """The first day without the office."""

    to_on: dt.date


class Served(BaseModel):
    """A commune that an office serves."""

    admin_unit_id: int
    commune_code: str
    commune: str
    valid_from: dt.date | None
    valid_to: dt.date | None


class OfficeRow(BaseModel):
    """An office in the tree. ``valid_to`` is the first day without it; null: open."""

    office_id: int
    code: str
    name: str
    kind: str
    parent_id: int | None
    valid_from: dt.date | None
    valid_to: dt.date | None
    phone: str | None
    communes: list[Served]


class Offices(BaseModel):
    """Offices by number; ``next`` null: no more."""

    items: list[OfficeRow]
    next: str | None


class Since(_Body):
    """From which day; null: always."""

    valid_from: dt.date | None = None


class NewKey(_Body):
    """A service that is to have a key. ``expires_at`` null: until revoked."""

    name: Name
    permissions: Annotated[list[str], Field(min_length=1, max_length=50)]
    office_id: Annotated[int, Field(ge=1, le=2**31 - 1)]
    expires_at: AwareDatetime | None = None


class KeyRow(BaseModel):
    """A service key, without its secret."""

    api_key_id: UUID
    name: str
    permissions: list[str]
    office_id: int
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None


class KeyMade(KeyRow):
    """A new key with its text, which is shown this once."""

    key: str


class KeyRows(BaseModel):
    """Keys in order of making; ``next`` null: no more."""

    items: list[KeyRow]
    next: str | None


class Event(BaseModel):
    """One line of what happened to accounts."""

    access_event_id: int
    at: dt.datetime
    kind: str
    staff_id: UUID | None
    by_staff_id: UUID | None
    address: str | None
    note: str | None


class Events(BaseModel):
    """Events, the latest first; ``next`` null: no more."""

    items: list[Event]
    next: str | None


class Day(BaseModel):
    """A day that differs from its weekday."""

    on_date: dt.date
    kind: str
    name_vi: str
    name_en: str
    confirmed: bool
    source: str


class Days(BaseModel):
    """Such days of a year."""

    items: list[Day]


class DayWords(_Body):
    """What a day is, and the decision that says so."""

    kind: Literal["holiday", "in_lieu", "working_day"]
    name_vi: Name
    name_en: Name
    source: Name


# Staff --------------------------------------------------------------------------------------------------------------


@router.get("/staff", openapi_extra=permission("admin:read"), summary="Accounts")
def list_staff(
    tx: TxDep,
    request: Request,
    limit: Limit = 100,
    after: Annotated[str, Query(max_length=64)] = "",
    office_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    inactive: bool = False,
) -> People:
    """Accounts by login, with their roles; those closed only with ``inactive=true``."""
    found = store.list_staff(tx, after=after, limit=limit + 1, office_id=office_id, inactive_too=inactive)
    return People(
        items=_people(tx, found[:limit], request),
        next=_next(request, found, limit, lambda last: last.login),
    )


@router.post("/staff", openapi_extra=permission("admin:staff"), status_code=201, summary="Open an account")
def create_staff(tx: TxDep, body: NewStaff, request: Request, response: Response) -> Person:
    """The account has no password yet: issue a reset code and hand it over."""
    staff_id = add_staff(
        tx, login=body.login, full_name=body.full_name, office_id=body.office_id, language=body.language
    )
    for role in body.roles:
        grant_role(tx, staff_id, role)
    response.headers["Location"] = f"/v1/admin/staff/{staff_id}"
    return _person(tx, staff_id, request)


@router.get("/staff/{staff_id}", openapi_extra=permission("admin:read"), summary="One account")
def get_staff(tx: TxDep, staff_id: UUID, request: Request) -> Person:
    """One account with its roles."""
    return _person(tx, staff_id, request)


@router.put("/staff/{staff_id}", openapi_extra=permission("admin:staff"), summary="Correct an account")
def put_staff(tx: TxDep, staff_id: UUID, body: StaffWords, request: Request) -> Person:
    """Name, office, language; roles are granted one by one."""
    correct_staff(tx, staff_id, full_name=body.full_name, office_id=body.office_id, language=body.language)
    return _person(tx, staff_id, request)


@router.post("/staff/{staff_id}/deactivation", openapi_extra=permission("admin:staff"), summary="Close an account")
def post_deactivation(tx: TxDep, staff_id: UUID, request: Request) -> Person:
    """Ends sessions and tokens at once; nobody closes their own account."""
    deactivate_staff(tx, staff_id)
    return _person(tx, staff_id, request)


@router.post("/staff/{staff_id}/reactivation", openapi_extra=permission("admin:staff"), summary="Reopen an account")
def post_reactivation(tx: TxDep, staff_id: UUID, request: Request) -> Person:
    """The roles are as they were."""
    reactivate_staff(tx, staff_id)
    return _person(tx, staff_id, request)


@router.post("/staff/{staff_id}/unlock", openapi_extra=permission("admin:staff"), summary="Lift a lock-out")
def post_unlock(tx: TxDep, staff_id: UUID, request: Request) -> Person:
    """Forgets the failed sign-ins."""
    unlock_account(tx, staff_id)
    return _person(tx, staff_id, request)


@router.post(
    "/staff/{staff_id}/password-reset",
    openapi_extra=permission("admin:staff", idempotent=False),
    status_code=201,
    summary="Issue a reset code",
)
def post_password_reset(tx: TxDep, staff_id: UUID) -> ResetCode:
    """The code is shown once; earlier codes of the person end."""
    code, expires_at = issue_password_reset(tx, staff_id)
    return ResetCode(code=code, expires_at=expires_at)


@router.delete(
    "/staff/{staff_id}/sessions",
    openapi_extra=permission("admin:staff"),
    status_code=204,
    summary="Sign a person out everywhere",
)
def delete_sessions(tx: TxDep, staff_id: UUID) -> None:
    """Ends every session and token of the person."""
    if store.get_staff(tx, staff_id) is None:
        raise StaffUnknown(staff=str(staff_id))
    sign_out_everywhere(tx, staff_id)


@router.put("/staff/{staff_id}/roles/{role}", openapi_extra=permission("admin:staff"), summary="Grant a role")
def put_role(
    tx: TxDep,
    staff_id: UUID,
    role: str,
    request: Request,
    office_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Person:
    """In an office; in the person's own if none is named. Nobody grants to themselves."""
    grant_role(tx, staff_id, role, office_id)
    return _person(tx, staff_id, request)


@router.delete("/staff/{staff_id}/roles/{role}", openapi_extra=permission("admin:staff"), summary="Take a role back")
def delete_role(
    tx: TxDep,
    staff_id: UUID,
    role: str,
    request: Request,
    office_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Person:
    """Counts from the person's next request on."""
    revoke_role(tx, staff_id, role, office_id)
    return _person(tx, staff_id, request)


@router.get("/roles", openapi_extra=permission("admin:read"), summary="The roles")
def list_roles(request: Request) -> list[Role]:
    """What each role may do."""
    return [
        Role(role=role, label=_label(role, request), permissions=sorted(permissions))
        for role, permissions in ROLES.items()
    ]


@router.get("/events", openapi_extra=permission("admin:read"), summary="What happened to accounts")
def list_events(
    tx: TxDep,
    request: Request,
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    staff_id: UUID | None = None,
) -> Events:
    """Sign-ins, refusals, lock-outs, grants: the latest first."""
    found = store.list_events(tx, before=after, limit=limit + 1, staff_id=staff_id)
    return Events(
        items=[Event(**vars(event)) for event in found[:limit]],
        next=_next(request, found, limit, lambda last: last.access_event_id),
    )


# Offices ------------------------------------------------------------------------------------------------------------


@router.get("/offices", openapi_extra=permission("admin:read"), summary="Offices")
def list_offices(
    tx: TxDep,
    request: Request,
    limit: Limit = 1000,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    closed: bool = False,
) -> Offices:
    """The dated tree, by number; each names its parent and the communes that it serves."""
    found = store.list_offices(tx, closed_too=closed, after=after, limit=limit + 1)
    return Offices(
        items=_office_rows(tx, found[:limit]), next=_next(request, found, limit, lambda last: last.office_id)
    )


@router.post("/offices", openapi_extra=permission("admin:offices"), status_code=201, summary="Found an office")
def create_office(tx: TxDep, body: NewOffice, response: Response) -> OfficeRow:
    """Below another office, from a day on."""
    office_id = add_office(tx, **body.model_dump())
    response.headers["Location"] = f"/v1/admin/offices/{office_id}"
    return _office(tx, office_id)


@router.get("/offices/{office_id}", openapi_extra=permission("admin:read"), summary="One office")
def get_office(tx: TxDep, office_id: OfficeId) -> OfficeRow:
    """One office, open or closed."""
    return _office(tx, office_id)


@router.put("/offices/{office_id}", openapi_extra=permission("admin:offices"), summary="Correct an office")
def put_office(tx: TxDep, office_id: OfficeId, body: OfficeWords) -> OfficeRow:
    """Name and telephone number; a rename by law is a closed office and a new one."""
    correct_office(tx, office_id, name=body.name, phone=body.phone)
    return _office(tx, office_id)


@router.post("/offices/{office_id}/closure", openapi_extra=permission("admin:offices"), summary="Close an office")
def post_closure(tx: TxDep, office_id: OfficeId, body: Closing) -> OfficeRow:
    """Refused while people or open offices belong to it."""
    close_office(tx, office_id, body.to_on)
    return _office(tx, office_id)


@router.put(
    "/offices/{office_id}/communes/{admin_unit_id}",
    openapi_extra=permission("admin:offices"),
    summary="Serve a commune",
)
def put_commune(tx: TxDep, office_id: OfficeId, admin_unit_id: UnitId, body: Since) -> OfficeRow:
    """From a day on."""
    serve_commune(tx, office_id, admin_unit_id, body.valid_from)
    return _office(tx, office_id)


@router.delete(
    "/offices/{office_id}/communes/{admin_unit_id}",
    openapi_extra=permission("admin:offices"),
    summary="Serve a commune no longer",
)
def delete_commune(tx: TxDep, office_id: OfficeId, admin_unit_id: UnitId, to_on: dt.date) -> OfficeRow:
    """``to_on``: the first day on which the office no longer serves it."""
    stop_serving_commune(tx, office_id, admin_unit_id, to_on)
    return _office(tx, office_id)


# Service keys -------------------------------------------------------------------------------------------------------


@router.get("/keys", openapi_extra=permission("admin:read"), summary="Service keys")
def list_keys(
    tx: TxDep, request: Request, limit: Limit = 100, after: UUID = FIRST_KEY, revoked: bool = False
) -> KeyRows:
    """Keys in order of making, without their secrets."""
    found = store.list_keys(tx, after=after, limit=limit + 1, revoked_too=revoked)
    return KeyRows(
        items=[KeyRow(**_key(key)) for key in found[:limit]],
        next=_next(request, found, limit, lambda last: last.api_key_id),
    )


# The answer holds the key itself, so it is not kept for a second delivery.
@router.post(
    "/keys", openapi_extra=permission("admin:keys", idempotent=False), status_code=201, summary="Make a service key"
)
def create_key(tx: TxDep, body: NewKey) -> KeyMade:
    """The text of the key is shown this once."""
    key, text = add_api_key(
        tx, name=body.name, permissions=body.permissions, office_id=body.office_id, expires_at=body.expires_at
    )
    return KeyMade(**_key(key), key=text)


@router.delete(
    "/keys/{api_key_id}", openapi_extra=permission("admin:keys"), status_code=204, summary="Revoke a service key"
)
def delete_key(tx: TxDep, api_key_id: UUID) -> None:
    """Refused from the very next request on."""
    revoke_api_key(tx, api_key_id)


# Working calendar ---------------------------------------------------------------------------------------------------


@router.get("/holidays", openapi_extra=permission("admin:read"), summary="Days off and days worked in exchange")
def list_holidays(tx: TxDep, year: Annotated[int | None, Query(ge=1990, le=2100)] = None) -> Days:
    """Of one year; of this one if none is named."""
    wanted = year or tx.today.year
    found = reference.calendar(tx, dt.date(wanted, 1, 1), dt.date(wanted, 12, 31))
    return Days(items=[Day(**vars(day)) for day in found.values()])


@router.put("/holidays/{on_date}", openapi_extra=permission("admin:holidays"), summary="Say what a day is")
def put_holiday(tx: TxDep, on_date: dt.date, body: DayWords) -> Day:
    """A day entered by mistake is corrected to ``working_day``."""
    set_working_day(tx, on_date, **body.model_dump())
    return Day(on_date=on_date, confirmed=True, **body.model_dump())


def _people(tx: Tx, found: Sequence[Staff], request: Request) -> list[Person]:
    held: dict[UUID, list[RoleHeld]] = {person.staff_id: [] for person in found}
    for role in store.list_roles(tx, list(held)):
        held[role.staff_id].append(
            RoleHeld(
                role=role.role,
                label=_label(role.role, request),
                office_id=role.office_id,
                office=role.office_name,
                granted_at=role.granted_at,
            )
        )
    return [Person(**vars(person), office=person.office_name, roles=held[person.staff_id]) for person in found]


def _person(tx: Tx, staff_id: UUID, request: Request) -> Person:
    person = store.get_staff(tx, staff_id)
    if person is None:
        raise StaffUnknown(staff=str(staff_id))
    return _people(tx, [person], request)[0]


def _office_rows(tx: Tx, found: Sequence[Office]) -> list[OfficeRow]:
    served: dict[int, list[Served]] = {office.office_id: [] for office in found}
    for commune in store.list_served(tx, list(served)):
        served[commune.office_id].append(Served(**vars(commune)))
    return [OfficeRow(**vars(office), communes=served[office.office_id]) for office in found]


def _office(tx: Tx, office_id: int) -> OfficeRow:
    office = store.get_office(tx, office_id)
    if office is None:
        raise OfficeUnknown(office=office_id)
    return _office_rows(tx, [office])[0]


def _key(key: ApiKey) -> dict[str, Any]:
    return {**vars(key), "permissions": list(key.permissions)}


def _label(role: str, request: Request) -> str:
    return message(f"role.{role}", {}, language(request)).title


def _next(request: Request, found: Sequence[Any], limit: int, key: Any) -> str | None:
    """The address of the following rows, where more were found than asked for."""
    if len(found) <= limit:
        return None
    url = request.url.include_query_params(after=key(found[limit - 1]))
    return f"{url.path}?{url.query}"

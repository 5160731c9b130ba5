"""Administration for people: accounts, offices, service keys, the working calendar; every list also as a workbook."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.deps import TxDep, permission
from api.pages.frame import render
from api.pages.wording import day, moment, word
from api.problems import language
from api.routes.admin import FIRST_KEY
from api.workbook import download, workbook
from landdb.access import store
from landdb.access.model import OFFICE_KINDS
from landdb.access.permissions import KEY_PERMISSIONS, ROLES
from landdb.db.transaction import Tx
from landdb.messages import Language, message
from landdb.reference import store as reference

router = APIRouter(prefix="/admin", include_in_schema=False)

TABS: Final = ("staff", "offices", "keys", "holidays")
MOST: Final = 1000


@router.get("", openapi_extra=permission("admin:read"))
def first_tab() -> Response:
    """Accounts stand first."""
    return RedirectResponse("/admin/staff", 303)


@router.get("/{tab}", openapi_extra=permission("admin:read"))
def tab_page(
    request: Request,
    tx: TxDep,
    tab: Literal["staff", "offices", "keys", "holidays"],
    format: Literal["html", "xlsx"] = "html",  # noqa: A002 - a name of the interface
) -> Response:
    """One list, with the form that adds to it."""
    speaks = language(request)
    shown = LISTS[tab]
    rows = shown.rows(tx)
    if format == "xlsx":
        head = [word(column, speaks) for column, _ in shown.columns]
        cells = [[cell(row, speaks) for _, cell in shown.columns] for row in rows]
        return download(workbook(head, cells, word(f"admin.{tab}", speaks)), f"{shown.file}.xlsx")
    return render(request, f"admin/{tab}.html", tab=tab, tabs=TABS, rows=rows, **shown.choices(tx))


def _staff(tx: Tx) -> list[dict[str, Any]]:
    found = store.list_staff(tx, after="", limit=MOST, office_id=None, inactive_too=True)
    held: dict[Any, list[str]] = {person.staff_id: [] for person in found}
    for role in store.list_roles(tx, list(held)):
        held[role.staff_id].append(role.role)
    return [
        {
            **vars(person),
            "office": person.office_name,
            "roles": held[person.staff_id],
            "locked": person.locked_until is not None and person.locked_until > tx.now,
        }
        for person in found
    ]


def _offices(tx: Tx) -> list[dict[str, Any]]:
    found = store.list_offices(tx, closed_too=True, limit=MOST)
    names = {office.office_id: office.name for office in found}
    served: dict[int, list[str]] = {office.office_id: [] for office in found}
    for commune in store.list_served(tx, list(served)):
        served[commune.office_id].append(commune.commune)
    return [
        {
            **vars(office),
            "parent": names.get(office.parent_id or 0),
            "communes": ", ".join(served[office.office_id]),
        }
        for office in found
    ]


def _keys(tx: Tx) -> list[dict[str, Any]]:
    names = {office.office_id: office.name for office in store.list_offices(tx, closed_too=True, limit=MOST)}
    found = store.list_keys(tx, after=FIRST_KEY, limit=MOST, revoked_too=True)
    return [{**vars(key), "office": names.get(key.office_id, "")} for key in found]


def _holidays(tx: Tx) -> list[dict[str, Any]]:
    """This year's days and the next's."""
    found = reference.calendar(tx, dt.date(tx.today.year, 1, 1), dt.date(tx.today.year + 1, 12, 31))
    return [vars(each) for each in found.values()]


def _open_offices(tx: Tx) -> list[dict[str, Any]]:
    return [vars(office) for office in store.list_offices(tx, closed_too=False, limit=MOST)]


Cell = Callable[[dict[str, Any], Language], Any]


def _plain(name: str) -> Cell:
    return lambda row, _: row[name]


def _said(prefix: str, name: str) -> Cell:
    return lambda row, speaks: word(f"{prefix}.{row[name]}", speaks)


def _labels(prefix: str, name: str) -> Cell:
    return lambda row, speaks: [message(f"{prefix}.{each}", {}, speaks).title for each in row[name]]


@dataclass(frozen=True)
class List:
    """One tab: where its rows come from, what its form offers, and the columns of its workbook."""

    rows: Callable[[Tx], list[dict[str, Any]]]
    choices: Callable[[Tx], dict[str, Any]]
    columns: tuple[tuple[str, Cell], ...]
    file: str


LISTS: Final = {
    "staff": List(
        _staff,
        lambda tx: {"offices": _open_offices(tx), "roles": list(ROLES)},
        (
            ("staff.full_name", _plain("full_name")),
            ("account.login", _plain("login")),
            ("staff.office", _plain("office")),
            ("staff.roles", _labels("role", "roles")),
            ("staff.state", lambda row, speaks: word("staff.active" if row["active"] else "staff.inactive", speaks)),
        ),
        "can-bo",
    ),
    "offices": List(
        _offices,
        lambda _: {"kinds": OFFICE_KINDS},
        (
            ("office.name", _plain("name")),
            ("office.code", _plain("code")),
            ("office.kind", _said("office.kind", "kind")),
            ("office.parent", _plain("parent")),
            ("office.communes", _plain("communes")),
            ("valid_from", lambda row, _: day(row["valid_from"])),
        ),
        "don-vi",
    ),
    "keys": List(
        _keys,
        lambda tx: {"offices": _open_offices(tx), "permissions": sorted(KEY_PERMISSIONS)},
        (
            ("key.name", _plain("name")),
            ("staff.office", _plain("office")),
            ("key.permissions", _labels("permission", "permissions")),
            ("key.created", lambda row, _: moment(row["created_at"])),
            ("staff.state", lambda row, speaks: word("key.revoked" if row["revoked_at"] else "key.valid", speaks)),
        ),
        "khoa-dich-vu",
    ),
    "holidays": List(
        _holidays,
        lambda _: {"kinds": ("holiday", "in_lieu", "working_day")},
        (
            ("holiday.on", lambda row, _: day(row["on_date"])),
            ("holiday.name", _plain("name_vi")),
            ("holiday.kind", _said("holiday.kind", "kind")),
            ("holiday.source", _plain("source")),
        ),
        "ngay-nghi",
    ),
}

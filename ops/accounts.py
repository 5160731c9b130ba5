"""Commands of accounts: offices, people and services that may come in; the first of each cannot be made in a page."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

import typer

from landdb.access.add_api_key import add_api_key, revoke_api_key
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.grant_role import grant_role
from landdb.access.issue_password_reset import issue_password_reset
from landdb.db.transaction import SYSTEM
from ops.output import emit
from ops.session import open_database

office_app = typer.Typer(no_args_is_help=True, help="Offices.")
user_app = typer.Typer(no_args_is_help=True, help="Accounts of staff.")
key_app = typer.Typer(no_args_is_help=True, help="Keys of services.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(office_app, name="office")
    app.add_typer(user_app, name="user")
    app.add_typer(key_app, name="api-key")


@office_app.command("add")
def add_office_command(
    code: str,
    name: str,
    kind: Annotated[
        str, typer.Option(help="provincial_office, branch, commune_desk, commune_committee, tax, department")
    ],
    parent: Annotated[int | None, typer.Option(help="id of the office above")] = None,
) -> None:
    """Found an office; prints its id."""
    with open_database() as database, database.begin(SYSTEM) as tx:
        office_id = add_office(tx, code=code, name=name, kind=kind, parent_id=parent)
    emit(False, {}, [str(office_id)])


@user_app.command("add")
def add_user(
    login: str,
    name: Annotated[str, typer.Option(help="full name")],
    office: Annotated[int, typer.Option(help="id of the office")],
    role: Annotated[list[str] | None, typer.Option(help="may be given several times")] = None,
) -> None:
    """Open an account; prints a reset code with which the person sets a password."""
    with open_database() as database, database.begin(SYSTEM) as tx:
        staff_id = add_staff(tx, login=login, full_name=name, office_id=office)
        for one in role or []:
            grant_role(tx, staff_id, one)
        code, until = issue_password_reset(tx, staff_id)
    emit(False, {}, [f"{login}: {code}", until.isoformat()])


@key_app.command("create")
def create_key(
    name: str,
    office: Annotated[int, typer.Option(help="id of the office")],
    permission: Annotated[list[str], typer.Option(help="may be given several times")],
    days: Annotated[int | None, typer.Option(help="days until it expires")] = 365,
) -> None:
    """Make a service key; it is shown once."""
    with open_database() as database, database.begin(SYSTEM) as tx:
        expires = tx.now + dt.timedelta(days=days) if days else None
        key = add_api_key(tx, name=name, permissions=permission, office_id=office, expires_at=expires)
    emit(False, {}, [str(part) for part in (key if isinstance(key, tuple) else (key,))])


@key_app.command("revoke")
def revoke_key(api_key_id: UUID) -> None:
    """End a service key at once."""
    with open_database() as database, database.begin(SYSTEM) as tx:
        revoke_api_key(tx, api_key_id)

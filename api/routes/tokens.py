"""Sign-in of services and scripts, and what a person does with their own account."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.deps import (
    ActorDep,
    DatabaseDep,
    KeysDep,
    TxDep,
    client_address,
    close_session,
    csrf_token,
    open_session,
    permission,
)
from api.guard import SESSION_COOKIE
from landdb.access import store
from landdb.access.change_password import change_password
from landdb.access.issue_token import exchange_key, issue_token
from landdb.access.model import StaffUnknown
from landdb.access.reset_password import reset_password
from landdb.access.sign_out import sign_out_everywhere
from landdb.errors import LandError

router = APIRouter(prefix="/v1", tags=["access"])

Word = Annotated[str, Field(min_length=1, max_length=200)]
NewPassword = Annotated[str, Field(min_length=1, max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(_Body):
    """Login and password of a local account."""

    login: Word
    password: Word


class TokenRequest(_Body):
    """Either login and password, or a service key."""

    login: Word | None = None
    password: Word | None = None
    api_key: Word | None = None

    @model_validator(mode="after")
    def _one_way(self) -> TokenRequest:
        by_person = self.login is not None and self.password is not None
        if by_person == (self.api_key is not None):
            raise ValueError("login and password, or api_key")
        return self


class Token(BaseModel):
    """A bearer token and when it ends; ask for a new one then."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- the scheme of RFC 6750, no secret
    expires_at: dt.datetime


class SignedIn(BaseModel):
    """The session is in the cookie; ``csrf_token`` goes with every unsafe call as ``X-CSRF-Token``."""

    staff_id: UUID
    expires_at: dt.datetime
    must_change_password: bool


class RoleHeld(BaseModel):
    """A role and the office where it holds."""

    role: str
    office_id: int
    office: str


class Account(BaseModel):
    """One's own account."""

    staff_id: UUID
    login: str
    full_name: str
    office_id: int
    office: str
    language: str
    must_change_password: bool
    roles: list[RoleHeld]
    permissions: list[str]
    csrf_token: str


class PasswordChange(_Body):
    """The present password and the new one."""

    old: Word
    new: NewPassword


class PasswordReset(_Body):
    """The one-time code of the administrator and the new password."""

    code: Word
    password: NewPassword


@router.post(
    "/tokens", openapi_extra=permission("session:open", idempotent=False), status_code=201, summary="A bearer token"
)
def create_token(body: TokenRequest, request: Request, database: DatabaseDep, keys: KeysDep) -> Token:
    """Fifteen minutes of access for login and password, or for a service key."""
    with database.begin() as tx:
        outcome = (
            exchange_key(tx, keys, body.api_key)
            if body.api_key is not None
            else issue_token(
                tx, keys, login=body.login or "", password=body.password or "", address=client_address(request)
            )
        )
    if isinstance(outcome, LandError):
        raise outcome
    return Token(access_token=outcome[0], expires_at=outcome[1])


@router.post(
    "/sessions", openapi_extra=permission("session:open", idempotent=False), status_code=201, summary="Sign in (cookie)"
)
def create_session(body: Credentials, request: Request, response: Response) -> SignedIn:
    """Opens a session for pages and sets its cookie."""
    session = open_session(request, response, body.login, body.password)
    return SignedIn(
        staff_id=session.staff_id, expires_at=session.expires_at, must_change_password=session.must_change_password
    )


@router.delete("/sessions/current", openapi_extra=permission("session:own"), status_code=204, summary="Sign out")
def end_session(request: Request, response: Response) -> None:
    """Ends the session of this browser."""
    close_session(request, response)


@router.delete("/sessions", openapi_extra=permission("session:own"), status_code=204, summary="Sign out everywhere")
def end_sessions(tx: TxDep, asking: ActorDep, response: Response) -> None:
    """Ends every session and every token of the person."""
    sign_out_everywhere(tx, _own(asking.staff_id))
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")


@router.get("/account", openapi_extra=permission("session:own"), summary="My account")
def my_account(tx: TxDep, asking: ActorDep, request: Request) -> Account:
    """Who I am here, my roles, and what I may do."""
    person = store.get_staff(tx, _own(asking.staff_id))
    if person is None:
        raise StaffUnknown(staff=str(asking.staff_id))
    return Account(
        staff_id=person.staff_id,
        login=person.login,
        full_name=person.full_name,
        office_id=person.office_id,
        office=person.office_name,
        language=person.language,
        must_change_password=person.must_change_password,
        roles=[
            RoleHeld(role=held.role, office_id=held.office_id, office=held.office_name)
            for held in store.list_roles(tx, [person.staff_id])
        ],
        permissions=sorted(asking.permissions),
        csrf_token=csrf_token(request),
    )


@router.put(
    "/account/password",
    openapi_extra=permission("session:own", idempotent=False),
    status_code=204,
    summary="Change my password",
)
def change_my_password(
    body: PasswordChange, request: Request, response: Response, database: DatabaseDep, asking: ActorDep
) -> None:
    """Every session ends, this one too: sign in again with the new password."""
    with database.begin(asking) as tx:
        refusal = change_password(
            tx, _own(asking.staff_id), old=body.old, new=body.new, address=client_address(request)
        )
    if refusal is not None:
        raise refusal
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")


@router.post(
    "/password-resets",
    openapi_extra=permission("session:open", idempotent=False),
    status_code=204,
    summary="Set a new password with a code",
)
def use_reset_code(body: PasswordReset, request: Request, tx: TxDep) -> None:
    """The code comes from an administrator and works once within a day."""
    reset_password(tx, code=body.code, password=body.password, address=client_address(request))


def _own(staff_id: UUID | None) -> UUID:
    """The person asking. Only staff hold ``session:own``."""
    assert staff_id is not None
    return staff_id

"""Sign-in, sign-out and passwords for people. What is right or wrong about them is decided in ``landdb.access``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.deps import DatabaseDep, actor, client_address, close_session, open_session, permission
from api.guard import SESSION_COOKIE
from api.pages import wording
from api.pages.frame import local_path, problem_text, render
from api.problems import language, status_of
from landdb.access.change_password import change_password
from landdb.access.reset_password import reset_password
from landdb.errors import LandError

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=500)]
OPEN = permission("session:open", idempotent=False)
OWN = permission("session:own", idempotent=False)
DONE = {"changed": "account.changed", "out": "account.signed_out"}


@router.get("/sign-in", openapi_extra=permission("page:public"))
def sign_in_form(request: Request, next: str = "/", done: str = "") -> Response:  # noqa: A002 - seen in the address
    """The form; who is signed in already goes on."""
    if actor(request).kind == "staff":
        return RedirectResponse(local_path(next), 303)
    return render(request, "account/sign_in.html", fault=None, done=DONE.get(done), next=local_path(next), login="")


@router.post("/sign-in", openapi_extra=OPEN)
def sign_in(
    request: Request,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Text = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - the form's field
) -> Response:
    """Opens the session and goes on to where the person wanted to be."""
    onward = RedirectResponse(local_path(next), 303)
    try:
        session = open_session(request, onward, login, password)
    except LandError as refused:
        fault = problem_text(refused, language(request))
        return render(
            request,
            "account/sign_in.html",
            status=status_of(refused),
            fault=fault,
            done=None,
            next=local_path(next),
            login=login,
        )
    if session.must_change_password:
        onward.headers["location"] = "/password"
    return onward


@router.post("/sign-out", openapi_extra=OWN)
def sign_out(request: Request) -> Response:
    """Ends the session on the server and in the browser."""
    onward = RedirectResponse("/sign-in?done=out", 303)
    close_session(request, onward)
    return onward


@router.get("/password", openapi_extra=OWN)
def password_form(request: Request) -> HTMLResponse:
    """Change one's own password."""
    must = bool(getattr(request.state.identity, "must_change_password", False))
    return render(request, "account/password.html", by_code=False, must=must, fault=None, login="")


@router.post("/password", openapi_extra=OWN)
def save_password(
    request: Request, database: DatabaseDep, current: Text = "", new: Text = "", again: Text = ""
) -> Response:
    """Every session ends, so the person signs in anew with the new password."""
    refused = _unlike(request, new, again)
    if refused is None:
        asking = actor(request)
        assert asking.staff_id is not None  # only staff hold session:own
        try:
            with database.begin(asking) as tx:
                wrong = change_password(tx, asking.staff_id, old=current, new=new, address=client_address(request))
        except LandError as error:
            wrong = error
        refused = problem_text(wrong, language(request)) if wrong else None
    if refused:
        return render(request, "account/password.html", status=422, by_code=False, must=False, fault=refused, login="")
    onward = RedirectResponse("/sign-in?done=changed", 303)
    onward.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return onward


@router.get("/password/reset", openapi_extra=permission("page:public"))
def reset_form(request: Request) -> HTMLResponse:
    """Set a new password with an administrator's code."""
    return render(request, "account/password.html", by_code=True, must=False, fault=None, login="")


@router.post("/password/reset", openapi_extra=OPEN)
def save_reset(request: Request, database: DatabaseDep, code: Text = "", new: Text = "", again: Text = "") -> Response:
    """The code works once."""
    refused = _unlike(request, new, again)
    if refused is None:
        try:
            with database.begin() as tx:
                reset_password(tx, code=code, password=new, address=client_address(request))
        except LandError as error:
            refused = problem_text(error, language(request))
    if refused:
        return render(request, "account/password.html", status=422, by_code=True, must=False, fault=refused, login="")
    return RedirectResponse("/sign-in?done=changed", 303)


def _unlike(request: Request, new: str, again: str) -> dict[str, str] | None:
    """The refusal of two entries that differ; null where they agree."""
    if new == again:
        return None
    speaks = language(request)
    return {
        "code": "account.not_same",
        "title": wording.word("account.not_same", speaks),
        "detail": "",
        "action": wording.word("account.not_same_step", speaks),
    }

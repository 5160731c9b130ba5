"""Pages for citizens: fill in a form online, and ask how a dossier stands. No account; one column; works on a cheap phone.

The form is drawn from the layout of its version, and so are its review and the places of its faults; another form is another
row of data. Asking for a status needs no script.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from api.deps import DatabaseDep, KeysDep, TxDep, permission
from api.pages.frame import problem_text, render
from api.problems import language, status_of
from api.routes.forms import find_status
from landdb.db.transaction import Tx
from landdb.errors import LandError
from landdb.messages import Language
from landdb.service import store
from landdb.service.model import FormVersion, StatusNotFound

router = APIRouter(include_in_schema=False)

PAGE = permission("page:public")
SHORTEST_FACT = 6


@router.get("/forms", openapi_extra=PAGE)
def list_forms(request: Request, tx: TxDep) -> HTMLResponse:
    """What can be sent in online."""
    return render(request, "service/forms.html", forms=offered(tx, language(request)))


def offered(tx: Tx, speaks: Language) -> list[dict[str, str]]:
    """The forms in force, by title and address."""
    return [
        {"title": form.layout["title"][speaks], "href": f"/forms/{form.procedure_code}"}
        for form in store.list_forms(tx, tx.today)
    ]


@router.get("/forms/{procedure}", openapi_extra=PAGE)
def form_page(request: Request, tx: TxDep, procedure: str) -> HTMLResponse:
    """One form: filled from the register, completed by the person, looked over, sent."""
    form = store.get_form(tx, procedure, tx.today)
    settings = request.app.state.settings
    return render(
        request,
        "service/form.html",
        form=form,
        sections=drawn(form, store.list_served_communes(tx), language(request)),
        prefill_open=settings.env == "demo" or settings.prefill_open,
        # Made with the form, so that a double click, a retry and the back button are one application (custody.md F27).
        form_data={"procedure": procedure, "version": form.version_no, "key": secrets.token_urlsafe(24)},
    )


def drawn(form: FormVersion, communes: list[store.ServedCommune], speaks: Language) -> list[dict[str, Any]]:
    """The layout's sections with what the template needs of each field."""
    named = [{"value": commune.code, "label": commune.full_name} for commune in communes]
    return [
        {
            "id": section["id"],
            "title": section["title"][speaks],
            "help": section.get("help", {}).get(speaks, ""),
            "fields": [_drawn_field(form, field, named, speaks) for field in section["fields"]],
        }
        for section in form.layout["sections"]
    ]


def _drawn_field(
    form: FormVersion, field: dict[str, Any], communes: list[dict[str, str]], speaks: Language
) -> dict[str, Any]:
    options = [{"value": each["value"], "label": each["label"][speaks]} for each in field.get("options", ())]
    widget = field["widget"]
    if widget == "commune":
        widget, options = ("select" if communes else "text"), communes
    return {
        "id": "f" + field["pointer"].replace("/", "-"),
        "pointer": field["pointer"],
        "label": field["label"][speaks],
        "help": field.get("help", {}).get(speaks, ""),
        "widget": widget,
        "options": options,
        "required": is_required(form, field["pointer"]),
        "autocomplete": field.get("autocomplete", "off"),
    }


def is_required(form: FormVersion, pointer: str) -> bool:
    """Whether the form cannot do without the field: itself and every group above it are required."""
    schema: Any = form.schema
    for name in pointer.strip("/").split("/"):
        if name not in schema.get("required", ()):
            return False
        schema = schema["properties"][name]
    return True


@router.get("/dossier-status", openapi_extra=PAGE)
def status_form(request: Request) -> HTMLResponse:
    """Where to ask."""
    return render(request, "service/status.html", found=None, fault=None, code="")


@router.post("/dossier-status", openapi_extra=permission("page:public", idempotent=False))
def status_page(
    request: Request,
    database: DatabaseDep,
    keys: KeysDep,
    code: Annotated[str, Form(max_length=200)] = "",
    second_fact: Annotated[str, Form(max_length=200)] = "",
) -> HTMLResponse:
    """How the dossier stands, or the one answer for whatever does not agree."""
    found, fault, status = None, None, 200
    try:
        if len(second_fact.strip()) < SHORTEST_FACT:
            raise StatusNotFound()
        found = find_status(request, database, keys, code, second_fact)
    except LandError as refused:
        fault, status = problem_text(refused, language(request)), status_of(refused)
    return render(request, "service/status.html", status=status, found=found, fault=fault, code=code.strip())

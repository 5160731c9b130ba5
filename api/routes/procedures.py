"""Procedures as anybody may read them: their stages, steps, papers and limits on a day."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.deps import TxDep, language, permission
from api.reply import Format, as_workbook, reply, shown, wants_workbook
from landdb.messages import Language
from landdb.reference import store
from landdb.reference.procedure import Procedure

router = APIRouter(prefix="/v1/procedures", tags=["procedures"])

On = Annotated[
    dt.date | None,
    Query(description="day in Vietnam on which it is the law; not given: today", examples=["2026-11-22"]),
]

_SHORT: dict[str, Any] = {
    "code": "1.012784",
    "name": "Tách thửa hoặc hợp thửa đất",
    "province_code": "",
    "limit_working_hours": 120,
    "limit_source": "NĐ 101/2024 Đ22",
    "set_by_office": False,
    "change_code": None,
    "needs_registration": True,
    "confirmed": True,
    "source": "QĐ 2304/QĐ-BNNMT",
    "links": {"self": "/v1/procedures/1.012784"},
}
_WHOLE: dict[str, Any] = {
    **_SHORT,
    "stages": [
        {
            "stage": "received",
            "name": "Đã tiếp nhận",
            "national_status": 2,
            "limit_working_hours": 4,
            "pause_reason": None,
            "is_first": True,
            "is_last": False,
        }
    ],
    "steps": [
        {
            "from_stage": "received",
            "action": "take_up",
            "to_stage": "in_process",
            "name": "Thụ lý",
            "duty": "dossier:work",
            "office_kinds": ["branch"],
            "needs_reason": False,
            "needs_papers": [],
            "needs_signature": False,
        }
    ],
    "papers": [{"paper_no": 1, "doc_type": "DON", "name": "Đơn đề nghị (Mẫu số 21)", "required": True, "copies": 1}],
}


def named(thing: Any, tongue: Language) -> str:
    """The name of a row of reference data in the reader's language."""
    name: str = thing.name_en if tongue == "en" else thing.name_vi
    return name


def short(procedure: Procedure, tongue: Language) -> dict[str, Any]:
    """One line of the list. ``set_by_office``: the code or the limit has no legal source yet."""
    return {
        "code": procedure.code,
        "name": named(procedure, tongue),
        "province_code": procedure.province_code,
        "limit_working_hours": procedure.limit_working_hours,
        "limit_source": procedure.limit_source,
        "set_by_office": procedure.has_local_code or procedure.limit_working_hours is None,
        "change_code": procedure.change_code,
        "needs_registration": procedure.needs_registration,
        "confirmed": procedure.confirmed,
        "source": procedure.source,
        "links": {"self": f"/v1/procedures/{procedure.code}"},
    }


def whole_of(procedure: Procedure, tongue: Language) -> dict[str, Any]:
    """The whole procedure."""
    return short(procedure, tongue) | {
        "stages": [
            {
                "stage": stage.stage,
                "name": named(stage, tongue),
                "national_status": stage.national_status,
                "limit_working_hours": stage.limit_working_hours,
                "pause_reason": stage.pause_reason,
                "is_first": stage.is_first,
                "is_last": stage.is_last,
            }
            for stage in procedure.stages.values()
        ],
        "steps": [
            {
                "from_stage": step.from_stage,
                "action": step.action,
                "to_stage": step.to_stage,
                "name": named(step, tongue),
                "duty": step.duty,
                "office_kinds": list(step.office_kinds),
                "needs_reason": step.needs_reason,
                "needs_papers": list(step.needs_papers),
                "needs_signature": step.needs_signature,
            }
            for step in procedure.steps
        ],
        "papers": [
            {
                "paper_no": paper.paper_no,
                "doc_type": paper.doc_type,
                "name": named(paper, tongue),
                "required": paper.required,
                "copies": paper.copies,
            }
            for paper in procedure.papers
        ],
    }


@router.get(
    "",
    openapi_extra=permission("service:form"),
    responses=shown({"procedures": [_SHORT], "next": None}, xlsx=True),
    summary="Procedures in force",
)
def list_procedures(request: Request, tx: TxDep, on: On = None, format: Format = None) -> Response:  # noqa: A002 - a name of the interface
    """All procedures of the day, by code; some dozens, so in one page."""
    found = [short(each, language(request)) for each in store.list_procedures(tx, on or tx.today)]
    if wants_workbook(request, format):
        head = [name for name in _SHORT if name != "links"]
        return as_workbook("thu-tuc.xlsx", head, [[row[name] for name in head] for row in found])
    return reply({"procedures": found, "next": None})


@router.get(
    "/{code}", openapi_extra=permission("service:form"), responses=shown(_WHOLE), summary="One procedure in force"
)
def get_procedure(
    request: Request,
    tx: TxDep,
    code: Annotated[str, Path(max_length=40, description="national code (TTHC) or ours", examples=["1.012784"])],
    on: On = None,
    province: Annotated[str | None, Query(max_length=2, description="code; not given: this register's own")] = None,
) -> Response:
    """Its stages, the steps between them, the papers to bring, the limits with their source."""
    asked = request.app.state.settings.province if province is None else province
    return reply(whole_of(store.get_procedure(tx, code, on or tx.today, asked), language(request)))


__all__ = ["named", "router", "short", "whole_of"]

"""The search box over HTTP: one question, all candidates."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from api.deps import TxDep, permission
from api.workbook import XLSX, download, workbook
from landdb.views.search import LIMIT, Answer, search

router = APIRouter(tags=["search"])


class Candidate(BaseModel):
    """One thing that the text may mean. ``point`` is [lon, lat], ``bbox`` [west, south, east, north]."""

    kind: Literal["parcel", "certificate", "place", "coordinate"]
    label: str
    detail: str
    parcel_id: UUID | None = None
    point: tuple[float, float] | None = None
    bbox: tuple[float, float, float, float] | None = None


class Notice(BaseModel):
    """Something to know of the answer: nothing found, several meant, sign in first."""

    code: str
    title: str
    detail: str
    action: str


class SearchAnswer(BaseModel):
    """All candidates, the likeliest first; ``kind`` is what the text was read as."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "query": "thửa 45 tờ 12 Đại Tâm",
                    "kind": "parcel",
                    "results": [
                        {
                            "kind": "parcel",
                            "label": "Thửa 45, tờ 12, Xã Đại Tâm",
                            "detail": "ONT · 730,5 m² · nay thuộc Phường Mỹ Xuyên",
                            "parcel_id": "0198c1f2-7d3a-7c11-9a55-1b2f0d3e4a5b",
                            "point": [105.9701, 9.6001],
                            "bbox": [105.97, 9.6, 105.9703, 9.6002],
                        }
                    ],
                    "notices": [],
                }
            ]
        }
    )

    query: str
    kind: Literal["parcel", "certificate", "place", "coordinate"]
    results: list[Candidate]
    notices: list[Notice]


@router.get(
    "/v1/search",
    openapi_extra=permission("parcel:read"),
    response_model=SearchAnswer,
    responses={200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}},
    summary="One box for everything",
)
def get_search(
    tx: TxDep,
    q: Annotated[
        str,
        Query(
            description="sheet and parcel with a place, certificate serial or register number, QR text, coordinates in any"
            " zone, a place; with or without diacritics",
            examples=["thửa 45 tờ 12 Đại Tâm"],
        ),
    ],
    limit: Annotated[int, Query(ge=1, description=f"at most this many; above {LIMIT}: {LIMIT}")] = LIMIT,
    format: Annotated[Literal["json", "xlsx"], Query()] = "json",  # noqa: A002 - a name of the interface
) -> Any:
    """Ambiguous text answers with every candidate. Certificates are looked up for callers who may read cards."""
    answer: Answer = search(tx, q, min(limit, LIMIT))
    if format == "xlsx":
        head = ("kind", "label", "detail", "parcel_id", "lon", "lat")
        rows = [
            [each.kind, each.label, each.detail, each.parcel_id, *(each.point or (None, None))]
            for each in answer.results
        ]
        return download(workbook(head, rows), "tim-kiem.xlsx")
    return answer

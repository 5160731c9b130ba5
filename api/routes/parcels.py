"""Parcels over HTTP: one, some, and what lies around and behind them.

The plain present questions are answered by the reading lane (``api.reading``) before they come here; these routes declare
them, answer the same by the ordinary road, and refuse what is wrong.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.deps import TxDep, permission
from api.workbook import XLSX, download, workbook
from landdb.db.transaction import Tx
from landdb.messages import Language, message
from landdb.views import parcels_at, reading
from landdb.views.history import Lineage, Version, history, lineage
from landdb.views.neighbours import TOLERANCE_M, Neighbour, neighbours
from landdb.views.parcel_card import Card, parcel_card
from landdb.views.parcel_query import (
    MAX_LIMIT,
    AsOf,
    QuestionMissing,
    read_after,
    read_as_of,
    read_box,
    read_id,
    read_limit,
    read_point,
)
from landdb.views.parcels_at import LONLAT, Page

router = APIRouter(tags=["parcels"])

GEOJSON: Final = reading.GEOJSON
_ID: Final = "0198c1f2-7d3a-7c11-9a55-1b2f0d3e4a5b"
_FEATURE: Final[dict[str, Any]] = {
    "type": "Feature",
    "id": _ID,
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[105.97, 9.6], [105.9703, 9.6], [105.9703, 9.6002], [105.97, 9.6002], [105.97, 9.6]]],
    },
    "properties": {
        "parcel_id": _ID,
        "commune_code": "31690",
        "commune": "Đại Tâm",
        "sheet_no": "12",
        "parcel_no": "45",
        "land_use": [{"code": "ONT", "area_m2": 120.0}, {"code": "CLN", "area_m2": 610.5}],
        "declared_area_m2": 730.5,
        "measured_area_m2": 731.2,
        "legal_area_m2": None,
        "version_no": 1,
        "srid": 9209,
    },
}
_COLLECTION: Final[dict[str, Any]] = {
    "type": "FeatureCollection",
    "numberReturned": 1,
    "links": [{"rel": "self", "type": GEOJSON, "href": "/v1/parcels?at=105.9701,9.6001&limit=100"}],
    "features": [_FEATURE],
}


def _geojson(example: dict[str, Any], *, table: bool = False) -> dict[int | str, dict[str, Any]]:
    """The documented answers: GeoJSON with an example, XLSX where offered, and "not changed"."""
    content: dict[str, Any] = {GEOJSON: {"schema": {"type": "object"}, "example": example}}
    if table:
        content[XLSX] = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {"description": "GeoJSON, lon/lat unless `crs` names a zone", "content": content},
        304: {"description": "not changed since the `ETag` sent in `If-None-Match`"},
    }


ParcelId = Annotated[str, Path(description="the register's UUID of the parcel", examples=[_ID])]
ValidAt = Annotated[
    str | None, Query(description="day in Vietnam on which it held; not given: today", examples=["2026-01-31"])
]
KnownAt = Annotated[
    str | None,
    Query(description="instant at which the register knew it; not given: now", examples=["2026-01-31T08:00:00+07:00"]),
]
Crs = Annotated[str | None, Query(description="EPSG code of the geometry; not given: lon/lat", examples=["9209"])]
Format = Annotated[Literal["json", "xlsx"], Query(description="`xlsx`: the same list as a workbook")]


@router.get(
    "/v1/parcels/{parcel_id}",
    openapi_extra=permission("parcel:read"),
    responses=_geojson(_FEATURE),
    response_class=Response,
    summary="One parcel as a GeoJSON Feature",
)
def get_parcel(
    tx: TxDep, parcel_id: ParcelId, valid_at: ValidAt = None, known_at: KnownAt = None, crs: Crs = None
) -> Response:
    """Geometry, references, land uses and areas; never a holder. With `valid_at` or `known_at`: as it was then."""
    key = read_id(parcel_id)
    if (valid_at, known_at, crs) == (None, None, None):
        body = reading.read_present(tx, reading.parcel(key))
        if body is None:
            parcels_at.refuse_missing(tx, key)
        return Response(body, media_type=GEOJSON)
    srid = parcels_at.zone_of(tx, crs)
    feature = parcels_at.by_id(tx, key, _as_of(tx, valid_at, known_at), srid)
    body = json.dumps(feature, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, media_type=GEOJSON, headers=_crs_header(srid))


class ParcelsAsked(BaseModel):
    """Which parcels, when, in which zone, how many."""

    bbox: str | None = Field(
        None,
        description="west,south,east,north in degrees (six numbers: heights are not used)",
        examples=["105.9,9.5,106,9.6"],
    )
    at: str | None = Field(None, description="lon,lat in degrees", examples=["105.9701,9.6001"])
    commune: str | None = Field(None, description="code of a commune, today's or a former one's", examples=["31690"])
    sheet: str | None = Field(None, description="sheet number (số tờ), with `commune`", examples=["12"])
    parcel: str | None = Field(None, description="parcel number (số thửa), with `commune`", examples=["45"])
    valid_at: ValidAt = None
    known_at: KnownAt = None
    crs: Crs = None
    limit: int | None = Field(None, ge=1, description=f"at most this many; above {MAX_LIMIT}: {MAX_LIMIT}")
    after: str | None = Field(None, description="key of the last one of the page before (its `next` link has it)")
    format: Format = "json"

    @property
    def is_plain(self) -> bool:
        """Whether the present register in lon/lat is asked, as GeoJSON."""
        return (self.valid_at, self.known_at, self.crs, self.format) == (None, None, None, "json")


@router.get(
    "/v1/parcels",
    openapi_extra=permission("parcel:read"),
    responses=_geojson(_COLLECTION, table=True),
    response_class=Response,
    summary="Parcels by box, point or number",
)
def list_parcels(tx: TxDep, asked: Annotated[ParcelsAsked, Query()]) -> Response:
    """Exactly one of `bbox`, `at`, `commune`. By key, with a `next` link while there are more."""
    question = _Question(asked)
    most, key = read_limit(asked.limit), read_after(asked.after)
    if asked.is_plain:
        return Response(reading.read_present(tx, question.present(most, key)), media_type=GEOJSON)
    srid = parcels_at.zone_of(tx, asked.crs)
    page = question.then(tx, _as_of(tx, asked.valid_at, asked.known_at), srid, most, key)
    if asked.format == "xlsx":
        return download(_table(tx, page), "thua-dat.xlsx")
    body = parcels_at.collection(page, _links(asked, most, page.last), srid)
    return Response(body, media_type=GEOJSON, headers=_crs_header(srid))


class _Question:
    """What the parameters ask: a box, a point, or numbers. Raises: ``QuestionMissing``."""

    def __init__(self, asked: ParcelsAsked) -> None:
        ways = sum(each is not None for each in (asked.bbox, asked.at, asked.commune))
        if ways != 1 or (asked.commune is None and (asked.sheet or asked.parcel)):
            raise QuestionMissing()
        self.box = read_box(asked.bbox) if asked.bbox is not None else None
        self.point = read_point(asked.at) if asked.at is not None else None
        self.commune = asked.commune or ""
        self.sheet = asked.sheet
        self.parcel = asked.parcel

    def present(self, limit: int, after: UUID) -> reading.Reading:
        if self.box is not None:
            return reading.in_box(self.box, limit, after)
        if self.point is not None:
            return reading.at_point(*self.point, limit, after)
        return reading.by_number(self.commune, self.sheet, self.parcel, limit, after)

    def then(self, tx: Tx, as_of: AsOf, srid: int, limit: int, after: UUID) -> Page:
        if self.box is not None:
            return parcels_at.in_box(tx, self.box, as_of, srid, limit, after)
        if self.point is not None:
            return parcels_at.at_point(tx, *self.point, as_of, srid, limit, after)
        return parcels_at.by_number(tx, self.commune, self.sheet, self.parcel, as_of, srid, limit, after)


class NeighbourList(BaseModel):
    """The parcels that touch one, longest common boundary first."""

    parcel_id: UUID
    tolerance_m: float
    neighbours: list[Neighbour]


@router.get(
    "/v1/parcels/{parcel_id}/neighbours",
    openapi_extra=permission("parcel:read"),
    response_model=NeighbourList,
    responses={200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}},
    summary="The parcels beside one, with the metres of common boundary",
)
def list_neighbours(tx: TxDep, parcel_id: ParcelId, format: Format = "json") -> Any:  # noqa: A002
    """`shared_m` is measured in the storage zone; 0 means that they meet in a corner."""
    found = neighbours(tx, read_id(parcel_id))
    if format == "xlsx":
        names = ("commune", "sheet_no", "parcel_no", "land_use", "area_m2", "shared_m", "parcel_id")
        return download(
            _workbook(tx, names, [[getattr(each, name) for name in names] for each in found]), "giap-ranh.xlsx"
        )
    return NeighbourList(parcel_id=read_id(parcel_id), tolerance_m=TOLERANCE_M, neighbours=found)


class History(BaseModel):
    """Every version of a parcel, the one in force first."""

    parcel_id: UUID
    versions: list[Version]


@router.get(
    "/v1/parcels/{parcel_id}/history",
    openapi_extra=permission("parcel:read"),
    response_model=History,
    responses={200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}},
    summary="Every version of a parcel on both clocks",
)
def list_history(tx: TxDep, parcel_id: ParcelId, format: Format = "json") -> Any:  # noqa: A002
    """Each version with the days on which it held, the instants at which the register knew, and the registration."""
    versions = history(tx, read_id(parcel_id))
    if format == "xlsx":
        names = (
            "version_no", "commune", "sheet_no", "parcel_no", "declared_area_m2", "measured_area_m2", "legal_area_m2",
            "valid_from", "valid_to", "recorded_from", "recorded_to",
        )  # fmt: skip
        rows = [[*(getattr(each, name) for name in names), each.made.kind, each.made.office] for each in versions]
        return download(_workbook(tx, (*names, "registration", "office"), rows), "lich-su-thua.xlsx")
    return History(parcel_id=read_id(parcel_id), versions=versions)


@router.get(
    "/v1/parcels/{parcel_id}/lineage",
    openapi_extra=permission("parcel:read"),
    response_model=Lineage,
    summary="Where a parcel came from and what came of it",
)
def get_lineage(tx: TxDep, parcel_id: ParcelId) -> Lineage:
    """A graph: the parcels of the family, and the steps from parent to child."""
    return lineage(tx, read_id(parcel_id))


@router.get(
    "/v1/parcels/{parcel_id}/card",
    openapi_extra=permission("parcel:card"),
    response_model=Card,
    summary="All that an officer asks about one parcel",
)
def get_card(tx: TxDep, parcel_id: ParcelId) -> Card:
    """Restrictions first; then land uses, rights with their holders, certificates, names of all times, neighbours, past."""
    return parcel_card(tx, read_id(parcel_id))


def _as_of(tx: Tx, valid_at: str | None, known_at: str | None) -> AsOf:
    return read_as_of(valid_at, known_at, now=tx.now, today=tx.today)


def _crs_header(srid: int) -> dict[str, str]:
    uri = "OGC/1.3/CRS84" if srid == LONLAT else f"EPSG/0/{srid}"
    return {"Content-Crs": f"<http://www.opengis.net/def/crs/{uri}>"}


def _links(asked: ParcelsAsked, most: int, last: UUID | None) -> list[dict[str, str]]:
    given = asked.model_dump(exclude_none=True, exclude={"format", "limit", "after"}) | {"limit": most}

    def link(rel: str, key: str | None) -> dict[str, str]:
        query = urlencode(given | ({"after": key} if key else {}))
        return {"rel": rel, "type": GEOJSON, "href": f"/v1/parcels?{query}"}

    return [link("self", asked.after), *([link("next", str(last))] if last else [])]


def _table(tx: Tx, page: Page) -> bytes:
    names = (
        "commune_code", "commune", "sheet_no", "parcel_no", "land_use", "declared_area_m2", "measured_area_m2",
        "legal_area_m2", "parcel_id",
    )  # fmt: skip
    rows = [[_cell(feature["properties"][name]) for name in names] for feature in page.features]
    return _workbook(tx, names, rows)


def _cell(value: Any) -> Any:
    return "+".join(use["code"] for use in value) if isinstance(value, list) else value


def _workbook(tx: Tx, names: tuple[str, ...], rows: list[list[Any]]) -> bytes:
    language: Language = "en" if tx.actor.language == "en" else "vi"
    return workbook([message(f"parcel.column.{name}", {}, language).title for name in names], rows)

"""The map, and the parcel card beside it: a fragment for the map's panel, a page of its own without a script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.deps import TxDep, actor, permission
from api.pages import wording
from api.pages.frame import render
from api.problems import language
from landdb.access.permissions import allows
from landdb.db.transaction import Tx
from landdb.errors import NotFound
from landdb.messages import LANGUAGES, Language, catalogue
from landdb.reference.store import land_use_codes
from landdb.views import parcels_at
from landdb.views.history import Version, history
from landdb.views.neighbours import Neighbour, neighbours
from landdb.views.parcel_card import Card, parcel_card
from landdb.views.parcel_query import read_as_of, read_id

router = APIRouter(include_in_schema=False)

MAX_CORNERS: Final = 200


@router.get("/map", openapi_extra=permission("page:public"))
def map_page(request: Request, tx: TxDep, parcel: str = "", at: str = "", bbox: str = "") -> HTMLResponse:
    """The map. ``parcel``, ``at`` and ``bbox`` are read by the page's script: an address that can be passed on."""
    names = _land_use_names(tx, language(request))
    legend = [{"code": code, "name": names.get(code, "")} for code in wording.LAND_USE_COLOURS]
    return render(request, "map.html", legend=legend)


@router.get("/parcels/{parcel_id}", openapi_extra=permission("page:public"))
def parcel_page(request: Request, tx: TxDep, parcel_id: str, part: str = "") -> HTMLResponse:
    """One parcel, as far as the caller may see it; ``part=card``: only the card, for the map's panel."""
    key, speaks = read_id(parcel_id), language(request)
    card = officer_card(tx, key, speaks) if allows(actor(request), "parcel:card") else public_card(tx, key, speaks)
    return render(request, "parcel/card.html" if part == "card" else "parcel/page.html", card=card)


def officer_card(tx: Tx, parcel_id: UUID, speaks: Language) -> dict[str, Any]:
    """The card with restrictions, holders and certificates."""
    found = parcel_card(tx, parcel_id)
    parcel = found.parcel
    return {
        "parcel_id": str(parcel_id),
        "parcel_no": parcel["parcel_no"],
        "sheet_no": parcel["sheet_no"],
        "unit": parcel["commune"],
        "drawn_for": parcel["drawn_commune"],
        "address": parcel["address"],
        "ended": parcel["status"] != "in_force",
        "declared_area_m2": parcel["declared_area_m2"],
        "measured_area_m2": parcel["measured_area_m2"],
        "legal_area_m2": parcel["legal_area_m2"],
        "land_use": [{**use, "name": use["name_en" if speaks == "en" else "name_vi"]} for use in found.land_uses],
        "bbox": parcel["bbox"],
        "geometry": parcel["geometry"],
        "may_see_people": True,
        "restrictions": [{"label": each["content"], "detail": each["source_text"]} for each in found.restrictions],
        "holders": list(_holders(found, speaks)),
        "certificates": found.certificates,
        "references": [
            {**each, "unit": each["commune"] or ""} for each in found.references if each["kind"] != "current"
        ],
        "neighbours": _beside(found.neighbours),
        "history": _past(found.history, speaks),
        **_corners(tx, parcel_id, parcel["srid"]),
    }


def public_card(tx: Tx, parcel_id: UUID, speaks: Language) -> dict[str, Any]:
    """What anybody may see: geometry, references, land use, areas; neighbours and the shapes of the past."""
    now = read_as_of(None, None, now=tx.now, today=tx.today)
    feature = parcels_at.by_id(tx, parcel_id, now)
    facts = feature["properties"]
    names = _land_use_names(tx, speaks)
    return {
        **{name: facts.get(name) for name in _PUBLIC_FACTS},
        "parcel_id": str(parcel_id),
        "unit": facts["commune"],
        "drawn_for": facts["commune"],
        "ended": False,
        "geometry": feature["geometry"],
        "land_use": [{**use, "name": names.get(use["code"], "")} for use in facts["land_use"] or []],
        "may_see_people": False,
        "neighbours": _beside(neighbours(tx, parcel_id)),
        "history": _past(history(tx, parcel_id), speaks),
        **_corners(tx, parcel_id, facts["srid"]),
    }


_PUBLIC_FACTS: Final = ("parcel_no", "sheet_no", "declared_area_m2", "measured_area_m2", "legal_area_m2")


def _land_use_names(tx: Tx, speaks: Language) -> dict[str, str]:
    return {
        code: (use.name_en or use.name_vi) if speaks == "en" else use.name_vi
        for code, use in land_use_codes(tx).items()
    }


def _holders(card: Card, speaks: Language) -> Iterable[dict[str, str]]:
    """Each holder once, with the share where there are shares; said as a claim where nobody has matched it with papers."""
    for right in card.rights:
        for holder in right["holders"]:
            share = ""
            if holder["share_numerator"] and holder["share_denominator"] != 1:
                share = f"{holder['share_numerator']}/{holder['share_denominator']}"
            notes = [holder["address"] or ""]
            if holder["undecided"]:
                notes.append(wording.word("parcel.claim", speaks))
            yield {"name": holder["name"] or "–", "share": share, "detail": " · ".join(note for note in notes if note)}


def _beside(found: Sequence[Neighbour]) -> list[dict[str, str]]:
    return [{"parcel_id": str(n.parcel_id), "parcel_no": n.parcel_no, "sheet_no": n.sheet_no} for n in found]


def _past(versions: Sequence[Version], speaks: Language) -> list[dict[str, Any]]:
    """The versions as a row of small maps, the oldest first."""
    return [
        {
            "version_no": version.version_no,
            "parcel_no": version.parcel_no,
            "geometry": version.geometry,
            "measured_area_m2": version.measured_area_m2,
            "valid_from": version.valid_from,
            "act": _act_name(version.made.kind, speaks),
            "recorded_at": version.made.recorded_at,
            "current": version.in_force,
        }
        for version in sorted(versions, key=lambda each: each.version_no)
    ]


def _act_name(kind: str, speaks: Language) -> str:
    text = catalogue(speaks if speaks in LANGUAGES else "vi").get(f"pages.act.{kind}")
    return text.title if text else ""


def _corners(tx: Tx, parcel_id: UUID, srid: int) -> dict[str, Any]:
    """The corners of the outer boundary in the sheet's own zone: X north, Y east, metres, as on an extract."""
    now = read_as_of(None, None, now=tx.now, today=tx.today)
    try:
        shape = parcels_at.by_id(tx, parcel_id, now, srid)["geometry"]
    except NotFound:  # an ended parcel has no corners in force
        return {"corners": [], "srid": srid}
    ring = shape["coordinates"][0][0] if shape["type"] == "MultiPolygon" else shape["coordinates"][0]
    if len(ring) > MAX_CORNERS:
        return {"corners": [], "srid": srid}
    corners = [{"x": here[1], "y": here[0], "edge_m": math.dist(here[:2], there[:2])} for here, there in pairwise(ring)]
    return {"corners": corners, "srid": srid}

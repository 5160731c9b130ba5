"""The pages' map: our layers on a paper-white ground, with the letters that only a page can draw, and where to begin.

The style names no glyphs: MapLibre then draws text with the page's own fonts, in which every Vietnamese letter is right.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.deps import TxDep, permission
from api.pages.wording import LAND_USE_COLOURS, OTHER_COLOUR
from landdb.access import store as access
from landdb.db.transaction import Tx
from landdb.reference import store as reference

router = APIRouter(include_in_schema=False)

PAPER: Final = "#faf8f3"
INK: Final = "#1c2421"
WATER: Final = ["canal", "river"]
FONT: Final = ["Noto Sans"]
FONT_BOLD: Final = ["Noto Sans Bold"]
POLYGON: Final = ["==", ["geometry-type"], "Polygon"]
LINE: Final = ["==", ["geometry-type"], "LineString"]
WHOLE_COUNTRY: Final = [102.1, 8.3, 109.6, 23.4]
TILE_MAX_ZOOM: Final = 17


@router.get("/map/style.json", openapi_extra=permission("page:public"))
def get_map_style(request: Request, tx: TxDep) -> JSONResponse:
    """A MapLibre style; ``metadata.start`` is the box to begin with: the communes of the visitor's office, else of all."""
    sources = {
        layer: {
            "type": "vector",
            "tiles": [f"{str(request.base_url).rstrip('/')}/tiles/{layer}/{{z}}/{{x}}/{{y}}.mvt"],
            "minzoom": 5,
            "maxzoom": TILE_MAX_ZOOM,
        }
        for layer in ("communes", "linear", "parcels")
    }
    style = {"version": 8, "metadata": {"start": _start(tx)}, "sources": sources, "layers": [*_ground(), *_letters()]}
    return JSONResponse(style, headers={"Cache-Control": "private, max-age=300"})


def _start(tx: Tx) -> list[float]:
    offices = (
        [tx.actor.office_id]
        if tx.actor.office_id
        else [office.office_id for office in access.list_offices(tx, closed_too=False)]
    )
    units = {each.admin_unit_id for each in access.list_served(tx, offices) if each.valid_to is None}
    if not units and tx.actor.office_id:
        every = [office.office_id for office in access.list_offices(tx, closed_too=False)]
        units = {each.admin_unit_id for each in access.list_served(tx, every) if each.valid_to is None}
    boxes = [shape.bounds for shape in reference.boundaries(tx, units).values()]
    if not boxes:
        return WHOLE_COUNTRY
    west, south, east, north = zip(*boxes, strict=True)
    return [min(west), min(south), max(east), max(north)]


def _ground() -> list[dict[str, Any]]:
    """What lies on the ground: communes, parcels by land use, canals and roads, boundaries."""
    use: list[Any] = ["match", ["get", "u"]]
    for code, colour in LAND_USE_COLOURS.items():
        use += [code, colour]
    of_parcels = {"source": "parcels", "source-layer": "parcels", "filter": POLYGON}
    of_lines = {"type": "line", "source": "linear", "source-layer": "linear", "minzoom": 11}
    width = ["interpolate", ["exponential", 1.6], ["zoom"], 11, 0.8, 15, 2.5, 19, 9]
    return [
        {"id": "ground", "type": "background", "paint": {"background-color": PAPER}},
        {
            "id": "commune-fill", "type": "fill", "source": "communes", "source-layer": "communes",
            "filter": POLYGON, "paint": {"fill-color": "#ffffff"},
        },
        {
            "id": "parcel-fill", "type": "fill", **of_parcels, "minzoom": 13,
            "paint": {"fill-color": [*use, OTHER_COLOUR], "fill-opacity": 0.25},
        },
        {
            "id": "surface", "type": "fill", "source": "linear", "source-layer": "linear", "minzoom": 11,
            "filter": POLYGON,
            "paint": {"fill-color": ["match", ["get", "kind"], WATER, "#cfe6f0", "#f0e9da"]},
        },
        {
            "id": "water", **of_lines, "filter": ["all", LINE, ["in", ["get", "kind"], ["literal", WATER]]],
            "layout": {"line-cap": "round", "line-join": "round"},
            "paint": {"line-color": "#a9cfe0", "line-width": width, "line-opacity": 0.8},
        },
        {
            "id": "road", **of_lines, "filter": ["all", LINE, ["!", ["in", ["get", "kind"], ["literal", WATER]]]],
            "layout": {"line-cap": "round", "line-join": "round"},
            "paint": {"line-color": "#d9ccb0", "line-width": width, "line-opacity": 0.75},
        },
        {
            "id": "parcel-line", "type": "line", **of_parcels, "minzoom": 14,
            "paint": {
                "line-color": "#5f5b50",
                "line-width": ["interpolate", ["linear"], ["zoom"], 14, 0.25, 16, 0.6],
            },
        },
        {
            "id": "commune-line", "type": "line", "source": "communes", "source-layer": "communes",
            "paint": {"line-color": "#84729c", "line-width": 1.3, "line-dasharray": [5, 2, 1, 2]},
        },
    ]  # fmt: skip


def _letters() -> list[dict[str, Any]]:
    """Numbers of parcels from z 16, their areas from z 17 where the tile has them; names of lines; communes with counts."""
    halo = {"text-halo-color": "#ffffff", "text-halo-width": 1.3}
    # The tile's area is a plain number; people read it with a comma.
    with_area = [
        "case",
        ["has", "a"],
        ["concat", ["get", "p"], "\n", ["number-format", ["get", "a"], {"locale": "vi", "max-fraction-digits": 1}]],
        ["get", "p"],
    ]
    return [
        {
            "id": "parcel-number", "type": "symbol", "source": "parcels", "source-layer": "parcels", "minzoom": 16,
            "filter": ["all", POLYGON, ["has", "p"]],
            "layout": {
                "text-field": ["step", ["zoom"], ["get", "p"], 17, with_area],
                "text-font": FONT, "text-size": 12, "text-padding": 1, "text-line-height": 1.15,
            },
            "paint": {"text-color": INK, **halo, "text-halo-width": 0.9},
        },
        {
            "id": "line-name", "type": "symbol", "source": "linear", "source-layer": "linear", "minzoom": 14,
            "filter": ["has", "name"],
            "layout": {
                "symbol-placement": "line", "symbol-spacing": 420, "text-field": ["get", "name"], "text-font": FONT,
                "text-size": 12,
            },
            "paint": {
                "text-color": ["match", ["get", "kind"], WATER, "#2f6580", "#6b5a32"],
                **halo,
            },
        },
        {
            "id": "commune-name", "type": "symbol", "source": "parcels", "source-layer": "parcels",
            "minzoom": 9, "maxzoom": 13, "filter": ["has", "n"],
            "layout": {
                "text-field": [
                    "concat", ["get", "name"], "\n",
                    ["number-format", ["get", "n"], {"locale": "vi", "max-fraction-digits": 0}],
                ],
                "text-font": FONT_BOLD, "text-size": 12.5, "text-line-height": 1.2,
            },
            "paint": {"text-color": "#3b3350", **halo},
        },
    ]  # fmt: skip

"""Vector tiles and the style that draws them. The reading lane answers the tiles; these routes declare and refuse."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.deps import TxDep, permission
from landdb.views import reading

router = APIRouter(tags=["tiles"])

# Land-use groups by the colour habit of cadastral maps: dwelling, rice, perennial crops, water, works.
_COLOURS: Final[list[tuple[list[str], str]]] = [
    (["ONT", "ODT"], "#f2c1c1"),
    (["LUC", "LUK", "LUN", "LUA"], "#fdf3b8"),
    (["CLN", "LNC", "LNQ"], "#d4e6b5"),
    (["HNK", "BHK", "NHK"], "#eef0c0"),
    (["NTS", "SON", "MNC"], "#bfe0ee"),
    (["DGT", "DTL"], "#e3ddd3"),
]


@router.get(
    "/tiles/{layer}/{z}/{x}/{y}.mvt",
    openapi_extra=permission("parcel:read"),
    responses={
        200: {"description": "a Mapbox vector tile", "content": {reading.MVT: {"schema": {"type": "string"}}}},
        304: {"description": "not changed since the `ETag` sent in `If-None-Match`"},
    },
    response_class=Response,
    summary="One vector tile",
)
def get_tile(
    tx: TxDep,
    layer: Annotated[str, Path(examples=["parcels"], description="parcels, communes or linear")],
    z: Annotated[int, Path(examples=[16])],
    x: Annotated[int, Path(examples=[52061])],
    y: Annotated[int, Path(examples=[31010])],
) -> Response:
    """Layer `parcels`: from z 14 `u` land use and `id`, from z 15 also `p` parcel number; z 13 `u`; below, one point per
    commune with `n`, the number of its parcels. Layer `communes`: `code`, `name`. Layer `linear`: `kind`, `name`."""
    body = reading.read_present(tx, reading.tile(layer, z, x, y))
    return Response(body, media_type=reading.MVT, headers={"Cache-Control": "public, no-cache"})


@router.get(
    "/tiles/style.json",
    openapi_extra=permission("parcel:read"),
    summary="A MapLibre style of our layers",
)
def get_style() -> dict[str, Any]:
    """Without letters (fonts are served by the pages), so that any client can use it on a closed network."""
    return {
        "version": 8,
        "name": "LandDB",
        "sources": {
            layer: {
                "type": "vector",
                "tiles": [f"/tiles/{layer}/{{z}}/{{x}}/{{y}}.mvt"],
                "minzoom": 13 if layer == "parcels" else 0,
                "maxzoom": 17,
            }
            for layer in reading.TILE_LAYERS
        },
        "layers": [
            {"id": "background", "type": "background", "paint": {"background-color": "#f7f5f0"}},
            {
                "id": "parcel-fill", "type": "fill", "source": "parcels", "source-layer": "parcels", "minzoom": 13,
                "filter": ["==", ["geometry-type"], "Polygon"],
                "paint": {"fill-color": _by_use(), "fill-opacity": 0.75},
            },
            {
                "id": "linear", "type": "line", "source": "linear", "source-layer": "linear", "minzoom": 11,
                "paint": {"line-color": ["match", ["get", "kind"], ["canal", "river"], "#6aaed6", "#b09a80"]},
            },
            {
                "id": "parcel-line", "type": "line", "source": "parcels", "source-layer": "parcels", "minzoom": 14,
                "filter": ["==", ["geometry-type"], "Polygon"],
                "paint": {"line-color": "#7a6a58", "line-width": ["interpolate", ["linear"], ["zoom"], 14, 0.3, 18, 1.2]},
            },
            {
                "id": "commune-line", "type": "line", "source": "communes", "source-layer": "communes",
                "paint": {"line-color": "#8a4b8a", "line-width": 1.2, "line-dasharray": [4, 2]},
            },
        ],
    }  # fmt: skip


def _by_use() -> list[Any]:
    match: list[Any] = ["match", ["get", "u"]]
    for codes, colour in _COLOURS:
        match += [codes, colour]
    return [*match, "#eceae4"]

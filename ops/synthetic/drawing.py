"""A commune of the made-up province as an SVG picture, to look at: does it read as a map of the delta?"""

from collections.abc import Iterable

import numpy as np
import shapely

from .province import Province
from .weave import Floats

COLOUR = {
    "LUC": "#f4f1a6", "LUK": "#f2eb8c", "HNK": "#efe3a0", "CLN": "#cfe3a8", "NTS": "#bfe3ec", "ONT": "#f6c9c0",
    "ODT": "#f2a9a0", "TMD": "#f2b6d0", "SKC": "#d9c3e0", "RSX": "#a9d48f", "canal": "#9fd0ee", "river": "#86c3ea",
    "ditch": "#b5dbf2", "road": "#ffffff", "path": "#f3f0ea",
}  # fmt: skip
OTHER = "#e0d2c0"


def draw_commune(province: Province, commune: int, *, width: int = 1400, window: Floats | None = None) -> str:
    """SVG text of one commune, or of `window` (E min, N min, E max, N max in metres) within it."""
    rows = province.parcels.rows(commune)
    box = window if window is not None else shapely.bounds(province.communes.boundary[commune])
    scale = width / (box[2] - box[0])
    height = round((box[3] - box[1]) * scale)
    code = province.communes.code[commune]
    own = np.array([c == code for c in province.linear.columns["commune_code"].to_pylist()])
    ways = zip(province.linear.geometry[own], np.array(province.linear.columns["kind"].to_pylist())[own], strict=True)
    uses = [
        u.split("+")[0]
        for u in province.parcels.columns["land_use"].slice(rows.start, rows.stop - rows.start).to_pylist()
    ]
    lots = zip(province.parcels.geometry[rows], uses, strict=True)
    body = [*shapes(ways, box, scale, stroke="none"), *shapes(lots, box, scale, stroke="#7a6a58")]
    frame = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    return head + frame + "".join(body) + "</svg>"


def shapes(things: Iterable[tuple[shapely.Geometry, str]], box: Floats, scale: float, *, stroke: str) -> Iterable[str]:
    for geometry, kind in things:
        path = "".join(outline(ring, box, scale) for ring in rings(geometry))
        fill = COLOUR.get(str(kind), OTHER)
        yield f'<path d="{path}" fill="{fill}" stroke="{stroke}" stroke-width=".5" fill-rule="evenodd"/>'


def rings(geometry: shapely.Geometry) -> Iterable[Floats]:
    for part in shapely.get_parts(geometry):
        yield shapely.get_coordinates(part.exterior)
        yield from (shapely.get_coordinates(hole) for hole in part.interiors)


def outline(ring: Floats, box: Floats, scale: float) -> str:
    at = np.column_stack([(ring[:, 0] - box[0]) * scale, (box[3] - ring[:, 1]) * scale])
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at.tolist()) + "Z"

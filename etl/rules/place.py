"""Does each parcel lie where it should: in the declared zone, and in the commune?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

from etl.batch import Batch, Floats, Mask
from etl.rules.context import Findings, RuleContext
from etl.rules.geometry import Shapes
from etl.shelf import row_boxes

_CELLS = 64


class Boundary:
    """The commune's boundary, widened by the tolerance, with a picture of its inside to spare exact tests."""

    def __init__(self, boundary: shapely.Geometry, slack_m: float) -> None:
        self.exact = boundary
        self.widened = shapely.buffer(boundary, slack_m)
        shapely.prepare(self.widened)
        self._bounds = np.array(self.widened.bounds)
        x = np.linspace(self._bounds[0], self._bounds[2], _CELLS + 1)
        y = np.linspace(self._bounds[1], self._bounds[3], _CELLS + 1)
        cells = shapely.box(x[:-1, None], y[None, :-1], x[1:, None], y[None, 1:])
        open_ = ~shapely.contains(self.widened, cells)
        self._sums = np.zeros((_CELLS + 1, _CELLS + 1), np.int64)
        self._sums[1:, 1:] = open_.cumsum(axis=0).cumsum(axis=1)

    def surely_inside(self, boxes: Floats) -> Mask:
        """Boxes that lie over inner cells only."""
        low, high = self._bounds[:2], self._bounds[2:]
        step = (high - low) / _CELLS
        within = (boxes[:, :2] > low).all(axis=1) & (boxes[:, 2:] < high).all(axis=1)
        cell = np.zeros((len(boxes), 4), np.int64)
        cell[within] = np.floor((boxes[within] - np.tile(low, 2)) / np.tile(step, 2)).astype(np.int64)
        x0, y0, x1, y1 = np.clip(cell, 0, _CELLS - 1).T
        sums = self._sums
        open_cells = sums[x1 + 1, y1 + 1] - sums[x0, y1 + 1] - sums[x1 + 1, y0] + sums[x0, y0]
        inside: Mask = within & (open_cells == 0)
        return inside


def check_place(batch: Batch, shapes: Shapes, context: RuleContext, boundary: Boundary | None, found: Findings) -> None:
    """Outside the zone's window or wholly outside the commune: blocking. Across the commune's boundary: a warning."""
    rows = np.flatnonzero(shapes.usable)
    if not len(rows):
        return
    boxes = row_boxes(batch.rings)[rows]
    if context.zone_window is not None:
        window = np.array(context.zone_window)
        outside = (boxes[:, :2] < window[:2]).any(axis=1) | (boxes[:, 2:] > window[2:]).any(axis=1)
        centre = boxes[outside].reshape(-1, 2, 2).mean(axis=1).round(1)
        params = {"e": centre[:, 0], "n": centre[:, 1]}
        found.add("geometry.outside_zone", rows[outside], params=params, place=shapely.points(centre))
        rows, boxes = rows[~outside], boxes[~outside]
    if boundary is not None and len(rows):
        _against(boundary, shapes.shapes, rows[~boundary.surely_inside(boxes)], found)


def _against(boundary: Boundary, shapes: npt.NDArray[np.object_], rows: npt.NDArray[np.int64], found: Findings) -> None:
    touching = shapely.intersects(boundary.widened, shapes[rows])
    away = rows[~touching]
    distance = shapely.distance(boundary.exact, shapes[away]).round(1)
    place = np.asarray(shapely.point_on_surface(shapes[away]), object)
    found.add("geometry.outside_commune", away, params={"distance": distance}, place=place)
    across = rows[touching]
    across = across[~shapely.covers(boundary.widened, shapes[across])]
    beyond = np.asarray(shapely.difference(shapes[across], boundary.exact), object)
    params = {"area": np.asarray(shapely.area(beyond)).round(1)}
    found.add("geometry.crosses_commune", across, params=params, place=beyond)

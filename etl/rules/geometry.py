"""Is each polygon one that a register can hold? Faults get a stable code and a place; nothing is repaired."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import shapely

from etl.batch import Batch, Floats, Ints, Mask, Rings
from etl.rules.context import Findings, RuleContext

_REASONS = {
    "Self-intersection": "geometry.self_intersection",
    "Ring Self-intersection": "geometry.ring_self_touch",
    "Hole lies outside shell": "geometry.hole_outside",
    "Nested holes": "geometry.nested_holes",
    "Holes are nested": "geometry.nested_holes",
    "Nested shells": "geometry.nested_shells",
    "Interior is disconnected": "geometry.interior_disconnected",
    "Duplicate Rings": "geometry.duplicate_ring",
    "Too few points in geometry component": "geometry.too_few_points",
    "Invalid Coordinate": "geometry.not_finite",
    "Ring is not closed": "geometry.ring_not_closed",
}
"""GEOS' wording (3.x) to our code; anything else is geometry.invalid."""

_REASON = re.compile(r"^(?P<words>[^[]*)(?:\[(?P<x>\S+) (?P<y>\S+)\])?")


@dataclass(frozen=True, eq=False)
class Shapes:
    """The batch's polygons. usable: sound enough to measure and to judge against neighbours.

    area_m2: plane area in the batch's own coordinates, holes subtracted; NaN where not usable. ring_areas: signed, per
    ring of the batch.
    """

    shapes: npt.NDArray[np.object_]
    usable: Mask
    area_m2: Floats
    ring_areas: Floats


def check_geometry(batch: Batch, context: RuleContext, findings: Findings) -> Shapes:
    """All faults of the polygons themselves. Blocking, but for touching rings, spikes, slivers, doubled vertices."""
    faulty = _readers_faults(batch, findings)
    rings = batch.rings
    faulty |= _not_finite(rings, findings, ~faulty)
    faulty |= _broken_rings(rings, findings, ~faulty)
    shapes = rings.polygons()
    shapes[faulty] = None
    usable = _invalid(shapes, findings, ~faulty, context.tolerances.least_area_m2)
    ring_areas = rings.ring_areas()
    area = np.where(usable, _row_areas(rings, ring_areas), np.nan)
    usable &= ~_zero_area(area, shapes, findings, context)
    _multipart(rings, findings, usable)
    _duplicate_vertices(rings, findings, usable, context.tolerances.vertex_m)
    _spikes(rings, findings, usable, context.tolerances.spike_degrees)
    _slivers(shapes, area, findings, usable, context.tolerances.sliver_width_m)
    return Shapes(shapes, usable, area, ring_areas)


def _readers_faults(batch: Batch, findings: Findings) -> Mask:
    """What the reader could not turn into rings; a row without rings and without a reason is simply missing."""
    codes = batch.geometry_fault
    faulty = np.asarray(codes.is_valid())
    if faulty.any():
        for code in codes.unique().drop_null().to_pylist():
            findings.add(code, np.asarray(pc.equal(codes, code).fill_null(False)))
    silent = ~faulty & ~batch.rings.has_geometry()
    findings.add("geometry.missing", silent)
    return faulty | silent


def _not_finite(rings: Rings, findings: Findings, rows: Mask) -> Mask:
    if np.isfinite(rings.xy).all():
        return np.zeros(rings.rows, bool)
    points = np.flatnonzero(~np.isfinite(rings.xy).all(axis=1))
    bad = np.zeros(rings.rows, bool)
    bad[_row_of_points(rings, points)] = True
    findings.add("geometry.not_finite", bad & rows)
    return bad


def _broken_rings(rings: Rings, findings: Findings, rows: Mask) -> Mask:
    broken = rings.broken_rings()
    short = broken & (np.diff(rings.ring_start) < 4)
    row = rings.ring_rows()
    few, open_ = np.zeros(rings.rows, bool), np.zeros(rings.rows, bool)
    few[row[short]] = True
    open_[row[broken & ~short]] = True
    open_ &= ~few
    for code, bad in (("geometry.too_few_points", few & rows), ("geometry.ring_not_closed", open_ & rows)):
        index = np.flatnonzero(bad)
        findings.add(code, index, place=_first_points(rings, index))
    return few | open_


def _invalid(shapes: npt.NDArray[np.object_], findings: Findings, rows: Mask, least_m2: float) -> Mask:
    """Notes what GEOS calls invalid; returns the rows that are sound, self-touching rings among them."""
    sound = shapely.is_valid(shapes) & rows
    bad = np.flatnonzero(rows & ~sound)
    if not len(bad):
        return np.asarray(sound)
    # A ring folded onto one line is invalid too, yet "zero area" says better what is wrong; it is noted afterwards.
    flat = shapely.area(shapely.convex_hull(shapes[bad])) <= least_m2
    findings.add("geometry.zero_area", bad[flat], params={"area": 0.0}, place=_points_on(shapes[bad[flat]]))
    bad = bad[~flat]
    codes, places = _reasons(shapes[bad])
    for code in np.unique(codes):
        which = codes == code
        findings.add(str(code), bad[which], place=places[which])
    sound[bad[codes == "geometry.ring_self_touch"]] = True
    return np.asarray(sound)


def _reasons(shapes: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.object_]]:
    codes, places = [], np.full(len(shapes), None, object)
    for i, reason in enumerate(shapely.is_valid_reason(shapes).tolist()):
        match = _REASON.match(reason)
        words = match["words"].strip() if match else ""
        codes.append(_REASONS.get(words, "geometry.invalid"))
        if match and match["x"]:
            places[i] = shapely.Point(float(match["x"]), float(match["y"]))
    return np.array(codes, str), places


def _row_areas(rings: Rings, ring_areas: Floats) -> Floats:
    size = np.abs(ring_areas)
    signed = np.where(rings.shells(), size, -size)
    return np.bincount(rings.ring_rows(), weights=signed, minlength=rings.rows).astype(np.float64)


def _zero_area(area: Floats, shapes: npt.NDArray[np.object_], findings: Findings, context: RuleContext) -> Mask:
    empty = area <= context.tolerances.least_area_m2
    index = np.flatnonzero(empty)
    findings.add("geometry.zero_area", index, params={"area": area[index].round(4)}, place=_points_on(shapes[index]))
    return empty


def _multipart(rings: Rings, findings: Findings, rows: Mask) -> None:
    parts = np.diff(rings.row_start)
    several = np.flatnonzero((parts > 1) & rows)
    findings.add("geometry.multipart", several, params={"parts": parts[several]})


def _duplicate_vertices(rings: Rings, findings: Findings, rows: Mask, least_m: float) -> None:
    xy = rings.xy
    if len(xy) < 2:
        return
    same = (np.abs(xy[1:, 0] - xy[:-1, 0]) <= least_m) & (np.abs(xy[1:, 1] - xy[:-1, 1]) <= least_m)
    same[rings.ring_start[1:-1] - 1] = False
    _note_points("geometry.duplicate_vertex", rings, np.flatnonzero(same) + 1, findings, rows)


def _spikes(rings: Rings, findings: Findings, rows: Mask, degrees: float) -> None:
    """Vertices where the boundary turns back on itself within this angle."""
    xy, start, end = rings.xy, rings.ring_start[:-1], rings.ring_start[1:]
    if len(xy) < 2:
        return
    step = np.diff(xy, axis=0)
    whole = end - start >= 4
    inner = np.ones(len(step) - 1, bool)
    # Steps from the last vertex of a ring to the first of the next are no edges.
    inner[np.clip(start[1:] - 2, 0, len(inner) - 1)] = False
    inner[np.clip(start[1:] - 1, 0, len(inner) - 1)] = False
    sharp = _turns_back(step[:-1], step[1:], degrees) & inner
    points = np.flatnonzero(sharp) + 1
    closing = _turns_back(step[end[whole] - 2], step[start[whole]], degrees)
    points = np.sort(np.concatenate([points, start[whole][closing]]))
    _note_points("geometry.spike", rings, points, findings, rows)


def _turns_back(u: Floats, v: Floats, degrees: float) -> Mask:
    dot = u[:, 0] * v[:, 0] + u[:, 1] * v[:, 1]
    back = np.flatnonzero(dot < 0)
    u, v = u[back], v[back]
    cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    out = np.zeros(len(dot), bool)
    out[back] = np.abs(cross) < -dot[back] * np.tan(np.radians(degrees))
    return out


def _slivers(shapes: npt.NDArray[np.object_], area: Floats, findings: Findings, rows: Mask, width_m: float) -> None:
    half = np.asarray(shapely.length(shapes)) / 2
    # The short side of the rectangle with this area and perimeter is below w only if area < w * (half - w).
    thin = np.flatnonzero(rows & (area < width_m * (half - width_m)))
    width = (half[thin] - np.sqrt(np.maximum(half[thin] ** 2 - 4 * area[thin], 0))) / 2
    findings.add("geometry.sliver", thin, params={"width": width.round(3)}, place=_points_on(shapes[thin]))


def _note_points(code: str, rings: Rings, points: Ints, findings: Findings, rows: Mask) -> None:
    """One issue per row, at its first such vertex, with how many there are."""
    if not len(points):
        return
    row = _row_of_points(rings, points)
    asked = rows[row]
    row, points = row[asked], points[asked]
    which, first, count = np.unique(row, return_index=True, return_counts=True)
    place = np.asarray(shapely.points(rings.xy[points[first]]), object)
    findings.add(code, which, params={"count": count}, place=place)


def _row_of_points(rings: Rings, points: Ints) -> Ints:
    return rings.ring_rows()[np.searchsorted(rings.ring_start, points, side="right") - 1]


def _first_points(rings: Rings, rows: Ints) -> npt.NDArray[np.object_]:
    start = rings.ring_start[rings.part_start[rings.row_start[rows]]]
    out = np.full(len(rows), None, object)
    some = np.flatnonzero(start < len(rings.xy))
    out[some] = shapely.points(rings.xy[start[some]])
    return out


def _points_on(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    return np.asarray(shapely.point_on_surface(shapes), object)

"""Which left-over edges need a closer look: most are the calm outline of a block along a road, and enclose nothing.

An outline is calm if it keeps its distance from every other left-over edge and from itself, turns nowhere back on
itself, and goes round more ground than any gap could surround. Such an outline can bound no overlap, no narrow or small
gap and no missing node, so it never has to be noded. What remains is whether it lies wholly inside another parcel: one
point beside it tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from etl.batch import Floats, Ints, Mask

Keys: TypeAlias = npt.NDArray[np.uint64]

_STRIP_EDGES = 100_000
_SHARP_COS = float(np.cos(np.radians(5.0)))
_BESIDE = 0.02
_BESIDE_MOST_M = 0.1


@dataclass(frozen=True, eq=False)
class Outlines:
    """The connected outlines of left-over edges.

    of_edge: number of each edge's outline. calm: per outline. beside: per outline, a point just right of its longest
    edge, where a calm outline that stands by itself has no parcel.
    """

    of_edge: Ints
    calm: Mask
    beside: Floats


def find_outlines(start: Keys, end: Keys, segments: Floats, *, gap_width_m: float, gap_area_m2: float) -> Outlines:
    """The outlines that these directed edges form. segments: (n, 2, 2) coordinates in metres."""
    nodes, ends = np.unique(np.concatenate([start, end]), return_inverse=True)
    a, b = ends[: len(start)].astype(np.int64), ends[len(start) :].astype(np.int64)
    of_edge = _components(a, b, len(nodes))
    count = int(of_edge.max()) + 1 if len(of_edge) else 0
    calm = np.ones(count, bool)
    calm[of_edge[_at_knots(a, b, segments, len(nodes))]] = False
    calm[of_edge[_crowded(a, b, segments, gap_width_m)]] = False
    calm[np.abs(_areas(of_edge, segments, count)) <= surrounded_m2(gap_width_m, gap_area_m2)] = False
    return Outlines(of_edge, calm, _beside(of_edge, segments, count))


def surrounded_m2(gap_width_m: float, gap_area_m2: float) -> float:
    """The largest ground whose outline a gap can follow and still be wider than ``gap_width_m`` yet under ``gap_area_m2``.

    A strip of that width round ground of perimeter P covers at least P·w − π·w²; the perimeter of an area is least in a circle.
    """
    perimeter = gap_area_m2 / gap_width_m + np.pi * gap_width_m
    return float(perimeter**2 / (4 * np.pi))


def _components(a: Ints, b: Ints, nodes: int) -> Ints:
    """Number of the connected component of each edge, by label spreading with pointer jumping."""
    label = np.arange(nodes)
    while True:
        least = np.minimum(label[a], label[b])
        before = label.copy()
        np.minimum.at(label, a, least)
        np.minimum.at(label, b, least)
        label = np.minimum(label, label[label])
        label = label[label]
        if np.array_equal(before, label):
            break
    return np.unique(label[a], return_inverse=True)[1].astype(np.int64)


def _at_knots(a: Ints, b: Ints, segments: Floats, nodes: int) -> Ints:
    """Edges at a node where more or fewer than two meet, or where the outline turns back on itself."""
    leaving, arriving = np.bincount(a, minlength=nodes), np.bincount(b, minlength=nodes)
    knot = (leaving != 1) | (arriving != 1)
    out_of, into = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    out_of[a], into[b] = np.arange(len(a)), np.arange(len(b))
    along = segments[:, 1] - segments[:, 0]
    back, forth = -along[into], along[out_of]
    length = np.hypot(*back.T) * np.hypot(*forth.T)
    with np.errstate(invalid="ignore", divide="ignore"):
        knot |= (back * forth).sum(axis=1) / length > _SHARP_COS
    return np.flatnonzero(knot[a] | knot[b])


def _crowded(a: Ints, b: Ints, segments: Floats, margin_m: float) -> Ints:
    """Edges that come nearer than ``margin_m`` to another with which they share no node."""
    low, high = segments.min(axis=1), segments.max(axis=1)
    following, forward = _following(a, b, segments)
    order = np.argsort(low[:, 0], kind="stable")
    found = []
    widest = float((high[:, 0] - low[:, 0]).max(initial=0.0)) + margin_m
    left = low[order, 0]
    for first in range(0, len(order), _STRIP_EDGES):
        ours = order[first : first + _STRIP_EDGES]
        until = np.searchsorted(left, high[ours, 0].max() + margin_m, side="right")
        since = np.searchsorted(left, left[first] - widest, side="left")
        others = order[since:until]
        tree = shapely.STRtree(shapely.box(*low[others].T, *high[others].T))
        one, other = tree.query(shapely.box(*(low[ours] - margin_m).T, *(high[ours] + margin_m).T))
        i, j = ours[one], others[other]
        apart = (a[i] != a[j]) & (a[i] != b[j]) & (b[i] != a[j]) & (b[i] != b[j])
        i, j = i[apart], j[apart]
        apart = ~(_next_but_one(i, j, following, forward) | _next_but_one(j, i, following, forward))
        i, j = i[apart], j[apart]
        near = _distances(segments[i], segments[j]) < margin_m
        found += [i[near], j[near]]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def _following(a: Ints, b: Ints, segments: Floats) -> tuple[Ints, Mask]:
    """For each edge the one that leaves where it ends, and whether the outline turns less than a right angle there."""
    leaving = np.full(int(max(a.max(initial=0), b.max(initial=0))) + 1, -1)
    leaving[a] = np.arange(len(a))
    following = leaving[b]
    along = segments[:, 1] - segments[:, 0]
    return following, (following >= 0) & ((along * along[following]).sum(axis=1) > 0)


def _next_but_one(i: Ints, j: Ints, following: Ints, forward: Mask) -> Mask:
    """Pairs with one short edge between them along a forward run: they are near each other only through it."""
    between = following[i]
    joined: Mask = (following[between] == j) & forward[i] & forward[between]
    return joined


def _distances(s: Floats, t: Floats) -> Floats:
    """Distance of segments s and t, pair by pair; 0 where they cross."""
    nearest = np.minimum.reduce(
        [_to_segment(s[:, 0], t), _to_segment(s[:, 1], t), _to_segment(t[:, 0], s), _to_segment(t[:, 1], s)]
    )
    crossing = (_side(s, t[:, 0]) * _side(s, t[:, 1]) < 0) & (_side(t, s[:, 0]) * _side(t, s[:, 1]) < 0)
    return np.where(crossing, 0.0, nearest)


def _to_segment(point: Floats, segment: Floats) -> Floats:
    along = segment[:, 1] - segment[:, 0]
    squared = np.maximum((along**2).sum(axis=1), 1e-18)
    share = np.clip(((point - segment[:, 0]) * along).sum(axis=1) / squared, 0.0, 1.0)
    away = point - segment[:, 0] - along * share[:, None]
    distance: Floats = np.hypot(away[:, 0], away[:, 1])
    return distance


def _side(segment: Floats, point: Floats) -> Floats:
    along, to = segment[:, 1] - segment[:, 0], point - segment[:, 0]
    side: Floats = along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0]
    return side


def _areas(of_edge: Ints, segments: Floats, count: int) -> Floats:
    """Signed area inside each outline, positive where it runs counter-clockwise (parcels inside)."""
    base = np.zeros((count, 2))
    base[of_edge] = segments[:, 0]
    p, q = segments[:, 0] - base[of_edge], segments[:, 1] - base[of_edge]
    cross = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    areas: Floats = np.bincount(of_edge, weights=cross, minlength=count) / 2
    return areas


def _beside(of_edge: Ints, segments: Floats, count: int) -> Floats:
    along = segments[:, 1] - segments[:, 0]
    length = np.hypot(along[:, 0], along[:, 1])
    order = np.argsort(length, kind="stable")
    longest = np.zeros(count, np.int64)
    longest[of_edge[order]] = order
    chosen, size = along[longest], length[longest][:, None]
    right = np.stack([chosen[:, 1], -chosen[:, 0]], axis=1) / np.maximum(size, 1e-12)
    points: Floats = segments[longest].mean(axis=1) + right * np.minimum(size * _BESIDE, _BESIDE_MOST_M)
    return points

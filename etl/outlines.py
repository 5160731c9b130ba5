"""Which left-over edges need a closer look: most are the calm outline of a block along a road, and enclose nothing.

An outline is calm if it keeps its distance from every other left-over edge and from itself, turns nowhere back on
itself, and goes round more ground than any gap could surround. Such an outline can bound no overlap, no narrow or small
gap and no missing node, so it never has to be noded. What remains is whether it lies wholly inside another parcel: one
point beside it tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from etl.batch import Floats, Ints, Mask
from etl.edges import Keys
from etl.nearby import meeting

Next: TypeAlias = npt.NDArray[np.int32]
Which: TypeAlias = slice | Ints | Next

_SHARP_COS = float(np.cos(np.radians(5.0)))
_BESIDE = 0.02
_BESIDE_MOST_M = 0.1
_AT_ONCE = 100_000
_ROUGH_M = 0.02
"""Boxes in single precision are off by less than this, 214 km from the origin."""


class Segments(Protocol):
    """Directed edges as (n, 2, 2) coordinates in metres: an array, or what makes the asked part of one."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: Which, /) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Outlines:
    """The closed outlines of left-over edges.

    of_edge: number of each edge's outline; edges that come to a knot go under 0, which is not calm. calm: per outline.
    beside: per outline, a point just right of its longest edge, where a calm outline that stands by itself has no parcel.
    """

    of_edge: Next
    calm: Mask
    beside: Floats


def find_outlines(start: Keys, end: Keys, segments: Segments, *, gap_width_m: float, gap_area_m2: float) -> Outlines:
    """The outlines that these directed edges form. segments: their coordinates."""
    following = _following(start, end)
    if following is None:
        return Outlines(np.zeros(len(start), np.int32), np.zeros(1, bool), np.zeros((1, 2)))
    of_edge, closed = _loops(following)
    calm = np.bincount(of_edge[~closed], minlength=_count(of_edge)) == 0
    calm[of_edge[_turning_back(segments, following)]] = False
    calm[of_edge[_crowded(start, end, segments, following, gap_width_m)]] = False
    calm[np.abs(_areas(of_edge, segments, len(calm))) <= surrounded_m2(gap_width_m, gap_area_m2)] = False
    return Outlines(of_edge, calm, _beside(of_edge, segments, len(calm)))


def surrounded_m2(gap_width_m: float, gap_area_m2: float) -> float:
    """The largest ground whose outline a gap can follow and still be wider than ``gap_width_m`` yet under ``gap_area_m2``.

    A strip of that width round ground of perimeter P covers at least P·w − π·w²; the perimeter of an area is least in a circle.
    """
    perimeter = gap_area_m2 / gap_width_m + np.pi * gap_width_m
    return float(perimeter**2 / (4 * np.pi))


def _count(numbers: Next) -> int:
    return int(numbers.max()) + 1 if len(numbers) else 0


def _following(start: Keys, end: Keys) -> Next | None:
    """The edge after each; -1 at a knot. None if the edges form no closed chains, so that nothing can be said of them.

    Rings are closed and cancelling takes edges out in opposite pairs, so at each node as many edges end as begin: in the order
    of their nodes, the edges that end stand beside those that begin.
    """
    ending, beginning = (np.argsort(keys).astype(np.int32) for keys in (end, start))
    node = end[ending]
    if not np.array_equal(node, start[beginning]):
        return None
    again = np.concatenate([[False], node[1:] == node[:-1], [False]])
    following = np.empty(len(start), np.int32)
    following[ending] = np.where(again[1:] | again[:-1], np.int32(-1), beginning)
    return following


def _loops(following: Next) -> tuple[Next, Mask]:
    """Number of the outline of each edge, and whether it closes without a knot, where more or fewer than two edges meet.

    following: the edge after each, -1 at a knot. By pointer jumping: each round looks twice as far ahead. Edges that come
    to a knot are no part of a calm outline; they all go under one number.
    """
    ahead = np.append(following, np.int32(-1))  # whoever stands at -1 stays there
    least = np.arange(len(ahead), dtype=np.int32)
    arrived = -1
    while True:
        before, arrived_before = least, arrived
        least = np.minimum(least, least[ahead])
        ahead = ahead[ahead]
        arrived = int(np.count_nonzero(ahead < 0))
        # No chain has an end before it and no loop a smaller number: all have been seen to their whole length.
        if arrived == arrived_before and np.array_equal(least, before):
            break
    closed, least = ahead[:-1] >= 0, least[:-1]
    number = np.cumsum(closed & (least == np.arange(len(least))), dtype=np.int32)
    return np.where(closed, number[least], 0), closed


def _turning_back(segments: Segments, following: Next) -> Mask:
    """Edges after which the outline turns back on itself."""
    sharp = np.zeros(len(following), bool)
    for some in _slices(len(following)):
        back, forth = _along(segments[some]), _along(segments[following[some]])
        length = np.hypot(back[:, 0], back[:, 1]) * np.hypot(forth[:, 0], forth[:, 1])
        with np.errstate(invalid="ignore", divide="ignore"):
            sharp[some] = -(back * forth).sum(axis=1) / length > _SHARP_COS
    return sharp & (following >= 0)


def _along(segments: Floats) -> Floats:
    along: Floats = segments[:, 1] - segments[:, 0]
    return along


def _slices(count: int) -> Iterator[slice]:
    """Pieces of long arrays: what is worked out on the way to a small result need not be long too."""
    return (slice(at, at + _AT_ONCE) for at in range(0, count, _AT_ONCE))


def _crowded(start: Keys, end: Keys, segments: Segments, following: Next, margin_m: float) -> Mask:
    """Edges that come nearer than ``margin_m`` to another with which they share no node."""
    reach = margin_m / 2 + _ROUGH_M
    boxes = np.empty((len(start), 4), np.float32)
    for some in _slices(len(start)):
        ends = segments[some]
        boxes[some, :2], boxes[some, 2:] = ends.min(axis=1) - reach, ends.max(axis=1) + reach
    crowded = np.zeros(len(start), bool)
    for pair in meeting(boxes):
        i, j = _apart(*pair, start, end)
        joined = _next_but_one(i, j, segments, following) | _next_but_one(j, i, segments, following)
        i, j = i[~joined], j[~joined]
        near = _distances(segments[i], segments[j]) < margin_m
        crowded[i[near]] = crowded[j[near]] = True
    return crowded


def _apart(i: Ints, j: Ints, start: Keys, end: Keys) -> tuple[Ints, Ints]:
    """Those of the pairs that have no node in common."""
    a, b, c, d = start[i], end[i], start[j], end[j]
    apart = (a != c) & (a != d) & (b != c) & (b != d)
    return i[apart], j[apart]


def _next_but_one(i: Ints, j: Ints, segments: Segments, following: Next) -> Mask:
    """Pairs with one short edge between them along a forward run: they are near each other only through it."""
    between = following[i]
    joined: Mask = (between >= 0) & (following[between] == j)
    some = np.flatnonzero(joined)
    first, second, third = (_along(segments[edges[some]]) for edges in (i, between, j))
    joined[some] = ((first * second).sum(axis=1) > 0) & ((second * third).sum(axis=1) > 0)
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


def _areas(of_edge: Next, segments: Segments, count: int) -> Floats:
    """Signed area inside each outline, positive where it runs counter-clockwise (parcels inside)."""
    base, areas = np.zeros((count, 2)), np.zeros(count)
    for some in _slices(len(of_edge)):
        base[of_edge[some]] = segments[some][:, 0]
    for some in _slices(len(of_edge)):
        numbers, ends = of_edge[some], segments[some]
        p, q = (ends[:, end] - base[numbers] for end in (0, 1))
        areas += np.bincount(numbers, weights=p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0], minlength=count)
    return areas / 2


def _beside(of_edge: Next, segments: Segments, count: int) -> Floats:
    length = np.empty(len(segments))
    for some in _slices(len(segments)):
        length[some] = np.hypot(*_along(segments[some]).T)
    most = np.zeros(count)
    np.maximum.at(most, of_edge, length)
    candidates = np.flatnonzero(length == most[of_edge])
    longest = np.zeros(count, np.int64)
    longest[of_edge[candidates]] = candidates
    one = segments[longest]
    along, size = one[:, 1] - one[:, 0], most[:, None]
    right = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.maximum(size, 1e-12)
    points: Floats = one.mean(axis=1) + right * np.minimum(size * _BESIDE, _BESIDE_MOST_M)
    return points

"""Which boxes meet which, among hundreds of thousands: a grid and one sort, without an object per box.

A tree of geometries answers the same, but to make a million boxes into objects takes longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from etl.batch import Ints, ranges

Boxes: TypeAlias = npt.NDArray[np.floating[Any]]
"""(n, 4): west, south, east, north; single precision is enough."""

_PART_BOXES = 100_000
_CELLS_PER_BOX = 8
"""Cells grow until the boxes lie over no more than this on average, however long the longest are."""
_MOST_IN_CELL = 48
"""The boxes of a cell with more than this are looked up in a tree: their pairs grow with the square."""
_PAIRS_AT_ONCE = 250_000
_FAR = 1 << 31


def meeting(boxes: Boxes) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of these boxes (n, 4) that meet, piece by piece; a pair may come more than once, in either order."""
    for part in _parts(boxes):
        yield from _meeting(boxes, part)


def _parts(boxes: Boxes) -> Iterator[Ints]:
    """The boxes from west to east in overlapping strips, so that memory does not grow with their number."""
    strips = -(-len(boxes) // _PART_BOXES)
    if strips <= 1:
        yield np.arange(len(boxes))
        return
    cuts = np.quantile(boxes[:, 0], np.linspace(0, 1, strips + 1))
    for west, east in pairwise(cuts):
        yield np.flatnonzero((boxes[:, 0] <= east) & (boxes[:, 2] >= west))


def _meeting(boxes: Boxes, part: Ints) -> Iterator[tuple[Ints, Ints]]:
    if len(part) < 2:
        return
    box = boxes[part]
    low, span = _cells(box)
    entry, offsets = ranges(np.zeros(len(part), np.int64), span[:, 0] * span[:, 1])
    owner = np.repeat(np.arange(len(part)), np.diff(offsets))
    across = span[owner, 0]
    cell = (low[owner, 1] + entry // across) * _FAR + low[owner, 0] + entry % across
    order = np.argsort(cell)
    cell, owner = cell[order], owner[order]
    begin = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]])) if len(cell) else np.zeros(0, np.int64)
    count = np.diff(np.append(begin, len(cell)))
    crowded = count > _MOST_IN_CELL
    if crowded.any():
        yield _by_tree(boxes, part[np.unique(owner[ranges(begin[crowded], count[crowded])[0]])])
    begin, count = begin[~crowded], count[~crowded]
    entry, offsets = ranges(begin, count)
    behind = np.repeat(begin + count, count) - entry - 1
    west, south, east, north = np.ascontiguousarray(box.T)
    for some in _portions(behind):
        first = np.repeat(owner[entry[some]], behind[some])
        second = owner[ranges(entry[some] + 1, behind[some])[0]]
        meets = (west[first] <= east[second]) & (west[second] <= east[first])
        first, second = first[meets], second[meets]
        meets = (south[first] <= north[second]) & (south[second] <= north[first])
        yield part[first[meets]], part[second[meets]]


def _cells(box: Boxes) -> tuple[Ints, Ints]:
    """The first column and row of each box in a grid that suits them all, and over how many of each it lies."""
    corner = box[:, :2].min(axis=0)
    size = box[:, 2:] - box[:, :2]
    step = max(
        float(np.median(size.max(axis=1))) * 1.5, float((box[:, 2:].max(axis=0) - corner).max()) / _FAR * 2, 1e-6
    )
    while True:
        low = np.floor((box[:, :2] - corner) / step).astype(np.int64)
        span = np.floor((box[:, 2:] - corner) / step).astype(np.int64) - low + 1
        if (span[:, 0] * span[:, 1]).sum() <= _CELLS_PER_BOX * len(box):
            return low, span
        step *= 2


def _portions(counts: Ints) -> Iterator[slice]:
    """Consecutive slices whose counts add up to about a quarter of a million each."""
    total = np.cumsum(counts)
    at = 0
    while at < len(counts):
        until = int(np.searchsorted(total, (total[at - 1] if at else 0) + _PAIRS_AT_ONCE, side="right"))
        until = max(until, at + 1)
        yield slice(at, until)
        at = until


def _by_tree(boxes: Boxes, some: Ints) -> tuple[Ints, Ints]:
    shapes = np.asarray(shapely.box(*boxes[some].T), object)
    one, other = shapely.STRtree(shapes).query(shapes)
    once = one < other
    return some[one[once]], some[other[once]]


__all__ = ["meeting"]

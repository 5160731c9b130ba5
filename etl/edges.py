"""Directed edges of parcels, and the sorting out of those that two neighbours use in opposite directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from etl.batch import Floats, Ints, Mask, Rings, ranges

Keys: TypeAlias = npt.NDArray[np.uint64]
Owners: TypeAlias = npt.NDArray[np.signedinteger[Any]]
"""Rows in as many bytes as the largest needs: millions of edges wait for the last batch, each with its row."""

_MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_RANGE_EDGES = 200_000


@dataclass(frozen=True, eq=False)
class Edges:
    """Directed edges with the parcel on their left; start and end as packed lattice keys."""

    start: Keys
    end: Keys
    owner: Owners

    def __len__(self) -> int:
        return len(self.start)

    def take(self, which: npt.NDArray[np.bool_ | np.int64] | slice) -> Edges:
        return Edges(self.start[which], self.end[which], self.owner[which])


def ring_edges(rings: Rings, usable: Mask, keys: Keys, areas: Floats) -> tuple[Edges, Keys]:
    """Edges of the usable rows, turned so that the parcel lies on the left; and a hash of each row's edges."""
    ring_row = rings.ring_rows()
    points = np.diff(rings.ring_start)
    begins = np.repeat(usable[ring_row], points)
    begins[rings.ring_start[1:][points > 0] - 1] = False
    s = np.flatnonzero(begins)
    a, b = keys[s], keys[s + 1]
    moved = a != b
    if not moved.all():
        s, a, b = s[moved], a[moved], b[moved]
    owner = np.repeat(ring_row, points)[s]
    turned = np.repeat((areas > 0) != rings.shells(), points)[s]
    start, end = np.where(turned, b, a), np.where(turned, a, b)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_scramble(_hash(start, end)[0]))])
    bounds = np.searchsorted(owner, np.arange(rings.rows + 1))
    return Edges(start, end, owner), total[bounds[1:]] - total[bounds[:-1]]


def cancel(edges: Edges) -> Edges:
    """Takes out as many pairs of opposite uses of each edge as there are: what is left is where the number changes.

    Comes back in the order of the edges' hashes.
    """
    if not len(edges):
        return edges
    h, up = _hash(edges.start, edges.end)
    h |= up.astype(np.uint64)
    order = np.argsort(h)
    sorted_h = h[order]
    edge = sorted_h >> np.uint64(1)
    first = np.concatenate([[True], edge[1:] != edge[:-1]])
    group_start = np.flatnonzero(first)
    size = np.diff(np.append(group_start, len(edge)))
    ups = np.add.reduceat((sorted_h & np.uint64(1)).astype(np.int64), group_start)
    pairs = np.minimum(ups, size - ups)
    open_ = 2 * pairs < size
    rest, offsets = ranges(group_start[open_], size[open_])
    group = np.repeat(np.flatnonzero(open_), np.diff(offsets))
    place = rest - group_start[group]
    downs = (size - ups)[group]
    rank = np.where(place < downs, place, place - downs)
    return edges.take(order[rest[rank >= pairs[group]]])


def cancelled(pieces: list[Edges]) -> list[Edges]:
    """What is left of all pieces, each of which comes in the order of its hashes: cancelled one range of hashes at a time.

    Equal edges have equal hashes, so ranges need not know of one another; a sort that fits the cache takes half as long, and
    the memory for it is a fraction.
    """
    ranges_ = 1 << int(sum(map(len, pieces)) // _RANGE_EDGES).bit_length()
    if ranges_ == 1:
        return [cancel(joined(pieces))]
    cuts = np.arange(1, ranges_, dtype=np.uint64) * np.uint64((1 << 64) // ranges_)
    bounds = [[0, *np.searchsorted(_hash(piece.start, piece.end)[0], cuts).tolist(), len(piece)] for piece in pieces]
    return [
        cancel(joined([piece.take(slice(at[i], at[i + 1])) for piece, at in zip(pieces, bounds, strict=True)]))
        for i in range(ranges_)
    ]


def joined(pieces: list[Edges]) -> Edges:
    nothing = np.zeros(0, np.uint64)
    return Edges(
        np.concatenate([nothing, *(piece.start for piece in pieces)]),
        np.concatenate([nothing, *(piece.end for piece in pieces)]),
        np.concatenate([np.zeros(0, np.int32), *(piece.owner for piece in pieces)]),
    )


def narrow(rows: Ints) -> Owners:
    """Row numbers in four bytes where they fit."""
    limit = np.iinfo(np.int32)
    fits = not len(rows) or (rows.min() >= limit.min and rows.max() <= limit.max)
    return rows.astype(np.int32) if fits else rows


def wide(rows: Owners) -> Ints:
    """The inverse of `narrow`."""
    return rows.astype(np.int64, copy=False)


def _hash(start: Keys, end: Keys) -> tuple[Keys, Mask]:
    """A 63-bit hash of each edge regardless of direction (in the upper bits), and which edges run upwards."""
    up = start < end
    low, high = np.where(up, start, end), np.where(up, end, start)
    h = low * _MIX_1
    h ^= h >> np.uint64(29)
    h = (h + high) * _MIX_2
    h ^= h >> np.uint64(32)
    return h << np.uint64(1), up


def _scramble(h: Keys) -> Keys:
    """Mixed again, so that a sum over edges does not keep the hash's own linear structure."""
    h = (h ^ (h >> np.uint64(31))) * _MIX_1
    return h ^ (h >> np.uint64(27))

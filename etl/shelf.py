"""What is put aside on disk while a million rows pass: their polygons, fetched back near a place, and long columns."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from etl.batch import Floats, Ints, Mask, Rings
from etl.edges import Keys

Shapes: TypeAlias = npt.NDArray[np.object_]


_AT_ONCE = 100_000


class Column:
    """A long array that grows piece by piece on disk, so that it takes memory only while somebody uses it."""

    def __init__(self, kind: npt.DTypeLike, folder: str | None, width: int = 1) -> None:
        self._kind, self._folder, self._width = np.dtype(kind), folder, width
        self._file: IO[bytes] | None = None
        self._values = 0

    def __len__(self) -> int:
        return self._values // self._width

    def put(self, values: npt.NDArray[Any]) -> None:
        """Adds values, or rows of them, at the end."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as the check
        assert values.dtype == self._kind
        self._file.write(np.ascontiguousarray(values).data)
        self._values += values.size

    def read(self, low: int = 0, high: int | None = None) -> npt.NDArray[Any]:
        """The values, or the rows of them, from ``low`` to before ``high``."""
        count = (len(self) if high is None else min(high, len(self))) - low
        out = np.empty(count * self._width, self._kind)
        if self._file is not None and count:
            self._file.seek(low * self._width * self._kind.itemsize)
            self._file.readinto(out)  # type: ignore[attr-defined]
            self._file.seek(0, 2)
        return out.reshape(-1, self._width) if self._width > 1 else out

    def close(self) -> None:
        """Gives the disk space back."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True)
class _Block:
    at: int
    counts: tuple[int, int, int, int]
    first: int


@dataclass
class Shelf:
    """Rings put aside in an unnamed temporary file, beside them a rough box, the id and the hash of each row."""

    folder: str | None
    _file: IO[bytes] | None = None
    _blocks: list[_Block] = field(default_factory=list)
    _inner: list[npt.NDArray[np.int32]] = field(default_factory=list)
    _origin: Floats | None = None
    _rows: int = 0

    def __post_init__(self) -> None:
        self._rough = Column(np.float32, self.folder, width=4)
        self._ids = Column(np.int64, self.folder)
        self._hashes = Column(np.uint64, self.folder)

    def put(self, rings: Rings, usable: Mask, row_ids: Ints, hashes: Keys, origin: Floats) -> None:
        """Keeps the usable rows of a batch."""
        kept = np.flatnonzero(usable)
        if not len(kept):
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - lives as long as the check
            self._origin = origin
        at = self._file.tell()
        levels = (rings.xy, rings.ring_start, rings.part_start, rings.row_start)
        for level in levels:
            self._file.write(np.ascontiguousarray(level).data)
        self._blocks.append(_Block(at, (len(levels[0]), len(levels[1]), len(levels[2]), len(levels[3])), self._rows))
        self._inner.append(kept.astype(np.int32))
        self._rough.put((row_boxes(rings)[kept] - np.tile(origin, 2)).astype(np.float32))
        self._ids.put(row_ids[kept])
        self._hashes.put(hashes[kept])
        self._rows += len(kept)

    def close(self) -> None:
        """Gives the disk space back."""
        if self._file is not None:
            self._file.close()
            self._file = None
        for column in (self._rough, self._ids, self._hashes):
            column.close()

    def ids(self) -> Ints:
        """The caller's id of each kept row, read anew each time."""
        return self._ids.read()

    def hashes(self) -> Keys:
        """The geometry hash of each kept row, read anew each time."""
        return self._hashes.read()

    def of(self, ids: Ints) -> Ints:
        """Rows with these ids, ascending."""
        return np.flatnonzero(np.isin(self.ids(), ids))

    def boxes(self, rows: Ints) -> Floats:
        """Boxes of these rows, up to 2 cm too large on each side: they are kept in single precision."""
        return self._widened(self._rough.read()[rows])

    def every(self) -> Ints:
        """All rows."""
        return np.arange(self._rows)

    def near(self, targets: Floats) -> Ints:
        """Rows whose box meets one of these boxes (n, 4), ascending."""
        if not len(targets) or not self._rows:
            return self.every()[:0]
        raster, tree = _Raster(targets), shapely.STRtree(as_boxes(targets))
        found = []
        for low in range(0, self._rows, _AT_ONCE):  # what it takes to look at a million boxes is ten times the boxes
            boxes = self._widened(self._rough.read(low, low + _AT_ONCE))
            maybe = np.flatnonzero(raster.touched(boxes))
            found.append(low + maybe[np.unique(tree.query(as_boxes(boxes[maybe]))[0])])
        return np.concatenate(found)

    def _widened(self, rough: npt.NDArray[np.float32]) -> Floats:
        assert self._origin is not None
        spare = np.array([-0.02, -0.02, 0.02, 0.02])
        boxes: Floats = rough.astype(np.float64) + spare + np.tile(self._origin, 2)
        return boxes

    def shapes(self, rows: Ints) -> Shapes:
        """The polygons of these rows (ascending); rings that touch themselves are made valid in this copy only."""
        out = np.full(len(rows), None, object)
        for block, inner in zip(self._blocks, self._inner, strict=True):
            low, high = np.searchsorted(rows, [block.first, block.first + len(inner)])
            if low < high:
                out[low:high] = self._read(block).take(inner[rows[low:high] - block.first]).polygons()
        bad = ~shapely.is_valid(out)
        if bad.any():
            out[bad] = shapely.make_valid(out[bad])
        return out

    def _read(self, block: _Block) -> Rings:
        assert self._file is not None
        self._file.seek(block.at)
        points, rings, parts, rows = block.counts
        xy = np.frombuffer(self._file.read(16 * points), np.float64).reshape(-1, 2)
        starts = [np.frombuffer(self._file.read(8 * count), np.int64) for count in (rings, parts, rows)]
        self._file.seek(0, 2)
        return Rings(xy, *starts)


class _Raster:
    """A coarse picture of where some boxes are, to pass over the million rows that are nowhere near them."""

    def __init__(self, targets: Floats) -> None:
        size = int(np.clip(8 * np.sqrt(len(targets)), 16, 1024))
        self._low = targets[:, :2].min(axis=0)
        self._step = np.maximum((targets[:, 2:].max(axis=0) - self._low) / size, 1e-6)
        self._size = size
        x0, y0, x1, y1 = self._cells(targets)
        corners = np.zeros((size + 1, size + 1), np.int32)
        np.add.at(corners, (x0, y0), 1)
        np.add.at(corners, (x1 + 1, y0), -1)
        np.add.at(corners, (x0, y1 + 1), -1)
        np.add.at(corners, (x1 + 1, y1 + 1), 1)
        marked = corners.cumsum(axis=0).cumsum(axis=1)[:size, :size] > 0
        self._sums = np.zeros((size + 1, size + 1), np.int32)
        self._sums[1:, 1:] = marked.astype(np.int32).cumsum(axis=0).cumsum(axis=1)

    def touched(self, boxes: Floats) -> Mask:
        """Which boxes lie over a marked cell."""
        x0, y0, x1, y1 = self._cells(boxes)
        sums = self._sums
        return (sums[x1 + 1, y1 + 1] - sums[x0, y1 + 1] - sums[x1 + 1, y0] + sums[x0, y0]) > 0

    def _cells(self, boxes: Floats) -> tuple[Ints, Ints, Ints, Ints]:
        def cell(axis: int, values: Floats) -> Ints:
            steps = np.floor((values - self._low[axis]) / self._step[axis])
            return np.asarray(np.clip(steps, 0, self._size - 1), np.int64)

        return cell(0, boxes[:, 0]), cell(1, boxes[:, 1]), cell(0, boxes[:, 2]), cell(1, boxes[:, 3])


def row_boxes(rings: Rings) -> Floats:
    """(rows, 4) bounds of each row; NaN for rows without geometry."""
    out = np.full((rings.rows, 4), np.nan)
    bounds = rings.ring_start[rings.part_start[rings.row_start]]
    filled = np.flatnonzero(np.diff(bounds) > 0)
    if len(filled):
        begin = bounds[filled]
        for axis in (0, 1):
            values = np.ascontiguousarray(rings.xy[: bounds[-1], axis])
            out[filled, axis] = np.minimum.reduceat(values, begin)
            out[filled, axis + 2] = np.maximum.reduceat(values, begin)
    return out


def as_boxes(boxes: Floats) -> Shapes:
    return np.asarray(shapely.box(boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]), object)

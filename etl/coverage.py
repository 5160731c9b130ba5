"""Do the parcels tile the ground? Overlaps, gaps and missing nodes, found in one pass over any number of parcels.

Every edge between two good neighbours is used twice, once in each direction, and such pairs cancel out as the batches
pass. How many parcels cover a point changes only across an edge that is left over. So each overlap and each gap is a
face of the few left-over edges, and only those are ever noded: 25 thousand of 8.3 million in a file with 1 % faults.
A face says only *that* parcels overlap there; which ones, and over what area, is then computed exactly from the
parcels near it, fetched back from a temporary file, so that memory stays small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from etl.batch import Floats, Ints, Mask, Rings, ranges
from etl.edges import Edges, Keys, cancel, cancelled, joined, narrow, ring_edges, wide
from etl.memory import give_back
from etl.outlines import Which, find_outlines
from etl.shelf import Shapes, Shelf, as_boxes

_HALF = 1 << 31
_STRIP_ROWS = 100_000
_PAIRS = 50_000
_TILE_EDGES = 150_000
_FOLD_EDGES = 2_000_000
_MARGIN_M = 100.0
_FEW_COPIES = 8


@dataclass(frozen=True)
class CoverageTolerance:
    """What counts as a fault of the coverage; metres and square metres.

    grid_m: vertices closer than this are one vertex. noise_width_m: faces narrower than this come from rounding to
    the millimetre. gap_width_m, gap_area_m2: an enclosed empty place is a gap if it is narrower *or* smaller than
    this; anything larger is a road, a canal, or land not yet surveyed. node_m: how near a neighbour's vertex must lie
    to an edge to be a missing node of it. Source: office practice.
    """

    grid_m: float = 1e-4
    noise_width_m: float = 1e-3
    gap_width_m: float = 0.5
    gap_area_m2: float = 50.0
    node_m: float = 2e-3


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Pairs of rows with common ground: its exact area, the width of its widest piece, and the piece itself.

    Where one geometry stands in more than eight rows, each of them is paired with the next only, and with another row
    through its first: every row is named, and a parcel loaded a thousand times does not become half a million pairs.
    """

    row_a: Ints
    row_b: Ints
    area_m2: Floats
    width_m: Floats
    place: Shapes

    def __len__(self) -> int:
        return len(self.row_a)


@dataclass(frozen=True, eq=False)
class Gaps:
    """Enclosed places that no parcel covers. Rows bordering gap i: border_row[border_start[i]:border_start[i + 1]]."""

    area_m2: Floats
    width_m: Floats
    place: Shapes
    border_row: Ints
    border_start: Ints

    def __len__(self) -> int:
        return len(self.area_m2)


@dataclass(frozen=True, eq=False)
class MissingNodes:
    """Vertices of `vertex_row` that lie on an edge of `edge_row`, which has no vertex there."""

    edge_row: Ints
    vertex_row: Ints
    place: Shapes

    def __len__(self) -> int:
        return len(self.edge_row)


@dataclass(frozen=True, eq=False)
class CoverageReport:
    """Everything the coverage check found. far_rows: too far (214 km) from the first vertex to be judged with it."""

    overlaps: Overlaps
    gaps: Gaps
    missing_nodes: MissingNodes
    far_rows: Ints
    unmatched_edges: int


class CoverageCheck:
    """Takes rings batch by batch and tells at the end where parcels overlap, leave gaps, or miss a common node.

    Coordinates must be metres in one plane system. Row ids are the caller's; a negative id marks a parcel that is
    already in the register: it counts as ground taken, but pairs and gaps among such parcels alone are not reported.
    To judge an import against the register, add the register's parcels that the staged ones touch in the same way.
    Rows outside `usable` (invalid geometry) take no part, and empty places that they might fill are not called gaps.

    Known limits: an empty place that opens into a road or to the outside is one face with it, and no gap. In a file
    with more than 150 thousand left-over edges, gaps longer than 100 m may be missed (overlaps never are).
    """

    def __init__(self, tolerance: CoverageTolerance | None = None, *, spill_dir: str | None = None) -> None:
        self._tolerance = tolerance or CoverageTolerance()
        self._origin: Floats | None = None
        self._pending: list[Edges] = []
        self._settled = 0
        self._shelf = Shelf(spill_dir)
        self._excluded: list[Shapes] = []
        self._far: list[Ints] = []

    def add(self, rings: Rings, usable: Mask, row_ids: Ints, ring_areas: Floats | None = None) -> Keys:
        """Takes the rows of one batch; returns a hash per row that is equal for equal geometries.

        The hash ignores the order of parts and rings, where a ring starts and which way it runs; it is 0 for rows
        that are not usable. ring_areas: `rings.ring_areas()` if the caller has it already.
        """
        usable = usable & rings.has_geometry()
        self._exclude(rings, ~usable & rings.has_geometry())
        if not usable.any():
            return np.zeros(rings.rows, np.uint64)
        keys, far = self._lattice(rings, usable)
        if far.any():
            self._far.append(row_ids[far])
            usable &= ~far
        areas = rings.ring_areas() if ring_areas is None else ring_areas
        edges, hashes = ring_edges(rings, usable, keys, areas)
        self._shelf.put(rings, usable, row_ids, hashes, self._base())
        self._pending.append(cancel(Edges(edges.start, edges.end, narrow(row_ids)[edges.owner])))
        if sum(map(len, self._pending)) > max(_FOLD_EDGES, 2 * self._settled):
            self._fold()
        return hashes

    def finish(self) -> CoverageReport:
        """Everything found in all rows that were added."""
        try:
            edges = self._fold()
            self._pending = []
            return self._report(edges)
        finally:
            self._shelf.close()

    def _base(self) -> Floats:
        assert self._origin is not None
        return self._origin

    def _lattice(self, rings: Rings, usable: Mask) -> tuple[Keys, Mask]:
        """Each vertex as one 64-bit number, and the rows with a vertex outside the 32-bit window."""
        grid = self._tolerance.grid_m
        if self._origin is None:
            first = rings.xy[rings.ring_start[rings.part_start[rings.row_start[np.flatnonzero(usable)[0]]]]]
            self._origin = np.floor(first)
        with np.errstate(invalid="ignore"):
            steps = np.rint((rings.xy - self._origin) / grid)
            outside = ~(np.abs(steps) < _HALF - 1).all(axis=1)
            whole = (steps.astype(np.int64) + _HALF).astype(np.uint64)
        far = np.zeros(rings.rows, bool)
        if outside.any():
            ring = np.searchsorted(rings.ring_start, np.flatnonzero(outside), side="right") - 1
            far[rings.ring_rows()[ring]] = True
        return (whole[:, 0] << np.uint64(32)) | whole[:, 1], far & usable

    def _exclude(self, rings: Rings, rows: Mask) -> None:
        """Keeps the outlines: where one runs, mending may lay land. (Its box would hide gaps far from the outline.)"""
        part = rings.take(rows)
        lines = np.split(part.xy, part.ring_start[1:-1]) if len(part.xy) else []
        drawn = [shapely.linestrings(line) for line in lines if len(line) > 1 and np.isfinite(line).all()]
        self._excluded.append(np.array(drawn, object))

    def _fold(self) -> Edges:
        """Cancels the pending edges across batches."""
        pieces = cancelled(self._pending)
        self._pending = []  # before the pieces are joined: otherwise all edges are in memory three times
        left = joined(pieces)
        self._pending, self._settled = [left], len(left)
        return left

    def _report(self, edges: Edges) -> CoverageReport:
        total = len(edges)
        edges = self._needing_a_look(edges)
        give_back()
        if not len(edges):
            return _clean_report(self._far_rows(), total)
        segments = self._segments(edges)
        tiles = _tiles(segments)
        copies = _Copies(self._shelf.hashes())
        if len(tiles) == 1:
            faces = self._faces(segments, tiles[0])
            cover = self._cover(faces)
            empty, crowded = faces[cover == 0], _shifted(faces[cover > 1], self._base())
            overlaps = self._overlaps(crowded, copies)
        else:
            # Noding everything would take four times as long as uniting the parcels and intersecting all neighbours.
            empty = np.concatenate([self._holes(edges, tile) for tile in tiles])
            overlaps = self._overlaps(None, copies)
        listed = _Listed(self._shelf.ids(), copies, overlaps)
        nodes = [self._nodes_in(tile, edges, segments, listed) for tile in tiles]
        return CoverageReport(
            overlaps=overlaps,
            gaps=self._gaps(_shifted(empty, self._base())),
            missing_nodes=_join_nodes(nodes),
            far_rows=self._far_rows(),
            unmatched_edges=total,
        )

    def _needing_a_look(self, edges: Edges) -> Edges:
        """The left-over edges without those of calm outlines, which enclose nothing (``etl.outlines``)."""
        if not len(edges):
            return edges
        limit = self._tolerance
        segments = _Lattice(edges.start, edges.end, limit.grid_m)
        outlines = find_outlines(
            edges.start, edges.end, segments, gap_width_m=limit.gap_width_m, gap_area_m2=limit.gap_area_m2
        )
        give_back()
        calm = np.flatnonzero(outlines.calm)
        inside_another = self._covered(outlines.beside[calm] + self._base()) > 0
        left_out = np.zeros(len(outlines.calm), bool)
        left_out[calm[~inside_another]] = True
        return edges.take(~left_out[outlines.of_edge])

    def _nodes_in(self, tile: _Tile, edges: Edges, segments: Floats, listed: _Listed) -> MissingNodes:
        near = tile.near(segments)
        base = self._base()
        found = _missing_nodes(edges.take(near), segments[near], listed, self._tolerance.node_m, base)
        ours = tile.owns(shapely.get_coordinates(found.place) - base)
        return MissingNodes(found.edge_row[ours], found.vertex_row[ours], found.place[ours])

    def _far_rows(self) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *self._far])

    def _segments(self, edges: Edges) -> Floats:
        """Left-over edges as (n, 2, 2) coordinates in metres from the origin, exactly on the lattice."""
        return _Lattice(edges.start, edges.end, self._tolerance.grid_m)[:]

    def _faces(self, segments: Floats, tile: _Tile) -> Shapes:
        faces = _polygonized(_lines(segments), self._tolerance.grid_m, tile)
        faces = faces[tile.holds(faces)]
        return faces[_width(faces) > self._tolerance.noise_width_m]

    def _holes(self, edges: Edges, tile: _Tile) -> Shapes:
        """Empty places of a tile, in metres from the origin: holes in the union of the parcels with left-over edges.

        These parcels alone enclose every empty place; where others lie, a hole is not empty.
        """
        base, limit = self._base(), self._tolerance
        rows = self._shelf.of(wide(edges.owner))
        rows = rows[tile.meets(self._shelf.boxes(rows) - np.tile(base, 2))]
        ground = shapely.get_parts(_united(_shifted(self._shelf.shapes(rows), -base)))
        holes = _holes_of(ground[shapely.get_type_id(ground) == shapely.GeometryType.POLYGON])
        holes = holes[tile.holds(holes)]
        width = _width(holes)
        small = (width <= limit.gap_width_m) | (shapely.area(holes) <= limit.gap_area_m2)
        holes = holes[small & (width > limit.noise_width_m)]
        bare: Shapes = holes[self._cover(holes) == 0]
        return bare

    def _cover(self, faces: Shapes) -> Ints:
        """How many parcels cover each face; one point decides, as the number is the same all over a face."""
        return self._covered(shapely.get_coordinates(shapely.point_on_surface(faces)) + self._base())

    def _covered(self, xy: Floats) -> Ints:
        """How many parcels cover each point."""
        if not len(xy):
            return np.zeros(0, np.int64)
        rows = self._shelf.near(np.concatenate([xy, xy], axis=1))
        point, row = shapely.STRtree(as_boxes(self._shelf.boxes(rows))).query(shapely.points(xy))
        shapes = self._shelf.shapes(rows)
        inside = shapely.intersects_xy(shapes[row], xy[point, 0], xy[point, 1])
        return np.bincount(point[inside], minlength=len(xy))

    def _overlaps(self, crowded: Shapes | None, copies: _Copies) -> Overlaps:
        """All pairs with common ground. It lies in crowded faces, so only rows near them are paired (None: all rows)."""
        near = self._shelf.every() if crowded is None else self._shelf.near(shapely.bounds(crowded))
        rows = np.unique(copies.first[near])
        ours = np.zeros(len(copies.first), bool)
        np.logical_or.at(ours, copies.first, self._shelf.ids() >= 0)
        boxes = self._shelf.boxes(rows)
        found = []
        for low, high in _strips(boxes):
            within = np.flatnonzero((boxes[:, 2] >= low) & (boxes[:, 0] < high))
            a, b = (rows[within[one]] for one in _box_pairs(boxes[within], low, high, crowded))
            asked = ours[a] | ours[b]
            a, b = a[asked], b[asked]
            found += [self._intersections(a[i : i + _PAIRS], b[i : i + _PAIRS]) for i in range(0, len(a), _PAIRS)]
        different = _join_overlaps(found)
        a, b, pair = copies.spread(different.row_a, different.row_b)
        spread = Overlaps(a, b, different.area_m2[pair], different.width_m[pair], different.place[pair])
        return self._named(_join_overlaps([spread, self._whole(*copies.pairs_of(rows))]))

    def _whole(self, a: Ints, b: Ints) -> Overlaps:
        """Pairs of equal rows: all that the one covers."""
        rows, where = np.unique(a, return_inverse=True)
        place, width = _polygonal(self._shelf.shapes(rows))
        place, width = place[where], width[where]
        return Overlaps(a, b, np.asarray(shapely.area(place)), width, place)

    def _named(self, found: Overlaps) -> Overlaps:
        """Overlaps under the caller's ids, without those among parcels of the register."""
        a, b = self._shelf.ids()[found.row_a], self._shelf.ids()[found.row_b]
        asked = (a >= 0) | (b >= 0)
        return Overlaps(a[asked], b[asked], found.area_m2[asked], found.width_m[asked], found.place[asked])

    def _intersections(self, a: Ints, b: Ints) -> Overlaps:
        rows, where = np.unique(np.concatenate([a, b]), return_inverse=True)
        shapes = self._shelf.shapes(rows)
        common = shapely.intersection(shapes[where[: len(a)]], shapes[where[len(a) :]])
        area = shapely.area(common)
        real = np.flatnonzero(area > 0)
        place, width = _polygonal(common[real])
        wide = width > self._tolerance.noise_width_m
        kept = real[wide]
        return Overlaps(a[kept], b[kept], area[kept], width[wide], place[wide])

    def _gaps(self, empty: Shapes) -> Gaps:
        limit = self._tolerance
        area, width = shapely.area(empty), _width(empty)
        small = (width <= limit.gap_width_m) | (area <= limit.gap_area_m2)
        gaps, area, width = empty[small], area[small], width[small]
        known = ~self._maybe_filled(gaps)
        gaps, area, width = gaps[known], area[known], width[known]
        gap, owner = self._bordering(gaps)
        ours = np.zeros(len(gaps), bool)
        ours[gap[owner >= 0]] = True
        kept = np.flatnonzero(ours)
        listed = ours[gap]
        count = np.bincount(gap[listed], minlength=len(gaps))[kept]
        border_start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return Gaps(area[kept], width[kept], gaps[kept], owner[listed], border_start)

    def _maybe_filled(self, gaps: Shapes) -> Mask:
        """Gaps where a row that could not be judged may lie: they would vanish once that row is mended."""
        filled = np.zeros(len(gaps), bool)
        if self._excluded and len(gaps):
            tree = shapely.STRtree(np.concatenate(self._excluded))
            filled[tree.query(gaps, predicate="dwithin", distance=self._tolerance.node_m)[0]] = True
        return filled

    def _bordering(self, gaps: Shapes) -> tuple[Ints, Ints]:
        rows = self._shelf.near(shapely.bounds(gaps))
        shapes = self._shelf.shapes(rows)
        gap, row = shapely.STRtree(shapes).query(gaps, predicate="dwithin", distance=self._tolerance.node_m)
        order = np.lexsort((row, gap))
        return gap[order], self._shelf.ids()[rows[row[order]]]


class _Lattice:
    """Edges as (n, 2, 2) coordinates in metres from the origin, made from their keys as they are asked for.

    The coordinates of all left-over edges at once take more memory than the edges themselves.
    """

    def __init__(self, start: Keys, end: Keys, grid_m: float) -> None:
        self._start, self._end, self._grid_m = start, end, grid_m

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, which: Which) -> Floats:
        start = self._start[which]
        segments = np.empty((len(start), 2, 2))
        for place, keys in enumerate((start, self._end[which])):
            segments[:, place, 0] = (keys >> np.uint64(32)).astype(np.int64) - _HALF
            segments[:, place, 1] = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64) - _HALF
        segments *= self._grid_m
        return segments


@dataclass(frozen=True)
class _Tile:
    """A part of the plane to be noded at once: faces and vertices whose own point lies in the core belong to it.

    In a file where nothing fits together all edges are left over, and noding millions at once would take all memory.
    Coordinates are metres from the origin; a single tile has no bounds.
    """

    low: Floats
    high: Floats

    def near(self, segments: Floats) -> Ints:
        """Edges that meet the core with its margin."""
        most, least = segments.max(axis=1), segments.min(axis=1)
        return np.flatnonzero(((most >= self.low - _MARGIN_M) & (least <= self.high + _MARGIN_M)).all(axis=1))

    def meets(self, boxes: Floats) -> Mask:
        """Boxes (n, 4) that lie at least partly over the core with its margin."""
        inside = (boxes[:, 2:] >= self.low - _MARGIN_M) & (boxes[:, :2] <= self.high + _MARGIN_M)
        return np.asarray(inside.all(axis=1))

    def owns(self, xy: Floats) -> Mask:
        """Points in the core."""
        inside: Mask = np.all((xy >= self.low) & (xy < self.high), axis=1)
        return inside

    def holds(self, faces: Shapes) -> Mask:
        """Faces that begin in the core and do not reach beyond the margin, where edges may be lacking."""
        box = shapely.bounds(faces).reshape(-1, 4)
        whole: Mask = np.all((box[:, :2] >= self.low - _MARGIN_M) & (box[:, 2:] <= self.high + _MARGIN_M), axis=1)
        return whole & self.owns(box[:, :2])

    def encloses(self, shapes: Shapes) -> Mask:
        """Shapes that lie in the core from end to end."""
        box = shapely.bounds(shapes).reshape(-1, 4)
        return self.owns(box[:, :2]) & self.owns(box[:, 2:])


class _Copies:
    """Rows with equal geometry, so that each geometry is intersected once however often it was loaded."""

    def __init__(self, hashes: Keys) -> None:
        _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
        self.first: Ints = first[group].astype(np.int64)
        """For each row the first row with its geometry: itself where there is no other."""
        self._order = np.argsort(self.first, kind="stable")
        self._sorted = self.first[self._order]

    def pairs_of(self, rows: Ints) -> tuple[Ints, Ints]:
        """Pairs of rows with the same geometry, of the geometries of these rows."""
        firsts = np.unique(self.first[rows])
        begin, size = self._range(firsts)
        many = size > _FEW_COPIES
        member, offsets = ranges(begin, size)
        last = np.repeat(begin + size, np.diff(offsets))
        # Each row with all that follow it in its group, or with the next alone.
        count = np.minimum(last - member - 1, np.where(np.repeat(many, size), 1, _FEW_COPIES))
        follower, starts = ranges(member + 1, count)
        return self._order[np.repeat(member, np.diff(starts))], self._order[follower]

    def spread(self, a: Ints, b: Ints) -> tuple[Ints, Ints, Ints]:
        """Pairs of first rows, told of their copies too; and which pair each comes from."""
        (begin_a, size_a), (begin_b, size_b) = self._range(a), self._range(b)
        few = np.maximum(size_a, size_b) <= _FEW_COPIES
        left, of = self._members(begin_a, size_a, np.arange(len(a)))
        right, pair = self._members(begin_b[of], np.where(few, size_b, 1)[of], np.arange(len(of)))
        left, of = left[pair], of[pair]
        more, of_b = self._members(begin_b[~few] + 1, size_b[~few] - 1, np.flatnonzero(~few))
        first = np.concatenate([left, a[of_b]])
        return first, np.concatenate([right, more]), np.concatenate([of, of_b])

    def _range(self, firsts: Ints) -> tuple[Ints, Ints]:
        begin = np.searchsorted(self._sorted, firsts, side="left")
        return begin, np.searchsorted(self._sorted, firsts, side="right") - begin

    def _members(self, begin: Ints, size: Ints, label: Ints) -> tuple[Ints, Ints]:
        members, offsets = ranges(begin, size)
        return self._order[members], np.repeat(label, np.diff(offsets))


class _Listed:
    """Answers which pairs of rows are already told to overlap, copies of a row being as good as the row."""

    def __init__(self, ids: Ints, copies: _Copies, overlaps: Overlaps) -> None:
        self._order = np.argsort(ids, kind="stable")
        self._ids, self._first = ids[self._order], copies.first
        self._pairs = self._keys(overlaps.row_a, overlaps.row_b)

    def among(self, a: Ints, b: Ints) -> Mask:
        """Which pairs (a, b) of ids, in either order, overlap."""
        return np.isin(self._keys(a, b), self._pairs)

    def _keys(self, a: Ints, b: Ints) -> Ints:
        first_a, first_b = self._first_of(a), self._first_of(b)
        return np.asarray(np.minimum(first_a, first_b) * len(self._ids) + np.maximum(first_a, first_b), np.int64)

    def _first_of(self, ids: Ints) -> Ints:
        first: Ints = self._first[self._order[np.searchsorted(self._ids, ids)]]
        return first


def _united(shapes: Shapes) -> shapely.Geometry:
    """The union; on the rare shapes that floating point cannot unite, on a grid of a tenth of a millimetre."""
    try:
        return shapely.union_all(shapes)
    except shapely.GEOSException:
        return shapely.union_all(shapes, grid_size=1e-4)


def _holes_of(ground: Shapes) -> Shapes:
    """The holes of these polygons, without the polygons that lie in them."""
    rings, owner = shapely.get_rings(ground, return_index=True)
    inner = np.concatenate([[False], owner[1:] == owner[:-1]]) if len(owner) else np.zeros(0, bool)
    holes = np.asarray(shapely.polygons(rings[inner]), object)
    island, hole = shapely.STRtree(holes).query(ground, predicate="within")
    for one in np.unique(hole):
        holes[one] = shapely.difference(holes[one], shapely.union_all(ground[island[hole == one]]))
    return np.asarray(shapely.get_parts(holes), object)


def _tiles(segments: Floats) -> list[_Tile]:
    """One tile for all, or as many columns and rows as keep each at about 150 thousand edges."""
    side = int(np.ceil(np.sqrt(len(segments) / _TILE_EDGES)))
    if side <= 1:
        return [_Tile(np.full(2, -np.inf), np.full(2, np.inf))]
    at = segments[:, 0]
    tiles = []
    for x0, x1 in _cut(at[:, 0], side):
        column = at[(at[:, 0] >= x0) & (at[:, 0] < x1), 1]
        tiles += [_Tile(np.array([x0, y0]), np.array([x1, y1])) for y0, y1 in _cut(column, side)]
    return tiles


def _cut(values: Floats, count: int) -> list[tuple[float, float]]:
    inner = np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]).tolist() if len(values) else []
    return list(zip([-np.inf, *inner], [*inner, np.inf], strict=True))


def _polygonized(lines: Shapes, grid_m: float, tile: _Tile) -> Shapes:
    """Faces of the arrangement of these lines.

    The lines form closed chains, so after noding nothing may dangle, but for chains cut at a tile's margin. Where
    rounding at a crossing leaves a loose end, the lines are noded once more on a grid finer than the lattice, which
    cannot fail but takes five times as long.
    """
    try:
        noded = shapely.node(shapely.multilinestrings(lines))
    except shapely.GEOSException:
        noded = None
    if noded is not None:
        faces, cuts, dangles, bad = shapely.polygonize_full(shapely.get_parts(noded))
        if not tile.encloses(np.concatenate([shapely.get_parts(rest) for rest in (cuts, dangles, bad)])).any():
            return np.asarray(shapely.get_parts(faces))
    snapped = shapely.union_all(lines, grid_size=grid_m / 10)
    return np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(snapped))))


def _width(shapes: Shapes) -> Floats:
    """How wide a shape is: the short side of the rectangle with its area and perimeter, or of a square if rounder."""
    area, half = shapely.area(shapes), shapely.length(shapes) / 2
    return np.asarray((half - np.sqrt(np.maximum(half * half - 4 * area, 0))) / 2)


def _polygonal(common: Shapes) -> tuple[Shapes, Floats]:
    """Without the lines and points of an intersection; and the width of its widest piece."""
    parts, index = shapely.get_parts(common, return_index=True)
    flat = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, index = parts[flat], index[flat]
    width = np.zeros(len(common))
    np.maximum.at(width, index, _width(parts))
    mixed = shapely.get_type_id(common) == shapely.GeometryType.GEOMETRYCOLLECTION
    for i in np.flatnonzero(mixed):
        common[i] = shapely.multipolygons(parts[index == i])
    return common, width


def _lines(segments: Floats) -> Shapes:
    return np.asarray(shapely.linestrings(segments), object)


def _shifted(shapes: Shapes, by: Floats) -> Shapes:
    return np.asarray(shapely.transform(shapes, lambda xy: xy + by), object) if len(shapes) else shapes


def _strips(boxes: Floats) -> list[tuple[float, float]]:
    """West-east strips of at most about 100 thousand rows, so that a file loaded twice needs no more memory."""
    count = -(-len(boxes) // _STRIP_ROWS)
    if count <= 1:
        return [(-np.inf, np.inf)] if len(boxes) else []
    return _cut(boxes[:, 0], count)


def _box_pairs(boxes: Floats, low: float, high: float, crowded: Shapes | None) -> tuple[Ints, Ints]:
    """Pairs of rows whose boxes meet over a crowded face; a pair belongs to the strip where its common box begins."""
    shapes = as_boxes(boxes)
    a, b = shapely.STRtree(shapes).query(shapes)
    begins = np.maximum(boxes[a, 0], boxes[b, 0])
    once = (a < b) & (begins >= low) & (begins < high)
    a, b = a[once], b[once]
    if crowded is None:
        return a, b
    least = np.maximum(boxes[a, :2], boxes[b, :2])
    most = np.minimum(boxes[a, 2:], boxes[b, 2:])
    common = as_boxes(np.concatenate([least, most], axis=1))
    pair, face = shapely.STRtree(crowded).query(common)
    # Prepared, because a layer loaded twice is one face with as many vertices as its whole border.
    shapely.prepare(crowded)
    hit = np.unique(pair[shapely.intersects(crowded[face], common[pair])])
    return a[hit], b[hit]


def _join_nodes(pieces: list[MissingNodes]) -> MissingNodes:
    return MissingNodes(
        np.concatenate([p.edge_row for p in pieces]),
        np.concatenate([p.vertex_row for p in pieces]),
        np.concatenate([p.place for p in pieces]),
    )


def _join_overlaps(pieces: list[Overlaps]) -> Overlaps:
    none = np.zeros(0, np.int64)
    return Overlaps(
        np.concatenate([none, *(p.row_a for p in pieces)]),
        np.concatenate([none, *(p.row_b for p in pieces)]),
        np.concatenate([np.zeros(0), *(p.area_m2 for p in pieces)]),
        np.concatenate([np.zeros(0), *(p.width_m for p in pieces)]),
        np.concatenate([np.zeros(0, object), *(p.place for p in pieces)]),
    )


def _missing_nodes(edges: Edges, segments: Floats, listed: _Listed, near_m: float, origin: Floats) -> MissingNodes:
    """Vertices on another parcel's left-over edge, away from its ends; where the two overlap, the overlap says it."""
    if not len(edges):
        return MissingNodes(wide(edges.owner), wide(edges.owner), np.zeros(0, object))
    keys, first = np.unique(np.concatenate([edges.start, edges.end]), return_index=True)
    vertex = segments.transpose(1, 0, 2).reshape(-1, 2)
    at = vertex[first]
    point, edge = shapely.STRtree(_lines(segments)).query(shapely.points(at), predicate="dwithin", distance=near_m)
    from_ends = np.hypot(*(at[point, None] - segments[edge]).transpose(2, 0, 1)).min(axis=1)
    inside = from_ends > near_m
    point, edge = point[inside], edge[inside]
    # A vertex has several owners; the edges that end there name them.
    ends = np.concatenate([edges.start, edges.end])
    order = np.argsort(ends, kind="stable")
    low = np.searchsorted(ends[order], keys[point], side="left")
    high = np.searchsorted(ends[order], keys[point], side="right")
    member, offsets = ranges(low, high - low)
    which = np.repeat(np.arange(len(point)), np.diff(offsets))
    owner = wide(edges.owner)
    vertex_row = np.concatenate([owner, owner])[order][member]
    edge_row = owner[edge[which]]
    good = (vertex_row != edge_row) & ((vertex_row >= 0) | (edge_row >= 0))
    good &= ~listed.among(edge_row, vertex_row)
    found = np.stack([edge_row[good], point[which[good]], vertex_row[good]], axis=1)
    # One complaint per edge's parcel and vertex is enough, whoever owns the vertex.
    _, kept = np.unique(found[:, :2], axis=0, return_index=True)
    chosen = found[kept]
    return MissingNodes(chosen[:, 0], chosen[:, 2], np.asarray(shapely.points(at[chosen[:, 1]] + origin), object))


def _clean_report(far: Ints, unmatched_edges: int) -> CoverageReport:
    rows, sizes, shapes = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, object)
    return CoverageReport(
        Overlaps(rows, rows, sizes, sizes, shapes),
        Gaps(sizes, sizes, shapes, rows, np.zeros(1, np.int64)),
        MissingNodes(rows, rows, shapes),
        far,
        unmatched_edges,
    )

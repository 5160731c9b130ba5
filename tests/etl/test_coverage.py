"""Edge matching finds what comparing every pair finds, and calls nothing a fault that is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import shapely

from etl.batch import rings_from_shapes
from etl.coverage import CoverageCheck, CoverageReport, CoverageTolerance

E, N = 551_000.0, 1_061_000.0
Shapes = npt.NDArray[np.object_]


def box(x0: float, y0: float, x1: float, y1: float, *, holes: list[shapely.Polygon] | None = None) -> shapely.Polygon:
    """A rectangle, metres from a point in Sóc Trăng."""
    shell = shapely.box(E + x0, N + y0, E + x1, N + y1).exterior
    return shapely.Polygon(shell, [hole.exterior for hole in holes or []])


def polygon(*points: tuple[float, float]) -> shapely.Polygon:
    """A polygon through these points, metres from the same point."""
    return shapely.Polygon([(E + x, N + y) for x, y in points])


def check(shapes: list[shapely.Geometry] | Shapes, *, batch: int = 3, **limits: float) -> CoverageReport:
    """The report on these shapes, fed in small batches; row ids are 0, 1, 2 …"""
    found = CoverageCheck(CoverageTolerance(**limits))
    array = np.asarray(shapes, object)
    for low in range(0, len(array), batch):
        part = array[low : low + batch]
        ids = np.arange(low, low + len(part), dtype=np.int64)
        found.add(rings_from_shapes(part), shapely.is_valid(part), ids)
    return found.finish()


def overlap_areas(report: CoverageReport) -> dict[tuple[int, int], float]:
    """Overlap area by pair."""
    found = report.overlaps
    pairs = zip(found.row_a.tolist(), found.row_b.tolist(), found.area_m2.tolist(), strict=True)
    return {(min(a, b), max(a, b)): area for a, b, area in pairs}


def all_pairs(shapes: list[shapely.Geometry] | Shapes, least_m2: float = 1e-6) -> dict[tuple[int, int], float]:
    """The truth, slowly: each pair intersected."""
    array = np.asarray(shapes, object)
    a, b = np.triu_indices(len(array), 1)
    area = shapely.area(shapely.intersection(array[a], array[b]))
    return {(int(i), int(j)): float(s) for i, j, s in zip(a, b, area, strict=True) if s > least_m2}


def enclosed_gaps(shapes: list[shapely.Geometry] | Shapes) -> float:
    """Area of all holes in the union of the parcels, slowly."""
    parts = shapely.get_parts(shapely.union_all(np.asarray(shapes, object)))
    filled = sum(shapely.Polygon(hole).area for part in parts for hole in part.interiors)
    islands = sum(
        other.area
        for part in parts
        for hole in part.interiors
        for other in parts
        if shapely.Polygon(hole).contains(other)
    )
    return float(filled - islands)


def random_parcels(seed: int) -> Shapes:
    """A jittered lattice with rows moved, doubled, nested, given holes, joined to multi-part, and thrown across."""
    rng = np.random.default_rng(seed)
    nx, ny = rng.integers(2, 6, 2)
    nodes = np.stack(np.meshgrid(np.arange(nx + 1) * 20.0, np.arange(ny + 1) * 20.0), -1)
    nodes = np.round(nodes + rng.uniform(-4, 4, nodes.shape), 3)
    corner = [nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, 1:], nodes[1:, :-1]]
    cells = np.stack(corner, axis=2).reshape(-1, 4, 2)
    if rng.random() < 0.5:
        cells = cells[:, ::-1]
    shapes = [polygon(*map(tuple, np.roll(cell, rng.integers(4), axis=0))) for cell in cells]
    for _ in range(rng.integers(0, 6)):
        i = int(rng.integers(len(shapes)))
        shapes.append(_variant(shapes[i], int(rng.integers(6)), rng, shapes))
    order = rng.permutation(len(shapes))
    return np.array(shapes, object)[order]


def _variant(
    shape: shapely.Polygon, kind: int, rng: np.random.Generator, shapes: list[shapely.Polygon]
) -> shapely.Geometry:
    if kind == 0:
        return shapely.reverse(shape)
    if kind == 1:
        return shapely.transform(shape, lambda xy: np.round(xy + rng.uniform(-9, 9, 2), 3))
    if kind == 2:
        return shapely.box(*np.round(np.array(shape.centroid.coords[0] * 2) + np.array([-2, -1, 2, 1]), 3))
    if kind == 3:
        around = np.array(shape.bounds) + np.array([-7, -6, 8, 5])
        return shapely.box(*np.round(around, 3)).difference(
            shapely.box(*np.round(around + np.array([9, 9, -9, -9]), 3))
        )
    if kind == 4:
        x0, y0, x1, y1 = np.round(np.array(shape.bounds), 3)
        return shapely.multipolygons([shapely.box(x0, y0, x0 + 3, y0 + 3), shapely.box(x1 + 1, y1, x1 + 5, y1 + 4)])
    both = shapely.union_all([shape, shapes[0]]).convex_hull
    return shapely.transform(both, lambda xy: np.round(xy, 3))


WIDE = {"gap_width_m": 1e9, "gap_area_m2": 1e9}


@pytest.mark.parametrize("seed", range(150))
def test_overlaps_equal_all_pairs_intersection(seed: int) -> None:
    shapes = random_parcels(seed)
    report = check(shapes, batch=1 + seed % 7, noise_width_m=1e-6)
    assert overlap_areas(report) == pytest.approx(all_pairs(shapes), abs=1e-6)


@pytest.mark.parametrize("seed", range(150, 220))
def test_gaps_equal_the_holes_of_the_union(seed: int) -> None:
    shapes = random_parcels(seed)
    report = check(shapes, batch=1 + seed % 7, noise_width_m=1e-6, **WIDE)
    assert report.gaps.area_m2.sum() == pytest.approx(enclosed_gaps(shapes), abs=1e-3)


@pytest.mark.parametrize("seed", range(220, 260))
def test_in_tiles_the_answer_is_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = random_parcels(seed)
    whole = check(shapes, noise_width_m=1e-6)
    monkeypatch.setattr("etl.coverage._TILE_EDGES", 8)
    monkeypatch.setattr("etl.coverage._STRIP_ROWS", 7)
    monkeypatch.setattr("etl.coverage._PAIRS", 5)
    tiled = check(shapes, noise_width_m=1e-6)
    assert overlap_areas(tiled) == pytest.approx(overlap_areas(whole))
    assert sorted(tiled.gaps.area_m2) == pytest.approx(sorted(whole.gaps.area_m2))
    assert sorted(tiled.missing_nodes.edge_row) == sorted(whole.missing_nodes.edge_row)


@pytest.mark.parametrize("seed", range(260, 290))
def test_cancelled_in_ranges_of_hashes_the_answer_is_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = random_parcels(seed)
    whole = check(shapes, batch=3)
    monkeypatch.setattr("etl.edges._RANGE_EDGES", 4)
    monkeypatch.setattr("etl.coverage._FOLD_EDGES", 1 + seed % 40)
    ranged = check(shapes, batch=3)
    assert ranged.unmatched_edges == whole.unmatched_edges
    assert overlap_areas(ranged) == pytest.approx(overlap_areas(whole))
    assert sorted(ranged.gaps.area_m2) == pytest.approx(sorted(whole.gaps.area_m2))


def test_a_perfect_tiling_is_clean() -> None:
    cells = [box(x, y, x + 10, y + 10) for x in range(0, 50, 10) for y in range(0, 50, 10)]
    report = check(cells)
    assert (len(report.overlaps), len(report.gaps), len(report.missing_nodes)) == (0, 0, 0)
    assert report.unmatched_edges == 20


def test_a_parcel_inside_one_whose_own_edges_all_match() -> None:
    cells = [box(x, y, x + 10, y + 10) for x in (0, 10, 20) for y in (0, 10, 20)]
    assert overlap_areas(check([*cells, box(13, 13, 15, 16)])) == {(4, 9): pytest.approx(6.0)}


def test_one_parcel_over_two_whose_common_edge_matches() -> None:
    found = overlap_areas(check([box(0, 0, 10, 10), box(10, 0, 20, 10), box(-1, -1, 21, 11)]))
    assert found == {(0, 2): pytest.approx(100), (1, 2): pytest.approx(100)}


def test_a_whole_layer_loaded_twice() -> None:
    cells = [box(x, y, x + 10, y + 10) for x in (0, 10, 20) for y in (0, 10, 20)]
    found = overlap_areas(check(cells * 2))
    assert found == {(i, i + 9): pytest.approx(100) for i in range(9)}


def test_three_identical_parcels_are_three_pairs() -> None:
    assert set(overlap_areas(check([box(0, 0, 5, 5)] * 3))) == {(0, 1), (0, 2), (1, 2)}


def test_a_hole_filled_by_another_parcel_is_no_fault() -> None:
    inner = box(3, 3, 7, 7)
    report = check([box(0, 0, 10, 10, holes=[inner]), inner], **WIDE)
    assert (len(report.overlaps), len(report.gaps)) == (0, 0)


def test_an_unfilled_hole_is_a_gap_with_its_border() -> None:
    report = check([box(0, 0, 10, 10, holes=[box(3, 3, 7, 7)]), box(10, 0, 20, 10)])
    assert report.gaps.area_m2.tolist() == [pytest.approx(16)]
    assert report.gaps.border_row.tolist() == [0]


def ring_road() -> list[shapely.Polygon]:
    return [box(0, 0, 100, 10), box(0, 90, 100, 100), box(0, 10, 10, 90), box(90, 10, 100, 90)]


def test_a_gap_is_narrow_or_small_and_a_road_is_neither() -> None:
    sliver = [box(0, 0, 100, 10), box(0, 10.3, 100, 20), box(-5, 0, 0, 20), box(100, 0, 105, 20)]
    assert check(sliver).gaps.width_m.tolist() == [pytest.approx(0.3, abs=1e-3)]
    assert len(check(ring_road()).gaps) == 0
    assert len(check(ring_road(), **WIDE).gaps) == 1


def test_the_border_outside_is_no_gap() -> None:
    assert len(check([box(0, 0, 10, 10), box(10.2, 0, 20, 10)], **WIDE).gaps) == 0


def test_a_missing_node_is_neither_overlap_nor_gap() -> None:
    report = check([box(0, 0, 20, 10), box(0, 10, 8, 20), box(8, 10, 20, 20)])
    nodes = report.missing_nodes
    assert (len(report.overlaps), len(report.gaps), len(nodes)) == (0, 0, 1)
    assert nodes.edge_row.tolist() == [0]
    assert nodes.place[0].distance(box(8, 10, 8, 10)) < 1e-6
    common = polygon((0, 0), (20, 0), (20, 10), (8, 10), (0, 10))
    assert len(check([common, box(0, 10, 8, 20), box(8, 10, 20, 20)]).missing_nodes) == 0


def test_a_node_a_millimetre_off_its_edge_is_missing_and_not_an_overlap() -> None:
    report = check([box(0, 0, 20, 10), polygon((0, 10), (8, 9.999), (8, 20), (0, 20)), box(20, 0, 30, 10)])
    assert (len(report.overlaps), len(report.missing_nodes)) == (0, 1)


def test_a_row_that_cannot_be_judged_leaves_no_gap() -> None:
    around = [box(0, 0, 9, 3), box(0, 6, 9, 9), box(0, 3, 3, 6), box(6, 3, 9, 6)]
    assert len(check(around).gaps) == 1
    bow_tie = polygon((3, 3), (6, 6), (6, 3), (3, 6))
    assert len(check([*around, bow_tie]).gaps) == 0


def test_registered_parcels_count_as_ground_but_not_as_faults() -> None:
    found = CoverageCheck()
    register = np.array([box(0, 0, 10, 10), box(5, 5, 15, 15)], object)
    found.add(rings_from_shapes(register), np.ones(2, bool), np.array([-1, -2]))
    staged = np.array([box(-5, -5, 1, 1)], object)
    found.add(rings_from_shapes(staged), np.ones(1, bool), np.array([7]))
    assert overlap_areas(found.finish()) == {(-1, 7): pytest.approx(1.0)}


def test_the_hash_knows_a_geometry_however_it_is_drawn() -> None:
    one = box(0, 0, 10, 10, holes=[box(2, 2, 3, 3)])
    start_moved = shapely.Polygon([*one.exterior.coords[2:-1], *one.exterior.coords[:3]], [one.interiors[0].coords])
    shapes = np.array([one, shapely.reverse(one), start_moved, box(0, 0, 10, 10), box(0, 0, 10, 10.001)], object)
    found = CoverageCheck()
    a, b, c, d, e = found.add(rings_from_shapes(shapes), np.ones(5, bool), np.arange(5)).tolist()
    found.finish()
    assert a == b == c
    assert len({a, d, e}) == 3


def test_a_row_very_far_away_is_named() -> None:
    report = check([box(0, 0, 5, 5), box(300_000, 0, 300_005, 5), box(4, 0, 9, 5)])
    assert report.far_rows.tolist() == [1]
    assert set(overlap_areas(report)) == {(0, 2)}


def test_nothing_at_all() -> None:
    report = CoverageCheck().finish()
    assert (len(report.overlaps), len(report.gaps), report.unmatched_edges) == (0, 0, 0)


def test_a_parcel_loaded_many_times_is_told_of_each_but_not_of_each_pair() -> None:
    shapes = [box(0, 0, 5, 5)] * 40 + [box(4, 0, 9, 5)]
    overlaps = overlap_areas(check(shapes))
    copies = {pair for pair in overlaps if 40 not in pair}
    assert copies == {(i, i + 1) for i in range(39)}
    assert {pair: area for pair, area in overlaps.items() if 40 in pair} == {(i, 40): 5.0 for i in range(40)}


def test_an_island_in_an_enclosed_place_is_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.coverage._TILE_EDGES", 4)
    around = box(0, 0, 9, 9, holes=[box(2, 2, 7, 7)])
    report = check([around, box(3, 3, 6, 6)])
    assert report.gaps.area_m2.tolist() == [pytest.approx(25 - 9)]

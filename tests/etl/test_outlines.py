"""Calm outlines are left out of the noding; whatever they could hide must still be found."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from etl.batch import Rings, rings_from_shapes
from etl.coverage import CoverageCheck, CoverageReport
from etl.outlines import surrounded_m2


def block(x: float, y: float, parcels: int = 4, width: float = 20.0, depth: float = 30.0) -> list[shapely.Polygon]:
    """A row of parcels that share their edges, as along a road."""
    return [shapely.box(x + i * width, y, x + (i + 1) * width, y + depth) for i in range(parcels)]


def judged(shapes: list[shapely.Polygon]) -> CoverageReport:
    check = CoverageCheck()
    rings: Rings = rings_from_shapes(np.array(shapes, object))
    check.add(rings, np.ones(rings.rows, bool), np.arange(rings.rows))
    return check.finish()


def test_blocks_along_roads_enclose_nothing() -> None:
    report = judged(block(0, 0) + block(0, 40) + block(100, 0))
    assert (len(report.overlaps), len(report.gaps), len(report.missing_nodes)) == (0, 0, 0)
    assert report.unmatched_edges > 0


def test_a_calm_block_inside_a_great_parcel_overlaps_it() -> None:
    report = judged([*block(0, 0), shapely.box(-500, -500, 500, 500)])
    assert sorted(zip(report.overlaps.row_a.tolist(), report.overlaps.row_b.tolist(), strict=True)) == [
        (0, 4), (1, 4), (2, 4), (3, 4),
    ]  # fmt: skip


def test_a_block_in_a_hole_of_its_own_size_is_no_overlap() -> None:
    inner = block(0, 0)
    around = shapely.box(-500, -500, 500, 500) - shapely.box(0, 0, 80, 30)
    assert len(judged([*inner, around]).overlaps) == 0


@pytest.mark.parametrize("shift", [0.01, 0.2, 0.49])
def test_two_blocks_that_nearly_meet_are_looked_at(shift: float) -> None:
    walls = [shapely.box(-40, -40, 0, 70), shapely.box(80, -40, 120, 70), shapely.box(0, -40, 80, 0)]
    lid = shapely.box(0, 30 + shift, 80, 70)
    report = judged([*block(0, 0), *walls, lid])
    assert len(report.gaps) == 1
    assert report.gaps.area_m2[0] == pytest.approx(80 * shift, rel=1e-6)


def test_a_thin_triangle_between_three_blocks_is_a_gap() -> None:
    triangle = shapely.Polygon([(0, 0), (300, 0), (300, 0.4)])
    around = shapely.box(-50, -50, 350, 50) - triangle
    report = judged([around])
    assert report.gaps.area_m2.tolist() == [pytest.approx(60.0)]


def test_a_ring_shaped_gap_round_an_island_is_found() -> None:
    hole, island = shapely.box(0, 0, 8, 8), shapely.box(1, 1, 7, 7)
    report = judged([shapely.box(-100, -100, 100, 100) - hole, island])
    assert report.gaps.area_m2.tolist() == [pytest.approx(28.0)]
    assert surrounded_m2(0.5, 50.0) > 64.0


def test_blocks_moved_into_one_another_overlap_by_what_they_share() -> None:
    report = judged(block(0, 0) + block(0, 28))
    assert report.overlaps.area_m2.sum() == pytest.approx(4 * 20 * 2)

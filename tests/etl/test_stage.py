"""What staging adds to judged rows: identifiers in order, and one number for each shape however it is drawn."""

from __future__ import annotations

import time
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.batch import Rings
from etl.stage import HASH_STEP_M, new_ids, shape_hashes

BOX = shapely.box(551600, 1061540, 551620, 1061560)
HOLED = shapely.difference(
    shapely.box(0, 0, 30, 30), shapely.union_all([shapely.box(5, 5, 8, 8), shapely.box(15, 15, 20, 20)])
)
TWO = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 7, 7)])


def hashes(*shapes: shapely.Geometry | None) -> list[int]:
    rings, _ = Rings.from_wkb(pa.array([None if s is None else shapely.to_wkb(s) for s in shapes], pa.binary()))
    return shape_hashes(rings).tolist()


def turned(ring: shapely.LinearRing, by: int, *, backwards: bool) -> list[tuple[float, float]]:
    at = np.asarray(ring.coords)[:-1]
    at = np.roll(at[::-1] if backwards else at, by, axis=0)
    return [(float(x), float(y)) for x, y in np.vstack([at, at[:1]])]


@given(by=st.integers(0, 7), backwards=st.booleans())
@settings(max_examples=20, deadline=None)
def test_start_and_direction_do_not_matter(by: int, backwards: bool) -> None:
    shell, *holes = [turned(r, by, backwards=backwards) for r in (HOLED.exterior, *HOLED.interiors)]
    assert hashes(HOLED) == hashes(shapely.Polygon(shell, list(reversed(holes))))


def test_order_of_parts_does_not_matter() -> None:
    assert hashes(TWO) == hashes(shapely.MultiPolygon(list(reversed(TWO.geoms))))


def test_a_part_alone_is_the_polygon() -> None:
    assert hashes(BOX) == hashes(shapely.MultiPolygon([BOX]))


@pytest.mark.parametrize(
    "other",
    [
        shapely.transform(BOX, lambda xy: xy + np.array([0.001, 0])),
        shapely.box(551600, 1061540, 551620, 1061560.001),
        shapely.Polygon(
            [(551600, 1061540), (551610, 1061540), (551620, 1061540), (551620, 1061560), (551600, 1061560)]
        ),
        shapely.transform(BOX, lambda xy: xy[:, ::-1]),
    ],
    ids=["moved by a millimetre", "higher by a millimetre", "one vertex more", "axes exchanged"],
)
def test_another_shape_has_another_number(other: shapely.Geometry) -> None:
    assert hashes(BOX) != hashes(other)


def test_noise_below_the_lattice_is_no_change() -> None:
    noisy = shapely.transform(BOX, lambda xy: xy + HASH_STEP_M / 100)
    assert hashes(BOX) == hashes(noisy)


def test_a_ring_and_its_hole_exchanged_differ_from_a_filled_one() -> None:
    assert hashes(shapely.Polygon(HOLED.exterior)) != hashes(HOLED)


def test_each_row_has_its_own_number_whatever_lies_beside_it() -> None:
    alone = [hashes(s)[0] for s in (BOX, HOLED, TWO)]
    assert hashes(BOX, None, HOLED, TWO, None, BOX) == [alone[0], 0, alone[1], alone[2], 0, alone[0]]
    assert hashes(None, None) == [0, 0]


def test_no_two_of_many_shapes_meet() -> None:
    """A hundred thousand plots of a rice plain, all of one size."""
    x, y = np.meshgrid(np.arange(400) * 20.0, np.arange(250) * 20.0)
    shapes = shapely.box(x.ravel(), y.ravel(), x.ravel() + 20, y.ravel() + 20)
    rings, _ = Rings.from_wkb(pa.array(shapely.to_wkb(shapes), pa.binary()))
    assert len(set(shape_hashes(rings).tolist())) == 100_000


def ids(count: int) -> list[UUID]:
    return [UUID(bytes=row.tobytes()) for row in new_ids(count)]


def test_identifiers_are_versions_seven_in_the_order_of_rows() -> None:
    made = ids(5000)
    assert {(one.version, one.variant) for one in made} == {(7, UUID(int=0x80 << 56).variant)}
    assert made == sorted(made)
    assert len(set(made)) == 5000


def test_identifiers_of_a_later_batch_come_later() -> None:
    before = ids(3000)
    time.sleep(0.002)
    assert before[-1] < ids(1)[0]


def test_identifiers_of_two_processes_do_not_meet() -> None:
    """Two batches of one millisecond share time and counter; what is left is 62 random bits less the counter's two."""
    assert not set(ids(20_000)) & set(ids(20_000))


def test_identifiers_carry_the_moment() -> None:
    millisecond = int.from_bytes(ids(1)[0].bytes[:6], "big")
    assert abs(millisecond - time.time() * 1000) < 60_000

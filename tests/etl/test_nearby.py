"""The grid must find exactly the pairs that comparing every box with every other finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import nearby
from etl.batch import Floats


def pairs(boxes: Floats) -> set[tuple[int, int]]:
    found = [np.sort(np.stack(pair, axis=1), axis=1) for pair in nearby.meeting(boxes)]
    return {(int(a), int(b)) for part in found for a, b in part}


def by_hand(boxes: Floats) -> set[tuple[int, int]]:
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    meets = ((low <= high.transpose(1, 0, 2)) & (low.transpose(1, 0, 2) <= high)).all(axis=2)
    return {(int(a), int(b)) for a, b in np.argwhere(meets) if a < b}


def scattered(seed: int, count: int, longest: float) -> Floats:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-1000, 1000, (count, 2)).round(1)
    size = rng.uniform(0, 20, (count, 2)) * np.where(rng.random(count) < 0.02, longest, 1.0)[:, None]
    return np.concatenate([corner, corner + size.round(1)], axis=1)


@given(seed=st.integers(0, 1 << 32), count=st.integers(0, 400), longest=st.sampled_from([1.0, 10.0, 1000.0]))
@settings(max_examples=40, deadline=None)
def test_all_pairs_are_found_and_no_other(seed: int, count: int, longest: float) -> None:
    boxes = scattered(seed, count, longest)
    assert pairs(boxes) == by_hand(boxes)
    single = boxes.astype(np.float32)
    assert pairs(single) == by_hand(single)


@pytest.mark.parametrize(("part", "in_cell", "at_once"), [(50, 48, 500_000), (100_000, 1, 500_000), (100_000, 48, 3)])
def test_pieces_and_crowded_cells_change_nothing(
    monkeypatch: pytest.MonkeyPatch, part: int, in_cell: int, at_once: int
) -> None:
    monkeypatch.setattr(nearby, "_PART_BOXES", part)
    monkeypatch.setattr(nearby, "_MOST_IN_CELL", in_cell)
    monkeypatch.setattr(nearby, "_PAIRS_AT_ONCE", at_once)
    boxes = scattered(7, 300, 30.0)
    assert pairs(boxes) == by_hand(boxes)


def test_points_in_one_place_and_one_afar() -> None:
    boxes = np.concatenate([np.zeros((60, 4)), np.full((1, 4), 1e6)])
    assert pairs(boxes) == {(a, b) for a in range(60) for b in range(a + 1, 60)}

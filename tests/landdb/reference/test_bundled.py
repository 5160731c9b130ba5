"""The rows read without a database say the same as a new register."""

from __future__ import annotations

import datetime as dt

import pytest

from landdb.db.transaction import Tx
from landdb.reference import bundled, store
from landdb.reference.model import ToleranceUnknown, ToleranceValue, tolerance_of

DAY = dt.date(2026, 3, 1)


def test_both_ways_agree(tx: Tx) -> None:
    assert bundled.land_use_codes() == store.land_use_codes(tx, DAY)
    assert bundled.zones() == store.zones(tx)
    for scale in (200, 1000, 1500, 99999):
        ours, theirs = bundled.tolerance_for(scale, DAY), store.tolerance_for(tx, scale, DAY)
        assert (ours.scale, ours.overlap_width_m, ours.area_factor_m) == (
            theirs.scale,
            theirs.overlap_width_m,
            theirs.area_factor_m,
        )


def test_an_incomplete_scale_class_is_unknown() -> None:
    with pytest.raises(ToleranceUnknown):
        tolerance_of(500, [])
    with pytest.raises(ToleranceUnknown) as refusal:
        tolerance_of(500, [ToleranceValue("boundary_point_m", 500, 0.07, True, "test")])
    assert refusal.value.params["kinds"] == "area_difference_m, overlap_area_m2, overlap_width_m"

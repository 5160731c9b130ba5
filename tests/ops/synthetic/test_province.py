"""The made-up province on the ground: exact coverage, right counts, and the same again for the same seed."""

import re

import numpy as np
import pytest
import shapely

from ops.synthetic.files import to_wgs84
from ops.synthetic.province import Province, make_province


@pytest.fixture(scope="module")
def province() -> Province:
    return make_province(20_000, seed=7)


@pytest.mark.parametrize(("parcels", "seed"), [(80, 1), (300, 2), (2_000, 3), (5_000, 4)])
def test_exactly_as_many_parcels_as_asked(parcels: int, seed: int) -> None:
    made = make_province(parcels, seed)
    assert len(made.parcels.geometry) == parcels
    assert {len(column) for column in made.parcels.columns.values()} == {parcels}
    assert shapely.is_valid(made.parcels.geometry).all()


def test_too_small_a_province_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 80"):
        make_province(79, 1)


def test_parcels_of_each_commune_are_an_exact_coverage(province: Province) -> None:
    for k in range(len(province.communes.code)):
        parts = shapely.get_parts(province.parcels.geometry[province.parcels.rows(k)])
        assert shapely.coverage_is_valid(parts)


def test_parcels_and_ways_fill_the_communes_to_the_last_square_millimetre(province: Province) -> None:
    everything = np.concatenate([shapely.get_parts(province.parcels.geometry), province.linear.geometry])
    assert shapely.coverage_is_valid(everything)
    assert shapely.area(everything).sum() == pytest.approx(shapely.area(province.communes.boundary).sum(), abs=1e-3)
    union = shapely.coverage_union_all(everything[: len(everything)])
    assert shapely.equals(union, shapely.union_all(province.communes.boundary))


def test_land_without_owner_is_only_canal_and_road(province: Province) -> None:
    """Blocks of parcels are islands: no hole in a block but those filled by a parcel."""
    for k in range(len(province.communes.code)):
        block = shapely.coverage_union_all(shapely.get_parts(province.parcels.geometry[province.parcels.rows(k)]))
        assert shapely.get_num_interior_rings(shapely.get_parts(block)).sum() == 0


def test_coordinates_are_whole_millimetres_inside_soc_trang(province: Province) -> None:
    xy = shapely.get_coordinates(province.parcels.geometry)
    assert np.abs(xy * 1000 - np.round(xy * 1000)).max() < 1e-4
    west, south, east, north = shapely.total_bounds(province.communes.boundary)
    assert west > 505_494
    assert east < 587_719
    assert south > 1_017_269
    assert north < 1_100_320


def test_there_are_parcels_in_parts_and_parcels_with_a_filled_hole(province: Province) -> None:
    geometry = province.parcels.geometry
    assert (shapely.get_num_geometries(geometry) > 1).sum() == 20_000 // 500
    assert shapely.get_num_interior_rings(geometry).sum() == 20_000 // 400


def test_same_seed_same_province_other_seed_another() -> None:
    one, same, other = make_province(1_000, 5), make_province(1_000, 5), make_province(1_000, 6)
    assert shapely.equals_exact(one.parcels.geometry, same.parcels.geometry, tolerance=0.0).all()
    assert one.parcels.columns == same.parcels.columns
    assert one.parcels.columns["holder_name"] != other.parcels.columns["holder_name"]


def test_references_are_unique_and_sheets_have_a_natural_size(province: Province) -> None:
    columns = province.parcels.columns
    names = [columns[name].to_pylist() for name in ("commune_code", "sheet_no", "parcel_no")]
    assert len(set(zip(*names, strict=True))) == 20_000
    _, count = np.unique([f"{c}/{s}" for c, s, _ in zip(*names, strict=True)], return_counts=True)
    assert 150 < np.median(count) < 800
    assert set(columns["scale"].to_pylist()) == {500, 1000, 2000}


def test_areas_agree(province: Province) -> None:
    columns = province.parcels.columns
    declared = columns["declared_area_m2"].to_numpy()
    assert np.abs(declared - shapely.area(province.parcels.geometry)).max() <= 0.0501
    home = columns["residential_area_m2"].to_pylist()
    double = ["+" in use for use in columns["land_use"].to_pylist()]
    assert [h is not None for h in home] == double
    assert all(h is None or 0 < h < d for h, d in zip(home, declared, strict=True))


def test_nobody_has_these_numbers_and_papers(province: Province) -> None:
    columns = province.parcels.columns
    identities = [i for i in columns["holder_identity"].to_pylist() if i]
    assert all(re.fullmatch(r"000\d{9}|00\d{8}", i) for i in identities)
    serials = [s for s in columns["certificate_serial"].to_pylist() if s]
    assert len(serials) == len(set(serials)) > 10_000
    assert all(re.fullmatch(r"[W-Z] \d{6}|[AD][W-Z] \d{6}|Z[YZ] \d{8}", s) for s in serials)
    assert min(province.communes.code) == "90101"


def test_the_later_state_is_a_coverage_of_the_same_land(province: Province) -> None:
    rows = province.parcels.rows(0)
    before = province.parcels.geometry[rows]
    later, changes = province.later(0)
    assert shapely.coverage_is_valid(shapely.get_parts(later.geometry))
    assert shapely.area(later.geometry).sum() == pytest.approx(shapely.area(before).sum(), abs=1e-3)
    assert {c.kind for c in changes} == {"subdivide", "merge", "transfer", "change_land_use"}
    new = {("subdivide", 1, 2), ("merge", 2, 1), ("transfer", 1, 1), ("change_land_use", 1, 1)}
    assert {(c.kind, len(c.before), len(c.after)) for c in changes} == new
    born = sum(len(c.after) - len(c.before) for c in changes)
    assert len(later.geometry) == len(before) + born
    sheets, numbers = (later.columns[name].to_pylist() for name in ("sheet_no", "parcel_no"))
    assert len(set(zip(sheets, numbers, strict=True))) == len(later.geometry)


def test_boundaries_use_the_pinned_shift() -> None:
    """Published point; source: domain notes, section 3 (EPSG:6960)."""
    lon, lat = to_wgs84(np.array([[551_587.665, 1_061_541.377]]))[0]
    assert (round(lon, 8), round(lat, 8)) == (105.97178146, 9.59898479)

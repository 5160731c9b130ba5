"""VN-2000 to WGS 84 through PostGIS and through pyproj: one pinned operation, in every zone, at the published point."""

from __future__ import annotations

import pyproj
import pytest
import shapely

from landdb.db.transaction import Tx
from landdb.reference import store
from landdb.reference.model import CoordinateZone, ZoneDefinitionWrong

# Published: (105.97 E, 9.60 N VN-2000) is E 551587.665, N 1061541.377 in zone 9209 and this in WGS 84 by EPSG:6960.
GEOGRAPHIC = (105.97, 9.60)
PLANE_9209 = (551587.665, 1061541.377)
LONLAT = (105.97178146, 9.59898479)
SRIDS = [3405, 3406, 5896, 5897, 5898, 5899, *range(9205, 9219)]


def through_database(tx: Tx, srid: int, x: float, y: float, to: int = 4326) -> tuple[float, float]:
    value = tx.execute(
        "SELECT ST_AsBinary(ST_Transform(ST_SetSRID(ST_MakePoint(:x, :y), :srid), :to))", x=x, y=y, srid=srid, to=to
    ).scalar_one()
    east, north = shapely.get_coordinates(shapely.from_wkb(bytes(value)))[0].tolist()
    return east, north


def to_plane(srid: int) -> tuple[float, float]:
    """The published VN-2000 geographic point in a zone, by EPSG's own projection: nothing of ours takes part."""
    return pyproj.Transformer.from_crs(4756, srid, always_xy=True).transform(*GEOGRAPHIC)


@pytest.mark.parametrize("srid", SRIDS)
def test_the_published_point_through_database_and_pyproj(tx: Tx, srid: int) -> None:
    plane = to_plane(srid)
    ours = through_database(tx, srid, *plane)
    pipeline = store.zones(tx)[srid].pipeline_to_lonlat
    pinned = pyproj.Transformer.from_pipeline(pipeline).transform(*plane)
    print(f"EPSG:{srid}: database {ours}, pyproj {pinned}, published {LONLAT}")  # noqa: T201 - seen with pytest -rP
    assert ours == pytest.approx(LONLAT, abs=1e-8)
    assert ours == pytest.approx(pinned, abs=1e-10)


def test_the_plane_point_is_the_published_one() -> None:
    assert to_plane(9209) == pytest.approx(PLANE_9209, abs=5e-4)


def test_the_pinned_shift_is_epsg_6960_as_the_registry_has_it() -> None:
    operation = pyproj.CRS.from_epsg(4756)  # the registry's own operation, from lon/lat to lon/lat
    group = pyproj.transformer.TransformerGroup(operation, 4326, always_xy=True, allow_ballpark=False)
    official = next(t for t in group.transformers if "VN-2000 to WGS 84 (2)" in t.description)
    assert official.transform(*GEOGRAPHIC) == pytest.approx(LONLAT, abs=1e-8)


def test_under_authority_epsg_the_same_row_is_off_by_more_than_half_a_metre(tx: Tx) -> None:
    """What the pin protects from: under authority EPSG the same server answers another point."""
    # A number of its own: PostGIS keeps what it once read of 9209 for as long as the connection lives.
    tx.execute(
        "INSERT INTO spatial_ref_sys SELECT 990001, 'EPSG', 9209, srtext, proj4text FROM spatial_ref_sys WHERE srid = 9209"
    )
    moved = through_database(tx, 990001, *PLANE_9209)
    assert abs(moved[0] - LONLAT[0]) * 109_600 > 0.5


def test_between_two_zones_and_back_nothing_is_lost(tx: Tx) -> None:
    there = through_database(tx, 9209, *PLANE_9209, to=5897)
    back = through_database(tx, 5897, *there, to=9209)
    assert back == pytest.approx(PLANE_9209, abs=1e-6)
    assert there == pytest.approx(to_plane(5897), abs=1e-3)


def test_a_zone_changed_by_hand_stops_the_start_and_can_be_pinned_again(tx: Tx) -> None:
    store.check_zones(tx)
    tx.execute("DELETE FROM spatial_ref_sys WHERE srid = 5897")
    tx.execute("UPDATE spatial_ref_sys SET proj4text = '+proj=longlat' WHERE srid = 3405")
    with pytest.raises(ZoneDefinitionWrong) as refusal:
        store.check_zones(tx)
    assert refusal.value.params["srids"] == "3405, 5897"
    store.pin_zones(tx)
    store.check_zones(tx)


def test_zones_say_what_the_registry_says(tx: Tx) -> None:
    zones = store.zones(tx)
    assert list(zones) == SRIDS
    for srid, zone in zones.items():
        assert parameters(zone) == registry(srid)


def parameters(zone: CoordinateZone) -> tuple[float, ...]:
    return zone.central_meridian_deg, zone.scale_factor, zone.false_easting_m, zone.false_northing_m


def registry(srid: int) -> tuple[float, ...]:
    operation = pyproj.CRS.from_epsg(srid).coordinate_operation
    assert operation is not None
    values = {parameter.name: parameter.value for parameter in operation.params}
    names = (
        "Longitude of natural origin",
        "Scale factor at natural origin",
        "False easting",
        "False northing",
    )
    return tuple(float(values[name]) for name in names)

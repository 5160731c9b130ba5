"""VN-2000 to the centimetre of the published point, and zones told by the commune's boundary."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from etl import coordinates
from etl.batch import Rings
from etl.coordinates import ZONES, Candidate, between, decide, from_wgs84, identify, propose, to_wgs84

COMMUNE = shapely.box(105.93, 9.56, 106.00, 9.63)
INSIDE = np.random.default_rng(1).uniform([105.935, 9.565], [105.995, 9.625], (500, 2))


def test_the_published_point() -> None:
    """(105.97 E, 9.60 N VN-2000) = 9209 E 551587.665 N 1061541.377. Source: EPSG:6960, design/domain.md §3."""
    lonlat = to_wgs84(np.array([[551587.665, 1061541.377]]), 9209)
    np.testing.assert_allclose(lonlat, [[105.97178146, 9.59898479]], rtol=0, atol=6e-9)


@pytest.mark.parametrize("srid", ZONES)
def test_the_published_point_in_every_zone(srid: int) -> None:
    """The zone's plane coordinates come from PROJ's own EPSG data; only the datum step is ours."""
    zone = pyproj.CRS.from_epsg(srid)
    assert zone.geodetic_crs is not None
    plane = pyproj.Transformer.from_crs(zone.geodetic_crs, zone, always_xy=True).transform(105.97, 9.60)
    lonlat = to_wgs84(np.array([plane]), srid)
    np.testing.assert_allclose(lonlat, [[105.97178146, 9.59898479]], rtol=0, atol=6e-9)
    np.testing.assert_allclose(from_wgs84(lonlat, srid), [plane], rtol=0, atol=1e-6)


@pytest.mark.parametrize("srid", ZONES)
def test_from_zone_to_zone_and_back(srid: int) -> None:
    start = from_wgs84(INSIDE, srid)
    np.testing.assert_allclose(between(between(start, srid, 9209), 9209, srid), start, rtol=0, atol=1e-6)
    assert between(start, srid, srid) is start


def test_the_pinned_operation_differs_from_proj_s_own_choice() -> None:
    theirs = pyproj.Transformer.from_crs(9209, 4326, always_xy=True).transform(551587.665, 1061541.377)
    ours = to_wgs84(np.array([[551587.665, 1061541.377]]), 9209)[0]
    metres = np.hypot(*(np.array(theirs) - ours)) * 111_000
    assert 0.5 < metres < 1.0


def test_foreign_zones_and_what_cannot_be_transformed() -> None:
    lonlat = to_wgs84(np.array([[652709.4, 6862305.9]]), 2154)
    np.testing.assert_allclose(lonlat, [[2.3550, 48.8590]], atol=0.01)
    np.testing.assert_allclose(
        between(np.array([[2.35, 48.85]]), 4326, 2154), from_wgs84(np.array([[2.35, 48.85]]), 2154)
    )
    assert not np.isfinite(to_wgs84(np.array([[np.inf, 1.0]]), 9209)).any()
    with pytest.raises(coordinates.CrsUnsupported):
        to_wgs84(np.zeros((1, 2)), 999_999)


CUSTOM = (
    'PROJCS["{name}",GEOGCS["unnamed",DATUM["{datum}",SPHEROID["WGS84",6378137,298.257223563]{shift}],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
    'PARAMETER["central_meridian",{lon}],PARAMETER["scale_factor",{k}],PARAMETER["false_easting",500000],'
    'PARAMETER["false_northing",0],UNIT["Meter",1]]'
)


@pytest.mark.parametrize("srid", ZONES)
@pytest.mark.parametrize(
    "shift",
    [
        "",
        ",TOWGS84[-191.90441429,-39.30318279,-111.45032835,0.00928836,-0.01975479,0.00427372,0.252906278]",
        ",TOWGS84[1,2,3,0,0,0,0]",
    ],
)
def test_vn2000_is_known_by_its_parameters(srid: int, shift: str) -> None:
    zone = ZONES[srid]
    wkt = CUSTOM.format(name="VN2000_tinh", datum="D_VN_2000", lon=zone.central_meridian, k=zone.scale, shift=shift)
    assert identify(wkt) == srid


@pytest.mark.parametrize("style", ["WKT1_ESRI", "WKT1_GDAL", "WKT2_2019"])
@pytest.mark.parametrize("srid", [*ZONES, 4326, 2154, 2193, 32648, 3857])
def test_every_style_of_declaration(srid: int, style: str) -> None:
    assert identify(pyproj.CRS.from_epsg(srid).to_wkt(style)) == srid
    assert identify(f"EPSG:{srid}") == srid


def test_what_means_nothing_for_certain() -> None:
    assert identify("rubbish") is None
    assert identify(CUSTOM.format(name="x", datum="unknown", lon=105.123, k=0.9999, shift="")) is None
    assert identify(CUSTOM.format(name="_MI_0", datum="D_WGS_1984", lon=173, k=0.9996, shift="")) is None


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("srid", [9209, 9210, 9207, 4326])
def test_the_boundary_finds_zone_and_axes(srid: int, swapped: bool) -> None:
    points = from_wgs84(INSIDE, srid)
    found = decide(points[:, ::-1] if swapped else points, None, COMMUNE)
    assert (found.srid, found.swapped, found.fit) == (srid, swapped, 1.0)


def test_zones_a_few_hundred_metres_apart_are_ambiguous() -> None:
    with pytest.raises(coordinates.CrsAmbiguous) as caught:
        decide(from_wgs84(INSIDE, 5897), None, COMMUNE)
    assert {one["srid"] for one in caught.value.params["candidates"]} == {5897, 3405, 32648}
    assert "EPSG:5897" in caught.value.params["list"]


def test_a_file_that_fills_its_commune_tells_even_those_apart() -> None:
    full = np.random.default_rng(2).uniform([105.93, 9.56], [106.00, 9.63], (2000, 2))
    assert decide(from_wgs84(full, 5897), None, COMMUNE).srid == 5897


def test_declared_and_right_wrong_or_hopeless() -> None:
    points = from_wgs84(INSIDE, 9209)
    assert decide(points, 9209, COMMUNE) == Candidate(9209, False, 1.0, 0.0, "vertices inside the commune")
    assert decide(points[:, ::-1], 9209, COMMUNE).swapped
    with pytest.raises(coordinates.CrsWrongDeclared) as caught:
        decide(points, 9210, COMMUNE)
    assert caught.value.params["declared"] == 9210
    assert caught.value.params["candidates"][0]["srid"] == 9209
    with pytest.raises(coordinates.CrsNoFit):
        decide(points + np.array([0, 500_000]), 9209, COMMUNE)
    with pytest.raises(coordinates.CrsNoFit):
        decide(np.array([[1.0, 1.0], [2.0, 3.0]]), None, COMMUNE)


def test_without_a_boundary_only_sizes_speak() -> None:
    points = from_wgs84(INSIDE, 9209)
    with pytest.raises(coordinates.CrsUnknown) as caught:
        decide(points)
    assert len(caught.value.params["candidates"]) > 15
    assert decide(points, 9209).fit is None
    assert decide(points[:, ::-1], 9209).swapped
    with pytest.raises(coordinates.CrsWrongDeclared):
        decide(INSIDE, 9209)
    assert decide(np.array([[700000.0, 6600000.0]]), 2154).srid == 2154
    assert decide(np.array([[2.35, 48.85]]), 4326).swapped is False
    assert decide(np.zeros((0, 2)), 9209).srid == 9209
    assert propose(np.zeros((0, 2)), COMMUNE) == []


def test_sampling_leaves_out_what_is_not_finite() -> None:
    xy = np.array([[0, 0], [1, 0], [np.nan, 1], [0, 0.0]])
    rings = Rings.from_single(xy, np.array([4]))
    assert len(coordinates.sample(rings)) == 3
    assert coordinates.swapped(rings).xy[1].tolist() == [0, 1]


@pytest.mark.skipif(not os.environ.get("LANDDB_REAL_DATA"), reason="LANDDB_REAL_DATA does not point at foreign files")
def test_real_declarations() -> None:
    folder = Path(os.environ["LANDDB_REAL_DATA"], "parcels")
    found = {path.name: identify(path.read_text("utf-8-sig")) for path in folder.rglob("*.prj")}
    assert found["parcel.prj"] == 2193
    assert found["cons.prj"] == 32628
    assert found["nz-primary-parcels_region.prj"] is None  # a nameless projection on no known datum

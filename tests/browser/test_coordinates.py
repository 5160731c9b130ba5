"""The browser's VN-2000 against the published point and against PROJ with the pinned operation, zone by zone."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pyproj import Transformer

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser
ZONES = Path(__file__).resolve().parents[2] / "landdb" / "reference" / "data" / "coordinate_zone.csv"
# Source of the operation: QĐ 05/2007/QĐ-BTNMT, EPSG:6960.
SHIFT = "-191.90441429,-39.30318279,-111.45032835,0.00928836,-0.01975479,0.00427372,0.252906278"

PLACE = (
    "([zone, place]) => import(document.querySelector('script[type=module]').src.replace('app.js', 'coordinates.js'))"
)


def test_the_published_point(visit: Callable[..., Page], live_server: Site) -> None:
    """105.97 E 9.60 N in VN-2000 is E 551587.665 N 1061541.377 in 105°30′, and 105.97178146, 9.59898479 in WGS84."""
    page = visit()
    zone = {
        "central_meridian_deg": 105.5,
        "scale_factor": 0.9999,
        "false_easting_m": 500000,
        "false_northing_m": 0,
    }
    plane = page.evaluate(f"{PLACE}.then(m => m.toZone(place, zone))", [zone, [105.97178146, 9.59898479]])
    assert plane["e"] == pytest.approx(551587.665, abs=0.002)
    assert plane["n"] == pytest.approx(1061541.377, abs=0.002)
    place = page.evaluate(f"{PLACE}.then(m => m.toLonLat(place, zone))", [zone, {"e": 551587.665, "n": 1061541.377}])
    assert place == pytest.approx([105.97178146, 9.59898479], abs=1e-8)


def test_every_zone_agrees_with_proj(visit: Callable[..., Page], live_server: Site) -> None:
    """Each zone at a place a degree from its meridian: within a millimetre there, and a hundred-millionth of a degree back."""
    page = visit()
    with ZONES.open(encoding="utf-8") as file:
        zones = list(csv.DictReader(file))
    for row in zones:
        zone = {
            name: float(row[name])
            for name in ("central_meridian_deg", "scale_factor", "false_easting_m", "false_northing_m")
        }
        place = [zone["central_meridian_deg"] + 0.9, 15.3]
        definition = (
            f"+proj=tmerc +lat_0=0 +lon_0={zone['central_meridian_deg']} +k={zone['scale_factor']} "
            f"+x_0={zone['false_easting_m']} +y_0={zone['false_northing_m']} +ellps=WGS84 +towgs84={SHIFT} +units=m"
        )
        east, north = Transformer.from_crs("EPSG:4326", definition, always_xy=True).transform(*place)
        plane = page.evaluate(f"{PLACE}.then(m => m.toZone(place, zone))", [zone, place])
        assert (plane["e"], plane["n"]) == pytest.approx((east, north), abs=0.001), row["srid"]
        again = page.evaluate(f"{PLACE}.then(m => m.toLonLat(place, zone))", [zone, plane])
        assert again == pytest.approx(place, abs=1e-8), row["srid"]

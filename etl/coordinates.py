"""Coordinate zones: from a file's zone to WGS84 and between zones, and finding out in which zone a file is.

The operation VN-2000 → WGS84 is pinned to EPSG:6960, the parameters of Quyết định 05/2007: left to itself, PROJ picks
EPSG:5194 in the south, 0.8 m away. Axis order here is always x = E or lon, y = N or lat. Coordinates are (N, 2) float64,
metres in a projected zone, degrees otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
import shapely

from etl.batch import Floats, Rings
from landdb.errors import Invalid

WGS84 = 4326

# Source: EPSG:6960 "VN-2000 to WGS 84 (2)", coordinate frame; Quyết định 05/2007/QĐ-BTNMT.
_TO_WGS84 = (
    "+step +proj=push +v_3 +step +proj=cart +ellps=WGS84 "
    "+step +proj=helmert +x=-191.90441429 +y=-39.30318279 +z=-111.45032835 "
    "+rx=-0.00928836 +ry=0.01975479 +rz=-0.00427372 +s=0.252906278 +convention=coordinate_frame "
    "+step +inv +proj=cart +ellps=WGS84 +step +proj=pop +v_3"
)
_DEGREES = "+step +proj=unitconvert +xy_in=rad +xy_out=deg"


@dataclass(frozen=True)
class Zone:
    """A VN-2000 zone. central_meridian in degrees; scale of the central meridian; false easting 500,000 m."""

    srid: int
    name: str
    central_meridian: float
    scale: float

    @property
    def projection(self) -> str:
        """Its PROJ projection, without datum."""
        return f"+proj=tmerc +lat_0=0 +lon_0={self.central_meridian} +k={self.scale} +x_0=500000 +y_0=0 +ellps=WGS84"


# Source: EPSG dataset v11.022; TM-3: k 0.9999, UTM: k 0.9996.
ZONES: dict[int, Zone] = {
    zone.srid: zone
    for zone in (
        Zone(5896, "VN-2000 / TM-3 102°00'", 102.0, 0.9999),
        Zone(9205, "VN-2000 / TM-3 103°00'", 103.0, 0.9999),
        Zone(9206, "VN-2000 / TM-3 104°00'", 104.0, 0.9999),
        Zone(9207, "VN-2000 / TM-3 104°30'", 104.5, 0.9999),
        Zone(9208, "VN-2000 / TM-3 104°45'", 104.75, 0.9999),
        Zone(5897, "VN-2000 / TM-3 105°00'", 105.0, 0.9999),
        Zone(9209, "VN-2000 / TM-3 105°30'", 105.5, 0.9999),
        Zone(9210, "VN-2000 / TM-3 105°45'", 105.75, 0.9999),
        Zone(9211, "VN-2000 / TM-3 106°00'", 106.0, 0.9999),
        Zone(9212, "VN-2000 / TM-3 106°15'", 106.25, 0.9999),
        Zone(9213, "VN-2000 / TM-3 106°30'", 106.5, 0.9999),
        Zone(9214, "VN-2000 / TM-3 107°00'", 107.0, 0.9999),
        Zone(9215, "VN-2000 / TM-3 107°15'", 107.25, 0.9999),
        Zone(9216, "VN-2000 / TM-3 107°30'", 107.5, 0.9999),
        Zone(5899, "VN-2000 / TM-3 107°45'", 107.75, 0.9999),
        Zone(5898, "VN-2000 / TM-3 108°00'", 108.0, 0.9999),
        Zone(9217, "VN-2000 / TM-3 108°15'", 108.25, 0.9999),
        Zone(9218, "VN-2000 / TM-3 108°30'", 108.5, 0.9999),
        Zone(3405, "VN-2000 / UTM 48N", 105.0, 0.9996),
        Zone(3406, "VN-2000 / UTM 49N", 111.0, 0.9996),
    )
}
_OTHERS = {WGS84: "WGS 84", 32648: "WGS 84 / UTM 48N", 32649: "WGS 84 / UTM 49N"}

# Generous limits of Vietnam, land only: lon/lat in degrees, E/N in metres of any of the zones above.
_COUNTRY = (101.5, 8.0, 110.5, 24.0)
_PLANE = (100_000.0, 850_000.0, 900_000.0, 2_700_000.0)
_FITS, _MISSES = 0.9, 0.5
_MARGIN = 0.02
_SLACK_DEG = 0.0005  # about 50 m: boundaries for display are that coarse
_METRES_PER_DEGREE = 111_000.0


class CrsUnknown(Invalid):
    code = "crs.unknown"


class CrsAmbiguous(Invalid):
    code = "crs.ambiguous"


class CrsNoFit(Invalid):
    code = "crs.no_fit"


class CrsWrongDeclared(Invalid):
    code = "crs.wrong_declared"


class CrsUnsupported(Invalid):
    code = "crs.unsupported"


@dataclass(frozen=True)
class Candidate:
    """A zone that a file may be in.

    swapped: x and y of the file have to change places first. fit: share of sampled vertices inside the commune (within
    50 m), 0..1; None where no boundary is known. residual_m: mean distance of the vertices outside. why: for the log.
    """

    srid: int
    swapped: bool
    fit: float | None
    residual_m: float | None
    why: str

    @property
    def name(self) -> str:
        """The zone's name for people."""
        return zone_name(self.srid)


def zone_name(srid: int) -> str:
    """The name of a zone for people."""
    if srid in ZONES:
        return ZONES[srid].name
    return _OTHERS.get(srid) or _crs_name(srid)


def to_wgs84(xy: Floats, srid: int) -> Floats:
    """Coordinates of a zone as WGS84 lon/lat degrees. What cannot be transformed becomes inf.

    Raises: CrsUnsupported for a code that PROJ does not know.
    """
    return xy if srid == WGS84 else _transform(_to_wgs84(srid), xy)


def from_wgs84(xy: Floats, srid: int) -> Floats:
    """WGS84 lon/lat degrees as coordinates of a zone."""
    if srid == WGS84:
        return xy
    operation = _to_wgs84(srid)
    near = _transform(operation, xy, inverse=True)
    if srid not in ZONES:
        return near
    # Heights are dropped between the two ellipsoids, so the plain inverse is a millimetre off; one step mends it.
    error = _transform(operation, near) - xy
    return _transform(operation, xy - np.where(np.isfinite(error), error, 0.0), inverse=True)


def between(xy: Floats, from_srid: int, to_srid: int) -> Floats:
    """Coordinates of one zone in another. Between VN-2000 zones no datum is touched, so the way back is exact."""
    if from_srid == to_srid:
        return xy
    if from_srid in ZONES and to_srid in ZONES:
        return _transform(_zone_to_zone(from_srid, to_srid), xy)
    return from_wgs84(to_wgs84(xy, from_srid), to_srid)


def swapped(rings: Rings) -> Rings:
    """The rings with x and y exchanged, for files that write northing first."""
    return rings.transformed(lambda xy: np.ascontiguousarray(xy[:, ::-1]))


def sample(rings: Rings, count: int = 2000) -> Floats:
    """Up to `count` finite vertices, spread evenly over the rows: what `propose` needs of a file."""
    xy = rings.xy[:: max(1, len(rings.xy) // count)]
    return xy[np.isfinite(xy).all(axis=1)]


@lru_cache(maxsize=256)
def identify(wkt: str) -> int | None:
    """The EPSG code that a .prj or another declaration means; None where it means none for certain.

    VN-2000 is told by its parameters, whatever the name, authority or +towgs84 say: many tools in use write a nameless
    projection with parameters of their own.
    """
    try:
        crs = pyproj.CRS.from_user_input(wkt)
    except pyproj.exceptions.CRSError:
        return None
    if crs.is_compound or crs.is_bound:
        crs = _horizontal(crs)
    vn = _vn2000(crs, wkt)
    if vn is not None:
        return vn
    code = crs.to_epsg(min_confidence=25)
    return int(code) if code is not None and _same_numbers(crs, code) else None


def propose(points: Floats, boundary: Any = None, *, also: int | None = None) -> list[Candidate]:
    """The zones that a file may be in, best first, with and without exchanged axes.

    points: a sample of the file's vertices. boundary: the commune as a shapely geometry in WGS84, None = unknown; then
    only the size of the numbers speaks. also: a declared zone to be tried beside the country's own.
    """
    if not len(points):
        return []
    zones = [*ZONES, *_OTHERS, *([also] if also and also not in ZONES and also not in _OTHERS else [])]
    area = None if boundary is None else _prepared(boundary)
    found = []
    for turned in (False, True):
        view = np.ascontiguousarray(points[:, ::-1]) if turned else points
        for srid in zones:
            candidate = _candidate(view, srid, turned, area, foreign=srid == also)
            if candidate is not None:
                found.append(candidate)
    return sorted(found, key=_rank)


def decide(points: Floats, declared: int | None = None, boundary: Any = None) -> Candidate:
    """The one zone of a file, or a refusal that lists the candidates.

    Raises: CrsUnknown (nothing declared, no boundary to compare with); CrsAmbiguous (several zones fit); CrsNoFit (none
    does); CrsWrongDeclared (the declared one does not fit, another does).
    """
    candidates = propose(points, boundary, also=declared)
    if declared is not None:
        return _judge_declared(points, declared, boundary, candidates)
    if boundary is None:
        raise CrsUnknown(candidates=as_params(candidates), list=as_text(candidates))
    fitting = [one for one in candidates if (one.fit or 0.0) >= _FITS]
    if not fitting:
        raise CrsNoFit(candidates=as_params(candidates[:5]), list=as_text(candidates[:5]))
    rivals = [one for one in fitting[1:] if (one.fit or 0.0) > (fitting[0].fit or 0.0) - _MARGIN]
    if rivals:
        raise CrsAmbiguous(candidates=as_params([fitting[0], *rivals]), list=as_text([fitting[0], *rivals]))
    return fitting[0]


def as_params(candidates: list[Candidate]) -> list[dict[str, Any]]:
    """Candidates as plain data for an error's params and for the page."""
    return [{**asdict(one), "name": one.name} for one in candidates]


def as_text(candidates: list[Candidate]) -> str:
    """Candidates in one line for a message."""
    return "; ".join(
        f"EPSG:{one.srid} {one.name}{' (Y X)' if one.swapped else ''}"
        + (f" {one.fit:.0%}" if one.fit is not None else "")
        for one in candidates[:6]
    )


# --- deciding -------------------------------------------------------------------------------------------------------


def _judge_declared(points: Floats, declared: int, boundary: Any, candidates: list[Candidate]) -> Candidate:
    own = [one for one in candidates if one.srid == declared]
    straight = next((one for one in own if not one.swapped), None)
    turned = next((one for one in own if one.swapped), None)
    if not len(points):
        return Candidate(declared, False, None, None, "declared; no coordinates to test")
    if boundary is None:
        if straight or turned:
            return straight or turned  # type: ignore[return-value]
        raise CrsWrongDeclared(
            declared=declared, name=zone_name(declared), candidates=as_params(candidates), list=as_text(candidates)
        )
    for one in (straight, turned):
        if one is not None and (one.fit or 0.0) >= _MISSES:
            return one
    better = [one for one in candidates if (one.fit or 0.0) >= _FITS]
    fault = CrsWrongDeclared if better else CrsNoFit
    shown = better or candidates[:5]
    raise fault(declared=declared, name=zone_name(declared), candidates=as_params(shown), list=as_text(shown))


def _rank(one: Candidate) -> tuple[float, float, bool]:
    residual = one.residual_m if one.residual_m is not None and np.isfinite(one.residual_m) else 1e12
    return (-(one.fit or 0.0), residual, one.swapped)


def _candidate(points: Floats, srid: int, turned: bool, area: Any, *, foreign: bool) -> Candidate | None:
    vietnamese = srid in ZONES or srid in _OTHERS
    if vietnamese and not foreign and not _plausible(points, srid):
        return None
    if foreign and turned and not _plausible(points, srid):
        return None
    if vietnamese and foreign and not _plausible(points, srid) and area is None and srid != WGS84:
        return None
    lonlat = to_wgs84(points, srid)
    known = np.isfinite(lonlat).all(axis=1) & (np.abs(lonlat[:, 0]) <= 180) & (np.abs(lonlat[:, 1]) <= 90)
    if not known.any():
        return None
    if area is None:
        return Candidate(srid, turned, None, None, "size of the numbers")
    fit, residual = _fit(lonlat[known], area)
    share = fit * float(known.mean())
    return Candidate(srid, turned, round(share, 4), round(residual, 1), "vertices inside the commune")


def _plausible(points: Floats, srid: int) -> bool:
    """Are the numbers of the size that this zone has in Vietnam? Tested on the median, so strays do not decide."""
    box = _COUNTRY if srid == WGS84 else _PLANE
    x, y = np.median(points, axis=0)
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _prepared(boundary: Any) -> Any:
    grown = shapely.buffer(boundary, _SLACK_DEG)
    shapely.prepare(grown)
    return grown


def _fit(lonlat: Floats, area: Any) -> tuple[float, float]:
    inside = shapely.contains_xy(area, lonlat[:, 0], lonlat[:, 1])
    if inside.all():
        return 1.0, 0.0
    far = shapely.distance(area, shapely.points(lonlat[~inside])) * _METRES_PER_DEGREE
    return float(inside.mean()), float(far.mean())


# --- declarations ---------------------------------------------------------------------------------------------------


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    while crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    return crs.sub_crs_list[0] if crs.is_compound else crs


def _vn2000(crs: pyproj.CRS, wkt: str) -> int | None:
    operation = crs.coordinate_operation
    ellipsoid = crs.ellipsoid
    if not crs.is_projected or operation is None or ellipsoid is None:
        return None
    if abs(ellipsoid.semi_major_metre - 6378137.0) > 1 or abs(ellipsoid.inverse_flattening - 298.257223563) > 1e-4:
        return None
    values = {
        parameter.name.lower(): float(parameter.value) * parameter.unit_conversion_factor
        for parameter in operation.params
    }
    if "transverse" not in operation.method_name.lower():
        return None
    meridian = np.degrees(_value(values, "longitude of natural origin"))
    scale = _value(values, "scale factor at natural origin")
    plain = abs(_value(values, "false easting") - 500_000) < 0.01 and abs(_value(values, "false northing")) < 0.01
    plain &= abs(_value(values, "latitude of natural origin")) < 1e-9
    if not plain:
        return None
    for zone in ZONES.values():
        if abs(zone.central_meridian - meridian) < 1e-6 and abs(zone.scale - scale) < 1e-8:
            # UTM on WGS84 has the same numbers; there only the datum's name tells the two apart.
            return zone.srid if zone.scale == 0.9999 or _says_vn2000(wkt) else None
    return None


def _same_numbers(crs: pyproj.CRS, code: int) -> bool:
    """Does the code give the same coordinates? A likeness of names, which PROJ goes by, may be a chance."""
    official = pyproj.CRS.from_epsg(code)
    if crs.is_projected != official.is_projected or crs.geodetic_crs is None or official.geodetic_crs is None:
        return False
    if crs.is_geographic:
        return True
    use = official.area_of_use
    if use is None:
        return False
    at = ((use.west + use.east) / 2, (use.south + use.north) / 2)
    plane = [
        pyproj.Transformer.from_crs(one.geodetic_crs, one, always_xy=True).transform(*at) for one in (crs, official)
    ]
    return bool(np.allclose(plane[0], plane[1], rtol=0, atol=0.01))


def _says_vn2000(wkt: str) -> bool:
    plain = wkt.upper().replace("-", "").replace("_", "").replace(" ", "")
    return any(word in plain for word in ("VN2000", "VIETNAM2000", "191.904", "192.873")) or "EPSG:340" in plain


def _value(values: dict[str, float], name: str) -> float:
    return float(values.get(name, np.nan))


# --- PROJ -----------------------------------------------------------------------------------------------------------


def _crs_name(srid: int) -> str:
    try:
        return str(pyproj.CRS.from_epsg(srid).name)
    except pyproj.exceptions.CRSError:
        return f"EPSG:{srid}"


@lru_cache(maxsize=64)
def _to_wgs84(srid: int) -> pyproj.Transformer:
    if srid in ZONES:
        return pyproj.Transformer.from_pipeline(
            f"+proj=pipeline +step +inv {ZONES[srid].projection} {_TO_WGS84} {_DEGREES}"
        )
    try:
        return pyproj.Transformer.from_crs(srid, WGS84, always_xy=True)
    except pyproj.exceptions.CRSError as error:
        raise CrsUnsupported(srid=srid) from error


@lru_cache(maxsize=64)
def _zone_to_zone(from_srid: int, to_srid: int) -> pyproj.Transformer:
    return pyproj.Transformer.from_pipeline(
        f"+proj=pipeline +step +inv {ZONES[from_srid].projection} +step {ZONES[to_srid].projection}"
    )


def _transform(transformer: pyproj.Transformer, xy: Floats, *, inverse: bool = False) -> Floats:
    # Every vertex, not each distinct one: finding those costs as much as PROJ does (0.3 against 0.4 s per million).
    direction = pyproj.enums.TransformDirection.INVERSE if inverse else pyproj.enums.TransformDirection.FORWARD
    x, y = transformer.transform(xy[:, 0], xy[:, 1], direction=direction)
    return np.stack([x, y], axis=1)

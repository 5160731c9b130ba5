"""What the reference tables say, as records, with the rules that need no database: names without diacritics, codes, zones.

``confirmed`` on a record means: seen in the source that ``source`` names. False means that it comes from memory or from
practice, and an office should confirm it before it decides anything.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from landdb.errors import Conflict, Invalid, NotFound, Unavailable

# ------------------------------------------------------------------ names


def fold(text: str) -> str:
    """A name as it is searched for: small letters, no diacritics, đ as d, single spaces. "Xã Đại  Tâm" → "xa dai tam".

    Stored columns are folded with this at load and the question with this at query time, so both always agree.
    """
    small = unicodedata.normalize("NFC", text).lower().replace("đ", "d")
    bare = "".join(letter for letter in unicodedata.normalize("NFD", small) if not unicodedata.combining(letter))
    return " ".join(bare.split())


# ------------------------------------------------------------------ validity


@dataclass(frozen=True)
class Validity:
    """The days on which a row holds (ngày hiệu lực): ``start`` included, ``end`` not.

    A null ``start`` means that no source gives it, not that it holds since ever; a null ``end`` means still in force.
    """

    start: dt.date | None = None
    end: dt.date | None = None

    def holds_on(self, day: dt.date) -> bool:
        """Whether ``day`` lies within."""
        return (self.start is None or self.start <= day) and (self.end is None or day < self.end)


# ------------------------------------------------------------------ administrative units


class UnitKind(StrEnum):
    """Level of an administrative unit. The district level ended on 1 July 2025. Source: NĐ 151/2025."""

    PROVINCE = "province"
    DISTRICT = "district"
    COMMUNE = "commune"


@dataclass(frozen=True)
class AdminUnit:
    """A territory under one code between two dates (đơn vị hành chính).

    Since 1 July 2025 new communes reuse old five-digit codes for other territories: never identify a unit by its code alone.
    ``name`` is without its kind ("Đại Tâm"), except numbered wards ("Phường 5"); ``full_name`` is "Xã Đại Tâm".
    ``province_code`` is that of the province above it, null where the unit is a province.
    """

    admin_unit_id: int
    kind: UnitKind
    code: str
    name: str
    full_name: str
    parent_id: int | None
    valid: Validity
    path: str  # full names from the unit up to its province: "Xã Đại Tâm, Huyện Mỹ Xuyên, Tỉnh Sóc Trăng"
    province_code: str | None
    source: str

    def as_candidate(self) -> dict[str, Any]:
        """The facts by which a person tells this unit from another of the same code or name."""
        return {
            "admin_unit_id": self.admin_unit_id,
            "code": self.code,
            "name": self.path,
            "valid_from": self.valid.start.isoformat() if self.valid.start else None,
            "valid_to": self.valid.end.isoformat() if self.valid.end else None,
        }


@dataclass(frozen=True)
class Succession:
    """One link between an old unit and a new one.

    ``partial``: only a part of the old unit went there, so its parcels go by geometry, never by this table.
    ``same_territory``: the unit was left as it was and only its place in the tree changed.
    """

    unit: AdminUnit
    partial: bool
    same_territory: bool
    effective_on: dt.date
    decree: str | None
    decree_confirmed: bool


@dataclass(frozen=True)
class CommuneQuestion:
    """What an officer typed for a commune: a code or a name, the units above it, and perhaps a date ("31507@2025-06-30")."""

    text: str
    code: str | None
    folded: str
    above: tuple[str, ...]
    on: dt.date | None


_DATED = re.compile(r"^(?P<text>.*?)\s*@\s*(?P<day>\d{4}-\d{2}-\d{2})$")


def read_commune(text: str) -> CommuneQuestion:
    """Understand "31690", "Xã Đại Tâm", "Đại Tâm, Mỹ Xuyên, Sóc Trăng" or any of them with "@2025-06-30".

    Raises: CommuneUnreadable when nothing is left to look for, or the date is none.
    """
    match = _DATED.match(text.strip())
    words, day = (match["text"], _day(match["day"], text)) if match else (text.strip(), None)
    first, *above = [fold(part) for part in words.split(",")]
    if not first:
        raise CommuneUnreadable(text=text)
    code = first.zfill(5) if re.fullmatch(r"\d{2,5}", first) else None
    return CommuneQuestion(text, code, first, tuple(part for part in above if part), day)


def _day(text: str, whole: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise CommuneUnreadable(text=whole) from None


def choose_unit(
    question: str,
    candidates: Sequence[AdminUnit],
    heirs: Mapping[int, Sequence[Succession]],
    *,
    on: dt.date | None,
    today: dt.date,
) -> AdminUnit:
    """The one unit that a code or name means, or the refusal that shows all it may mean.

    With ``on`` the unit valid that day. Without it, today's unit wins only over units of the same territory: a code that now
    covers other land is never guessed. ``heirs``: successors of each candidate.

    Raises: UnitUnknown, UnitCodeMoved (not in force on that day), UnitAmbiguous.
    """
    if not candidates:
        raise UnitUnknown(unit=question)
    if on is not None:
        left = [unit for unit in candidates if unit.valid.holds_on(on)]
        if not left:
            later = {s.unit.admin_unit_id: s.unit for unit in candidates for s in heirs.get(unit.admin_unit_id, ())}
            raise UnitCodeMoved(unit=question, on=on.isoformat(), **_all_of([*candidates, *later.values()]))
    else:
        left = [unit for unit in candidates if not _only_renewed(heirs.get(unit.admin_unit_id, ()), candidates, today)]
    if len(left) > 1:
        raise UnitAmbiguous(unit=question, **_all_of(left))
    return left[0]


def _only_renewed(heirs: Sequence[Succession], candidates: Sequence[AdminUnit], today: dt.date) -> bool:
    """Whether one of the ``candidates`` is this unit's own land under today's row."""
    return any(heir.same_territory and heir.unit in candidates and heir.unit.valid.holds_on(today) for heir in heirs)


def _all_of(units: Sequence[AdminUnit]) -> dict[str, Any]:
    return {"candidates": [unit.as_candidate() for unit in units], "names": _names(units)}


def _names(units: Iterable[AdminUnit]) -> str:
    """The candidates in one line, for a message: "Phường 6, … (31507, –2025-07-01); Phường Sóc Trăng, … (31507, 2025-07-01–)"."""
    return "; ".join(f"{u.path} ({u.code}, {u.valid.start or ''}–{u.valid.end or ''})" for u in units)


# ------------------------------------------------------------------ code lists


@dataclass(frozen=True)
class CodeValue:
    """One dated word of a code list. ``name_en`` is null where nobody has translated it yet."""

    code_list: str
    code: str
    name_vi: str
    name_en: str | None
    parent_code: str | None
    valid: Validity
    attributes: Mapping[str, Any]
    confirmed: bool
    source: str


class LandUseStatus(StrEnum):
    """What a land-use code found in a file is to us."""

    PRESENT = "present"  # a code of TT 08/2024
    GROUP = "group"  # a heading of TT 08/2024: too wide for a parcel
    SUPERSEDED = "superseded"  # a code of the 2014 generation only
    OLD_MAP = "old_map"  # a symbol of maps before 2003
    PLANNING = "planning"  # a code of land-use plans only


@dataclass(frozen=True)
class LandUseCode:
    """A land-use code of any generation and what it is called today (loại đất).

    ``present_code`` is null where the old code may mean several; ``present_codes`` then lists them, and ``mapping`` says
    whether it is one of them ("one_of") or all, each with its own area ("split").
    """

    code: str
    code_list: str
    status: LandUseStatus
    present_code: str | None
    present_codes: tuple[str, ...]
    mapping: str | None
    confirmed: bool
    name_vi: str
    name_en: str | None


@dataclass(frozen=True)
class CodeMapping:
    """What a code of one list is in another. ``kind``: same, replaced, one_of, split."""

    from_list: str
    from_code: str
    to_list: str
    to_code: str
    kind: str
    confirmed: bool


# A code that several generations share means what the newest says.
LAND_USE_LISTS = ("land_use_2024", "land_use_2014", "land_use_old_map", "land_use_planning")
_STATUS = dict(
    zip(
        LAND_USE_LISTS,
        (LandUseStatus.PRESENT, LandUseStatus.SUPERSEDED, LandUseStatus.OLD_MAP, LandUseStatus.PLANNING),
        strict=True,
    )
)


def land_use_catalogue(values: Iterable[CodeValue], mappings: Iterable[CodeMapping]) -> dict[str, LandUseCode]:
    """Every land-use code of the four lists, by code, the newest generation winning."""
    targets: dict[tuple[str, str], list[CodeMapping]] = {}
    for mapping in mappings:
        if mapping.to_list == LAND_USE_LISTS[0]:
            targets.setdefault((mapping.from_list, mapping.from_code), []).append(mapping)
    newest_last = sorted(
        (v for v in values if v.code_list in _STATUS), key=lambda v: -LAND_USE_LISTS.index(v.code_list)
    )
    return {value.code: _land_use(value, targets.get((value.code_list, value.code), [])) for value in newest_last}


def _land_use(value: CodeValue, mappings: Sequence[CodeMapping]) -> LandUseCode:
    status = LandUseStatus.GROUP if value.attributes.get("group") else _STATUS[value.code_list]
    present = (value.code,) if status is LandUseStatus.PRESENT else tuple(m.to_code for m in mappings)
    return LandUseCode(
        code=value.code,
        code_list=value.code_list,
        status=status,
        present_code=present[0] if len(present) == 1 else None,
        present_codes=present,
        mapping=mappings[0].kind if mappings else None,
        confirmed=value.confirmed and all(m.confirmed for m in mappings),
        name_vi=value.name_vi,
        name_en=value.name_en,
    )


# ------------------------------------------------------------------ coordinate zones


@dataclass(frozen=True)
class Helmert:
    """A seven-parameter datum shift, position-vector convention (PROJ ``+towgs84``): metres, arc-seconds, parts per million."""

    tx_m: float
    ty_m: float
    tz_m: float
    rx_s: float
    ry_s: float
    rz_s: float
    scale_ppm: float

    def as_text(self) -> str:
        """The seven numbers as PROJ and WKT write them."""
        numbers = (self.tx_m, self.ty_m, self.tz_m, self.rx_s, self.ry_s, self.rz_s, self.scale_ppm)
        return ",".join(f"{number!r}" for number in numbers)


# VN-2000 → WGS 84. Source: QĐ 05/2007/QĐ-BTNMT, which is EPSG:6960 (1 m). PROJ alone picks EPSG:5194, 0.8 m away at Sóc Trăng.
# EPSG gives the rotations as coordinate frame; the signs here are turned for position vector.
DATUM_OPERATIONS: Mapping[str, Helmert] = {
    "EPSG:6960": Helmert(-191.90441429, -39.30318279, -111.45032835, 0.00928836, -0.01975479, 0.00427372, 0.252906278)
}
# PostGIS ignores proj4text and picks its own operation when the row's authority is EPSG.
ZONE_AUTHORITY = "LANDDB"


@dataclass(frozen=True)
class CoordinateZone:
    """A plane VN-2000 zone (múi chiếu): metres, x = east, y = north. ``srid`` is the EPSG code.

    The bounds are the EPSG area of use in degrees of longitude and latitude; a map may reach beyond it.
    """

    srid: int
    name: str
    central_meridian_deg: float
    scale_factor: float
    false_easting_m: float
    false_northing_m: float
    area_of_use: str
    west_deg: float
    south_deg: float
    east_deg: float
    north_deg: float
    datum_operation: str
    source: str

    @property
    def shift(self) -> Helmert:
        """The pinned datum shift to WGS 84."""
        return DATUM_OPERATIONS[self.datum_operation]

    @property
    def _projection(self) -> str:
        return (
            f"+proj=tmerc +lat_0=0 +lon_0={self.central_meridian_deg:g} +k={self.scale_factor:g}"
            f" +x_0={self.false_easting_m:g} +y_0={self.false_northing_m:g} +ellps=WGS84"
        )

    @property
    def proj4text(self) -> str:
        """The zone with its datum shift as PROJ text, for ``spatial_ref_sys``."""
        return f"{self._projection} +towgs84={self.shift.as_text()} +units=m +no_defs"

    @property
    def srtext(self) -> str:
        """The zone with its datum shift as WKT 1. It names no authority, so that nobody replaces the shift by a default."""
        return (
            f'PROJCS["{self.name}",GEOGCS["VN-2000",DATUM["Vietnam_2000",SPHEROID["WGS 84",6378137,298.257223563],'
            f'TOWGS84[{self.shift.as_text()}]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],'
            f'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
            f'PARAMETER["central_meridian",{self.central_meridian_deg:g}],PARAMETER["scale_factor",{self.scale_factor:g}],'
            f'PARAMETER["false_easting",{self.false_easting_m:g}],PARAMETER["false_northing",{self.false_northing_m:g}],'
            f'UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
        )

    @property
    def pipeline_to_lonlat(self) -> str:
        """The pinned PROJ pipeline from this zone (E, N) to WGS 84 (longitude, latitude in degrees)."""
        s = self.shift
        return (
            f"+proj=pipeline +step +inv {self._projection} +step +proj=push +v_3 +step +proj=cart +ellps=WGS84"
            f" +step +proj=helmert +x={s.tx_m!r} +y={s.ty_m!r} +z={s.tz_m!r} +rx={s.rx_s!r} +ry={s.ry_s!r}"
            f" +rz={s.rz_s!r} +s={s.scale_ppm!r} +convention=position_vector"
            " +step +inv +proj=cart +ellps=WGS84 +step +proj=pop +v_3 +step +proj=unitconvert +xy_in=rad +xy_out=deg"
        )


@dataclass(frozen=True)
class ProvinceMeridian:
    """The central meridian that a circular gives a province for one purpose (kinh tuyến trục)."""

    province_name: str
    purpose: str  # cadastral_map | administrative_map
    valid: Validity
    central_meridian_deg: float
    srid: int
    confirmed: bool
    source: str


# ------------------------------------------------------------------ tolerances


@dataclass(frozen=True)
class Tolerance:
    """How far a map of a scale class may be off (sai số cho phép).

    An overlap is within tolerance when it is both narrower than ``overlap_width_m`` and smaller than ``overlap_area_m2``.
    ``boundary_point_m`` is against the nearest control point. ``confirmed`` is false while one of them is office practice.
    """

    scale: int  # denominator of the class used, not of the map asked for
    overlap_width_m: float
    overlap_area_m2: float
    area_factor_m: float
    boundary_point_m: float
    boundary_point_agricultural_m: float
    confirmed: bool
    source: str

    def area_difference_m2(self, area_m2: float) -> float:
        """How far a declared area may lie from the computed one. Areas are kept to 0.1 m², so never less than that."""
        return max(0.1, self.area_factor_m * math.sqrt(max(area_m2, 0.0)))


@dataclass(frozen=True)
class ToleranceValue:
    """One number of one scale class, with where it comes from."""

    kind: str
    scale: int
    value: float
    confirmed: bool
    source: str


def scale_class(scale: int, classes: Iterable[int]) -> int:
    """The scale class that a map of 1:``scale`` falls in: the next coarser one, or the coarsest."""
    ordered = sorted(classes)
    return next((each for each in ordered if each >= scale), ordered[-1])


def tolerance_of(scale: int, values: Sequence[ToleranceValue]) -> Tolerance:
    """The tolerances of a map of 1:``scale`` out of all that hold. Raises: ToleranceUnknown."""
    if not values:
        raise ToleranceUnknown(scale=scale)
    own_class = scale_class(scale, {value.scale for value in values})
    by_kind = {value.kind: value for value in values if value.scale == own_class}
    missing = {"boundary_point_m", "overlap_width_m", "overlap_area_m2", "area_difference_m"} - by_kind.keys()
    if missing:
        raise ToleranceUnknown(scale=scale, kinds=", ".join(sorted(missing)))
    point = by_kind["boundary_point_m"]
    return Tolerance(
        scale=own_class,
        overlap_width_m=by_kind["overlap_width_m"].value,
        overlap_area_m2=by_kind["overlap_area_m2"].value,
        area_factor_m=by_kind["area_difference_m"].value,
        boundary_point_m=point.value,
        boundary_point_agricultural_m=by_kind.get("boundary_point_agricultural_m", point).value,
        confirmed=all(value.confirmed for value in by_kind.values()),
        source="; ".join(dict.fromkeys(value.source for value in by_kind.values())),
    )


# ------------------------------------------------------------------ working calendar


@dataclass(frozen=True)
class CalendarDay:
    """A day that differs from its weekday: off work (``holiday``, ``in_lieu``) or worked in exchange (``working_day``)."""

    on_date: dt.date
    kind: str
    name_vi: str
    name_en: str
    confirmed: bool
    source: str

    @property
    def is_off(self) -> bool:
        """Whether nobody works that day."""
        return self.kind != "working_day"


def is_working_day(day: dt.date, exceptions: Mapping[dt.date, CalendarDay]) -> bool:
    """Whether ``day`` counts for a time limit: Monday to Friday, unless the calendar says otherwise."""
    exception = exceptions.get(day)
    return day.weekday() < 5 if exception is None else not exception.is_off


# ------------------------------------------------------------------ loads


@dataclass(frozen=True)
class LoadReport:
    """What loading one file did. ``already_loaded``: the same bytes were the last load and nothing differs from them."""

    table: str
    file_name: str
    rows: int
    added: int
    changed: int
    unchanged: int
    already_loaded: bool = False


@dataclass(frozen=True)
class LoadedTable:
    """The state of one reference table: its rows now and the last file loaded into it."""

    table: str
    rows: int
    file_name: str | None
    loaded_at: dt.datetime | None


@dataclass(frozen=True)
class RowProblem:
    """What is wrong with one row of a reference file. ``row`` counts as a person does: line 1 is the heading."""

    row: int
    column: str
    value: str


# ------------------------------------------------------------------ errors


class CommuneUnreadable(Invalid):
    code = "reference.commune_unreadable"


class UnitUnknown(NotFound):
    code = "reference.unit_unknown"


class UnitAmbiguous(Conflict):
    """Params: ``unit`` as asked, ``candidates`` (facts of each), ``names`` (the same in one line)."""

    code = "reference.unit_ambiguous"


class UnitCodeMoved(Invalid):
    """The code was not in force on that day. Params: ``unit``, ``on``, ``candidates``, ``names`` (with successors)."""

    code = "reference.unit_code_moved"


class BoundaryUnknown(NotFound):
    code = "reference.boundary_unknown"


class CodeUnknown(NotFound):
    code = "reference.code_unknown"


class ToleranceUnknown(NotFound):
    code = "reference.tolerance_unknown"


class TableUnknown(NotFound):
    code = "reference.table_unknown"


class FileUnreadable(Invalid):
    code = "reference.file_unreadable"


class FileEmpty(Invalid):
    code = "reference.file_empty"


class ColumnMissing(Invalid):
    code = "reference.column_missing"


class FileMalformed(Invalid):
    """Params: ``file``, ``row``, ``column``, ``value`` of the first fault, ``count`` of all, ``problems`` (at most 20)."""

    code = "reference.file_malformed"


class RowTwice(Invalid):
    code = "reference.row_twice"


class ValidityOverlaps(Conflict):
    code = "reference.validity_overlaps"


class RowRefersToNothing(Invalid):
    code = "reference.row_refers_to_nothing"


class ZoneDefinitionWrong(Unavailable):
    """``spatial_ref_sys`` does not hold our pinned zones. Params: ``srids``."""

    code = "reference.zone_definition_wrong"

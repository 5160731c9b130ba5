"""Loading a reference file into its table (``landdb reference load TABLE FILE``): units, boundaries, code lists, zones, holidays.

A file adds rows and changes rows of the same key; it deletes nothing, for what was once valid stays readable. One fault
anywhere and nothing is loaded: every refusal names the row as a person counts it, the heading being line 1.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely
from geoalchemy2.shape import from_shape
from sqlalchemy.dialects.postgresql import Range

from landdb.db.transaction import Tx
from landdb.reference import store
from landdb.reference.model import (
    DATUM_OPERATIONS,
    AdminUnit,
    ColumnMissing,
    FileEmpty,
    FileMalformed,
    FileUnreadable,
    LoadReport,
    RowProblem,
    RowTwice,
    TableUnknown,
    UnitKind,
    fold,
)

Row = dict[str, Any]
MOST_PROBLEMS_SHOWN = 20
BOUNDARY = "admin_unit_boundary"
# Names under which public boundary files carry the code of the unit.
CODE_PROPERTIES = ("code", "ma_xa", "maxa", "ma_dvhc", "madvhc", "ma", "commune_code")
# Vietnam with its islands, in degrees: a coordinate outside is projected, or has its axes swapped.
LON_RANGE, LAT_RANGE = (100.0, 120.0), (5.0, 25.0)


@dataclass(frozen=True)
class BoundaryOptions:
    """How to read a boundary file. ``on``: the day whose units it shows (today when null). ``accuracy_m`` null: not known."""

    code_property: str | None = None
    on: dt.date | None = None
    accuracy_m: float | None = None
    source: str | None = None


def load_table(tx: Tx, name: str, path: Path, boundary: BoundaryOptions | None = None) -> LoadReport:
    """Load ``path`` into the reference table ``name``; the same file twice changes nothing and says so.

    A row that somebody has changed by hand since is set back to what the file says, and counted as changed.
    Raises: TableUnknown, FileUnreadable, FileEmpty, ColumnMissing, FileMalformed, RowTwice, ValidityOverlaps.
    """
    if name != BOUNDARY and name not in SHEETS:
        raise TableUnknown(table=name, tables=", ".join(sorted([*SHEETS, BOUNDARY])))
    content = _content(path)
    table = BOUNDARY if name == BOUNDARY else SHEETS[name].table
    if name == BOUNDARY:
        rows = _boundaries(tx, path.name, content, boundary or BoundaryOptions())
    else:
        rows = _sheet(tx, SHEETS[name], path.name, content)
    added, changed = store.upsert(tx, table, rows)
    if table == "coordinate_zone":
        store.pin_zones(tx)
    repeated = _note_load(tx, table, path.name, content, len(rows)) and not (added or changed)
    return LoadReport(table, path.name, len(rows), added, changed, len(rows) - added - changed, repeated)


def _note_load(tx: Tx, table: str, file: str, content: bytes, rows: int) -> bool:
    """Write the load down; whether the same bytes were the last load of this table (then once is enough)."""
    digest = hashlib.sha256(content).hexdigest()
    if store.last_digest(tx, table) == digest:
        return True
    store.add_load(tx, table, file, digest, rows)
    return False


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileUnreadable(file=path.name) from error
    if not content.strip():
        raise FileEmpty(file=path.name)
    return content


# ------------------------------------------------------------------ sheets of rows


@dataclass(frozen=True)
class Sheet:
    """What one kind of CSV file holds: the reader of each column, its key, where it points, and what rows must obey.

    ``required`` columns must be filled in every row; the others must only be there as headings.
    """

    table: str
    columns: Mapping[str, Callable[[str], Any]]
    required: frozenset[str]
    key: tuple[str, ...]
    dated: bool = False
    points_at: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    fault: Callable[[Row], str | None] = lambda row: None  # the column at fault, if any
    derive: Callable[[Row], Row] = lambda row: {}


def _text(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


def _date(text: str) -> dt.date:
    """A day written 2025-07-01 or, as offices do, 01/07/2025."""
    return dt.datetime.strptime(text, "%d/%m/%Y").date() if "/" in text else dt.date.fromisoformat(text)  # noqa: DTZ007  # a calendar day


def _facts(text: str) -> dict[str, Any]:
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise TypeError(text)
    return facts


def _one_of(*words: str) -> Callable[[str], str]:
    allowed = {word: word for word in words}
    return lambda text: allowed[text]


def _unit_fault(row: Row) -> str | None:
    digits = {"province": 2, "district": 3, "commune": 5}[row["kind"]]
    if not (row["code"].isascii() and row["code"].isdigit() and len(row["code"]) == digits):
        return "code"
    return "parent_id" if (row["kind"] == "province") != (row["parent_id"] is None) else None


def _folded_names(row: Row) -> Row:
    others = [other for other in (row["other_names"] or "").split(";") if other.strip()]
    return {"name_folded": fold(row["name"]), "search_folded": "|".join(map(fold, [row["full_name"], *others]))}


def _required(*columns: str) -> frozenset[str]:
    return frozenset((*columns, "source"))


SHEETS: Mapping[str, Sheet] = {
    "admin_unit": Sheet(
        "admin_unit",
        {
            "admin_unit_id": int,
            "kind": _one_of(*UnitKind),
            "code": _text,
            "name": _text,
            "full_name": _text,
            "other_names": _text,
            "parent_id": int,
            "source": _text,
        },
        _required("admin_unit_id", "kind", "code", "name", "full_name"),
        ("admin_unit_id",),
        dated=True,
        points_at={"parent_id": ("admin_unit", "admin_unit_id")},
        fault=_unit_fault,
        derive=_folded_names,
    ),
    "admin_unit_succession": Sheet(
        "admin_unit_succession",
        {
            "old_unit_id": int,
            "new_unit_id": int,
            "partial": _flag,
            "same_territory": _flag,
            "effective_on": _date,
            "decree": _text,
            "decree_confirmed": _flag,
            "source": _text,
        },
        _required("old_unit_id", "new_unit_id", "partial", "same_territory", "effective_on", "decree_confirmed"),
        ("old_unit_id", "new_unit_id"),
        points_at={"old_unit_id": ("admin_unit", "admin_unit_id"), "new_unit_id": ("admin_unit", "admin_unit_id")},
        fault=lambda row: (
            "same_territory"
            if row["partial"] and row["same_territory"]
            else "new_unit_id"
            if row["old_unit_id"] == row["new_unit_id"]
            else None
        ),
    ),
    "code_list": Sheet(
        "code_list",
        {"code_list": _text, "name_vi": _text, "name_en": _text, "legal_source": _text, "note": _text, "source": _text},
        _required("code_list", "name_vi", "name_en"),
        ("code_list",),
        dated=True,
    ),
    "code_value": Sheet(
        "code_value",
        {
            "code_list": _text,
            "code": _text,
            "name_vi": _text,
            "name_en": _text,
            "parent_code": _text,
            "attributes": _facts,
            "confirmed": _flag,
            "source": _text,
        },
        _required("code_list", "code", "name_vi", "confirmed"),
        ("code_list", "code", "valid_from"),
        dated=True,
        points_at={"code_list": ("code_list", "code_list")},
        derive=lambda row: {"attributes": row["attributes"] or {}},
    ),
    "code_mapping": Sheet(
        "code_mapping",
        {
            "from_list": _text,
            "from_code": _text,
            "to_list": _text,
            "to_code": _text,
            "kind": _one_of("same", "replaced", "one_of", "split"),
            "confirmed": _flag,
            "note": _text,
            "source": _text,
        },
        _required("from_list", "from_code", "to_list", "to_code", "kind", "confirmed"),
        ("from_list", "from_code", "to_list", "to_code"),
        points_at={
            "from_list": ("code_list", "code_list"),
            "to_list": ("code_list", "code_list"),
            "from_code": ("code_value", "code"),
            "to_code": ("code_value", "code"),
        },
    ),
    "coordinate_zone": Sheet(
        "coordinate_zone",
        {
            "srid": int,
            "name": _text,
            "projection": _one_of("Transverse Mercator"),
            "central_meridian_deg": _number,
            "scale_factor": _number,
            "false_easting_m": _number,
            "false_northing_m": _number,
            "area_of_use": _text,
            "west_deg": _number,
            "south_deg": _number,
            "east_deg": _number,
            "north_deg": _number,
            "datum_operation": _one_of(*DATUM_OPERATIONS),
            "source": _text,
        },
        _required(
            "srid",
            "name",
            "projection",
            "central_meridian_deg",
            "scale_factor",
            "false_easting_m",
            "false_northing_m",
            "area_of_use",
            "west_deg",
            "south_deg",
            "east_deg",
            "north_deg",
            "datum_operation",
        ),
        ("srid",),
        fault=lambda row: (
            "west_deg"
            if row["west_deg"] >= row["east_deg"]
            else "south_deg"
            if row["south_deg"] >= row["north_deg"]
            else None
        ),
    ),
    "province_meridian": Sheet(
        "province_meridian",
        {
            "province_name": _text,
            "purpose": _one_of("cadastral_map", "administrative_map"),
            "central_meridian_deg": _number,
            "srid": int,
            "confirmed": _flag,
            "source": _text,
        },
        _required("province_name", "purpose", "central_meridian_deg", "srid", "confirmed"),
        ("province_name", "purpose", "valid_from"),
        dated=True,
        points_at={"srid": ("coordinate_zone", "srid")},
    ),
    "tolerance": Sheet(
        "tolerance",
        {
            "kind": _one_of(
                "boundary_point_m",
                "boundary_point_agricultural_m",
                "overlap_width_m",
                "overlap_area_m2",
                "area_difference_m",
            ),
            "scale": int,
            "value": _number,
            "confirmed": _flag,
            "source": _text,
        },
        _required("kind", "scale", "value", "confirmed"),
        ("kind", "scale", "valid_from"),
        dated=True,
        fault=lambda row: "scale" if row["scale"] <= 0 else "value" if row["value"] < 0 else None,
    ),
    "holiday": Sheet(
        "working_day_exception",
        {
            "on_date": _date,
            "kind": _one_of("holiday", "in_lieu", "working_day"),
            "name_vi": _text,
            "name_en": _text,
            "confirmed": _flag,
            "source": _text,
        },
        _required("on_date", "kind", "name_vi", "name_en", "confirmed"),
        ("on_date",),
    ),
}


def _sheet(tx: Tx, sheet: Sheet, file: str, content: bytes) -> list[Row]:
    """The file's rows, ready for the table, or a refusal that names every fault found."""
    columns = {**sheet.columns, "valid_from": _date, "valid_to": _date} if sheet.dated else dict(sheet.columns)
    problems: list[RowProblem] = []
    rows: dict[int, Row] = {}
    for number, texts in _lines(file, content, list(columns)):
        row, faults = _read_row(number, texts, columns, sheet)
        problems += faults
        if not faults:
            rows[number] = row
    problems += _pointing_nowhere(tx, sheet, rows)
    if problems:
        raise _malformed(file, problems)
    if not rows:
        raise FileEmpty(file=file)
    _refuse_doubles(file, sheet, rows)
    return [_finished(sheet, row) for row in _parents_first(rows.values())]


def _lines(file: str, content: bytes, columns: Sequence[str]) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileUnreadable(file=file) from error
    heading = text.split("\n", 1)[0]
    # A Vietnamese Excel writes semicolons: its comma is the decimal sign.
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if heading.count(";") > heading.count(",") else ","
    )
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise ColumnMissing(file=file, columns=", ".join(missing))
    try:
        for texts in reader:
            yield reader.line_num, {column: (texts[column] or "").strip() for column in columns}
    except csv.Error as error:
        raise FileUnreadable(file=file) from error


def _read_row(
    number: int, texts: Mapping[str, str], columns: Mapping[str, Callable[[str], Any]], sheet: Sheet
) -> tuple[Row, list[RowProblem]]:
    row: Row = {}
    problems = []
    for column, read in columns.items():
        text = texts[column]
        try:
            row[column] = read(text) if text else None
        except (ValueError, KeyError, TypeError):
            problems.append(RowProblem(number, column, text))
        if not text and column in sheet.required:
            problems.append(RowProblem(number, column, ""))
    if not problems and (at_fault := sheet.fault(row) or _dates_at_fault(row)):
        problems.append(RowProblem(number, at_fault, texts[at_fault]))
    return row, problems


def _dates_at_fault(row: Row) -> str | None:
    start, end = row.get("valid_from"), row.get("valid_to")
    return "valid_to" if start and end and end <= start else None


def _pointing_nowhere(tx: Tx, sheet: Sheet, rows: Mapping[int, Row]) -> list[RowProblem]:
    """Rows that name a unit, list or zone which is neither in the register nor in this file."""
    problems = []
    for column, (table, target) in sheet.points_at.items():
        known = store.known_values(tx, table, target)
        if table == sheet.table:
            known |= {row[target] for row in rows.values()}
        problems += [
            RowProblem(n, column, str(row[column]))
            for n, row in rows.items()
            if row[column] is not None and row[column] not in known
        ]
    return problems


def _refuse_doubles(file: str, sheet: Sheet, rows: Mapping[int, Row]) -> None:
    first: dict[tuple[Any, ...], int] = {}
    for number, row in rows.items():
        key = tuple(row[column] for column in sheet.key)
        if key in first:
            raise RowTwice(
                file=file,
                row=number,
                first_row=first[key],
                key=", ".join(str(part) for part in key if part is not None),
            )
        first[key] = number


def _parents_first(rows: Iterable[Row]) -> list[Row]:
    order = {kind: place for place, kind in enumerate(UnitKind)}
    return sorted(rows, key=lambda row: order.get(row.get("kind", ""), 0))


def _finished(sheet: Sheet, row: Row) -> Row:
    row = {**row, **sheet.derive(row)}
    if sheet.dated:
        row["valid"] = Range(row.pop("valid_from"), row.pop("valid_to"))
    return row


def _malformed(file: str, problems: Sequence[RowProblem]) -> FileMalformed:
    ordered = sorted(problems, key=lambda problem: problem.row)
    first = ordered[0]
    return FileMalformed(
        file=file,
        row=first.row,
        column=first.column,
        value=first.value,
        count=len(ordered),
        problems=[{"row": p.row, "column": p.column, "value": p.value} for p in ordered[:MOST_PROBLEMS_SHOWN]],
    )


# ------------------------------------------------------------------ boundaries


def _boundaries(tx: Tx, file: str, content: bytes, options: BoundaryOptions) -> list[Row]:
    """One row per feature: its polygon in lon/lat under the unit that its code means on the day of the file."""
    features = _features(file, content)
    if not features:
        raise FileEmpty(file=file)
    name = options.code_property or _code_property(file, features[0])
    units = _units_by_code(tx, options.on or tx.today)
    problems: list[RowProblem] = []
    rows: dict[int, Row] = {}
    for number, feature in enumerate(features, 1):
        code = str(_properties(feature).get(name, "")).strip()
        unit, shape = units.get(code), _multipolygon(feature)
        if unit is None:
            problems.append(RowProblem(number, name, code))
        elif shape is None:
            problems.append(RowProblem(number, "geometry", unit.full_name))
        elif unit.admin_unit_id in rows:
            raise RowTwice(file=file, row=number, first_row=list(rows).index(unit.admin_unit_id) + 1, key=code)
        else:
            rows[unit.admin_unit_id] = _boundary_row(unit, shape, file, options)
    if problems:
        raise _malformed(file, problems)
    return list(rows.values())


def _features(file: str, content: bytes) -> list[Any]:
    try:
        document = json.loads(content.decode("utf-8-sig"))
        features = document["features"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileUnreadable(file=file) from error
    if not isinstance(features, list):
        raise FileUnreadable(file=file)
    return features


def _properties(feature: Any) -> Mapping[str, Any]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    return properties if isinstance(properties, dict) else {}


def _code_property(file: str, feature: Any) -> str:
    by_folded = {key.lower(): key for key in _properties(feature)}
    found = next((by_folded[name] for name in CODE_PROPERTIES if name in by_folded), None)
    if found is None:
        raise ColumnMissing(file=file, columns=" / ".join(CODE_PROPERTIES))
    return found


def _units_by_code(tx: Tx, on: dt.date) -> dict[str, AdminUnit]:
    """Codes have two, three or five digits by kind, so one mapping holds all three."""
    return {unit.code: unit for kind in UnitKind for unit in store.list_units(tx, kind, on)}


def _multipolygon(feature: Any) -> shapely.MultiPolygon | None:
    """The feature's polygon, mended where it crosses itself; null where it is no polygon in degrees within Vietnam."""
    try:
        shape = shapely.force_2d(shapely.from_geojson(json.dumps(feature["geometry"])))
    except (shapely.errors.GEOSException, KeyError, TypeError):
        return None
    parts = [part for part in shapely.get_parts(shapely.make_valid(shape)) if part.geom_type == "Polygon"]
    if not parts or shape.geom_type not in {"Polygon", "MultiPolygon"}:
        return None
    whole = shapely.MultiPolygon(parts)
    west, south, east, north = whole.bounds
    inside = LON_RANGE[0] <= west and east <= LON_RANGE[1] and LAT_RANGE[0] <= south and north <= LAT_RANGE[1]
    return whole if inside else None


def _boundary_row(unit: AdminUnit, shape: shapely.MultiPolygon, file: str, options: BoundaryOptions) -> Row:
    return {
        "admin_unit_id": unit.admin_unit_id,
        "geom": from_shape(shape, srid=4326),
        "accuracy_m": options.accuracy_m,
        "source": options.source or file,
    }

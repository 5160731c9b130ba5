"""Loading a reference file into its table (``landdb reference load TABLE FILE``): units, codes, zones, holidays, procedures.

A file adds rows and changes rows of the same key; it deletes nothing, for what was once valid stays readable. One fault
anywhere and nothing is loaded: every refusal names the row as a person counts it, the heading being line 1.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import shapely
from geoalchemy2.shape import from_shape
from sqlalchemy.dialects.postgresql import Range

from landdb.db.transaction import Tx
from landdb.reference import store
from landdb.reference.model import (
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
)
from landdb.reference.procedure import RESULT, IdentifierTaken, Procedure, check
from landdb.reference.sheets import SHEETS, Row, Sheet, read_date

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
    Raises: TableUnknown, FileUnreadable, FileEmpty, ColumnMissing, FileMalformed, RowTwice, ValidityOverlaps, and for procedures
    what ``procedure.check`` raises and IdentifierTaken.
    """
    if name != BOUNDARY and name not in SHEETS:
        raise TableUnknown(table=name, tables=", ".join(sorted([*SHEETS, BOUNDARY])))
    content = _content(path)
    table = BOUNDARY if name == BOUNDARY else SHEETS[name].table
    if name == BOUNDARY:
        rows = _boundaries(tx, path.name, content, boundary or BoundaryOptions())
    else:
        rows = _sheet(tx, SHEETS[name], path.name, content)
    if table == "procedure":
        _refuse_other_procedures(tx, rows)
    added, changed = store.upsert(tx, table, rows)
    if table == "coordinate_zone":
        store.pin_zones(tx)
    if table.startswith("procedure"):
        _check_procedures(tx, table, {row["procedure_id"] for row in rows})
    repeated = _note_load(tx, table, path.name, content, len(rows)) and not (added or changed)
    return LoadReport(table, path.name, len(rows), added, changed, len(rows) - added - changed, repeated)


def _refuse_other_procedures(tx: Tx, rows: Iterable[Row]) -> None:
    """Dossiers name a procedure by its id: it must not become another one under them."""
    given = {row["procedure_id"]: (row["code"], row["province_code"]) for row in rows}
    for there in store.loaded_procedures(tx, given):
        if (there.code, there.province_code) != given[there.procedure_id]:
            raise IdentifierTaken(procedure_id=there.procedure_id, procedure=there.code)


def _check_procedures(tx: Tx, table: str, procedure_ids: Iterable[int]) -> None:
    """No dossier must get stuck in what was loaded. Stages come before their steps: those alone are not judged yet."""
    for procedure in store.loaded_procedures(tx, procedure_ids):
        if table == "procedure_step":
            check(procedure)
        elif procedure.steps:
            check(_in_use(procedure))


def _in_use(procedure: Procedure) -> Procedure:
    """Without the stages that no step touches yet."""
    used = {stage for step in procedure.steps for stage in (step.from_stage, step.to_stage)}
    return replace(procedure, stages={name: stage for name, stage in procedure.stages.items() if name in used})


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


def _sheet(tx: Tx, sheet: Sheet, file: str, content: bytes) -> list[Row]:
    """The file's rows, ready for the table, or a refusal that names every fault found."""
    columns = {**sheet.columns, "valid_from": read_date, "valid_to": read_date} if sheet.dated else dict(sheet.columns)
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
    """Rows that name a unit, list, stage or code which is neither in the register nor in this file."""
    problems = []
    for columns, (table, targets) in sheet.pointers.items():
        known = store.known_values(tx, table, *targets)
        if table == sheet.table:
            known |= {tuple(row[target] for target in targets) for row in rows.values()}
        for number, row in rows.items():
            value = tuple(row[column] for column in columns)
            if None not in value and value not in known:
                problems.append(RowProblem(number, columns[-1], str(value[-1])))
    for column, code_list in sheet.codes_of.items():
        codes = store.known_codes(tx, code_list) | {RESULT}
        for number, row in rows.items():
            named = row[column] if isinstance(row[column], list) else [row[column]]
            problems += [RowProblem(number, column, code) for code in named if code and code not in codes]
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

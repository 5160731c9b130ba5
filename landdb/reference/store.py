"""All SQL of the reference tables: units by code, name and succession, code lists, zones, tolerances, the calendar, loads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import shapely
from sqlalchemy import Table, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import insert

from landdb.db.constraints import register
from landdb.db.metadata import metadata
from landdb.db.transaction import Tx
from landdb.reference import tables as t
from landdb.reference.model import (
    LAND_USE_LISTS,
    ZONE_AUTHORITY,
    AdminUnit,
    BoundaryUnknown,
    CalendarDay,
    CodeMapping,
    CodeUnknown,
    CodeValue,
    CoordinateZone,
    LandUseCode,
    LoadedTable,
    ProvinceMeridian,
    RowRefersToNothing,
    Succession,
    Tolerance,
    ToleranceValue,
    UnitKind,
    UnitUnknown,
    Validity,
    ValidityOverlaps,
    ZoneDefinitionWrong,
    choose_unit,
    fold,
    land_use_catalogue,
    read_commune,
    tolerance_of,
)
from landdb.reference.procedure import (
    ACTIONS,
    STAGES,
    Procedure,
    ProcedureIncomplete,
    ProcedurePaper,
    ProcedureStage,
    ProcedureStep,
    ProcedureUnknown,
    choose_procedure,
)
from landdb.reference.working_time import Hours, WorkingCalendar, years_loaded

for _constraint in (
    "admin_unit_kind_code_valid_excl",
    "code_value_code_list_code_valid_excl",
    "province_meridian_valid_excl",
    "tolerance_kind_scale_valid_excl",
    "working_hours_valid_excl",
    "procedure_code_valid_excl",
    "procedure_start_key",
):
    register(_constraint, ValidityOverlaps)
for _constraint in (
    "admin_unit_parent_id_fkey",
    "code_value_code_list_fkey",
    "province_meridian_srid_fkey",
    "procedure_stage_procedure_id_fkey",
    "procedure_step_from_fkey",
    "procedure_step_to_fkey",
    "procedure_paper_procedure_id_fkey",
):
    register(_constraint, RowRefersToNothing)

# ------------------------------------------------------------------ administrative units

_UNIT = """
    SELECT u.admin_unit_id, u.kind, u.code, u.name, u.full_name, u.parent_id,
           lower(u.valid) AS valid_from, upper(u.valid) AS valid_to,
           concat_ws(', ', u.full_name, p.full_name, g.full_name) AS path,
           CASE WHEN g.kind = 'province' THEN g.code WHEN p.kind = 'province' THEN p.code END AS province_code, u.source
    FROM admin_unit u
    LEFT JOIN admin_unit p ON p.admin_unit_id = u.parent_id
    LEFT JOIN admin_unit g ON g.admin_unit_id = p.parent_id
"""


def _unit(row: Any) -> AdminUnit:
    return AdminUnit(
        admin_unit_id=row.admin_unit_id,
        kind=UnitKind(row.kind),
        code=row.code,
        name=row.name,
        full_name=row.full_name,
        parent_id=row.parent_id,
        valid=Validity(row.valid_from, row.valid_to),
        path=row.path,
        province_code=row.province_code,
        source=row.source,
    )


def get_admin_unit(tx: Tx, admin_unit_id: int) -> AdminUnit:
    """The unit of this id, in force or not. Raises: UnitUnknown."""
    row = tx.execute(f"{_UNIT} WHERE u.admin_unit_id = :admin_unit_id", admin_unit_id=admin_unit_id).one_or_none()
    if row is None:
        raise UnitUnknown(unit=admin_unit_id)
    return _unit(row)


def get_admin_units(tx: Tx, admin_unit_ids: Iterable[int]) -> dict[int, AdminUnit]:
    """The units of these ids by id, in one query; unknown ids are left out."""
    rows = tx.execute(f"{_UNIT} WHERE u.admin_unit_id = ANY(:ids)", ids=list(admin_unit_ids))
    return {row.admin_unit_id: _unit(row) for row in rows}


def find_units_by_code(tx: Tx, code: str, on: dt.date | None = None, kind: UnitKind | None = None) -> list[AdminUnit]:
    """Every unit that has or had this code, oldest first; with ``on`` only those valid that day. The caller decides."""
    rows = tx.execute(
        f"""{_UNIT} WHERE u.code = :code AND (CAST(:day AS date) IS NULL OR u.valid @> CAST(:day AS date))
                      AND (CAST(:kind AS text) IS NULL OR u.kind = :kind)
            ORDER BY lower(u.valid) NULLS FIRST, u.admin_unit_id""",
        code=code,
        day=on,
        kind=kind,
    )
    return [_unit(row) for row in rows]


def list_units(tx: Tx, kind: UnitKind, on: dt.date | None = None, parent_id: int | None = None) -> list[AdminUnit]:
    """The units of one kind valid on a day (today when null), below ``parent_id`` if given, by code."""
    rows = tx.execute(
        f"""{_UNIT} WHERE u.kind = :kind AND u.valid @> CAST(:day AS date)
                      AND (CAST(:parent_id AS integer) IS NULL OR u.parent_id = :parent_id)
            ORDER BY u.code""",
        kind=kind,
        day=on or tx.today,
        parent_id=parent_id,
    )
    return [_unit(row) for row in rows]


def search_units(
    tx: Tx, text: str, kind: UnitKind | None = None, on: dt.date | None = None, limit: int = 20
) -> list[AdminUnit]:
    """Units whose name contains ``text``, with or without diacritics: whole names first, then units in force.

    Words after a comma narrow by the units above: "dai tam, my xuyen". An empty text finds nothing.
    """
    first, *above = [fold(part) for part in text.split(",")]
    if not first:
        return []
    rows = tx.execute(
        f"""{_UNIT} WHERE strpos(u.search_folded, :words) > 0
                      AND (CAST(:kind AS text) IS NULL OR u.kind = :kind)
                      AND (CAST(:day AS date) IS NULL OR u.valid @> CAST(:day AS date))
            ORDER BY (u.name_folded = :words OR :words = ANY(string_to_array(u.search_folded, '|'))) DESC,
                     upper_inf(u.valid) DESC, starts_with(u.name_folded, :words) DESC, u.full_name, u.admin_unit_id""",
        words=first,
        kind=kind,
        day=on,
    )
    return _below(map(_unit, rows), above)[:limit]


def _below(units: Iterable[AdminUnit], above: Sequence[str]) -> list[AdminUnit]:
    """Those units in whose path every one of the folded words ``above`` stands."""
    return [unit for unit in units if all(part in fold(unit.path) for part in above)]


_LINK = """
    SELECT s.old_unit_id, s.partial, s.same_territory, s.effective_on, s.decree, s.decree_confirmed, unit.*
    FROM admin_unit_succession s
"""


def successors(tx: Tx, admin_unit_id: int) -> list[Succession]:
    """What became of a unit: one new unit, several when it was split (then parcels go by geometry), none while in force."""
    return _successions(tx, [admin_unit_id]).get(admin_unit_id, [])


def predecessors(tx: Tx, admin_unit_id: int) -> list[Succession]:
    """The units out of which this one was made."""
    rows = tx.execute(
        f"""{_LINK} JOIN ({_UNIT}) unit ON unit.admin_unit_id = s.old_unit_id
            WHERE s.new_unit_id = :id ORDER BY unit.code, unit.admin_unit_id""",
        id=admin_unit_id,
    )
    return [_succession(row) for row in rows]


def _successions(tx: Tx, old_ids: Sequence[int]) -> dict[int, list[Succession]]:
    rows = tx.execute(
        f"""{_LINK} JOIN ({_UNIT}) unit ON unit.admin_unit_id = s.new_unit_id
            WHERE s.old_unit_id = ANY(:ids) ORDER BY unit.code, unit.admin_unit_id""",
        ids=list(old_ids),
    )
    found: dict[int, list[Succession]] = {}
    for row in rows:
        found.setdefault(row.old_unit_id, []).append(_succession(row))
    return found


def _succession(row: Any) -> Succession:
    return Succession(_unit(row), row.partial, row.same_territory, row.effective_on, row.decree, row.decree_confirmed)


def resolve_commune(tx: Tx, code_or_name: str, on: dt.date | None = None) -> AdminUnit:
    """The commune that a person or a file means: "31690", "Xã Đại Tâm", "Phường 1, Ngã Năm", "31507@2025-06-30".

    ``on`` is the day that the data speak of: the import's ``valid_from``; pass ``tx.today`` only where somebody asked for
    today's units. A date written after "@" goes before ``on``. Without any date a code that was given to another territory
    is refused, with both units named; an old code that nobody reused means its old unit.

    Raises: CommuneUnreadable, UnitUnknown, UnitAmbiguous, UnitCodeMoved.
    """
    question = read_commune(code_or_name)
    rows = tx.execute(
        f"""{_UNIT} WHERE u.kind = 'commune'
                      AND (u.code = :code OR u.name_folded = :words OR :words = ANY(string_to_array(u.search_folded, '|')))
            ORDER BY lower(u.valid) NULLS FIRST, u.code""",
        code=question.code,
        words=question.folded,
    )
    candidates = _below(map(_unit, rows), question.above)
    heirs = _successions(tx, [unit.admin_unit_id for unit in candidates])
    return choose_unit(code_or_name.strip(), candidates, heirs, on=question.on or on, today=tx.today)


def boundary(tx: Tx, admin_unit_id: int) -> shapely.MultiPolygon:
    """The unit's boundary in lon/lat degrees (WGS 84). Raises: BoundaryUnknown where none was loaded."""
    found = boundaries(tx, [admin_unit_id])
    if admin_unit_id not in found:
        raise BoundaryUnknown(unit=get_admin_unit(tx, admin_unit_id).path)
    return found[admin_unit_id]


def boundaries(tx: Tx, admin_unit_ids: Iterable[int]) -> dict[int, shapely.MultiPolygon]:
    """The boundaries known of these units, by id, in lon/lat degrees."""
    rows = tx.execute(
        "SELECT admin_unit_id, ST_AsBinary(geom) AS wkb FROM admin_unit_boundary WHERE admin_unit_id = ANY(:ids)",
        ids=list(admin_unit_ids),
    )
    return {
        row.admin_unit_id: shapely.MultiPolygon(shapely.get_parts(shapely.from_wkb(bytes(row.wkb))).tolist())
        for row in rows
    }


# ------------------------------------------------------------------ code lists


def code_values(tx: Tx, *code_lists: str, on: dt.date | None = None) -> list[CodeValue]:
    """The words of these lists valid on a day (today when null), by list and code."""
    rows = tx.execute(
        """SELECT code_list, code, name_vi, name_en, parent_code, lower(valid) AS valid_from, upper(valid) AS valid_to,
                  attributes, confirmed, source
           FROM code_value WHERE code_list = ANY(:lists) AND valid @> CAST(:day AS date) ORDER BY code_list, code""",
        lists=list(code_lists),
        day=on or tx.today,
    )
    return [_code_value(row) for row in rows]


def _code_value(row: Any) -> CodeValue:
    valid = Validity(row.valid_from, row.valid_to)
    return CodeValue(
        row.code_list,
        row.code,
        row.name_vi,
        row.name_en,
        row.parent_code,
        valid,
        row.attributes,
        row.confirmed,
        row.source,
    )


def get_code(tx: Tx, code_list: str, code: str, on: dt.date | None = None) -> CodeValue:
    """One word of one list on a day (today when null). Raises: CodeUnknown."""
    found = next((value for value in code_values(tx, code_list, on=on) if value.code == code), None)
    if found is None:
        raise CodeUnknown(code_list=code_list, code=code)
    return found


def land_use_codes(tx: Tx, on: dt.date | None = None) -> dict[str, LandUseCode]:
    """Every land-use code of three generations and of planning, by code, with its present one."""
    mappings = tx.execute(
        "SELECT from_list, from_code, to_list, to_code, kind, confirmed FROM code_mapping ORDER BY 1, 2, 3, 4"
    )
    return land_use_catalogue(
        code_values(tx, *LAND_USE_LISTS, on=on), [CodeMapping(**row._mapping) for row in mappings]
    )


# ------------------------------------------------------------------ coordinate zones

_ZONE = """SELECT srid, name, central_meridian_deg, scale_factor, false_easting_m, false_northing_m, area_of_use,
                  west_deg, south_deg, east_deg, north_deg, datum_operation, source FROM coordinate_zone"""


def zones(tx: Tx) -> dict[int, CoordinateZone]:
    """Every VN-2000 zone by its EPSG code."""
    return {row.srid: CoordinateZone(**row._mapping) for row in tx.execute(f"{_ZONE} ORDER BY srid")}


def province_meridians(tx: Tx, on: dt.date | None = None) -> list[ProvinceMeridian]:
    """The central meridian of each province valid on a day (today when null)."""
    rows = tx.execute(
        """SELECT province_name, purpose, lower(valid) AS valid_from, upper(valid) AS valid_to, central_meridian_deg, srid,
                  confirmed, source
           FROM province_meridian WHERE valid @> CAST(:day AS date) ORDER BY province_name, purpose""",
        day=on or tx.today,
    )
    return [
        ProvinceMeridian(
            r.province_name,
            r.purpose,
            Validity(r.valid_from, r.valid_to),
            r.central_meridian_deg,
            r.srid,
            r.confirmed,
            r.source,
        )
        for r in rows
    ]


def pin_zones(tx: Tx) -> None:
    """Write every zone with its datum shift into ``spatial_ref_sys``, over whatever stands there.

    Connections that already transformed a point keep the old definition until they close. A restored dump needs this too:
    ``pg_dump`` leaves out rows whose numbers PostGIS itself ships (3405, 3406, 5896–5899).
    """
    tx.execute(
        """INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, srtext, proj4text)
           VALUES (:srid, :authority, :srid, :srtext, :proj4text)
           ON CONFLICT (srid) DO UPDATE SET auth_name = excluded.auth_name, auth_srid = excluded.auth_srid,
                                            srtext = excluded.srtext, proj4text = excluded.proj4text""",
        [{"srid": zone.srid, **_definition(zone)} for zone in zones(tx).values()],
    )


def _definition(zone: CoordinateZone) -> dict[str, str]:
    return {"authority": ZONE_AUTHORITY, "srtext": zone.srtext, "proj4text": zone.proj4text}


def wrong_zones(tx: Tx) -> list[int]:
    """The zones whose ``spatial_ref_sys`` row is missing or not ours: their coordinates would move by up to 0.8 m."""
    known = zones(tx)
    rows = tx.execute(
        "SELECT srid, auth_name AS authority, srtext, proj4text FROM spatial_ref_sys WHERE srid = ANY(:srids)",
        srids=list(known),
    )
    there = {row.srid: {"authority": row.authority, "srtext": row.srtext, "proj4text": row.proj4text} for row in rows}
    return [srid for srid, zone in known.items() if there.get(srid) != _definition(zone)]


def check_zones(tx: Tx) -> None:
    """For start-up and ``landdb verify``. Raises: ZoneDefinitionWrong, also where the register has no zone at all."""
    wrong = wrong_zones(tx) if zones(tx) else [0]
    if wrong:
        raise ZoneDefinitionWrong(srids=", ".join(map(str, wrong)))


# ------------------------------------------------------------------ tolerances and calendar


def tolerance_for(tx: Tx, scale: int, on: dt.date | None = None) -> Tolerance:
    """The tolerances of a map of 1:``scale`` on a day (today when null), of the next coarser class between two.

    Raises: ToleranceUnknown.
    """
    rows = tx.execute(
        "SELECT kind, scale, value, confirmed, source FROM tolerance WHERE valid @> CAST(:day AS date) ORDER BY kind",
        day=on or tx.today,
    )
    return tolerance_of(scale, [ToleranceValue(**row._mapping) for row in rows])


def calendar(tx: Tx, first: dt.date, last: dt.date) -> dict[dt.date, CalendarDay]:
    """The days from ``first`` to ``last`` that differ from their weekday."""
    rows = tx.execute(
        """SELECT on_date, kind, name_vi, name_en, confirmed, source FROM working_day_exception
           WHERE on_date BETWEEN :first AND :last ORDER BY on_date""",
        first=first,
        last=last,
    )
    return {row.on_date: CalendarDay(**row._mapping) for row in rows}


def working_calendar(tx: Tx, first: dt.date, last: dt.date) -> WorkingCalendar:
    """The working time from ``first`` to the end of the year after ``last``, so that a limit may run on. In two queries.

    Raises: WorkingHoursMissing.
    """
    last = dt.date(last.year + 1, 12, 31)
    exceptions = calendar(tx, dt.date(first.year, 1, 1), last)
    rows = tx.execute(
        """SELECT weekday, opens_at, closes_at, lower(valid) AS valid_from, upper(valid) AS valid_to FROM working_hours
           WHERE valid && daterange(CAST(:first AS date), CAST(:last AS date), '[]')""",
        first=first,
        last=last,
    ).all()
    starts = {day for row in rows for day in (row.valid_from, row.valid_to) if day is not None and first < day <= last}
    return WorkingCalendar(
        hours=_hours_on(rows, first),
        exceptions=exceptions,
        years=years_loaded(day for day, exception in exceptions.items() if exception.is_off),
        changes={day: _hours_on(rows, day) for day in sorted(starts)},
    )


def _hours_on(rows: Iterable[Any], day: dt.date) -> Hours:
    found: dict[int, list[tuple[dt.time, dt.time]]] = {}
    for row in rows:
        if Validity(row.valid_from, row.valid_to).holds_on(day):
            found.setdefault(row.weekday, []).append((row.opens_at, row.closes_at))
    return found


# ------------------------------------------------------------------ procedures

_PROCEDURE = """SELECT procedure_id, code, province_code, name_vi, name_en, limit_working_hours, limit_source, change_code,
                       needs_registration, lower(valid) AS valid_from, upper(valid) AS valid_to, confirmed, source
                FROM procedure"""
_KEPT_FOR = dt.timedelta(minutes=1)
_kept: dict[int, tuple[dt.datetime, Procedure]] = {}


def get_procedure(tx: Tx, code: str, on: dt.date, province: str = "") -> Procedure:
    """The procedure of this code in force on a day: the province's own, or else the one for all.

    Raises: ProcedureUnknown, ProcedureIncomplete.
    """
    rows = tx.execute(f"{_PROCEDURE} WHERE code = :code AND valid @> CAST(:day AS date)", code=code, day=on).all()
    return procedure_by_id(tx, choose_procedure(code, on, [_procedure(row) for row in rows], province).procedure_id)


def procedure_by_id(tx: Tx, procedure_id: int) -> Procedure:
    """The procedure of this id, in force or not. Kept in the process for a minute: a newly loaded row shows after that.

    Raises: ProcedureUnknown, ProcedureIncomplete.
    """
    read_at, found = _kept.get(procedure_id, (None, None))
    if found is None or read_at is None or abs(tx.now - read_at) > _KEPT_FOR:
        found = next(iter(_procedures(tx, [procedure_id])), None)
        if found is None:
            raise ProcedureUnknown(procedure=procedure_id, on=None)
        if not found.steps:
            raise ProcedureIncomplete(procedure=found.code)
        _kept[procedure_id] = (tx.now, found)
    return found


def list_procedures(tx: Tx, on: dt.date) -> list[Procedure]:
    """Every procedure in force on a day that has its steps, those of provinces too, by code."""
    ids = tx.execute("SELECT procedure_id FROM procedure WHERE valid @> CAST(:day AS date)", day=on).scalars().all()
    return [procedure for procedure in _procedures(tx, ids) if procedure.steps]


def loaded_procedures(tx: Tx, procedure_ids: Iterable[int]) -> list[Procedure]:
    """These procedures as they stand in the tables now, complete or not; what the process kept of them is forgotten."""
    ids = list(procedure_ids)
    forget_procedures()
    return _procedures(tx, ids)


def forget_procedures() -> None:
    """Read every procedure again when it is next asked for."""
    _kept.clear()


_STAGE = """SELECT procedure_id, stage, name_vi, name_en, national_status, limit_working_hours, pause_reason, is_first, is_last,
                   source
            FROM procedure_stage WHERE procedure_id = ANY(:ids)"""
_STEP = """SELECT procedure_id, from_stage, action, to_stage, name_vi, name_en, duty, office_kinds, needs_reason, needs_papers,
                  needs_signature, source
           FROM procedure_step WHERE procedure_id = ANY(:ids)"""
_PAPER = """SELECT procedure_id, paper_no, doc_type, name_vi, name_en, required, copies, confirmed, source
            FROM procedure_paper WHERE procedure_id = ANY(:ids) ORDER BY paper_no"""


def _procedures(tx: Tx, ids: Sequence[int]) -> list[Procedure]:
    """In four queries, however many; stages and steps in the order of ``STAGES`` and ``ACTIONS``."""
    rows = tx.execute(f"{_PROCEDURE} WHERE procedure_id = ANY(:ids) ORDER BY code, province_code, valid", ids=list(ids))
    stages, steps, papers = (_by_procedure(tx, question, ids) for question in (_STAGE, _STEP, _PAPER))
    return [
        _procedure(
            row,
            stages=[ProcedureStage(**stage) for stage in stages.get(row.procedure_id, ())],
            steps=[
                ProcedureStep(
                    **step | {"office_kinds": tuple(step["office_kinds"]), "needs_papers": tuple(step["needs_papers"])}
                )
                for step in steps.get(row.procedure_id, ())
            ],
            papers=[ProcedurePaper(**paper) for paper in papers.get(row.procedure_id, ())],
        )
        for row in rows
    ]


def _by_procedure(tx: Tx, question: str, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in tx.execute(question, ids=list(ids)).mappings():
        facts = dict(row)
        found.setdefault(facts.pop("procedure_id"), []).append(facts)
    return found


def _procedure(
    row: Any,
    stages: Iterable[ProcedureStage] = (),
    steps: Iterable[ProcedureStep] = (),
    papers: Iterable[ProcedurePaper] = (),
) -> Procedure:
    in_order = sorted(stages, key=lambda stage: STAGES.index(stage.stage))
    return Procedure(
        procedure_id=row.procedure_id,
        code=row.code,
        province_code=row.province_code,
        name_vi=row.name_vi,
        name_en=row.name_en,
        limit_working_hours=row.limit_working_hours,
        limit_source=row.limit_source,
        change_code=row.change_code,
        needs_registration=row.needs_registration,
        valid=Validity(row.valid_from, row.valid_to),
        confirmed=row.confirmed,
        source=row.source,
        stages={stage.stage: stage for stage in in_order},
        steps=tuple(sorted(steps, key=lambda step: (STAGES.index(step.from_stage), ACTIONS.index(step.action)))),
        papers=tuple(papers),
    )


# ------------------------------------------------------------------ loading

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "admin_unit": ("admin_unit_id",),
    "admin_unit_boundary": ("admin_unit_id",),
    "admin_unit_succession": ("old_unit_id", "new_unit_id"),
    "code_list": ("code_list",),
    "code_value": ("code_list", "code", t.START),
    "code_mapping": ("from_list", "from_code", "to_list", "to_code"),
    "coordinate_zone": ("srid",),
    "province_meridian": ("province_name", "purpose", t.START),
    "tolerance": ("kind", "scale", t.START),
    "working_day_exception": ("on_date",),
    "working_hours": ("weekday", "opens_at", t.START),
    "procedure": ("procedure_id",),
    "procedure_stage": ("procedure_id", "stage"),
    "procedure_step": ("procedure_id", "from_stage", "action"),
    "procedure_paper": ("procedure_id", "paper_no"),
}
_TABLES: Mapping[str, Table] = {name: metadata.tables[name] for name in _KEYS}
_ROWS_AT_ONCE = 500


def known_values(tx: Tx, table: str, *columns: str) -> set[tuple[Any, ...]]:
    """Every value of one column, or of several together, to say which row of a file points at nothing."""
    return {tuple(row) for row in tx.execute(select(*(_TABLES[table].c[column] for column in columns)))}


def known_codes(tx: Tx, code_list: str) -> set[str]:
    """Every code of one list, in force or not."""
    return set(tx.execute("SELECT code FROM code_value WHERE code_list = :code_list", code_list=code_list).scalars())


def upsert(tx: Tx, table: str, rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Write rows of one table by its key; how many were added and how many changed. Equal rows are left untouched.

    A dated row is known by its key and first day, so a file can close it by giving a last day.
    """
    added = changed = 0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        inserted = tx.execute(_upsert(_TABLES[table], rows[start : start + _ROWS_AT_ONCE])).scalars().all()
        added += sum(inserted)
        changed += len(inserted) - sum(inserted)
    return added, changed


def _upsert(table: Table, rows: Sequence[Mapping[str, Any]]) -> Any:
    statement = insert(table).values([dict(row) for row in rows])
    key = _KEYS[table.name]
    others = [column for column in rows[0] if column not in key]
    return statement.on_conflict_do_update(
        index_elements=list(key),
        set_={column: statement.excluded[column] for column in others},
        where=or_(*(table.c[column].is_distinct_from(statement.excluded[column]) for column in others)),
    ).returning(literal_column("xmax = 0"))


def last_digest(tx: Tx, table: str) -> str | None:
    """SHA-256 of the file that was loaded last into ``table``; null: none was."""
    return tx.execute(
        "SELECT sha256 FROM reference_load WHERE table_name = :name ORDER BY reference_load_id DESC LIMIT 1", name=table
    ).scalar()


def add_load(tx: Tx, table: str, file_name: str, sha256: str, rows: int) -> None:
    """Note that a file was loaded: what, when, by whom."""
    tx.execute(
        """INSERT INTO reference_load (table_name, file_name, sha256, row_count, loaded_at, loaded_by)
           VALUES (:name, :file_name, :sha256, :rows, :now, :caller)""",
        name=table,
        file_name=file_name,
        sha256=sha256,
        rows=rows,
        now=tx.now,
        caller=tx.actor.caller,
    )


def loaded_tables(tx: Tx) -> list[LoadedTable]:
    """Each reference table with its rows now and its last file."""
    last = {
        row.table_name: row
        for row in tx.execute(
            "SELECT DISTINCT ON (table_name) table_name, file_name, loaded_at FROM reference_load"
            " ORDER BY table_name, reference_load_id DESC"
        )
    }
    return [
        _loaded(name, tx.execute(select(func.count()).select_from(table)).scalar_one(), last.get(name))
        for name, table in _TABLES.items()
    ]


def _loaded(name: str, rows: int, last: Any) -> LoadedTable:
    return LoadedTable(name, rows, last.file_name if last else None, last.loaded_at if last else None)

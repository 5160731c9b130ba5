"""What each kind of reference file holds: the reader of every column, its key, where it points, what a row must obey.

``landdb reference load TABLE FILE`` reads a file by its sheet here; a new reference table is a new sheet.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from landdb.reference.model import DATUM_OPERATIONS, UnitKind, fold
from landdb.reference.procedure import ACTIONS, OFFICE_KINDS, PAUSE_REASONS, STAGES, STEP_DUTIES

Row = dict[str, Any]


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
    points_together: Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    codes_of: Mapping[str, str] = field(default_factory=dict)  # columns that hold a code, or several, of a list
    fault: Callable[[Row], str | None] = lambda row: None  # the column at fault, if any
    derive: Callable[[Row], Row] = lambda row: {}

    @property
    def pointers(self) -> Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]]:
        """Columns, one or several together, whose values must stand in columns of a table."""
        return {(column,): (table, (target,)) for column, (table, target) in self.points_at.items()} | dict(
            self.points_together
        )


def _text(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


def read_date(text: str) -> dt.date:
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


def _time(text: str) -> dt.time:
    """A time of day to the minute, 07:30."""
    return dt.datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  # a time of day


def _words(*allowed: str) -> Callable[[str], list[str]]:
    """Several words with semicolons between; any where none are named."""

    def read(text: str) -> list[str]:
        words = [_text(word) for word in text.split(";")]
        if not all(words) or len(set(words)) < len(words) or (allowed and not set(words) <= set(allowed)):
            raise ValueError(text)
        return words

    return read


def _between(least: int, most: int) -> Callable[[str], int]:
    return {str(number): number for number in range(least, most + 1)}.__getitem__


def _unit_fault(row: Row) -> str | None:
    digits = {"province": 2, "district": 3, "commune": 5}[row["kind"]]
    if not (row["code"].isascii() and row["code"].isdigit() and len(row["code"]) == digits):
        return "code"
    return "parent_id" if (row["kind"] == "province") != (row["parent_id"] is None) else None


def _folded_names(row: Row) -> Row:
    others = [other for other in (row["other_names"] or "").split(";") if other.strip()]
    return {"name_folded": fold(row["name"]), "search_folded": "|".join(map(fold, [row["full_name"], *others]))}


def _limit_fault(row: Row) -> str | None:
    """A limit has its source; no limit (set by the office) has none."""
    if row["limit_working_hours"] is not None and row["limit_working_hours"] <= 0:
        return "limit_working_hours"
    return "limit_source" if (row["limit_working_hours"] is None) != (row["limit_source"] is None) else None


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
            "effective_on": read_date,
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
            "on_date": read_date,
            "kind": _one_of("holiday", "in_lieu", "working_day"),
            "name_vi": _text,
            "name_en": _text,
            "confirmed": _flag,
            "source": _text,
        },
        _required("on_date", "kind", "name_vi", "name_en", "confirmed"),
        ("on_date",),
    ),
    "working_hours": Sheet(
        "working_hours",
        {"weekday": _between(1, 7), "opens_at": _time, "closes_at": _time, "confirmed": _flag, "source": _text},
        _required("weekday", "opens_at", "closes_at", "confirmed"),
        ("weekday", "opens_at", "valid_from"),
        dated=True,
        fault=lambda row: "closes_at" if row["closes_at"] <= row["opens_at"] else None,
    ),
    "procedure": Sheet(
        "procedure",
        {
            "procedure_id": int,
            "code": _text,
            "province_code": _text,
            "name_vi": _text,
            "name_en": _text,
            "limit_working_hours": int,
            "limit_source": _text,
            "change_code": _text,
            "needs_registration": _flag,
            "confirmed": _flag,
            "source": _text,
        },
        _required("procedure_id", "code", "name_vi", "name_en", "needs_registration", "confirmed"),
        ("procedure_id",),
        dated=True,
        codes_of={"change_code": "change_kind"},
        fault=_limit_fault,
        derive=lambda row: {"province_code": row["province_code"] or ""},
    ),
    "procedure_stage": Sheet(
        "procedure_stage",
        {
            "procedure_id": int,
            "stage": _one_of(*STAGES),
            "name_vi": _text,
            "name_en": _text,
            "national_status": _between(1, 10),
            "limit_working_hours": _between(1, 9999),
            "pause_reason": _one_of(*PAUSE_REASONS),
            "is_first": _flag,
            "is_last": _flag,
            "source": _text,
        },
        _required("procedure_id", "stage", "name_vi", "name_en", "national_status", "is_first", "is_last"),
        ("procedure_id", "stage"),
        points_at={"procedure_id": ("procedure", "procedure_id")},
        fault=lambda row: "is_last" if row["is_first"] and row["is_last"] else None,
    ),
    "procedure_step": Sheet(
        "procedure_step",
        {
            "procedure_id": int,
            "from_stage": _one_of(*STAGES),
            "action": _one_of(*ACTIONS),
            "to_stage": _one_of(*STAGES),
            "name_vi": _text,
            "name_en": _text,
            "duty": _one_of(*STEP_DUTIES),
            "office_kinds": _words(*OFFICE_KINDS),
            "needs_reason": _flag,
            "needs_papers": _words(),
            "needs_signature": _flag,
            "source": _text,
        },
        _required(
            "procedure_id",
            "from_stage",
            "action",
            "to_stage",
            "name_vi",
            "name_en",
            "duty",
            "office_kinds",
            "needs_reason",
            "needs_signature",
        ),
        ("procedure_id", "from_stage", "action"),
        points_at={"procedure_id": ("procedure", "procedure_id")},
        points_together={
            ("procedure_id", "from_stage"): ("procedure_stage", ("procedure_id", "stage")),
            ("procedure_id", "to_stage"): ("procedure_stage", ("procedure_id", "stage")),
        },
        codes_of={"needs_papers": "scan_kind"},
        derive=lambda row: {"needs_papers": row["needs_papers"] or []},
    ),
    "procedure_paper": Sheet(
        "procedure_paper",
        {
            "procedure_id": int,
            "paper_no": _between(1, 99),
            "doc_type": _text,
            "name_vi": _text,
            "name_en": _text,
            "required": _flag,
            "copies": _between(1, 99),
            "confirmed": _flag,
            "source": _text,
        },
        _required("procedure_id", "paper_no", "doc_type", "name_vi", "name_en", "required", "copies", "confirmed"),
        ("procedure_id", "paper_no"),
        points_at={"procedure_id": ("procedure", "procedure_id")},
        codes_of={"doc_type": "scan_kind"},
    ),
}

"""The reference rows that come with the program, read without a database, as ``landdb check`` needs them.

With a database at hand ask ``store``: an office may have loaded newer rows.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from functools import lru_cache
from importlib import resources

from landdb.reference.model import (
    CodeMapping,
    CodeValue,
    CoordinateZone,
    LandUseCode,
    Tolerance,
    ToleranceValue,
    Validity,
    land_use_catalogue,
    tolerance_of,
)

Texts = dict[str, str]


def _rows(name: str) -> list[Texts]:
    text = resources.files("landdb.reference").joinpath("data", f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _validity(row: Texts) -> Validity:
    start, end = (dt.date.fromisoformat(row[column]) if row[column] else None for column in ("valid_from", "valid_to"))
    return Validity(start, end)


@lru_cache(maxsize=1)
def land_use_codes() -> dict[str, LandUseCode]:
    """Every land-use code of three generations and of planning, by code. Do not change the answer: it is shared."""
    values = [
        CodeValue(
            code_list=row["code_list"],
            code=row["code"],
            name_vi=row["name_vi"],
            name_en=row["name_en"] or None,
            parent_code=row["parent_code"] or None,
            valid=_validity(row),
            attributes=json.loads(row["attributes"] or "{}"),
            confirmed=row["confirmed"] == "true",
            source=row["source"],
        )
        for row in _rows("code_value")
    ]
    mappings = [
        CodeMapping(r["from_list"], r["from_code"], r["to_list"], r["to_code"], r["kind"], r["confirmed"] == "true")
        for r in sorted(
            _rows("code_mapping"), key=lambda r: (r["from_list"], r["from_code"], r["to_list"], r["to_code"])
        )
    ]
    return land_use_catalogue(values, mappings)


@lru_cache(maxsize=1)
def zones() -> dict[int, CoordinateZone]:
    """Every VN-2000 zone by its EPSG code. Do not change the answer: it is shared."""
    return {int(row["srid"]): _zone(row) for row in _rows("coordinate_zone")}


def _zone(row: Texts) -> CoordinateZone:
    return CoordinateZone(
        srid=int(row["srid"]),
        name=row["name"],
        central_meridian_deg=float(row["central_meridian_deg"]),
        scale_factor=float(row["scale_factor"]),
        false_easting_m=float(row["false_easting_m"]),
        false_northing_m=float(row["false_northing_m"]),
        area_of_use=row["area_of_use"],
        west_deg=float(row["west_deg"]),
        south_deg=float(row["south_deg"]),
        east_deg=float(row["east_deg"]),
        north_deg=float(row["north_deg"]),
        datum_operation=row["datum_operation"],
        source=row["source"],
    )


def tolerance_for(scale: int, on: dt.date) -> Tolerance:
    """The tolerances of a map of 1:``scale`` on a day. Raises: ToleranceUnknown."""
    return tolerance_of(
        scale,
        [
            ToleranceValue(
                row["kind"], int(row["scale"]), float(row["value"]), row["confirmed"] == "true", row["source"]
            )
            for row in _rows("tolerance")
            if _validity(row).holds_on(on)
        ],
    )

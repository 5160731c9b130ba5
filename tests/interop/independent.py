"""Decides by plain means which rows of a foreign parcel file are wrong; knows nothing of `etl`.

    python tests/interop/independent.py FILE --number COLUMN [--sheet COLUMN …] [--area COLUMN] --from-crs A --to-crs B

pyogrio reads, pyproj transforms, shapely compares every two neighbours; no edge matching, no hashes. Prints JSON:
{"rows": N, "wrong": {row: [reasons]}, "fit": N - wrong rows}. A row is 1-based. Reasons: invalid, missing, empty,
duplicate-number, duplicate-geometry, overlap, number-missing, number-malformed, area-negative.

The limits are those that an office would say aloud: an overlap counts from a width of 1 cm and 0.05 m².
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pyproj
import shapely

WIDTH_M, AREA_M2 = 0.01, 0.05
NUMBER = re.compile(r"[0-9A-Z]{1,12}")


@dataclass(frozen=True)
class Columns:
    """Which columns of the file hold what."""

    number: str
    sheet: tuple[str, ...] = ()
    area: str | None = None


def wrong_rows(path: Path, columns: Columns, from_crs: int, to_crs: int) -> tuple[int, dict[int, set[str]]]:
    """How many rows the file has, and what is wrong with which; areas and widths are measured in `to_crs`."""
    values, shapes = _read(path, from_crs, to_crs)
    wrong: dict[int, set[str]] = defaultdict(set)
    for i, shape in enumerate(shapes, start=1):
        if shape is None:
            wrong[i].add("missing")
        elif shape.is_empty or shape.area == 0:
            wrong[i].add("empty")
        elif not shape.is_valid:
            wrong[i].add("invalid")
    _numbers(values, columns, wrong)
    if columns.area is not None:
        for i in np.flatnonzero(np.asarray(values[columns.area], float) < 0):
            wrong[int(i) + 1].add("area-negative")
    _clashes(shapes, wrong)
    return len(shapes), dict(wrong)


def _read(path: Path, from_crs: int, to_crs: int) -> tuple[dict[str, Any], Any]:
    meta, _, wkb, fields = pyogrio.raw.read(path)
    shapes = shapely.from_wkb(wkb, on_invalid="ignore")
    if from_crs != to_crs:
        turn = pyproj.Transformer.from_crs(from_crs, to_crs, always_xy=True)
        shapes = shapely.transform(shapes, lambda xy: np.column_stack(turn.transform(xy[:, 0], xy[:, 1])))
    return dict(zip(meta["fields"].tolist(), fields, strict=True)), shapes


def _numbers(values: dict[str, Any], columns: Columns, wrong: dict[int, set[str]]) -> None:
    seen: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, number in enumerate(values[columns.number].tolist(), start=1):
        text = "" if number is None else str(number).strip().upper()
        if not text:
            wrong[i].add("number-missing")
        elif not NUMBER.fullmatch(text):
            wrong[i].add("number-malformed")
        sheet = tuple(str(values[name][i - 1]) for name in columns.sheet)
        seen[(*sheet, text.lstrip("0"))].append(i)
    for rows in seen.values():
        if len(rows) > 1:
            for i in rows:
                wrong[i].add("duplicate-number")


def _clashes(shapes: Any, wrong: dict[int, set[str]]) -> None:
    sound = np.array([shape is not None and not shape.is_empty and shape.is_valid for shape in shapes])
    rows = np.flatnonzero(sound)
    a, b = shapely.STRtree(shapes[rows]).query(shapes[rows], predicate="intersects")
    a, b = rows[a[a < b]], rows[b[a < b]]
    common = shapely.intersection(shapes[a], shapes[b])
    for one, other, shared in zip(a.tolist(), b.tolist(), common, strict=True):
        if shared.area <= AREA_M2:
            continue
        if shapes[one].equals(shapes[other]):
            reason = "duplicate-geometry"
        elif any(_width(part) > WIDTH_M for part in shapely.get_parts(shared)):
            reason = "overlap"
        else:
            continue
        wrong[one + 1].add(reason)
        wrong[other + 1].add(reason)


def _width(part: Any) -> float:
    """Short side of the rectangle with this area and perimeter."""
    half = part.length / 2
    return float((half - max(half * half - 4 * part.area, 0) ** 0.5) / 2)


def main() -> None:
    """Print the verdict as JSON."""
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("file", type=Path)
    said.add_argument("--number", required=True)
    said.add_argument("--sheet", action="append", default=[])
    said.add_argument("--area")
    said.add_argument("--from-crs", type=int, required=True)
    said.add_argument("--to-crs", type=int, required=True)
    given = said.parse_args()
    columns = Columns(given.number, tuple(given.sheet), given.area)
    rows, wrong = wrong_rows(given.file, columns, given.from_crs, given.to_crs)
    named = {str(row): sorted(reasons) for row, reasons in sorted(wrong.items())}
    print(json.dumps({"rows": rows, "wrong": named, "fit": rows - len(wrong)}))  # noqa: T201


if __name__ == "__main__":
    main()

"""Tiny files made by hand, and all that must be said of them: read, mapped and judged as an import does.

To accept a change on purpose: LANDDB_WRITE_GOLDEN=1, then read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import shapely

from etl.encodings import recognise_columns
from etl.profiles import apply, load
from etl.readers import read
from etl.rules.context import GROUP, PRESENT, SUPERSEDED, RuleContext
from etl.validate import Validator

HERE = Path(__file__).parent
E, N = 551_000, 1_061_000
CONTEXT = RuleContext(
    commune_codes=frozenset({"31507"}),
    boundary=shapely.box(E - 50, N - 50, E + 1000, N + 100),
    land_uses={
        "LUC": (PRESENT, None),
        "ONT": (PRESENT, None),
        "CLN": (PRESENT, None),
        "BHK": (SUPERSEDED, "HNK"),
        "NNP": (GROUP, None),
    },
)


def told(folder: Path) -> dict[str, object]:
    """What is said of the folder's file: rows, the ones set aside, and each issue with row, field and raw value."""
    validator = Validator(CONTEXT)
    with read(folder / "input.geojson") as reading:
        for batch in reading:
            validator.check(apply(batch, load("vbdlis"), recognise_columns(batch.columns)))
    outcome = validator.finish()
    issues = [
        {
            "row": issue.row_no,
            "code": issue.code,
            "severity": issue.severity.value,
            "field": issue.field,
            "raw": issue.raw_value,
            "other_row": issue.other_row_no,
        }
        for issue in outcome.log
    ]
    issues.sort(key=lambda one: (one["row"] or 0, one["code"], one["other_row"] or 0, one["field"] or ""))
    return {"rows": outcome.read, "aside": [int(key) & 0xFFFFFFFF for key in outcome.quarantined], "issues": issues}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in HERE.glob("*/input.geojson")))
def test_all_that_is_said_of_a_file(name: str) -> None:
    expected = HERE / name / "expected.json"
    found = told(HERE / name)
    if os.environ.get("LANDDB_WRITE_GOLDEN"):
        lines = ",\n  ".join(json.dumps(issue, ensure_ascii=False) for issue in found["issues"])  # type: ignore[attr-defined]
        head = f'{{"rows": {found["rows"]}, "aside": {found["aside"]}, "issues": [\n  '
        expected.write_text(f"{head}{lines}\n]}}\n", "utf-8")
    assert found == json.loads(expected.read_bytes())

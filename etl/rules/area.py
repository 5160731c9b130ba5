"""Does the declared area say what the polygon says? Both are kept; this only compares them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from etl.batch import Batch, Floats
from etl.rules.context import Findings, RuleContext, column, is_blank


def check_area(batch: Batch, measured_m2: Floats, context: RuleContext, findings: Findings) -> Floats:
    """Blanks and a difference beyond the tolerance are warnings; rubbish and numbers below zero block the row.

    measured_m2: plane area in the map's own zone, NaN where the polygon is not sound (then nothing is compared).
    Returns the declared areas as numbers, NaN where there is none.
    """
    declared = _declared(batch, "declared_area_m2", findings)
    _declared(batch, "legal_area_m2", findings, may_lack=True)
    limit = context.tolerances
    allowed = np.maximum(limit.area_floor_m2, limit.area_share * measured_m2)
    # Declared areas carry one decimal: without the allowance, 10.55 against 10.0 would differ by rounding alone.
    with np.errstate(invalid="ignore"):
        apart = (declared >= 0) & (np.abs(declared - measured_m2) > allowed + 1e-9)
    rows = np.flatnonzero(apart)
    findings.add(
        "area.mismatch",
        rows,
        field="declared_area_m2",
        params={
            "declared": declared[rows],
            "measured": measured_m2[rows].round(1),
            "difference": np.abs(declared - measured_m2)[rows].round(1),
            "allowed": allowed[rows].round(1),
            "source": limit.source,
        },
    )
    return declared


def _declared(batch: Batch, name: str, findings: Findings, *, may_lack: bool = False) -> Floats:
    numbers = column(batch, name, pa.float64())
    values = np.asarray(numbers.fill_null(float("nan")))
    raw = column(batch, f"{name}__raw", pa.string())
    blank = is_blank(raw)
    lacking = np.isnan(values)
    if not may_lack:
        findings.add("area.missing", lacking & blank, field=name)
    findings.add("area.not_a_number", lacking & ~blank, field=name, raw=_texts(raw, lacking & ~blank))
    rewritten = ~lacking & ~blank
    findings.add(
        "area.rewritten", rewritten, field=name, raw=_texts(raw, rewritten), params={"value": values[rewritten]}
    )
    with np.errstate(invalid="ignore"):
        findings.add("area.negative", values < 0, field=name)
    return values


def _texts(column_: pa.Array, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pa.Array:
    return column_.filter(pa.array(rows))

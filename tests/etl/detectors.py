"""Two checks that are wrong on purpose, to see that the scoring of faults notices: one is blind, one cries wolf."""

from __future__ import annotations

from dataclasses import replace

from etl.rules.context import RuleContext
from etl.validate import Validator


class Blind(Validator):
    """Does not see overlaps below 2 m²: most of those that a slip of the hand makes."""

    def __init__(self, context: RuleContext, *, spill_dir: str | None = None) -> None:
        tolerances = replace(context.tolerances, overlap_area_m2=2.0)
        super().__init__(replace(context, tolerances=tolerances), spill_dir=spill_dir)


class Wolf(Validator):
    """Accuses every parcel whose declared area differs by more than a ten-thousandth: rounding to 0.1 m² does that."""

    def __init__(self, context: RuleContext, *, spill_dir: str | None = None) -> None:
        tolerances = replace(context.tolerances, area_share=0.0001, area_floor_m2=0.0)
        super().__init__(replace(context, tolerances=tolerances), spill_dir=spill_dir)

"""Counts and areas of the present register (thống kê), for overviews; it reads the whole reading table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from landdb.db.transaction import Tx, statement_file


@dataclass(frozen=True)
class LandUseTotal:
    """Parcels in force of one commune whose first land use is this; an empty code: none is known."""

    commune_code: str
    commune: str
    land_use: str
    parcels: int
    area_m2: float


def land_use_totals(tx: Tx, commune: str | None = None) -> list[LandUseTotal]:
    """Totals by commune and land use; null: of the whole register."""
    rows = tx.execute(statement_file(Path(__file__).parent, "statistics"), commune=commune)
    return [LandUseTotal(r.commune_code, r.commune, r.land_use, r.parcels, float(r.area_m2)) for r in rows]

"""What a parcel was: its versions on both clocks, and the parcels that it came from and became."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from landdb.db.transaction import Tx, statement_file
from landdb.views.parcel_query import ParcelUnknown

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Act:
    """The registration that made or ended a version: what, when, at which office. It names no person.

    ``effective_on`` null: the source gives no date. ``office`` null: a command of the operator.
    """

    registration_id: UUID
    kind: str
    recorded_at: dt.datetime
    office: str | None
    effective_on: dt.date | None = None
    legal_ground: str | None = None


@dataclass(frozen=True)
class Version:
    """One version. An open start means that no source gives it, an open end that it still holds.

    ``geometry`` is GeoJSON lon/lat, simplified for a picture; ``land_use`` is [{code, area_m2}].
    """

    version_no: int
    sheet_no: str
    parcel_no: str
    commune_code: str
    commune: str
    land_use: list[dict[str, Any]]
    measured_area_m2: float
    declared_area_m2: float | None
    legal_area_m2: float | None
    srid: int
    valid_from: dt.date | None
    valid_to: dt.date | None
    recorded_from: dt.datetime | None
    recorded_to: dt.datetime | None
    made: Act
    ended: Act | None
    geometry: dict[str, Any]

    @property
    def in_force(self) -> bool:
        return self.valid_to is None and self.recorded_to is None


def history(tx: Tx, parcel_id: UUID) -> list[Version]:
    """Every version, the one in force first, then the latest knowledge. Raises: ParcelUnknown."""
    rows = tx.execute(statement_file(HERE, "history"), parcel_id=parcel_id).all()
    if not rows:
        raise ParcelUnknown(parcel_id=str(parcel_id))
    return [_version(row) for row in rows]


def _version(row: Any) -> Version:
    made = Act(row.registration_id, row.kind, row.recorded_at, row.office, row.effective_on, row.legal_ground)
    ended = (
        Act(row.ended_registration_id, row.ended_kind, row.ended_recorded_at, row.ended_office)
        if row.ended_registration_id
        else None
    )
    return Version(
        row.version_no,
        row.sheet_no,
        row.parcel_no,
        row.commune_code,
        row.commune,
        row.land_use,
        float(row.measured_area_m2),
        number(row.declared_area_m2),
        number(row.legal_area_m2),
        row.srid,
        row.valid_from,
        row.valid_to,
        row.recorded_from,
        row.recorded_to,
        made,
        ended,
        row.geometry,
    )


def number(value: Any) -> float | None:
    """A numeric column as JSON carries it; null stays null."""
    return None if value is None else float(value)


@dataclass(frozen=True)
class Kin:
    """A parcel of the family, in force or ended."""

    parcel_id: UUID
    status: str
    sheet_no: str
    parcel_no: str
    commune_code: str
    commune: str
    measured_area_m2: float


@dataclass(frozen=True)
class Descent:
    """One step: ``overlap_m2`` of the parent went to the child; null: recorded without geometry."""

    parent_id: UUID
    child_id: UUID
    registration_id: UUID
    kind: str
    recorded_at: dt.datetime
    overlap_m2: float | None


@dataclass(frozen=True)
class Lineage:
    """A family of parcels through splits and merges: all ancestors and all descendants of one parcel, and itself."""

    parcel_id: UUID
    parcels: list[Kin]
    steps: list[Descent]


def lineage(tx: Tx, parcel_id: UUID) -> Lineage:
    """Where a parcel came from and what came of it. Raises: ParcelUnknown."""
    rows = tx.execute(statement_file(HERE, "lineage"), parcel_id=parcel_id).all()
    steps = [
        Descent(r.parent_id, r.child_id, r.registration_id, r.kind, r.recorded_at, number(r.overlap_m2)) for r in rows
    ]
    ids = {parcel_id, *(step.parent_id for step in steps), *(step.child_id for step in steps)}
    kin = labels(tx, ids)
    if parcel_id not in {each.parcel_id for each in kin}:
        raise ParcelUnknown(parcel_id=str(parcel_id))
    return Lineage(parcel_id, kin, steps)


def labels(tx: Tx, parcel_ids: set[UUID]) -> list[Kin]:
    """What to call some parcels."""
    rows = tx.execute(statement_file(HERE, "parcel_labels"), parcel_ids=list(parcel_ids))
    return [
        Kin(r.parcel_id, r.status, r.sheet_no, r.parcel_no, r.commune_code, r.commune, float(r.measured_area_m2))
        for r in rows
    ]

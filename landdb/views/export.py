"""The register, or one commune of it, as it is or as it was, page by page, for files that leave the office.

What leaves is complete: where a parcel has several holders, numbers or certificates, each has its row in a table of its own.
Names leave only for a caller who may see the card of a parcel; identity numbers leave this package as they are stored, sealed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from landdb.access.permissions import allows
from landdb.config import settings
from landdb.db.transaction import Tx, statement_file
from landdb.errors import Forbidden, NotFound

HERE: Final = Path(__file__).parent
ROWS_AT_ONCE: Final = 10_000
HOLDERS_PERMISSION: Final = "parcel:card"
_FIRST: Final = UUID(int=0)
# Versions in force are reached through parcel, whose index by sheet holds only those; others by a scan.
_PRESENT: Final = """(SELECT * FROM parcel WHERE status = 'in_force') p
JOIN parcel_version v ON v.parcel_id = p.parcel_id AND v.version_no = p.version_no AND v.map_sheet_id = p.map_sheet_id"""
_PAST: Final = "parcel_version v"

TABLES: Final = ("land_uses", "references", "certificates", "holders")
"""What hangs on parcels, each a statement ``sql/export_<table>.sql``. ``holders`` is personal."""


class HoldersRefused(Forbidden):
    """Names were asked for by someone who may not see them."""

    code = "export.holders_refused"


class NothingToExport(NotFound):
    code = "export.nothing"


@dataclass(frozen=True)
class Extract:
    """What is asked for. ``admin_unit_id`` null: the whole register. ``holders``: names as well.

    ``known_at`` null: all that the register knows. ``present``: neither clock was set back, so only what is in force is read.
    ``srid``: zone of the geometry.
    """

    admin_unit_id: int | None
    valid_at: dt.date
    known_at: dt.datetime | None
    present: bool
    holders: bool
    srid: int


@dataclass(frozen=True)
class Sheet:
    """A sheet with parcels to export. ``commune_code`` is that of the unit it was drawn for."""

    map_sheet_id: UUID
    admin_unit_id: int
    commune_code: str
    commune: str
    series: str
    sheet_no: str
    scale: int | None
    srid: int
    method: str | None
    surveyed_on: dt.date | None
    parcels: int


@dataclass(frozen=True)
class Page:
    """Some versions by key."""

    parcels: list[UUID]
    versions: list[int]


def extract(
    tx: Tx,
    *,
    admin_unit_id: int | None = None,
    valid_at: dt.date | None = None,
    known_at: dt.datetime | None = None,
    holders: bool = False,
    srid: int | None = None,
) -> Extract:
    """What the caller may take. Raises: ``export.holders_refused``."""
    if holders and not allows(tx.actor, HOLDERS_PERMISSION):
        raise HoldersRefused(permission=HOLDERS_PERMISSION)
    return Extract(
        admin_unit_id,
        valid_at or tx.today,
        known_at,
        present=valid_at is None and known_at is None,
        holders=holders,
        srid=srid or settings().storage_srid,
    )


def sheets(tx: Tx, asked: Extract) -> list[Sheet]:
    """The sheets with something to export, by commune, series and number. Raises: ``export.nothing``."""
    found = [Sheet(**row) for row in tx.execute(_statement("sheets", asked), _params(asked)).mappings()]
    if not found:
        raise NothingToExport()
    return found


def pages(tx: Tx, asked: Extract, of: Sequence[Sheet], rows: int = ROWS_AT_ONCE) -> Iterator[Page]:
    """The parcels of these sheets in pages of bounded size, sheets in order."""
    for group in _groups(of, rows):
        yield from _pages(tx, asked, [sheet.map_sheet_id for sheet in group], rows)


def parcel_rows(tx: Tx, asked: Extract, page: Page) -> list[tuple[Any, ...]]:
    """The parcels of a page in the columns of ``sql/export_parcels.sql``."""
    return _rows(tx, "parcels", asked, page)


def table_rows(tx: Tx, table: str, asked: Extract, page: Page) -> list[tuple[Any, ...]]:
    """What one of ``TABLES`` holds of the parcels of a page. Raises: ``export.holders_refused``."""
    if table == "holders" and not asked.holders:
        raise HoldersRefused(permission=HOLDERS_PERMISSION)
    return _rows(tx, table, asked, page)


def _rows(tx: Tx, name: str, asked: Extract, page: Page) -> list[tuple[Any, ...]]:
    params = {**_params(asked), "parcels": page.parcels, "versions": page.versions}
    return [tuple(row) for row in tx.execute(statement_file(HERE, f"export_{name}"), params)]


def _pages(tx: Tx, asked: Extract, sheet_ids: list[UUID], rows: int) -> Iterator[Page]:
    after = _FIRST
    while True:
        params = {**_params(asked), "sheets": sheet_ids, "after": after, "rows": rows}
        keys = tx.execute(_statement("keys", asked), params).all()
        if keys:
            yield Page([row.parcel_id for row in keys], [row.version_no for row in keys])
        if len(keys) < rows:
            return
        after = keys[-1].parcel_id


def _groups(of: Sequence[Sheet], rows: int) -> Iterator[list[Sheet]]:
    group: list[Sheet] = []
    for sheet in of:
        if group and sum(one.parcels for one in group) + sheet.parcels > rows:
            yield group
            group = []
        group.append(sheet)
    if group:
        yield group


def _statement(name: str, asked: Extract) -> str:
    return statement_file(HERE, f"export_{name}").replace("{source}", _PRESENT if asked.present else _PAST)


def _params(asked: Extract) -> dict[str, Any]:
    return {
        "unit": asked.admin_unit_id,
        "valid_at": asked.valid_at,
        # What is not closed holds at the end of time; the clock of this machine has no say.
        "known_at": asked.known_at.isoformat() if asked.known_at else "infinity",
        "holders": asked.holders,
        "srid": asked.srid,
    }

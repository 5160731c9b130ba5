"""The parcel card (phiếu thửa đất): all that an officer asks about one parcel, on one page.

What forbids something stands first. Holders come from rights, never from the parcel, so this view needs ``parcel:card``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from landdb.db.transaction import Tx, statement_file
from landdb.views.history import Version, history
from landdb.views.neighbours import Neighbour, neighbours
from landdb.views.parcel_query import ParcelUnknown

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """One parcel with what hangs on it, as of now. Lists are empty where the register holds nothing.

    ``parcel`` has references, areas in m², the units of today and of the sheet, geometry and ``bbox`` lon/lat, and a point
    on the surface in the storage zone (metres). ``rights`` carry their holders with shares; a holder with ``undecided`` is
    what a file said, and nobody has yet said which person that is. ``neighbours`` is empty for an ended parcel.
    """

    parcel: dict[str, Any]
    restrictions: list[dict[str, Any]]
    land_uses: list[dict[str, Any]]
    rights: list[dict[str, Any]]
    certificates: list[dict[str, Any]]
    references: list[dict[str, Any]]
    assets: list[dict[str, Any]]
    neighbours: list[Neighbour]
    history: list[Version]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def parcel_card(tx: Tx, parcel_id: UUID) -> Card:
    """The card of a parcel in force or ended. Raises: ParcelUnknown."""
    parcel = _rows(tx, "card", parcel_id=parcel_id)
    if not parcel:
        raise ParcelUnknown(parcel_id=str(parcel_id))
    facts = parcel[0]
    now = {"parcel_id": parcel_id, "today": tx.today, "now": tx.now}
    return Card(
        facts,
        _rows(tx, "card_restrictions", **now),
        _rows(tx, "card_land_use", parcel_id=parcel_id, version_no=facts["version_no"]),
        _rights(_rows(tx, "card_rights", **now)),
        _rows(tx, "card_certificates", parcel_id=parcel_id),
        _rows(tx, "card_references", parcel_id=parcel_id),
        _rows(tx, "card_assets", **now),
        neighbours(tx, parcel_id) if facts["status"] == "in_force" and _has_face(tx, parcel_id) else [],
        history(tx, parcel_id),
    )


def _has_face(tx: Tx, parcel_id: UUID) -> bool:
    return tx.execute("SELECT 1 FROM parcel_face WHERE parcel_id = :parcel_id", parcel_id=parcel_id).first() is not None


_HOLDER: Final = (
    "ordinal", "party_id", "name", "party_kind", "claimed_class", "address",
    "share_numerator", "share_denominator", "undecided",
)  # fmt: skip


def _rights(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per right with its holders in order; a right whose holders are not known has none."""
    rights: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        holder = {name: row.pop(name) for name in _HOLDER}
        right = rights.setdefault(row["right_id"], row | {"holders": []})
        if holder["ordinal"] is not None:
            right["holders"].append(holder)
    return list(rights.values())


def _rows(tx: Tx, name: str, **params: Any) -> list[dict[str, Any]]:
    """Rows as JSON carries them: areas as numbers, not as exact decimals."""
    rows = tx.execute(statement_file(HERE, name), params).mappings()
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value

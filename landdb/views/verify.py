"""What must hold of the register whatever happened to it: each invariant one statement with a name (``sql/verify_<name>.sql``).

A statement answers the rows that break its invariant, as ``subject`` and ``detail``; no row means that it holds. The sentence of
each for people stands in ``messages`` under ``verify.<name>``. Several of these links have no foreign key on purpose
(``landdb/spatial/tables.py``): this is where they are proved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from landdb.db.transaction import Tx, statement_file
from landdb.reference.store import wrong_zones, zones

HERE: Final = Path(__file__).parent
EXAMPLES: Final = 20
SHAPES_AT_ONCE: Final = 20_000
_FIRST: Final = UUID(int=0)

ZONES: Final = "zones_pinned"
LAND: Final[tuple[str, ...]] = (
    ZONES,
    "data_version_present",
    "version_in_force_one",
    "version_in_force_ended",
    "parcel_as_version",
    "clocks_apart",
    "recorded_by_registration",
    "not_in_future",
    "face_of_parcel",
    "face_as_parcel",
    "face_shape",
    "face_keys",
    "sheet_number_unique",
    "nothing_dangles",
    "land_use_sound",
    "measured_area",
    "right_has_holder",
    "shares_sum",
    "reference_current",
    "certificate_folded",
    "undone_closed",
    "import_balanced",
    "import_whole",
    "staging_owned",
    "staging_purged",
)
DOSSIERS: Final[tuple[str, ...]] = (
    "custody_open_one",  # I1
    "custody_as_dossier",  # I2
    "custody_unbroken",  # I3
    "custody_by_handover",  # I4
    "handover_open_one",  # I5
    "handover_receipts",  # I6
    "handover_as_sealed",  # I6
    "outbox_numbered",  # I7
    "outbox_linked",  # I7
    "inbox_numbered",  # I7
    "event_numbered",  # I8
    "event_of_change",  # I8
    "event_messages",  # I8
    "event_linked",  # I9
    "papers_verified",  # I10
    "dossier_conserved",  # I12
    "dossier_booked",  # I12
    "dossier_held_or_closed",  # I12
)
"""The invariants of custody (design: custody.md §7). Each names the dossier by its code."""

CHECKS: Final[tuple[str, ...]] = (*LAND, *DOSSIERS)
"""Every invariant that a statement can prove, in the order in which they are tried."""

BLOBS_AT_ONCE: Final = 1_000

FEATURE_KEYS: Final = (
    *(f"top.{key}" for key in ("type", "id", "geometry", "properties")),
    *(
        f"properties.{key}"
        for key in (
            "parcel_id",
            "commune_code",
            "commune",
            "sheet_no",
            "parcel_no",
            "land_use",
            "declared_area_m2",
            "measured_area_m2",
            "legal_area_m2",
            "version_no",
            "srid",
        )
    ),
    *(f"land_use.{key}" for key in ("code", "list", "area_m2")),
)
"""All that a parcel's face may say; none of it names a person."""


@dataclass(frozen=True)
class Example:
    """One broken row: which, and how."""

    subject: str
    detail: str


@dataclass(frozen=True)
class Violation:
    """A broken invariant: its name, how many rows break it, and at most ``EXAMPLES`` of them."""

    check: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class ShapePage:
    """Shapes in force: 16 bytes of id each, and WKB in the storage zone of these lengths, strung together."""

    ids: bytes
    lengths: list[int]
    shapes: bytes


def take_snapshot(tx: Tx) -> None:
    """Let all later questions of this transaction see one moment. Must be the transaction's first word."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    tx.execute("SET LOCAL work_mem = '128MB'")


def broken(tx: Tx, check: str) -> Violation | None:
    """Try one invariant of ``CHECKS``; null: it holds."""
    if check == ZONES:
        return _zones(tx)
    statement = statement_file(HERE, f"verify_{check}")
    rows = tx.execute(
        f"SELECT q.subject, q.detail, count(*) OVER () AS total FROM ({statement}) q LIMIT {EXAMPLES}",  # noqa: S608 - our own files
        today=tx.today,
        allowed=list(FEATURE_KEYS),
    ).all()
    if not rows:
        return None
    return Violation(check, rows[0].total, tuple(Example(row.subject, row.detail) for row in rows))


def _zones(tx: Tx) -> Violation | None:
    wrong = wrong_zones(tx) if zones(tx) else [0]
    examples = tuple(Example(f"EPSG:{srid}", "spatial_ref_sys") for srid in wrong[:EXAMPLES])
    return Violation(ZONES, len(wrong), examples) if wrong else None


def known_oddities(tx: Tx) -> dict[str, int]:
    """What the register holds knowingly: land uses that do not add up, and overlaps that a person accepted."""
    return {
        "land_use_sums_off": int(tx.execute(statement_file(HERE, "verify_land_use_sums")).scalar_one()),
        "accepted_overlaps": int(tx.execute("SELECT count(*) FROM accepted_overlap").scalar_one()),
    }


def count_in_force(tx: Tx) -> int:
    """How many parcels are in force."""
    return int(tx.execute("SELECT count(*) FROM parcel WHERE status = 'in_force'").scalar_one())


def shapes_in_force(tx: Tx, rows: int = SHAPES_AT_ONCE) -> Iterator[ShapePage]:
    """The shapes of all parcels in force, page by page, in constant memory."""
    after = _FIRST
    while True:
        page = tx.execute(statement_file(HERE, "verify_shapes"), after=after, rows=rows).one()
        if page.lengths is None:
            return
        ids = bytes(page.ids)
        yield ShapePage(ids, page.lengths, bytes(page.shapes))
        after = UUID(bytes=ids[-16:])


def accepted_pairs(tx: Tx) -> set[tuple[UUID, UUID]]:
    """The overlaps that a person accepted, the smaller id first."""
    rows = tx.execute("SELECT parcel_a_id, parcel_b_id FROM accepted_overlap")
    return {(row.parcel_a_id, row.parcel_b_id) for row in rows}


def labels(tx: Tx, parcels: Sequence[UUID]) -> dict[str, str]:
    """What people call these parcels, by id."""
    rows: Any = tx.execute(statement_file(HERE, "verify_labels"), parcels=list(parcels))
    return {row.parcel_id: row.label for row in rows}


@dataclass(frozen=True)
class KeptBlob:
    """Bytes that papers are made of: where they should lie, how many there are, and the dossiers that have them."""

    sha256: str
    size_bytes: int
    dossiers: str


def kept_blobs(tx: Tx) -> Iterator[KeptBlob]:
    """Every blob that is not in quarantine, page by page, with the codes of its dossiers."""
    after = ""
    while page := tx.execute(statement_file(HERE, "verify_blobs"), after=after, rows=BLOBS_AT_ONCE).all():
        for row in page:
            yield KeptBlob(**row._mapping)
        after = page[-1].sha256


def owned(tx: Tx, digests: Sequence[str]) -> set[str]:
    """Which of these files belong to a paper, to an upload, or to an import."""
    return set(
        tx.execute(
            """SELECT sha256 FROM blob WHERE sha256 = ANY (CAST(:digests AS text[]))
               UNION SELECT sha256 FROM upload WHERE sha256 = ANY (CAST(:digests AS text[]))
               UNION SELECT sha256 FROM import_file WHERE sha256 = ANY (CAST(:digests AS text[]))""",
            digests=list(digests),
        ).scalars()
    )

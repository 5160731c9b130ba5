"""``landdb export``: the register, or one commune of it, as a file that other programs and our own import read.

Names of holders leave by default only in a GeoPackage, which is meant to carry the register whole, and only because who may run
this command may read the database anyway; every other format is usually given away, and has them only with ``--with-holders``.
Identity numbers always have to be asked for (decisions.md §8, §9).
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from etl.pipeline import IDENTITY_KIND
from etl.writers import FORMATS, LATER, LayerRows, OutFormat, write
from landdb.config import settings
from landdb.db.transaction import Database, Tx
from landdb.errors import Conflict, UnsupportedFormat
from landdb.intake.model import Progress, silent
from landdb.messages import message
from landdb.reference.store import resolve_commune
from landdb.sealing.identity import decrypt
from landdb.sealing.keys import Keys, load_keys
from landdb.views import export as view
from landdb.views.export import Extract, Page, Sheet
from landdb.views.verify import take_snapshot
from ops.output import Json, emit, language, progress
from ops.session import open_database

LONLAT = 4326
IDENTITY = "holder_identity"
HOLDER_COLUMNS = frozenset({"holder_name", "holder_class", IDENTITY})

_TEXT, _INT, _REAL, _DAY, _BYTES = pa.string(), pa.int32(), pa.float64(), pa.date32(), pa.binary()
PARCELS = pa.schema(
    [
        ("parcel_id", _TEXT), ("commune_code", _TEXT), ("series", _TEXT), ("sheet_no", _TEXT), ("parcel_no", _TEXT),
        ("land_use", _TEXT), ("declared_area_m2", _REAL), ("legal_area_m2", _REAL), ("measured_area_m2", _REAL),
        ("address", _TEXT), ("holder_name", _TEXT), ("holder_class", _TEXT), (IDENTITY, _TEXT),
        ("former_sheet_no", _TEXT), ("former_parcel_no", _TEXT), ("temporary_no", _TEXT),
        ("certificate_serial", _TEXT), ("certificate_register_no", _TEXT), ("certificate_issued_on", _DAY),
        ("scale", _INT), ("survey_srid", _INT), ("valid_from", _DAY), ("version_no", _INT), ("geometry", _BYTES),
    ]
)  # fmt: skip
TABLES = {
    "land_uses": pa.schema(
        [
            ("parcel_id", _TEXT), ("ordinal", _INT), ("land_use_code", _TEXT), ("code_list", _TEXT),
            ("area_m2", _REAL), ("origin_code", _TEXT), ("term", _TEXT),
        ]
    ),
    "references": pa.schema(
        [
            ("parcel_id", _TEXT), ("commune_code", _TEXT), ("sheet_no", _TEXT), ("parcel_no", _TEXT), ("kind", _TEXT),
            ("valid_from", _DAY), ("valid_to", _DAY),
        ]
    ),
    "certificates": pa.schema(
        [
            ("parcel_id", _TEXT), ("certificate_serial", _TEXT), ("certificate_register_no", _TEXT),
            ("certificate_issued_on", _DAY), ("kind", _TEXT), ("state", _TEXT),
        ]
    ),
    "holders": pa.schema(
        [
            ("parcel_id", _TEXT), ("right_no", _INT), ("right_kind", _TEXT), ("shared", _TEXT), ("ordinal", _INT),
            ("holder_name", _TEXT), ("holder_class", _TEXT), ("holder_address", _TEXT), (IDENTITY, _TEXT),
            ("share_numerator", _INT), ("share_denominator", _INT), ("valid_from", _DAY), ("valid_to", _DAY),
        ]
    ),
}  # fmt: skip
SHEETS = pa.schema(
    [
        ("commune_code", _TEXT), ("commune", _TEXT), ("series", _TEXT), ("sheet_no", _TEXT), ("scale", _INT),
        ("srid", _INT), ("method", _TEXT), ("surveyed_on", _DAY), ("parcels", _INT),
    ]
)  # fmt: skip


class TargetExists(Conflict):
    """params: file."""

    code = "export.target_exists"


class FormatLater(UnsupportedFormat):
    """A format that the command names and that is not written yet. params: format, known."""

    code = "export.format_later"


class FormatUnknown(UnsupportedFormat):
    """params: format, known."""

    code = "export.format_unknown"


@dataclass(frozen=True)
class Wish:
    """What the operator asks for. ``commune`` null: the whole register. ``holders`` null: as the format has it.

    ``valid_at``, ``known_at`` null: as it is now.
    """

    format: str = "gpkg"
    commune: str | None = None
    valid_at: dt.date | None = None
    known_at: dt.datetime | None = None
    holders: bool | None = None
    identities: bool = False
    replace: bool = False


@dataclass
class Written:
    """What left: rows by layer and table, and whether names and identity numbers are among them."""

    format: str
    file: Path
    holders: bool
    identities: bool
    layers: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def parcels(self) -> int:
        """Parcels in all layers."""
        return sum(self.layers.values())


def export(database: Database, out: Path, wish: Wish, *, keys: Keys | None = None, tell: Progress = silent) -> Written:
    """Write the file; it appears under its name only when it is whole.

    ``keys`` are needed for identity numbers only. Raises: ``export.target_exists``, ``export.format_later``,
    ``export.format_unknown``, ``export.nothing``, ``export.too_many_rows``, and what a commune's name can be refused for.
    """
    started = time.monotonic()
    form = _format(wish.format)
    if out.exists() and not wish.replace:
        raise TargetExists(file=str(out))
    holders = wish.identities or (form.key == "gpkg" if wish.holders is None else wish.holders)
    written = Written(form.key, out, holders, wish.identities)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".landdb-export-") as folder, database.begin() as tx:
        take_snapshot(tx)
        asked = view.extract(
            tx,
            admin_unit_id=resolve_commune(tx, wish.commune, wish.valid_at).admin_unit_id if wish.commune else None,
            valid_at=wish.valid_at,
            known_at=wish.known_at,
            holders=holders,
            srid=LONLAT if form.lonlat else None,
        )
        draft = Path(folder) / out.with_suffix(form.suffix).name
        run = _Run(tx, asked, form, written, _opener(keys, wish.identities), tell)
        write(form, draft, run.layers())
        _move(draft, out)
    written.seconds = round(time.monotonic() - started, 2)
    return written


Opener = Callable[[Any], str | None]
"""From a sealed identity number to the text that leaves."""


@dataclass
class _Run:
    """One export on its way: draws layer after layer from the register."""

    tx: Tx
    asked: Extract
    form: OutFormat
    written: Written
    open_identity: Opener
    tell: Progress

    def layers(self) -> Iterator[LayerRows]:
        found = view.sheets(self.tx, self.asked)
        total = sum(sheet.parcels for sheet in found)
        for name, part in _parts(found).items() if self.form.key == "gpkg" else [("parcels", found)]:
            yield self._parcels(name, part, total)
        if not self.form.layered:
            return
        yield LayerRows("map_sheets", SHEETS, self._sheets(found))
        for table, schema in TABLES.items():
            if table != "holders" or self.asked.holders:
                kept = self._kept(schema)
                yield LayerRows(table, kept, self._table(table, schema, kept, found, total))

    def _parcels(self, name: str, part: Sequence[Sheet], total: int) -> LayerRows:
        kept = self._kept(PARCELS)
        if not self.form.shapes:
            kept = kept.remove(kept.get_field_index("geometry"))
        title = f"{part[0].commune} {part[0].series}".strip() if name != "parcels" else ""
        srid = self.asked.srid if self.form.shapes else None
        return LayerRows(name, kept, self._drawn(name, PARCELS, kept, part, total, view.parcel_rows), srid, title)

    def _table(
        self, table: str, schema: pa.Schema, kept: pa.Schema, of: Sequence[Sheet], total: int
    ) -> Iterator[pa.RecordBatch]:
        def rows(tx: Tx, asked: Extract, page: Page) -> list[tuple[Any, ...]]:
            return view.table_rows(tx, table, asked, page)

        return self._drawn(table, schema, kept, of, total, rows)

    def _drawn(
        self, name: str, schema: pa.Schema, kept: pa.Schema, of: Sequence[Sheet], total: int, rows: Callable[..., Any]
    ) -> Iterator[pa.RecordBatch]:
        counted = self.written.layers if rows is view.parcel_rows else self.written.tables
        counted[name] = done = 0
        for page in view.pages(self.tx, self.asked, of):
            drawn = rows(self.tx, self.asked, page)
            counted[name] += len(drawn)
            done += len(page.parcels)
            self.tell(name, done, total if rows is not view.parcel_rows else sum(sheet.parcels for sheet in of))
            yield self._batch(drawn, schema, kept)

    def _sheets(self, found: Sequence[Sheet]) -> Iterator[pa.RecordBatch]:
        self.written.tables["map_sheets"] = len(found)
        yield pa.RecordBatch.from_pylist(
            [{name: getattr(sheet, name) for name in SHEETS.names} for sheet in found], SHEETS
        )

    def _kept(self, schema: pa.Schema) -> pa.Schema:
        dropped = set() if self.asked.holders else set(HOLDER_COLUMNS)
        dropped |= set() if self.written.identities else {IDENTITY}
        return pa.schema([one for one in schema if one.name not in dropped])

    def _batch(self, rows: list[tuple[Any, ...]], schema: pa.Schema, kept: pa.Schema) -> pa.RecordBatch:
        columns = dict(zip(schema.names, zip(*rows, strict=True) if rows else [()] * len(schema), strict=True))
        if IDENTITY in kept.names:
            columns[IDENTITY] = [self.open_identity(sealed) for sealed in columns[IDENTITY]]
        arrays = [pa.array(columns[one.name], one.type) for one in kept]
        return pa.RecordBatch.from_arrays(arrays, schema=kept)


def _parts(found: Sequence[Sheet]) -> dict[str, list[Sheet]]:
    """A layer for each unit and series, because one import takes one of each; one alone is called ``parcels``."""
    parts: dict[tuple[int, str], list[Sheet]] = {}
    for sheet in found:
        parts.setdefault((sheet.admin_unit_id, sheet.series), []).append(sheet)
    if len(parts) == 1:
        return {"parcels": list(found)}
    named: dict[str, list[Sheet]] = {}
    for (unit, series), sheets in parts.items():
        name = "_".join(word for word in ("parcels", sheets[0].commune_code, series) if word)
        named[name if name not in named else f"{name}_{unit}"] = sheets
    return named


def _format(key: str) -> OutFormat:
    known = ", ".join(FORMATS)
    if key in LATER:
        raise FormatLater(format=key, known=known)
    if key not in FORMATS:
        raise FormatUnknown(format=key, known=known)
    return FORMATS[key]


def _opener(keys: Keys | None, wanted: bool) -> Opener:
    if not wanted:
        return lambda _sealed: None
    opened = keys or load_keys(settings())
    return lambda sealed: None if sealed is None else decrypt(opened, IDENTITY_KIND, bytes(sealed))


def _move(draft: Path, out: Path) -> None:
    """Give the finished file its name; of a shapefile each part, the .shp last."""
    parts = sorted(draft.parent.glob(f"{draft.stem}.*"), key=lambda part: part == draft)
    for part in parts:
        shutil.move(part, out if part == draft else out.with_suffix(part.suffix))


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


def as_data(written: Written) -> dict[str, Any]:
    """What left, as plain data for ``--json``."""
    return {
        "format": written.format,
        "file": str(written.file),
        "parcels": written.parcels,
        "layers": written.layers,
        "tables": written.tables,
        "holders": written.holders,
        "identities": written.identities,
        "seconds": written.seconds,
    }


def as_lines(written: Written) -> Iterator[str]:
    """What left, for people."""
    spoken = language()
    facts = {"file": str(written.file), "parcels": f"{written.parcels:,}", "seconds": written.seconds}
    yield message("export.done", facts, spoken).title
    for name, rows in {**written.layers, **written.tables}.items():
        yield f"  {name}: {rows:,}"
    yield message("export.with_holders" if written.holders else "export.without_holders", {}, spoken).title


def register(app: typer.Typer) -> None:
    """Add ``landdb export``."""
    app.command("export")(export_command)


def export_command(
    out: Annotated[Path, typer.Argument(help="file to write")],
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "gpkg",
    commune: Annotated[str | None, typer.Option(help="code or name; none: the whole register")] = None,
    valid_at: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="as it lawfully was that day")
    ] = None,
    known_at: Annotated[str | None, typer.Option(help="as the register knew at that instant (RFC 3339)")] = None,
    holders: Annotated[
        bool | None,
        typer.Option("--with-holders/--without-holders", help="names of holders; only gpkg has them unasked"),
    ] = None,
    identities: Annotated[bool, typer.Option("--with-identities", help="identity numbers in clear")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="write over a file that exists")] = False,
    json_mode: Json = False,
) -> None:
    """Write the register, or one commune of it, as it is or as it was, to a file."""
    wish = Wish(form, commune, valid_at.date() if valid_at else None, _instant(known_at), holders, identities, replace)
    with open_database() as database, progress("xuất dữ liệu" if language() == "vi" else "export") as tell:
        written = export(database, out, wish, tell=tell)
    emit(json_mode, as_data(written), as_lines(written))


def _instant(text: str | None) -> dt.datetime | None:
    """Raises: a usage error (exit code 2) for a text that is no instant, or one without its offset."""
    if text is None:
        return None
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text}: 2026-07-01T08:00:00+07:00") from error
    if instant.tzinfo is None:
        raise typer.BadParameter(f"{text}: +07:00?")
    return instant

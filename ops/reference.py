"""Commands of reference data and of data to try things on: code lists, one parcel by its name, a made-up province."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from landdb.db.transaction import SYSTEM
from landdb.reference.load import BoundaryOptions, load_table
from landdb.reference.store import loaded_tables
from ops.output import Json, emit, progress
from ops.session import open_database

reference_app = typer.Typer(no_args_is_help=True, help="Code lists, units, calendars, all dated.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(reference_app, name="reference")
    app.command()(parcel)
    app.command()(synthetic)


@reference_app.command("load")
def load_reference(
    table: str,
    file: Path,
    code_property: Annotated[
        str | None, typer.Option(help="of a boundary file: the property with the unit's code")
    ] = None,
    accuracy_m: Annotated[float | None, typer.Option(help="of a boundary file: how far its lines may be off")] = None,
    source: Annotated[str | None, typer.Option(help="of a boundary file: who drew it")] = None,
    json_mode: Json = False,
) -> None:
    """Load a reference file into its table."""
    boundary = BoundaryOptions(code_property=code_property, accuracy_m=accuracy_m, source=source)
    with open_database() as database, database.begin(SYSTEM) as tx:
        report = load_table(tx, table, file, boundary)
    emit(json_mode, vars(report), [f"{name}: {value}" for name, value in vars(report).items()])


@reference_app.command("list")
def list_reference(json_mode: Json = False) -> None:
    """Which reference tables hold what, from which file."""
    with open_database() as database, database.begin(SYSTEM) as tx:
        tables = [vars(table) for table in loaded_tables(tx)]
    emit(json_mode, {"tables": tables}, ("  ".join(str(value) for value in table.values()) for table in tables))


def parcel(reference: str, json_mode: Json = False) -> None:
    """One parcel from what people call it, of any time; all candidates where there are several."""
    from landdb.views.search import search

    with open_database() as database, database.begin(SYSTEM) as tx:
        found = search(tx, reference)
    data = found if isinstance(found, dict) else vars(found)
    emit(json_mode, data, (str(one) for one in data.get("results", [])))


def synthetic(
    out: Annotated[Path, typer.Option(help="folder to write into")],
    parcels: int = 20_000,
    seed: int = 1,
    formats: Annotated[str, typer.Option(help="gpkg, shp, geojson, fgb; with commas")] = "gpkg,shp",
    faults: Annotated[float, typer.Option(help="share of rows that get one fault")] = 0.0,
    encoding: Annotated[str, typer.Option(help="of shapefiles: tcvn3, vni, utf-8")] = "tcvn3",
    single_file: Annotated[bool, typer.Option("--single-file", help="one file per format")] = False,
    json_mode: Json = False,
) -> None:
    """Write a made-up province, with an answer key of its faults."""
    from ops.synthetic.command import write_province

    with progress("synthetic") as tell:
        try:
            manifest = write_province(
                out, parcels, seed, formats.split(","), faults, encoding, tell, single_file=single_file
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    data = {"out": str(out), "parcels": manifest.parcels, "files": [vars(file) for file in manifest.files]}
    emit(json_mode, data, [f"{file.path}  {file.rows:,}" for file in manifest.files])

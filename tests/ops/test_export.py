"""Exports: read back by GDAL, complete, without names unless asked for, and equal after a trip through an empty register."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyogrio
import pytest
import shapely
from typer.testing import CliRunner

from bench.roundtrip import differences, facts_of, import_export, layers_of, load_units, rows_of
from etl.profiles import score
from etl.writers import FORMATS, LayerRows, write
from landdb.sealing.keys import load_keys
from landdb.views.export import NothingToExport
from ops import cli, embedded
from ops.export import FormatLater, FormatUnknown, TargetExists, Wish, export
from tests.ops.conftest import RESURVEYED, Filled, worker_on


@pytest.fixture(scope="module")
def whole(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole register, identity numbers and all."""
    out = tmp_path_factory.mktemp("export") / "all.gpkg"
    export(filled.database, out, Wish(identities=True), keys=load_keys(filled.settings))
    return out


def count(filled: Filled, question: str) -> Any:
    with filled.database.begin() as tx:
        return tx.execute(question).scalar_one()


def test_everything_in_force_leaves_bit_by_bit(filled: Filled, whole: Path) -> None:
    parts = [layer for layer in layers_of(whole) if layer.startswith("parcels")]
    left = {row["parcel_id"]: row["geom"] for layer in parts for row in rows_of(whole, layer)}
    with filled.database.begin() as tx:
        kept = tx.execute("SELECT parcel_id::text, ST_AsBinary(geom, 'NDR') FROM parcel WHERE status = 'in_force'")
        expected = {row[0]: bytes(row[1]) for row in kept}
    assert left == expected


def test_every_table_is_complete(filled: Filled, whole: Path) -> None:
    facts = facts_of(whole)
    open_now = "upper_inf(recorded) AND parcel_id IN (SELECT parcel_id FROM parcel WHERE status = 'in_force')"
    assert facts["references"].total() == count(filled, f"SELECT count(*) FROM parcel_reference WHERE {open_now}")
    assert facts["holders"].total() == count(
        filled, f"SELECT count(*) FROM right_held WHERE valid @> current_date AND {open_now}"
    )
    assert facts["map_sheets"].total() == count(
        filled, "SELECT count(DISTINCT map_sheet_id) FROM parcel WHERE status = 'in_force'"
    )
    assert facts["land_uses"].total() == count(
        filled,
        "SELECT count(*) FROM parcel_land_use JOIN parcel USING (parcel_id, version_no) WHERE status = 'in_force'",
    )
    assert all(facts[table].total() > 0 for table in ("references", "holders", "certificates", "land_uses"))
    several = Counter(row["parcel_id"] for row in rows_of(whole, "references"))
    assert several.most_common(1)[0][1] > 1, "some parcel bears more than one number"


def test_a_trip_through_an_empty_register_changes_nothing(
    filled: Filled, server: embedded.Server, template: str, tmp_path: Path
) -> None:
    # As the register knew it after the first load: what one import can say. Past numbers do not come in again.
    loaded = count(
        filled,
        "SELECT max(recorded_at) FROM registration JOIN import_job USING (import_job_id) WHERE intent = 'first-load'",
    )
    first = tmp_path / "first.gpkg"
    export(filled.database, first, Wish(identities=True, known_at=loaded), keys=load_keys(filled.settings))
    other = worker_on(server, template, "other", tmp_path / "office")
    with other.database.begin() as tx:
        load_units(tx, filled.folder, filled.manifest)
    import_export(other, first)
    second = tmp_path / "second.gpkg"
    written = export(other.database, second, Wish(identities=True), keys=load_keys(other.settings))
    assert written.parcels == sum(file["rows"] for file in filled.manifest["files"] if file["format"] == "gpkg")
    assert differences(first, second) == []
    other.database.dispose()


def test_the_comparison_sees_a_moved_vertex_and_a_lost_name(whole: Path, tmp_path: Path) -> None:
    import sqlite3

    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(whole.read_bytes())
    with sqlite3.connect(copy) as base:
        base.execute("UPDATE holders SET holder_name = holder_name || '.' WHERE fid = 1")
        base.execute('DELETE FROM "references" WHERE fid = 1')
    assert sorted({line.split(":")[0] for line in differences(whole, copy)}) == ["holders", "references"]


def test_names_leave_only_when_asked_for(filled: Filled, tmp_path: Path) -> None:
    names = set(Counter(_names(filled)))
    assert names
    for form in ("geojson", "csv"):
        out = tmp_path / f"out.{form}"
        export(filled.database, out, Wish(form))
        text = out.read_text("utf-8-sig")
        assert not [name for name in names if name in text]
        assert "holder" not in text
    assert not export(filled.database, tmp_path / "bare.gpkg", Wish(holders=False)).holders
    assert "holders" not in layers_of(tmp_path / "bare.gpkg")
    export(filled.database, tmp_path / "names.csv", Wish("csv", holders=True))
    assert [name for name in names if name in (tmp_path / "names.csv").read_text("utf-8-sig")]
    plain = export(filled.database, tmp_path / "plain.gpkg", Wish())
    assert plain.holders
    assert not plain.identities
    fields = pyogrio.read_info(tmp_path / "plain.gpkg", layer="holders")["fields"]
    assert "holder_identity" not in list(fields)


def _names(filled: Filled) -> list[str]:
    with filled.database.begin() as tx:
        return list(tx.execute("SELECT raw_name FROM party_claim WHERE length(raw_name) > 8").scalars())


def test_an_earlier_day_and_an_earlier_knowledge(filled: Filled, tmp_path: Path) -> None:
    day_before = RESURVEYED - dt.timedelta(days=1)
    commune = filled.manifest["later"][0]["commune"]
    first_load = next(f["rows"] for f in filled.manifest["files"] if f["commune"] == commune and f["format"] == "gpkg")
    later = next(f["rows"] for f in filled.manifest["later"] if f["format"] == "gpkg")
    then = export(filled.database, tmp_path / "then.gpkg", Wish(commune=commune, valid_at=day_before))
    now = export(filled.database, tmp_path / "now.gpkg", Wish(commune=commune))
    assert (then.parcels, now.parcels) == (first_load, later)
    undone = count(filled, "SELECT recorded_at FROM registration WHERE kind = 'undo'")
    between = export(filled.database, tmp_path / "between.gpkg", Wish(commune=commune, known_at=undone))
    assert between.parcels == first_load


@pytest.mark.parametrize(("form", "driver"), [("fgb", "FlatGeobuf"), ("shp", "ESRI Shapefile"), ("geojson", "GeoJSON")])
def test_other_formats_hold_every_parcel(filled: Filled, tmp_path: Path, form: str, driver: str) -> None:
    out = tmp_path / f"thửa đất.{form}"
    written = export(filled.database, out, Wish(form, holders=True))
    info = pyogrio.read_info(out)
    assert (info["driver"], info["features"]) == (driver, written.parcels)
    fields = list(info["fields"])
    best = score(fields)[0]
    assert best.profile.name == "landdb"
    wanted = {
        "sheet_no",
        "parcel_no",
        "land_use",
        "declared_area_m2",
        "holder_name",
        "certificate_issued_on",
        "commune_code",
    }
    assert wanted <= set(best.mapped)
    box = shapely.box(*info["total_bounds"])
    assert shapely.box(102, 8, 110, 24).contains(box) is (form == "geojson")
    values = pyogrio.raw.read(out, read_geometry=False)[3]
    columns = dict(zip(fields, values, strict=True))
    names = columns[best.mapped["holder_name"]]
    assert set(filter(None, names)) <= set(_all_names(filled))


def _all_names(filled: Filled) -> set[str]:
    with filled.database.begin() as tx:
        return set(tx.execute("SELECT raw_name FROM party_claim").scalars())


def test_a_workbook_has_a_sheet_for_each_table(filled: Filled, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    written = export(filled.database, out, Wish("xlsx"))
    book = openpyxl.load_workbook(out)
    assert book.sheetnames == ["parcels", "map_sheets", "land_uses", "references", "certificates"]
    assert book["parcels"].max_row == written.parcels + 1


def test_text_of_the_register_becomes_no_formula(tmp_path: Path) -> None:
    schema = pa.schema([("address", pa.string())])
    rows = pa.RecordBatch.from_pydict({"address": ["=1+1", "+84", "-", "@x", "ấp 3", None]}, schema)
    write(FORMATS["xlsx"], tmp_path / "out.xlsx", [LayerRows("parcels", schema, [rows])])
    cells = list(openpyxl.load_workbook(tmp_path / "out.xlsx")["parcels"]["A"])
    assert [cell.value for cell in cells] == ["address", "=1+1", "+84", "-", "@x", "ấp 3"]
    assert {cell.data_type for cell in cells if cell.value is not None} == {"s"}


def test_what_breaks_while_rows_are_drawn_is_raised_as_it_was(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        raise NothingToExport(why="drawn")
        yield

    schema = pa.schema([("parcel_no", pa.string()), ("geometry", pa.binary())])
    with pytest.raises(NothingToExport):
        write(FORMATS["gpkg"], tmp_path / "out.gpkg", [LayerRows("parcels", schema, broken(), 9209)])


def test_refusals_leave_nothing_behind(filled: Filled, tmp_path: Path) -> None:
    out = tmp_path / "out.gpkg"
    with pytest.raises(FormatLater):
        export(filled.database, out, Wish("dxf"))
    with pytest.raises(FormatUnknown):
        export(filled.database, out, Wish("doc"))
    out.write_text("mine")
    with pytest.raises(TargetExists):
        export(filled.database, out, Wish())
    assert out.read_text() == "mine"
    export(filled.database, out, Wish(replace=True))
    assert [path.name for path in tmp_path.iterdir()] == ["out.gpkg"]


def test_the_command(filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.export.open_database", lambda: nullcontext(filled.database))
    out = tmp_path / "out.gpkg"
    done = CliRunner().invoke(cli.app, ["export", "--format", "gpkg", "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert (
        f'"parcels":{count(filled, "SELECT count(*) FROM parcel WHERE status = chr(105) || substr(status, 2)")}'
        in done.stdout
    )
    assert CliRunner().invoke(cli.app, ["export", "--known-at", "yesterday", str(out)]).exit_code == 2

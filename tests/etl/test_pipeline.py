"""Which files of an upload are read, in which zone rows are measured, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.pipeline import main_files, with_parts, working_srid
from landdb.db.transaction import Database
from tests.make import SRID, Desk, desk, lattice, parts, plot, write


def test_the_parts_of_a_shapefile_are_found_beside_it(tmp_path: Path) -> None:
    shp = write(tmp_path / "thua.shp", lattice(1, 1))
    write(tmp_path / "khac.shp", lattice(1, 1))
    (tmp_path / "thua.docx").write_text("no part of it")
    assert {p.name for p in with_parts([shp])} >= {"thua.shp", "thua.shx", "thua.dbf", "thua.prj"}
    assert not {"khac.shp", "thua.docx"} & {p.name for p in with_parts([shp])}
    assert with_parts([shp, shp.with_suffix(".dbf")]).count(shp.with_suffix(".dbf")) == 1


def test_parts_are_not_read_by_themselves() -> None:
    names = ["a.dbf", "a.shp", "a.shp.xml", "a.prj", "b.gpkg", "c.MIF", "c.MID"]
    assert [p.name for p in main_files([Path(n) for n in names])] == ["a.shp", "b.gpkg", "c.MIF"]


def test_something_is_always_read_so_that_it_can_be_refused() -> None:
    assert main_files([Path("ảnh.docx"), Path("thơ.txt")]) == [Path("ảnh.docx")]


@pytest.mark.parametrize(("zone", "measured"), [(9210, 9210), (4326, SRID), (4756, SRID), (32648, 32648)])
def test_areas_are_measured_in_the_files_own_plane_zone(zone: int, measured: int) -> None:
    assert working_srid(zone, SRID) == measured


@pytest.fixture
def office(database: Database, database_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = desk(database, database_url, tmp_path)
    yield made
    made.worker.database.dispose()


def test_reading_again_leaves_nothing_of_the_first_time(office: Desk) -> None:
    """As after a kill: the staged rows and issues of an earlier attempt are gone before the new ones come."""
    job = office.check(office.file([*lattice(2, 1), plot("1", "?", 5, 5)]))
    issues = office.one("SELECT count(*) FROM import_issue")
    with office.database.begin() as tx:
        tx.execute("UPDATE import_job SET state = 'reading'")
    office.worker.read_import(job.job_id)
    again = office.job(job.job_id)
    assert again.counts == job.counts
    assert office.one("SELECT count(*) FROM staged_parcel") == 3
    assert office.one("SELECT count(*) FROM import_issue") == issues


def test_what_was_recognised_is_told(office: Desk) -> None:
    found = office.check(parts(office.file(lattice(2, 1), "thua.shp"))).recognised
    assert (found["layer"], found["zone"]["srid"], found["files"]) == ("thua", SRID, 1)
    assert (found["format"], found["driver"]) == ("shapefile", "ESRI Shapefile")
    assert found["profile"]["mapped"]["parcel_no"] == "parcel_no"

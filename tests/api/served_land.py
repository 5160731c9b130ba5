"""A small committed register with the application on it, before and behind its reading lane, for tests of the reading routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.reading import ReadingLane
from landdb.access.add_office import add_office
from landdb.config import Settings
from landdb.db.transaction import Database
from landdb.files import FileStore
from tests.landdb.views.builder import begin, lonlat


class Land:
    """A committed register of a few parcels, with the application on it, with and without its lane."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        with database.begin() as tx:
            make = begin(tx)
            sheet = make.sheet("12")
            self.parcels = [make.parcel(sheet, str(n), (n * 20, 0, n * 20 + 20, 30)) for n in range(40)]
            make.changed()
            self.lon, self.lat = lonlat(tx, 10, 15)
            self.west, self.south = lonlat(tx, -5, -5)
            self.east, self.north = lonlat(tx, 805, 35)
            add_office(tx, code="94.01", name="Chi nhánh khu vực 1", kind="branch")
        settings = Settings(data=folder)
        self.app = create_app(database, FileStore(folder / "files"), settings=settings, static=None)
        self.lane = ReadingLane(self.app, database.conninfo, connections=2)

    @property
    def box(self) -> str:
        return f"{self.west},{self.south},{self.east},{self.north}"


@pytest.fixture
def land(database: Database, tmp_path: Path) -> Land:
    return Land(database, tmp_path)


@pytest.fixture
def client(land: Land) -> Iterator[TestClient]:
    with TestClient(land.lane) as open_client:
        yield open_client


@pytest.fixture
def ordinary(land: Land) -> Iterator[TestClient]:
    with TestClient(land.app) as open_client:
        yield open_client

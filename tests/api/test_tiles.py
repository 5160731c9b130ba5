"""Vector tiles: what stands in them, at every zoom, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.reading import ReadingLane
from landdb.config import Settings
from landdb.db.transaction import Database
from landdb.files import FileStore
from tests.landdb.views.builder import begin, lonlat

MVT = "application/vnd.mapbox-vector-tile"


def tile_at(lon: float, lat: float, z: int) -> tuple[int, int]:
    n = 2**z
    return int((lon + 180) / 360 * n), int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n)


class Tiles:
    """A register with small parcels, one parcel as wide as several tiles, and a road."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        with database.begin() as tx:
            make = begin(tx)
            sheet = make.sheet("12")
            self.small = [make.parcel(sheet, str(n), (n * 20, 0, n * 20 + 20, 30)) for n in range(5)]
            self.wide = make.parcel(sheet, "900", (-3000, 30, 3000, 3000), land_use="LUC")
            make.changed()
            self.lon, self.lat = lonlat(tx, 10, 15)
            tx.execute(
                """INSERT INTO linear_object (linear_object_id, kind, name, admin_unit_id, geom, geom_3857, valid, recorded,
                       registration_id)
                   SELECT gen_random_uuid(), 'canal', 'Kênh Thử', 1222, g, ST_Transform(g, 3857), '(,)',
                       tstzrange(:now, NULL), :r
                   FROM (SELECT geom AS g FROM parcel WHERE parcel_id = :id) AS strip""",
                now=tx.now, r=make.registration_id, id=self.small[4],
            )  # fmt: skip
        app = create_app(database, FileStore(folder / "files"), settings=Settings(data=folder), static=None)
        self.ordinary = TestClient(app)
        self.client = TestClient(ReadingLane(app, database.conninfo, connections=2))

    def path(self, z: int, layer: str = "parcels") -> str:
        x, y = tile_at(self.lon, self.lat, z)
        return f"/tiles/{layer}/{z}/{x}/{y}.mvt"


@pytest.fixture
def tiles(database: Database, tmp_path: Path) -> Iterator[Tiles]:
    made = Tiles(database, tmp_path)
    with made.client:
        yield made


def read(body: bytes) -> dict[str, tuple[int, dict[str, list[object]]]]:
    """Layer name → number of features and the values of each key; just enough of the format to look inside."""
    layers = {}
    for field, layer in _fields(body):
        assert field == 3
        name, keys, values, features = "", [], [], []
        for number, content in _fields(layer):
            if number == 1:
                name = content.decode()
            elif number == 2:
                features.append(content)
            elif number == 3:
                keys.append(content.decode())
            elif number == 4:
                values.append(_value(content))
        found: dict[str, list[object]] = {}
        for feature in features:
            tags = next(_packed(content) for number, content in _fields(feature) if number == 2)
            for key, value in zip(tags[::2], tags[1::2], strict=True):
                found.setdefault(keys[key], []).append(values[value])
        layers[name] = (len(features), found)
    return layers


def points(body: bytes) -> list[int]:
    """Every coordinate of every feature."""
    found = []
    for _, layer in _fields(body):
        for number, feature in _fields(layer):
            if number != 2:
                continue
            numbers = next(_packed(content) for field, content in _fields(feature) if field == 4)
            at, x, y = 0, 0, 0
            while at < len(numbers):
                command, count = numbers[at] & 7, numbers[at] >> 3
                at += 1
                for _ in range(count if command != 7 else 0):
                    x += (numbers[at] >> 1) ^ -(numbers[at] & 1)
                    y += (numbers[at + 1] >> 1) ^ -(numbers[at + 1] & 1)
                    found += [x, y]
                    at += 2
    return found


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 2:
            size, at = _varint(data, at)
            yield key >> 3, data[at : at + size]
            at += size
        elif key & 7 == 0:
            start = at
            _, at = _varint(data, at)
            yield key >> 3, data[start:at]
        else:
            width = 8 if key & 7 == 1 else 4
            yield key >> 3, data[at : at + width]
            at += width


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _packed(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _value(data: bytes) -> object:
    ((number, content),) = _fields(data)
    return content.decode() if number == 1 else _varint(content, 0)[0]


def test_parcels_near_and_far(tiles: Tiles) -> None:
    near = tiles.client.get(tiles.path(18))
    assert near.headers["content-type"] == MVT
    count, found = read(near.content)["parcels"]
    assert set(found) == {"u", "p", "a", "id"}
    assert count == len(found["id"]) >= 2
    assert str(tiles.wide) in found["id"]
    middle = read(tiles.client.get(tiles.path(14)).content)["parcels"]
    assert middle[0] == 6
    assert set(middle[1]) == {"u", "id"}
    assert set(read(tiles.client.get(tiles.path(13)).content)["parcels"][1]) == {"u"}
    far = read(tiles.client.get(tiles.path(9)).content)["parcels"]
    assert far == (1, {"n": [6], "code": ["31690"], "name": ["Đại Tâm"]})


def test_a_wide_parcel_is_cut_where_clients_would_bend_it(tiles: Tiles) -> None:
    """Clients hold coordinates in sixteen bits: about one tile beyond the edge, and no more."""
    for z in (14, 16, 18, 20):
        coordinates = points(tiles.client.get(tiles.path(z)).content)
        assert coordinates
        assert max(map(abs, coordinates)) <= 8191, z


def test_both_roads_give_the_same_tile(tiles: Tiles) -> None:
    for z in (9, 13, 16):
        lane, ordinary = tiles.client.get(tiles.path(z)), tiles.ordinary.get(tiles.path(z))
        assert lane.content == ordinary.content, z
        assert "etag" in lane.headers
        assert "etag" not in ordinary.headers


def test_linear_and_empty_and_communes(tiles: Tiles) -> None:
    assert read(tiles.client.get(tiles.path(16, "linear")).content)["linear"][1]["name"] == ["Kênh Thử"]
    empty = tiles.client.get("/tiles/parcels/16/0/0.mvt")
    assert (empty.status_code, empty.content) == (200, b"")
    with tiles.database.begin() as tx:
        tx.execute(
            """INSERT INTO admin_unit_boundary (admin_unit_id, geom, source)
               SELECT 2086, ST_Multi(ST_Buffer(ST_SetSRID(ST_MakePoint(:x, :y), 4326), 0.05)), 'test'""",
            x=tiles.lon, y=tiles.lat,
        )  # fmt: skip
        tx.execute(
            """INSERT INTO reference_load (table_name, file_name, sha256, row_count, loaded_at, loaded_by)
               VALUES ('admin_unit_boundary', 'b', repeat('0', 64), 1, now(), 'test')"""
        )
    communes = read(tiles.client.get(tiles.path(12, "communes")).content)["communes"]
    assert communes[1]["name"] == ["Mỹ Xuyên"]


@pytest.mark.parametrize("path", ["/tiles/people/14/1/1.mvt", "/tiles/parcels/3/8/0.mvt", "/tiles/parcels/23/0/0.mvt"])
def test_tiles_that_are_not(tiles: Tiles, path: str) -> None:
    answer = tiles.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "tile.unknown")


def test_style_names_only_our_layers(tiles: Tiles) -> None:
    style = tiles.client.get("/tiles/style.json").json()
    assert {layer["source"] for layer in style["layers"] if "source" in layer} == set(style["sources"])

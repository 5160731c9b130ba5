"""The reading lane before the whole application: the same answers by both roads, ETags, refusals, credentials."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.reading import Bodies, Body, ReadingLane, plan
from landdb.access.add_api_key import add_api_key
from landdb.access.add_office import add_office
from landdb.config import Settings
from landdb.db.transaction import Database, new_id
from landdb.files import FileStore
from tests.landdb.views.builder import Builder, begin, lonlat

GEOJSON = "application/geo+json"


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


@pytest.fixture(scope="module")
def strict(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application on an empty register, for what is refused before anything is read."""
    folder = tmp_path_factory.mktemp("strict")
    app = create_app(shared_database, FileStore(folder), settings=Settings(data=folder), static=None)
    with TestClient(ReadingLane(app, shared_database.conninfo, connections=1)) as open_client:
        yield open_client


def served(land: Land) -> bool:
    """Whether the lane itself has answered something."""
    return land.lane.bodies.bytes > 0


# ------------------------------------------------------------------ answers


def test_both_roads_give_the_same_bytes(land: Land, client: TestClient, ordinary: TestClient) -> None:
    for path in (
        f"/v1/parcels/{land.parcels[0]}",
        f"/v1/parcels?at={land.lon},{land.lat}",
        f"/v1/parcels?bbox={land.box}&limit=3",
        f"/v1/parcels?bbox={land.lon},{land.lat},{land.lon},{land.lat}",
        "/v1/parcels?commune=31690&sheet=12&parcel=7",
    ):
        fast, slow = client.get(path), ordinary.get(path)
        assert (fast.status_code, slow.status_code) == (200, 200), path
        assert fast.content == slow.content, path
        assert fast.headers["content-type"] == GEOJSON
        assert "etag" in fast.headers, path
    assert served(land)


def test_pages_follow_the_next_link(land: Land, client: TestClient) -> None:
    seen: list[str] = []
    href: str | None = f"/v1/parcels?bbox={land.box}&limit=15"
    pages = 0
    while href:
        body = client.get(href).json()
        seen += [feature["id"] for feature in body["features"]]
        assert body["numberReturned"] == len(body["features"])
        href = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
        pages += 1
    assert pages == 3
    assert seen == sorted(map(str, land.parcels))


def test_box_holds_what_touches_it(land: Land, client: TestClient) -> None:
    with land.database.begin() as tx:
        west, south = lonlat(tx, 25, 5)
        east, north = lonlat(tx, 45, 25)
    body = client.get(f"/v1/parcels?bbox={west},{south},{east},{north}").json()
    assert {feature["id"] for feature in body["features"]} == {str(land.parcels[1]), str(land.parcels[2])}
    assert [link["rel"] for link in body["links"]] == ["self"]


def test_limit_above_the_most_is_the_most(land: Land, client: TestClient) -> None:
    body = client.get(f"/v1/parcels?bbox={land.box}&limit=99999").json()
    assert body["numberReturned"] == 40
    assert "limit=1000" in body["links"][0]["href"]


def test_head_answers_like_get_without_body(land: Land, client: TestClient) -> None:
    path = f"/v1/parcels/{land.parcels[0]}"
    head, get = client.head(path), client.get(path)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == get.headers[name]
    assert client.head(f"/v1/parcels/{new_id()}").status_code == 404


# ------------------------------------------------------------------ tags and compression


def test_etag_holds_until_the_register_changes(land: Land, client: TestClient) -> None:
    path = f"/v1/parcels?bbox={land.box}"
    first = client.get(path, headers={"accept-encoding": "identity"})
    tag = first.headers["etag"]
    assert not tag.startswith("W/")
    again = client.get(path, headers={"if-none-match": f'"other", {tag}', "accept-encoding": "identity"})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    with land.database.begin() as tx:
        Builder(tx, new_id()).changed()
    fresh = client.get(path, headers={"if-none-match": tag, "accept-encoding": "identity"})
    assert fresh.status_code == 200
    assert fresh.headers["etag"] != tag


def test_a_change_is_seen_at_once_although_bodies_are_kept(land: Land, client: TestClient) -> None:
    path = f"/v1/parcels?at={land.lon},{land.lat}"
    assert client.get(path).json()["numberReturned"] == 1
    with land.database.begin() as tx:
        tx.execute("DELETE FROM parcel_face WHERE parcel_id = :id", id=land.parcels[0])
        Builder(tx, new_id()).changed()
    assert client.get(path).json()["numberReturned"] == 0


def test_big_bodies_are_compressed_with_their_own_tag(land: Land, client: TestClient) -> None:
    path = f"/v1/parcels?bbox={land.box}"
    packed = client.get(path, headers={"accept-encoding": "gzip"})
    plain = client.get(path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    for tag in (packed.headers["etag"], plain.headers["etag"]):
        assert client.get(path, headers={"if-none-match": tag}).status_code == 304


def test_bodies_are_bounded() -> None:
    kept = Bodies(10_000)
    for n in range(100):
        kept.put(str(n), Body("1", b"x" * 800, None))
    assert kept.bytes <= 10_000
    assert kept.get("99") is not None
    assert kept.get("0") is None
    nothing = Bodies(0)
    nothing.put("a", Body("1", b"", gzip.compress(b"")))
    assert nothing.get("a") is None


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("bbox=1,2,3", 400, "parcel.box_malformed"),
        ("bbox=a,b,c,d", 400, "parcel.box_malformed"),
        ("bbox=1,2,NaN,4", 400, "parcel.box_malformed"),
        ("bbox=3,2,1,4", 400, "parcel.box_malformed"),
        ("bbox=179,8,-179,9", 400, "parcel.box_malformed"),
        ("at=1", 400, "parcel.point_malformed"),
        ("", 400, "parcel.question_missing"),
        ("bbox=1,2,3,4&at=1,2", 400, "parcel.question_missing"),
        ("sheet=12&parcel=7", 400, "parcel.question_missing"),
        ("bbox=1,2,3,4&colour=red", 400, "request.unknown_parameter"),
        ("bbox=1,2,3,4&after=x", 400, "parcel.after_malformed"),
        ("bbox=1,2,3,4&valid_at=2999-01-01", 400, "parcel.date_in_future"),
        ("bbox=1,2,3,4&valid_at=01/02/2026", 400, "parcel.date_malformed"),
        ("bbox=1,2,3,4&crs=4269", 400, "parcel.crs_unknown"),
        ("bbox=1,2,3,4&limit=0", 422, "request.fields_wrong"),
    ],
)
@pytest.mark.parametrize("tongue", ["vi", "en"])
def test_refusals(strict: TestClient, query: str, status: int, code: str, tongue: str) -> None:
    answer = strict.get(f"/v1/parcels?{query}", headers={"accept-language": tongue})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == tongue
    assert answer.json()["title"] != code


def test_ids_that_are_none_and_parcels_that_are_not(strict: TestClient) -> None:
    for text in ("7", "not-an-id", "0" * 32, "99999999999999999999"):
        answer = strict.get(f"/v1/parcels/{text}")
        assert (answer.status_code, answer.json()["code"]) == (400, "parcel.id_malformed")
    unknown = strict.get(f"/v1/parcels/{new_id()}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "parcel.unknown")


# ------------------------------------------------------------------ credentials


def test_a_credential_is_checked_once_then_costs_nothing(land: Land, client: TestClient) -> None:
    with land.database.begin() as tx:
        office = tx.execute("SELECT office_id FROM office").scalar_one()
        _, key = add_api_key(tx, name="Máy đo", permissions=["parcel:card"], office_id=office)
    path, sent = f"/v1/parcels/{land.parcels[0]}", {"authorization": f"Bearer {key}"}
    assert client.get(path, headers=sent).status_code == 200
    assert not served(land)  # the first one went the ordinary way, where the key was checked
    assert client.get(path, headers=sent).status_code == 200
    assert served(land)


def test_a_wrong_credential_is_refused_every_time(land: Land, client: TestClient) -> None:
    for _ in range(3):
        answer = client.get(f"/v1/parcels/{land.parcels[0]}", headers={"authorization": "Bearer lk_wrong"})
        assert answer.status_code == 401
    assert not served(land)


# ------------------------------------------------------------------ the other routes


def test_neighbours_history_lineage_and_card(land: Land, client: TestClient) -> None:
    base = f"/v1/parcels/{land.parcels[1]}"
    beside = client.get(f"{base}/neighbours").json()["neighbours"]
    assert [(UUID(each["parcel_id"]), each["shared_m"]) for each in beside] == [
        (land.parcels[0], 30.0),
        (land.parcels[2], 30.0),
    ]
    assert [each["version_no"] for each in client.get(f"{base}/history").json()["versions"]] == [1]
    assert client.get(f"{base}/lineage").json()["steps"] == []
    assert client.get(f"{base}/card").status_code == 401


def test_other_times_and_zones(land: Land, client: TestClient) -> None:
    path = f"/v1/parcels/{land.parcels[0]}"
    metres = client.get(f"{path}?crs=9209")
    assert metres.headers["content-crs"].endswith("EPSG/0/9209>")
    assert metres.json()["geometry"]["coordinates"][0][0][0] > 500_000
    assert client.get(f"{path}?known_at=2001-01-01T00:00:00Z").status_code == 404
    boxed = client.get(f"/v1/parcels?bbox={land.box}&valid_at=2020-01-01&limit=5").json()
    assert boxed["numberReturned"] == 5
    assert "valid_at=2020-01-01" in boxed["links"][1]["href"]


def test_lists_as_workbooks(land: Land, client: TestClient) -> None:
    from openpyxl import load_workbook

    with land.database.begin() as tx:
        tx.execute("UPDATE map_sheet SET sheet_no = '=1+1'")
    answer = client.get(f"/v1/parcels?bbox={land.box}&format=xlsx")
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows())
    assert len(rows) == 41
    assert (rows[1][2].value, rows[1][2].data_type, rows[1][2].quotePrefix) == ("=1+1", "s", True)
    for path in (f"/v1/parcels/{land.parcels[0]}/neighbours", f"/v1/parcels/{land.parcels[0]}/history"):
        assert client.get(f"{path}?format=xlsx").content[:2] == b"PK"


def test_search_over_http(land: Land, client: TestClient) -> None:
    answer = client.get("/v1/search", params={"q": "thửa 7 tờ 12 Đại Tâm"}).json()
    assert answer["kind"] == "parcel"
    assert [UUID(each["parcel_id"]) for each in answer["results"]] == [land.parcels[7]]
    assert client.get("/v1/search", params={"q": " "}).json()["code"] == "search.unreadable"
    assert client.get("/v1/search", params={"q": "Đại Tâm", "format": "xlsx"}).content[:2] == b"PK"


# ------------------------------------------------------------------ which requests the lane takes


@pytest.mark.parametrize(
    "request_line",
    [
        "/v1/parcels?bbox=1,2,3,4&valid_at=2026-01-01",
        "/v1/parcels?bbox=1,2,3,4&bbox=1,2,3,4",
        "/v1/parcels?bbox=1,2,3",
        "/v1/parcels?commune=31690&sheet=12",
        "/v1/parcels/x",
        "/v1/parcels",
        "/tiles/parcels/3/9/0.mvt",
        "/tiles/people/14/1/1.mvt",
        "/v1/imports",
    ],
)
def test_what_is_left_to_the_ordinary_routes(request_line: str) -> None:
    path, _, query = request_line.partition("?")
    assert plan(path, query.encode()) is None


@pytest.mark.parametrize(
    ("request_line", "statement"),
    [
        ("/v1/parcels?bbox=1,2,3,4", "face_in_box"),
        ("/v1/parcels?bbox=1%2C2%2C3%2C4&limit=10", "face_in_box"),
        ("/v1/parcels?at=1,2", "face_at_point"),
        ("/v1/parcels?commune=31690&sheet=12&parcel=7", "face_by_number"),
        ("/tiles/parcels/16/1/1.mvt", "tile_parcels"),
        ("/tiles/parcels/13/1/1.mvt", "tile_parcels_coarse"),
        ("/tiles/parcels/10/1/1.mvt", "tile_parcels_far"),
        ("/tiles/linear/16/1/1.mvt", "tile_linear"),
    ],
)
def test_what_the_lane_takes(request_line: str, statement: str) -> None:
    path, _, query = request_line.partition("?")
    asked = plan(path, query.encode())
    assert asked is not None
    assert asked.statement == statement

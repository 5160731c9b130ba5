"""The ordinary routes of parcels: what is refused, other times and zones, neighbours and history, workbooks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.reading import ReadingLane
from landdb.config import Settings
from landdb.db.transaction import Database, new_id
from landdb.files import FileStore
from tests.api.served_land import Land, client, land

__all__ = ["client", "land"]


@pytest.fixture(scope="module")
def strict(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application on an empty register, for what is refused before anything is read."""
    folder = tmp_path_factory.mktemp("strict")
    app = create_app(shared_database, FileStore(folder), settings=Settings(data=folder), static=None)
    with TestClient(ReadingLane(app, shared_database.conninfo, connections=1)) as open_client:
        yield open_client


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

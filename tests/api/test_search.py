"""The search box over HTTP."""

from __future__ import annotations

from uuid import UUID

from starlette.testclient import TestClient

from tests.api.served_land import Land, client, land

__all__ = ["client", "land"]


def test_search_over_http(land: Land, client: TestClient) -> None:
    answer = client.get("/v1/search", params={"q": "thửa 7 tờ 12 Đại Tâm"}).json()
    assert answer["kind"] == "parcel"
    assert [UUID(each["parcel_id"]) for each in answer["results"]] == [land.parcels[7]]
    assert client.get("/v1/search", params={"q": " "}).json()["code"] == "search.unreadable"
    assert client.get("/v1/search", params={"q": "Đại Tâm", "format": "xlsx"}).content[:2] == b"PK"

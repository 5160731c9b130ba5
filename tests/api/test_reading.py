"""The reading lane before the whole application: the same answers by both roads, ETags, refusals, credentials."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from starlette.testclient import TestClient

from api.reading import Bodies, Body, Connections, ReadingLane, plan
from landdb.access.add_api_key import add_api_key
from landdb.db.transaction import new_id
from tests.api.served_land import Land, client, land, ordinary
from tests.landdb.views.builder import Builder, lonlat

__all__ = ["client", "land", "ordinary"]

GEOJSON = "application/geo+json"


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


# ------------------------------------------------------------------ as whom it reads


def test_the_lane_reads_as_the_role_without_personal_data(land: Land) -> None:
    """Where that role has its rights; until then the connecting role reads."""

    async def who() -> str:
        connections = Connections(land.database.conninfo, 1)
        connection = await connections.open()
        row = await (await connection.execute("SELECT current_user")).fetchone()
        await connections.close()
        return str(row[0]) if row else ""

    def able() -> bool:
        with land.database.begin() as tx:
            return bool(tx.execute("SELECT has_table_privilege('land_read', 'party_claim', 'SELECT')").scalar_one())

    tables = "parcel_face, parcel, map_sheet, data_version, admin_unit, linear_object, admin_unit_boundary"
    with land.database.begin() as tx:
        if tx.execute("SELECT 1 FROM pg_roles WHERE rolname = 'land_read'").first() is None:
            tx.execute("CREATE ROLE land_read")
        tx.execute(f"REVOKE SELECT ON {tables} FROM land_read")
    assert asyncio.run(who()) != "land_read"
    with land.database.begin() as tx:
        tx.execute(f"GRANT SELECT ON {tables}, admin_unit_succession, reference_load TO land_read")
    assert asyncio.run(who()) == "land_read"
    assert not able()
    with TestClient(ReadingLane(land.app, land.database.conninfo, connections=1)) as client:
        for path in (
            f"/v1/parcels/{land.parcels[0]}",
            f"/v1/parcels?bbox={land.box}",
            "/v1/parcels?commune=31690&sheet=12&parcel=7",
            "/tiles/communes/9/406/242.mvt",
            "/tiles/parcels/9/406/242.mvt",
            "/tiles/linear/16/52061/31010.mvt",
        ):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert "etag" in answer.headers, path  # the lane itself, not the ordinary route behind it

"""Refusals as people and programs read them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict

from api import problems
from api.deps import permission
from api.problems import STATUS, _accepted, status_of
from landdb import errors
from landdb.db.transaction import Database
from tests.api.access_office import app_on, browser


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    area_m2: float


@pytest.fixture
def client(database: Database, tmp_path: Path) -> TestClient:
    router = APIRouter()

    @router.post("/v1/bodies", openapi_extra=permission("parcel:read"))
    def body(body: Body) -> None: ...

    @router.get("/v1/queries", openapi_extra=permission("parcel:read"))
    def query(limit: Annotated[int, Query(ge=1, le=1000)]) -> None: ...

    @router.get("/v1/kinds/{kind}", openapi_extra=permission("parcel:read"))
    def kind(kind: str) -> None:
        raise getattr(errors, kind)()

    return browser(app_on(database, tmp_path, router))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Malformed", 400),
        ("Unauthenticated", 401),
        ("Forbidden", 403),
        ("NotFound", 404),
        ("Conflict", 409),
        ("Stale", 412),
        ("TooLarge", 413),
        ("UnsupportedFormat", 415),
        ("Invalid", 422),
        ("RateLimited", 429),
        ("Unavailable", 503),
        ("StorageFull", 507),
    ],
)
def test_each_kind_has_its_status_and_words_in_both_languages(client: TestClient, kind: str, status: int) -> None:
    vi = client.get(f"/v1/kinds/{kind}")
    en = client.get(f"/v1/kinds/{kind}", headers={"Accept-Language": "en-GB,en;q=0.9,vi;q=0.1"})
    for answer in (vi, en):
        body = answer.json()
        assert answer.status_code == body["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert body["code"] == getattr(errors, kind).code
        assert body["type"] == f"/problems/{body['code']}"
        assert body["instance"] == f"/v1/kinds/{kind}"
        assert body["title"] != body["code"]
        assert body["action"]
        assert body["action"] in body["detail"]
    assert (vi.headers["content-language"], en.headers["content-language"]) == ("vi", "en")
    assert vi.json()["title"] != en.json()["title"]
    assert ("retry-after" in vi.headers) == (status in {429, 503, 507})
    assert ("www-authenticate" in vi.headers) == (status == 401)


def test_every_kind_of_error_stands_in_the_table() -> None:
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.LandError) and kind is not errors.LandError:
            assert status_of(kind()) == dict(STATUS)[kind], name
    assert status_of(errors.LandError()) == 500


@pytest.mark.parametrize(
    ("header", "tongue"),
    [
        ("", "vi"),
        ("en", "en"),
        ("EN-us", "en"),
        ("fr,de", "vi"),
        ("vi;q=0.4, en;q=0.5", "en"),
        ("en;q=0", "vi"),
        ("en;q=rubbish", "vi"),
        ("en;q=nan", "vi"),
        (",;,;q=1", "vi"),
        ("x" * 100_000, "vi"),
    ],
)
def test_the_language_of_the_browser(header: str, tongue: str) -> None:
    assert _accepted(header) == tongue


def test_the_switch_outweighs_the_browser(client: TestClient) -> None:
    client.cookies.set("landdb_lang", "en")
    assert client.get("/v1/kinds/NotFound", headers={"Accept-Language": "vi"}).json()["title"] == "Not found"
    client.cookies.set("landdb_lang", "xx")
    assert client.get("/v1/kinds/NotFound").json()["title"] == "Không tìm thấy"


def test_each_wrong_place_is_named(client: TestClient) -> None:
    answer = client.post("/v1/bodies", json={"area_m2": "*", "ghost": 1})
    assert answer.status_code == 422
    body = answer.json()
    assert body["code"] == "request.fields_wrong"
    assert [(e["in"], e["field"], e["code"]) for e in body["errors"]] == [
        ("body", "name", "request.field_missing"),
        ("body", "area_m2", "request.field_not_a_number"),
        ("body", "ghost", "request.field_unknown"),
    ]
    assert body["errors"][0]["detail"] == "Thiếu “name”."


def test_limits_are_said(client: TestClient) -> None:
    body = client.get("/v1/queries?limit=1000000000").json()
    assert body["errors"][0]["code"] == "request.field_out_of_range"
    assert "1000" in body["errors"][0]["detail"]


def test_what_was_sent_is_not_sent_back(client: TestClient) -> None:
    secret = "094190012345"
    assert secret not in client.post("/v1/bodies", json={"name": {"x": secret}, "area_m2": secret + "x"}).text


@pytest.mark.parametrize("text", ["{", '{"a": 1,}', "\x00", "[" * 100_000])
def test_no_json_is_syntax(client: TestClient, text: str) -> None:
    answer = client.post("/v1/bodies", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] in {"request.json_invalid", "request.malformed"}


def test_bytes_that_are_no_text(client: TestClient) -> None:
    answer = client.post("/v1/bodies", content=b'{"name": "\xff\xfe"}', headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_a_chain_of_errors_that_bites_its_tail_is_walked_once() -> None:
    """An error raised again while another is handled leads back to itself; a walk along it must still end."""
    first, second = RuntimeError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert list(problems.chain(first)) == [first, second]
    assert not problems.has_nul(first)
    assert problems.traceback_without_values(second).count("builtins.") == 2

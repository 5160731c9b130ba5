"""The frame around every route: the commit, the permissions, limits, headers, health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, File, UploadFile
from fastapi.responses import PlainTextResponse

from api.deps import TxDep, permission
from api.guard import RouteWithoutPermission
from api.routes.health import head
from landdb.db.constraints import register
from landdb.db.transaction import Database, connect
from landdb.errors import Conflict, Unavailable
from landdb.messages import LANGUAGES, catalogue
from tests.api.access_office import app_on, browser, person, signed_in

PUBLIC = permission("parcel:read")


class Contradiction(Conflict):
    code = "request.conflict"


register("example_later_check", Contradiction)


@pytest.fixture
def example(database: Database) -> APIRouter:
    """Routes that do what a test wants to see."""
    with database.begin() as tx:
        tx.execute(
            "CREATE TABLE example (n integer CONSTRAINT example_later_check UNIQUE DEFERRABLE INITIALLY DEFERRED)"
        )
    router = APIRouter()

    @router.post("/v1/examples", openapi_extra=PUBLIC)
    def add(tx: TxDep, n: int = 1) -> dict[str, int]:
        tx.execute("INSERT INTO example VALUES (:n)", n=n)
        return {"n": n}

    @router.post("/v1/examples/half", openapi_extra=PUBLIC)
    def half(tx: TxDep) -> None:
        tx.execute("INSERT INTO example VALUES (77)")
        raise Conflict()

    @router.get("/v1/examples", openapi_extra=PUBLIC)
    def count(tx: TxDep) -> int:
        return int(tx.execute("SELECT count(*) FROM example").scalar_one())

    @router.get("/v1/broken", openapi_extra=PUBLIC)
    def broken(tx: TxDep) -> None:
        tx.execute("SELECT 'Nguyễn Văn A 094190012345'::integer")

    @router.get("/v1/away", openapi_extra=PUBLIC)
    def away() -> None:
        raise Unavailable()

    @router.get("/v1/text", openapi_extra=PUBLIC)
    def text() -> PlainTextResponse:
        return PlainTextResponse("đất đai " * 1000)

    @router.post("/v1/files", openapi_extra=PUBLIC)
    def receive(file: UploadFile = File()) -> int:  # noqa: B008
        return len(file.file.read())

    @router.post("/v1/words", openapi_extra=PUBLIC)
    def words(body: dict[str, Any]) -> int:
        return len(body)

    return router


def test_a_commit_that_fails_is_read_by_the_client(database: Database, tmp_path: Path, example: APIRouter) -> None:
    client = browser(app_on(database, tmp_path, example))
    assert client.post("/v1/examples").status_code == 200
    refused = client.post("/v1/examples")  # the constraint speaks at commit only
    assert refused.status_code == 409
    assert refused.json()["code"] == "request.conflict"
    assert client.get("/v1/examples").json() == 1


def test_a_refusal_leaves_nothing_behind(database: Database, tmp_path: Path, example: APIRouter) -> None:
    client = browser(app_on(database, tmp_path, example))
    assert client.post("/v1/examples/half").status_code == 409
    assert client.get("/v1/examples").json() == 0


def test_a_fault_shows_an_incident_and_nothing_of_the_inside(
    database: Database, tmp_path: Path, example: APIRouter, caplog: pytest.LogCaptureFixture
) -> None:
    answer = browser(app_on(database, tmp_path, example)).get("/v1/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == "internal"
    assert set(body) == {"type", "title", "status", "detail", "action", "code", "instance", "params"}
    for inside in ("Traceback", "SELECT", ".py", "psycopg", "sqlalchemy", "094190012345"):
        assert inside not in answer.text
    assert body["params"]["incident"] in caplog.text
    assert "test_app.py" in caplog.text  # the log knows where
    assert "094190012345" not in caplog.text  # and holds nobody's number
    assert "Nguyễn" not in caplog.text


@pytest.mark.parametrize("extra", [None, {}, {"x-permission": "parcel:reed"}, {"x-permission": "*"}])
def test_a_route_without_a_permission_does_not_start(
    database: Database, tmp_path: Path, extra: dict[str, Any] | None
) -> None:
    router = APIRouter()
    router.add_api_route("/v1/forgotten", lambda: None, openapi_extra=extra)
    with pytest.raises(RouteWithoutPermission, match="/v1/forgotten"):
        app_on(database, tmp_path, router)


def test_a_router_hidden_in_a_router_does_not_start(database: Database, tmp_path: Path) -> None:
    outer, inner = APIRouter(), APIRouter()
    inner.add_api_route("/v1/hidden", lambda: None)
    outer.include_router(inner)
    with pytest.raises(RouteWithoutPermission):
        app_on(database, tmp_path, outer)


def test_every_route_of_the_system_names_a_permission(database: Database, tmp_path: Path) -> None:
    paths = app_on(database, tmp_path).openapi()["paths"]
    assert {"/healthz", "/readyz", "/v1/tokens", "/v1/admin/staff"} <= set(paths)
    operations = [operation for item in paths.values() for operation in item.values()]
    assert [operation for operation in operations if not operation.get("x-permission")] == []
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_unknown_paths_and_methods_are_problems_too(database: Database, tmp_path: Path, example: APIRouter) -> None:
    client = browser(app_on(database, tmp_path, example))
    for answer, status, code in (
        (client.get("/v1/nothing"), 404, "request.no_such_address"),
        (client.get("/v1/examples/"), 404, "request.no_such_address"),
        (client.delete("/v1/broken"), 405, "request.method_not_allowed"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.delete("/v1/broken").headers["allow"] == "GET"


def test_unknown_parameters_are_named(database: Database, tmp_path: Path, example: APIRouter) -> None:
    answer = browser(app_on(database, tmp_path, example)).post("/v1/examples?n=1&nn=2")
    assert answer.status_code == 400
    assert answer.json()["code"] == "request.unknown_parameter"
    assert answer.json()["params"] == {"parameter": "nn", "known": "n"}


def test_bodies_have_a_limit_of_their_route(database: Database, tmp_path: Path, example: APIRouter) -> None:
    client = browser(app_on(database, tmp_path, example))
    announced = client.post("/v1/words", json={"x": "y" * (1 << 20)})
    assert (announced.status_code, announced.json()["code"]) == (413, "request.too_large")

    def chunks() -> Any:
        for _ in range(40):
            yield b"x" * (1 << 16)

    silent = client.post("/v1/words", content=chunks(), headers={"content-type": "application/json"})
    assert (silent.status_code, silent.json()["code"]) == (413, "request.too_large")
    assert client.post("/v1/files", files={"file": b"x" * (3 << 20)}).json() == 3 << 20
    too_much = client.post("/v1/files", files={"file": b"x" * (5 << 20)})
    assert (too_much.status_code, too_much.json()["params"]["limit_mb"]) == (413, 4)


def test_head_answers_wherever_get_does(database: Database, tmp_path: Path, example: APIRouter) -> None:
    client = browser(app_on(database, tmp_path, example))
    answer = client.head("/v1/text", headers={"accept-encoding": "identity"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len("đất đai ".encode()) * 1000)
    assert client.head("/v1/nothing").status_code == 404


def test_long_answers_are_compressed_for_those_who_can(database: Database, tmp_path: Path, example: APIRouter) -> None:
    client = browser(app_on(database, tmp_path, example))
    assert client.get("/v1/text").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/v1/examples").headers


def test_every_answer_carries_the_security_headers(database: Database, tmp_path: Path, example: APIRouter) -> None:
    client = browser(app_on(database, tmp_path, example))
    for path in ("/v1/examples", "/v1/nothing", "/v1/broken"):
        headers = client.get(path).headers
        assert "script-src 'self';" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "no-store" in headers["cache-control"]


def test_try_later_says_when(database: Database, tmp_path: Path, example: APIRouter) -> None:
    answer = browser(app_on(database, tmp_path, example)).get("/v1/away")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_ready_when_all_parts_are(database: Database, tmp_path: Path) -> None:
    client = browser(app_on(database, tmp_path))
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.text
    assert answer.json()["migrations"]["detail"] == f"{head()} of {head()}"
    assert answer.json()["worker"]["ok"] is False  # shown, not fatal
    with database.begin() as tx:
        tx.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    assert client.get("/readyz").json()["worker"]["ok"] is True


def test_not_ready_with_another_schema(database: Database, tmp_path: Path) -> None:
    client = browser(app_on(database, tmp_path))
    with database.begin() as tx:
        tx.execute("UPDATE alembic_version SET version_num = '0001'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["migrations"]["ok"]) == (503, False)


def test_not_ready_without_a_database(database_url: str, tmp_path: Path) -> None:
    nowhere = connect(database_url.rsplit("/", 1)[0] + "/no_such_database", application_name="landdb-test")
    client = browser(app_on(nowhere, tmp_path))
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]["detail"]) == (503, "database.unavailable")
    assert client.post("/v1/tokens", json={"login": "a", "password": "b"}).status_code == 503
    nowhere.dispose()


def test_not_ready_without_room_for_files(database: Database, tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    answer = browser(app_on(database, tmp_path)).get("/readyz")
    assert (answer.status_code, answer.json()["files"]["ok"]) == (503, False)


def test_measures_name_routes_and_never_ids(database: Database, tmp_path: Path) -> None:
    person(database, "quan.tri", "sysadmin")
    app = app_on(database, tmp_path)
    client = signed_in(app, "quan.tri")
    client.get("/v1/admin/staff/01890000-0000-7000-8000-000000000000")
    text = client.get("/metrics").text
    assert 'landdb_http_requests_total{method="GET",route="/v1/admin/staff/{staff_id}",status="404"} 1.0' in text
    assert "01890000" not in text


def test_the_description_reads_without_a_network(database: Database, tmp_path: Path) -> None:
    client = browser(app_on(database, tmp_path))
    schema = client.get("/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in client.get("/openapi.json").text
    page = client.get("/docs")
    assert "POST /v1/tokens" in page.text
    assert "<script" not in page.text
    meaning = client.get("/problems/access.token_expired", headers={"accept-language": "en"})
    assert meaning.json()["title"] == "The token has expired"
    assert client.get("/problems/nothing").status_code == 404


def test_every_error_class_has_its_words() -> None:
    """Walks all errors that are known once the whole application is imported."""
    import api.routes.admin
    import api.routes.tokens
    from landdb.errors import LandError

    def below(kind: type[LandError]) -> list[type[LandError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))]

    ours = [
        kind for kind in below(LandError) if kind.__module__.startswith(("landdb.access", "landdb.sealing", "api."))
    ]
    assert api.routes.admin.router
    assert len(ours) > 30
    for tongue in LANGUAGES:
        assert [kind.code for kind in ours if kind.code not in catalogue(tongue)] == []

"""The same call sent twice happens once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI, File, Response, UploadFile
from fastapi.testclient import TestClient

from api.deps import TxDep, permission
from api.routes import tokens
from landdb.db.transaction import Database
from landdb.errors import Conflict, Unavailable
from tests.api.access_office import app_on, bearer, browser, person

KEY = "0190-a-key-of-the-client"


@pytest.fixture
def begun() -> tuple[threading.Event, threading.Event]:
    """Set when a slow call has begun; the call ends when the second is set."""
    return threading.Event(), threading.Event()


@pytest.fixture
def app(database: Database, tmp_path: Path, begun: tuple[threading.Event, threading.Event]) -> FastAPI:
    with database.begin() as tx:
        tx.execute("CREATE TABLE example (n integer CONSTRAINT example_once UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    router = APIRouter()
    own = permission("session:own")

    @router.post("/v1/examples", openapi_extra=own, status_code=201)
    def add(tx: TxDep, response: Response, body: dict[str, int]) -> dict[str, int]:
        tx.execute("INSERT INTO example SELECT count(*) + :n FROM example", n=body["n"])
        response.headers["Location"] = f"/v1/examples/{body['n']}"
        response.set_cookie("private", "1")
        return body

    @router.post("/v1/slow", openapi_extra=own)
    def slow(tx: TxDep) -> int:
        tx.execute("INSERT INTO example SELECT count(*) FROM example")
        begun[0].set()
        begun[1].wait(30)
        return 1

    @router.post("/v1/refused", openapi_extra=own)
    def refused(tx: TxDep) -> None:
        tx.execute("INSERT INTO example VALUES (50)")
        raise Conflict()

    @router.post("/v1/lost", openapi_extra=permission("session:own", key_required=True))
    def lost(tx: TxDep) -> None:
        tx.execute("INSERT INTO example VALUES (60)")
        raise Conflict()

    @router.post("/v1/away", openapi_extra=permission("session:own", key_required=True))
    def away(tx: TxDep) -> None:
        tx.execute("INSERT INTO example VALUES (70)")
        raise Unavailable()

    @router.post("/v1/at-commit", openapi_extra=own)
    def at_commit(tx: TxDep) -> None:
        tx.execute("INSERT INTO example VALUES (1), (1)")

    @router.post("/v1/files", openapi_extra=own)
    def files(tx: TxDep, file: UploadFile = File()) -> int:  # noqa: B008
        tx.execute("INSERT INTO example SELECT count(*) FROM example")
        return len(file.file.read())

    person(database, "lan")
    person(database, "minh")
    return app_on(database, tmp_path, router, tokens.router)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return caller(app, "lan")


def caller(app: FastAPI, login: str) -> TestClient:
    client = browser(app)
    client.headers.update({**bearer(app, login), "Idempotency-Key": KEY})
    return client


def rows(database: Database) -> int:
    with database.begin() as tx:
        return int(tx.execute("SELECT count(*) FROM example").scalar_one())


def test_the_second_call_gets_the_first_answer(client: TestClient, database: Database) -> None:
    first, second = (client.post("/v1/examples", json={"n": 3}) for _ in range(2))
    assert rows(database) == 1
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, {"n": 3})
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert "set-cookie" in first.headers
    assert "set-cookie" not in second.headers


def test_a_key_is_of_one_request_and_one_caller(app: FastAPI, client: TestClient, database: Database) -> None:
    client.post("/v1/examples", json={"n": 3})
    for answer in (client.post("/v1/examples", json={"n": 4}), client.post("/v1/slow")):
        assert (answer.status_code, answer.json()["code"]) == (422, "request.idempotency_reused")
    assert caller(app, "minh").post("/v1/examples", json={"n": 4}).status_code == 201
    assert rows(database) == 2


def test_a_refused_call_may_be_tried_again(client: TestClient, database: Database) -> None:
    for _ in range(2):
        answer = client.post("/v1/refused")
        assert answer.status_code == 409
        assert "idempotency-replayed" not in answer.headers
    assert rows(database) == 0


def test_where_a_key_is_required_a_refusal_is_kept_and_its_work_is_not(client: TestClient, database: Database) -> None:
    first, second = (client.post("/v1/lost") for _ in range(2))
    assert (first.status_code, second.content) == (409, first.content)
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    assert rows(database) == 0
    del client.headers["Idempotency-Key"]
    bare = client.post("/v1/lost")
    assert (bare.status_code, bare.json()["code"]) == (400, "request.idempotency_key_missing")


def test_try_later_is_never_kept(client: TestClient, database: Database) -> None:
    for _ in range(2):
        answer = client.post("/v1/away")
        assert (answer.status_code, "idempotency-replayed" in answer.headers) == (503, False)
    assert rows(database) == 0


def test_a_commit_that_fails_keeps_neither_work_nor_key(client: TestClient, database: Database) -> None:
    for _ in range(2):
        assert client.post("/v1/at-commit").status_code == 500
    assert rows(database) == 0
    with database.begin() as tx:
        assert tx.execute("SELECT count(*) FROM idempotency_key").scalar_one() == 0


def test_while_the_first_runs_the_second_is_told_so(
    app: FastAPI, client: TestClient, database: Database, begun: tuple[threading.Event, threading.Event]
) -> None:
    answers = []
    thread = threading.Thread(target=lambda: answers.append(client.post("/v1/slow")))
    thread.start()
    assert begun[0].wait(30)
    meanwhile = caller(app, "lan").post("/v1/slow")
    begun[1].set()
    thread.join()
    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "request.idempotency_running")
    assert answers[0].status_code == 200
    assert client.post("/v1/slow").headers["idempotency-replayed"] == "true"
    assert rows(database) == 1


def test_many_at_once_have_one_effect(app: FastAPI, database: Database) -> None:
    callers = [caller(app, "lan") for _ in range(8)]
    gate = threading.Barrier(8)
    answers: list[int] = []

    def call(client: TestClient) -> None:
        gate.wait()
        answers.append(client.post("/v1/examples", json={"n": 1}).status_code)

    threads = [threading.Thread(target=call, args=(client,)) for client in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(database) == 1
    assert set(answers) <= {201, 409}
    assert 201 in answers


def test_an_upload_is_known_again_though_its_boundary_is_new(client: TestClient, database: Database) -> None:
    content = bytes(range(256)) * 12_000
    answers = [client.post("/v1/files", files={"file": ("a.gpkg", content)}) for _ in range(2)]
    assert answers[0].request.headers["content-type"] != answers[1].request.headers["content-type"]
    assert [answer.json() for answer in answers] == [len(content)] * 2
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert rows(database) == 1
    other = client.post("/v1/files", files={"file": ("a.gpkg", content[:-1] + b"x")})
    assert other.json()["code"] == "request.idempotency_reused"


@pytest.mark.parametrize("key", ["", "short", "with blank inside", "x" * 129])
def test_keys_have_a_form(client: TestClient, key: str) -> None:
    answer = client.post("/v1/slow", headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "request.idempotency_key_malformed")

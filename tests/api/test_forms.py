"""The feed of the online forms over HTTP: form, check, prefill, sending once, status; and the pages that use it."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api.app import create_app
from landdb.config import Settings
from landdb.db.transaction import Database
from landdb.files import FileStore
from landdb.service.model import MISSES_PER_ADDRESS
from tests.api.access_office import PASSWORD, browser, signed_in
from tests.dossier_make import KEYS, Bench
from tests.landdb.service.land_of_people import MS_HOA, People
from tests.landdb.service.test_forms import SOUND

FORM = "/v1/forms/local.change"
STATUS = "/v1/public/dossier-status"


@pytest.fixture
def bench(database: Database) -> Bench:
    made = Bench.on(database)
    with database.begin() as tx:
        People.on(tx).owns("1", "Trần Thị Hoa", MS_HOA, "CX 000001")
    return made


def app_with(database: Database, folder: Path, **settings: Any) -> FastAPI:
    return create_app(database, FileStore(folder / "files"), keys=KEYS, settings=Settings(data=folder, **settings))


@pytest.fixture
def app(bench: Bench, database: Database, tmp_path: Path) -> FastAPI:
    return app_with(database, tmp_path)


@pytest.fixture
def citizen(app: FastAPI) -> TestClient:
    """Somebody without an account, who reads Vietnamese, at a network address."""
    return TestClient(app, raise_server_exceptions=False, client=("10.0.0.1", 5000), headers={"Accept-Language": "vi"})


def sending(answers: dict[str, Any] = SOUND, **said: Any) -> dict[str, Any]:
    return {"procedure": "local.change", "form_version": 1, "answers": answers, **said}


def send(client: TestClient, body: dict[str, Any] | None = None, key: str | None = None) -> Any:
    return client.post("/v1/submissions", json=body or sending(), headers={"Idempotency-Key": key or str(uuid4())})


def asked(value: str = "CX 000001", kind: str = "certificate_serial", identity_no: str = MS_HOA) -> dict[str, Any]:
    return {"identity_no": identity_no, "second_fact": {"kind": kind, "value": value}}


def count(database: Database, table: str) -> int:
    with database.begin() as tx:
        return int(tx.execute(f"SELECT count(*) FROM {table}").scalar_one())


# ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_form_with_schema_layout_and_version(citizen: TestClient) -> None:
    answer = citizen.get(FORM)
    form = answer.json()
    assert (form["form"], form["version"], form["valid_from"]) == ("mau-18", 1, "2025-07-01")
    assert "unverified" in form["source"]
    Draft202012Validator(form["schema"]).validate(SOUND)
    assert form["layout"]["sections"][0]["fields"][0]["label"] == {
        "vi": "Họ và tên, tên tổ chức",
        "en": "Full name, or name of the organisation",
    }
    again = citizen.get(FORM, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = citizen.get(FORM, headers={"If-None-Match": '"mau-18-0"'})
    assert other.status_code == 200


def test_a_procedure_without_a_form(citizen: TestClient) -> None:
    answer = citizen.get("/v1/forms/1.012784")
    assert (answer.status_code, answer.json()["code"]) == (404, "service.form_unknown")


def test_check_tells_every_fault_with_a_pointer_and_a_sentence(citizen: TestClient) -> None:
    answers = copy.deepcopy(SOUND)
    del answers["holder"]["name"]
    answers["holder"]["phone"] = "bí mật"
    answer = citizen.post(f"{FORM}/check", json={"form_version": 1, "answers": answers})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "service.answers_wrong")
    assert [(e["field"], e["detail"]) for e in problem["errors"]] == [
        ("/holder/name", "Vui lòng điền: Họ và tên, tên tổ chức."),
        ("/holder/phone", "Điện thoại: chưa đúng dạng (số bắt đầu bằng 0 hoặc +84, ví dụ 0912345678)."),
    ]
    assert "bí mật" not in answer.text
    english = citizen.post(
        f"{FORM}/check", json={"form_version": 1, "answers": answers}, headers={"Accept-Language": "en"}
    )
    assert english.json()["errors"][0]["detail"] == "Please fill in: Full name, or name of the organisation."
    sound = citizen.post(f"{FORM}/check", json={"form_version": 1, "answers": SOUND})
    assert (sound.status_code, sound.json()) == (200, {"sound": True})


@pytest.mark.parametrize(
    "answers", [b'{"holder": {"name": "\\ud800"}}', b'{"\\udfff": 1}', b'{"land": {"\\ud800": 1}}']
)
def test_halves_of_a_letter_are_refused(citizen: TestClient, answers: bytes) -> None:
    body = b'{"form_version": 1, "answers": ' + answers + b"}"
    answer = citizen.post(f"{FORM}/check", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.fields_wrong")


# ── prefill ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_prefill_gives_values_with_source_and_time(citizen: TestClient) -> None:
    answer = citizen.post(f"{FORM}/prefill", json=asked())
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    filled = answer.json()
    (name,) = filled["values"]
    assert (name["pointer"], name["value"], name["locked"]) == ("/holder/name", "Trần Thị Hoa", True)
    assert name["source"]["name"] == "lần đăng ký trong sổ"
    assert set(name) == {"pointer", "value", "source", "as_of", "locked"}
    (parcel,) = filled["parcels"]
    assert {v["source"]["kind"] for v in parcel["values"]} == {"parcel", "certificate"}


def test_prefilled_answers_are_answers(citizen: TestClient) -> None:
    """What the register fills in passes the form's own rules and links the parcel."""
    filled = citizen.post(f"{FORM}/prefill", json=asked()).json()
    answers = copy.deepcopy(SOUND)
    for value in (*filled["values"], *filled["parcels"][0]["values"]):
        group, name = value["pointer"].strip("/").split("/")
        answers[group][name] = value["value"]
    assert send(citizen, sending(answers)).status_code == 201


def test_a_miss_is_counted_though_it_is_refused(citizen: TestClient, database: Database) -> None:
    for _ in range(MISSES_PER_ADDRESS):
        answer = citizen.post(f"{FORM}/prefill", json=asked("CX 999999", identity_no="000190999999"))
        assert (answer.status_code, answer.json()["code"]) == (404, "service.prefill_not_found")
    assert count(database, "access_event WHERE kind = 'prefill_missed'") == MISSES_PER_ADDRESS
    answer = citizen.post(f"{FORM}/prefill", json=asked())
    assert (answer.status_code, answer.json()["code"]) == (429, "service.too_many_asks")
    assert answer.headers["retry-after"] == "900"


def test_unknown_number_and_wrong_fact_answer_alike(citizen: TestClient) -> None:
    unknown = citizen.post(f"{FORM}/prefill", json=asked(identity_no="000190999999"))
    wrong = citizen.post(f"{FORM}/prefill", json=asked("CX 999999"))
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)


@pytest.mark.parametrize(
    "body",
    [
        {"identity_no": MS_HOA},
        asked(kind="mother_s_name"),
        asked(identity_no="1"),
        asked() | {"purpose": "curious"},
        asked("x" * 61),
    ],
)
def test_malformed_prefill(citizen: TestClient, body: dict[str, Any]) -> None:
    answer = citizen.post(f"{FORM}/prefill", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.fields_wrong")
    assert MS_HOA not in answer.text


def test_production_keeps_prefill_closed_until_it_is_opened(bench: Bench, database: Database, tmp_path: Path) -> None:
    closed = browser(app_with(database, tmp_path, env="production")).post(f"{FORM}/prefill", json=asked())
    assert (closed.status_code, closed.json()["code"]) == (503, "service.prefill_closed")
    opened = browser(app_with(database, tmp_path, env="production", prefill_open=True))
    assert opened.post(f"{FORM}/prefill", json=asked()).status_code == 200


# ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sending_answers_a_receipt_and_makes_the_dossier(citizen: TestClient, bench: Bench) -> None:
    answer = send(citizen)
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert receipt["code"].startswith("CN1-")
    assert (receipt["office"]["name"], receipt["office_serves_commune"]) == ("Chi nhánh khu vực 1", True)
    assert "số định danh hoặc số điện thoại" in receipt["second_fact_hint"]
    assert all(paper["name"] for paper in receipt["missing_papers"])
    assert "Hoa" not in answer.text


def test_the_same_key_is_one_application_and_one_answer(citizen: TestClient, database: Database) -> None:
    key = str(uuid4())
    first, second = send(citizen, key=key), send(citizen, key=key)
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert count(database, "dossier") == count(database, "submission") == 1


def test_a_key_of_somebody_else_tells_nothing(citizen: TestClient, database: Database) -> None:
    key = str(uuid4())
    first = send(citizen, key=key)
    other = copy.deepcopy(SOUND)
    other["holder"]["name"] = "Người Khác"
    reused = send(citizen, sending(other), key)
    assert (reused.status_code, reused.json()["code"]) == (422, "request.idempotency_reused")
    assert first.json()["code"] not in reused.text
    assert count(database, "dossier") == 1


def test_a_key_is_needed_and_must_not_be_guessable(citizen: TestClient, database: Database) -> None:
    missing = citizen.post("/v1/submissions", json=sending())
    assert (missing.status_code, missing.json()["code"]) == (400, "request.idempotency_key_missing")
    weak = send(citizen, key="12345678")
    assert (weak.status_code, weak.json()["code"]) == (400, "service.key_guessable")
    assert count(database, "dossier") == count(database, "idempotency_key") == 0


def test_a_refused_application_can_be_mended_under_its_key(citizen: TestClient) -> None:
    key = str(uuid4())
    broken = copy.deepcopy(SOUND)
    broken["declaration"] = False
    refused = send(citizen, sending(broken), key)
    assert (refused.status_code, refused.json()["code"]) == (422, "service.answers_wrong")
    assert send(citizen, sending(), key).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (sending(form_version=7), 409, "service.form_outdated"),
        (sending(procedure="local.mortgage"), 404, "service.form_unknown"),
        (sending(papers=[{"doc_type": "GCN", "sha256": "0" * 64}]), 422, "service.paper_unknown"),
        (sending(papers=[{"doc_type": "GCN", "sha256": "../../etc/passwd"}]), 422, "request.fields_wrong"),
        (sending() | {"holder_office_id": 1}, 422, "request.fields_wrong"),
        (sending() | {"answers": []}, 422, "request.fields_wrong"),
        (sending(SOUND | {"papers": [{"a": n} for n in range(301)]}), 422, "request.fields_wrong"),
        (sending(SOUND | {"papers": [[n] * 299 for n in range(20)]}), 422, "request.fields_wrong"),
        (sending(SOUND | {"change": SOUND["change"] | {"reason": "rỗng\x00"}}), 422, "request.fields_wrong"),
        (sending(SOUND | {"\x00": 1}), 422, "request.fields_wrong"),
    ],
)
def test_refusals(citizen: TestClient, database: Database, body: dict[str, Any], status: int, code: str) -> None:
    answer = send(citizen, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert count(database, "dossier") == 0


def test_what_was_written_is_read_by_the_office_that_has_it(
    citizen: TestClient, app: FastAPI, bench: Bench, database: Database
) -> None:
    from landdb.access.set_password import set_password

    with database.begin() as tx:
        for person in (bench.places.officer, bench.places.other_officer):
            assert person.staff_id
            set_password(tx, person.staff_id, PASSWORD, must_change=False)
    code = send(citizen).json()["code"]
    assert citizen.get(f"/v1/submissions/{code}").status_code == 401
    opened = signed_in(app, "canbo").get(f"/v1/submissions/{code}")
    assert opened.json()["answers"] == SOUND
    foreign = signed_in(app, "canbo2").get(f"/v1/submissions/{code}")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "service.submission_unknown")


# ── how it stands ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_public_status(citizen: TestClient) -> None:
    code = send(citizen).json()["code"]
    answer = citizen.post(STATUS, json={"code": code, "second_fact": "0912 345 678"})
    found = answer.json()
    assert (found["code"], found["office"]["name"]) == (code, "Chi nhánh khu vực 1")
    assert found["status"] == {"code": found["history"][-1]["code"], "name": found["history"][-1]["name"]}
    assert found["status"]["name"] == "Được tiếp nhận"
    assert set(found) == {
        "code", "procedure", "status", "history", "received_at", "due_at", "due_provisional", "closed_at", "office",
    }  # fmt: skip
    assert [word for word in ("Hoa", MS_HOA, "0912345678") if word in answer.text] == []


def test_wrong_fact_and_unknown_code_answer_alike(citizen: TestClient, database: Database) -> None:
    code = send(citizen).json()["code"]
    wrong = citizen.post(STATUS, json={"code": code, "second_fact": "0987654321"})
    unknown = citizen.post(STATUS, json={"code": "CN1-000000-9999", "second_fact": "0912345678"})
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content) == (404, unknown.content)
    assert count(database, "access_event WHERE kind = 'status_missed'") == 2


# ── the pages ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_lead_from_the_first_to_the_form(citizen: TestClient) -> None:
    first = citizen.get("/").text
    assert 'action="/dossier-status"' in first
    assert 'href="/forms"' in first
    assert 'href="/forms/local.change"' in citizen.get("/forms").text
    form = citizen.get("/forms/local.change").text
    assert form.count("data-pointer=") == 22
    assert "Xã Thử Nghiệm" in form
    assert "Điền sẵn từ cơ sở dữ liệu đất đai" in form
    english = citizen.get("/forms/local.change", headers={"Accept-Language": "en"}).text
    assert "Serial number of the certificate" in english
    assert citizen.get("/forms/local.mortgage", headers={"Accept": "text/html"}).status_code == 404


def test_each_opened_form_has_a_key_of_its_own(citizen: TestClient) -> None:
    keys = {re.findall(r'"key": "([^"]+)"', citizen.get("/forms/local.change").text)[0] for _ in range(2)}
    assert len(keys) == 2
    assert min(map(len, keys)) >= 22


def test_the_form_of_production_begins_with_the_fields(bench: Bench, database: Database, tmp_path: Path) -> None:
    page = browser(app_with(database, tmp_path, env="production")).get("/forms/local.change").text
    assert "prefill-number" not in page
    assert 'data-pointer="/holder/name"' in page


def test_status_page_without_a_script(citizen: TestClient) -> None:
    assert citizen.get("/dossier-status").status_code == 200
    code = send(citizen).json()["code"]
    found = citizen.post("/dossier-status", data={"code": code, "second_fact": "0912345678"})
    assert found.status_code == 200
    assert "Được tiếp nhận" in found.text
    assert "Chi nhánh khu vực 1" in found.text
    for body in (
        {"code": code, "second_fact": "0987654321"},
        {"code": "CN1-1", "second_fact": "0912345678"},
        {},
        {"code": code, "second_fact": "1"},
    ):
        missed = citizen.post("/dossier-status", data=body)
        assert missed.status_code == 404
        assert "Không có hồ sơ khớp" in missed.text

"""Pages over HTTP: who sees what, refusals as pages, lists as workbooks, headers that keep scripts our own."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from fastapi import FastAPI
from openpyxl import load_workbook

from api.pages.frame import WEB, static
from landdb.db.transaction import Database
from tests.api.access_office import PASSWORD, app_on, browser, person, signed_in

HTML = {"Accept": "text/html"}


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    return app_on(database, tmp_path)


@pytest.mark.parametrize("path", ["/", "/map", "/sign-in", "/password/reset"])
def test_the_public_sees_the_public_pages(app: FastAPI, path: str) -> None:
    answer = browser(app).get(path, headers=HTML)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert 'lang="vi"' in answer.text
    assert "Nhập dữ liệu" not in answer.text  # the entry is for those who may use it


@pytest.mark.parametrize("path", ["/imports", "/admin/staff", "/password"])
def test_others_sign_in_first_and_come_back(app: FastAPI, path: str) -> None:
    answer = browser(app).get(path, headers=HTML, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={path.replace('/', '%2F')}"


def test_what_one_may_not_see_is_not_there(app: FastAPI, database: Database) -> None:
    person(database, "tra", "land_officer")
    answer = signed_in(app, "tra").get("/admin/staff", headers=HTML)
    assert answer.status_code == 404
    assert "Không tìm thấy" in answer.text


def test_an_unknown_address_is_a_page(app: FastAPI) -> None:
    answer = browser(app).get("/khong-co", headers=HTML)
    assert answer.status_code == 404
    assert "<!doctype html>" in answer.text


def test_signing_in_by_the_form(app: FastAPI, database: Database) -> None:
    person(database, "nhap", "survey_officer")
    client = browser(app)
    wrong = client.post("/sign-in", data={"login": "nhap", "password": "không phải", "next": "/imports"})
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    assert 'value="nhap"' in wrong.text  # what was typed is not lost
    right = client.post(
        "/sign-in", data={"login": "nhap", "password": PASSWORD, "next": "//evil.example"}, follow_redirects=False
    )
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert "Việc của tôi" in client.get("/").text


def test_signing_out_needs_the_forms_token(app: FastAPI, database: Database) -> None:
    person(database, "nhap", "survey_officer")
    client = signed_in(app, "nhap")
    token = client.headers.pop("X-CSRF-Token")
    assert client.post("/sign-out").status_code == 403
    assert client.post("/sign-out", data={"csrf_token": token}, follow_redirects=False).status_code == 303
    assert client.get("/imports", headers=HTML, follow_redirects=False).status_code == 303


def test_changing_the_password(app: FastAPI, database: Database) -> None:
    person(database, "nhap", "survey_officer")
    client = signed_in(app, "nhap")
    new = "gà cùng một mẹ"
    unlike = client.post("/password", data={"current": PASSWORD, "new": new, "again": new + "?"})
    assert unlike.status_code == 422
    done = client.post("/password", data={"current": PASSWORD, "new": new, "again": new}, follow_redirects=False)
    assert done.headers["location"] == "/sign-in?done=changed"
    assert browser(app).post("/v1/sessions", json={"login": "nhap", "password": new}).status_code == 201


@pytest.mark.parametrize("tab", ["staff", "offices", "keys", "holidays"])
def test_lists_of_administration_are_workbooks_too(app: FastAPI, database: Database, tab: str) -> None:
    person(database, "quan", "sysadmin")
    client = signed_in(app, "quan")
    assert client.get(f"/admin/{tab}", headers=HTML).status_code == 200
    sheet = load_workbook(BytesIO(client.get(f"/admin/{tab}?format=xlsx").content)).active
    assert sheet is not None
    shown = client.get(f"/admin/{tab}").text
    assert str(sheet.cell(1, 1).value) in shown
    if tab == "staff":
        assert [row[0].value for row in sheet.iter_rows(min_row=2)] == ["Quan"]


def test_the_language_is_remembered(app: FastAPI) -> None:
    client = browser(app)
    assert client.get("/language/en?next=//evil.example", follow_redirects=False).headers["location"] == "/"
    assert 'lang="en"' in client.get("/").text
    client.get("/language/xx")
    assert 'lang="en"' in client.get("/").text


def test_files_of_the_pages_may_be_kept_for_good(app: FastAPI) -> None:
    client = browser(app)
    answer = client.get(static("css/base.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(static("js/app.js")).headers["content-type"].startswith("text/javascript")
    assert client.get("/static/v-x/%2e%2e/templates/base.html").status_code == 404
    assert (WEB / "templates" / "base.html").exists()


def test_the_map_has_a_style_without_outside_addresses(app: FastAPI) -> None:
    style = browser(app).get("/map/style.json").json()
    assert "glyphs" not in style
    assert {source["tiles"][0].split("/")[2] for source in style["sources"].values()} == {"testserver"}
    assert len(style["metadata"]["start"]) == 4

"""The imports of the interface: who may call what, and what comes back, from the upload to the undo."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import openpyxl
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from landdb.db.transaction import Database
from tests.api.access_office import app_on, bearer, browser, person
from tests.make import EAST, NORTH, Desk, desk, lattice, plot

COMMUNE = "98001"


@pytest.fixture
def office(database: Database, database_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = desk(database, database_url, tmp_path)
    yield made
    made.worker.database.dispose()


@pytest.fixture
def app(office: Desk) -> FastAPI:
    return app_on(office.database, office.folder / "data")


def staff(app: FastAPI, office: Desk, login: str, role: str) -> TestClient:
    person(office.database, login, role)
    client = browser(app)
    client.headers.update(bearer(app, login))
    return client


@pytest.fixture
def clerk(app: FastAPI, office: Desk) -> TestClient:
    return staff(app, office, "lan", "survey_officer")


@pytest.fixture
def judge(app: FastAPI, office: Desk) -> TestClient:
    return staff(app, office, "minh", "registrar")


def upload(client: TestClient, path: Path, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    with path.open("rb") as stream:
        return client.post(
            "/v1/imports",
            files=[("file", (path.name, stream))],
            data={"commune": COMMUNE, **fields},
            headers=headers or {},
        )


def read(office: Desk, client: TestClient, path: Path, **fields: Any) -> str:
    """Upload and let the worker read; the address of the import."""
    answer = upload(client, path, **fields)
    assert answer.status_code == 202, answer.text
    office.worker.read_import(UUID(answer.json()["job_id"]))
    return str(answer.headers["location"])


def faulty(office: Desk) -> Path:
    plots = lattice(3, 1, holder_name="Nguyễn Thị Hoa")
    return office.file(
        [plots[0], plots[1].having(parcel_no="=1+1", land_use="XXX"), plots[2].having(declared_area_m2=900.0)]
    )


def test_an_import_from_upload_to_undo(office: Desk, clerk: TestClient, judge: TestClient) -> None:
    answer = upload(clerk, office.file(lattice(3, 1)), intent="first-load", valid_from="2026-03-01")
    job = answer.json()
    assert (answer.status_code, job["state"], job["intent"], job["valid_from"]) == (
        202,
        "submitted",
        "first-load",
        "2026-03-01",
    )
    assert job["commune"] == {"id": 800001, "code": COMMUNE, "name": "Xã Thử Nghiệm"}
    here = answer.headers["location"]
    assert job["links"]["self"] == here
    office.worker.read_import(UUID(job["job_id"]))
    job = judge.get(here).json()
    assert (job["state"], job["counts"]) == (
        "checked",
        {"read": 3, "new": 3, "changed": 0, "unchanged": 0, "quarantined": 0, "retired": 0},
    )
    assert set(job["actions"]) == {"approve", "reject"}
    assert job["recognised"]["zone"]["srid"] == 9209
    assert judge.post(f"{here}/approval").status_code == 202
    office.worker.apply_import(UUID(job["job_id"]))
    job = judge.get(here).json()
    assert (job["state"], job["actions"]) == ("applied", ["undo"])
    assert judge.post(f"{here}/undo").status_code == 202
    office.worker.undo_import(UUID(job["job_id"]))
    job = judge.get(here).json()
    assert (job["state"], job["actions"]) == ("undone", [])


def test_who_may_do_what(app: FastAPI, office: Desk, clerk: TestClient, judge: TestClient) -> None:
    here = read(office, clerk, faulty(office))
    land_officer = staff(app, office, "tra", "land_officer")
    stranger = browser(app)
    acts: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", here, {}),
        ("GET", f"{here}/issues", {}),
        ("PUT", f"{here}/rows/1/thua_dat/2", {"json": {"fields": {"parcel_no": "2"}}}),
        ("PATCH", here, {"json": {"srid": 9209}}),
        ("POST", f"{here}/approval", {}),
        ("POST", f"{here}/rejection", {"json": {"reason": "sai"}}),
        ("POST", f"{here}/undo", {}),
    ]
    for method, path, body in acts:
        assert land_officer.request(method, path, **body).status_code == 403, path
        assert stranger.request(method, path, **body).status_code == 401, path
    assert clerk.post(f"{here}/approval").status_code == 403
    assert judge.patch(here, json={"srid": 9209}).status_code == 403
    assert upload(judge, faulty(office)).status_code == 403
    assert clerk.get(here).json()["actions"] == ["mend", "correct"]


def test_who_submitted_may_not_approve_even_with_the_permission(app: FastAPI, office: Desk) -> None:
    person(office.database, "caba", "survey_officer", "registrar")
    both = browser(app)
    both.headers.update(bearer(app, "caba"))
    here = read(office, both, office.file(lattice(1, 1)))
    answer = both.post(f"{here}/approval")
    assert (answer.status_code, answer.json()["code"]) == (403, "import.same_person")


def test_issues_in_every_form(office: Desk, clerk: TestClient) -> None:
    here = read(office, clerk, faulty(office))
    said = clerk.get(f"{here}/issues").json()
    codes = [issue["code"] for issue in said["issues"]]
    assert {"parcel.number_malformed", "land_use.unknown", "area.mismatch"} <= set(codes)
    issue = next(i for i in said["issues"] if i["code"] == "parcel.number_malformed")
    assert (issue["file"], issue["layer"], issue["row"], issue["field"], issue["raw_value"]) == (
        "thua.gpkg",
        "thua_dat",
        2,
        "parcel_no",
        "=1+1",
    )
    assert issue["title"]
    assert issue["action"]
    assert clerk.get(here).json()["issues"] == {code: codes.count(code) for code in codes}

    only = clerk.get(f"{here}/issues?severity=blocking&limit=1").json()
    assert (len(only["issues"]), only["issues"][0]["severity"]) == (1, "blocking")
    assert clerk.get(only["next"]).json()["issues"][0]["severity"] == "blocking"

    features = clerk.get(f"{here}/issues?format=geojson").json()
    assert len(features["features"]) == len(codes)
    assert all(f["properties"]["code"] for f in features["features"])

    table = list(csv.reader(io.StringIO(clerk.get(f"{here}/issues?format=csv").content.decode("utf-8-sig"))))
    assert [row[0] for row in table[1:]] == codes
    assert "'=1+1" in {row[-1] for row in table}, "a spreadsheet must not run a client's text"

    for address in (f"{here}/issues?format=xlsx", f"{here}/report.xlsx"):
        book = openpyxl.load_workbook(io.BytesIO(clerk.get(address).content))
        rows = list(book.active.iter_rows(values_only=True))
        assert [row[0] for row in rows[1:]] == codes
        assert all(cell.data_type != "f" for row in book.active.iter_rows() for cell in row)


def test_issues_in_the_readers_language(office: Desk, clerk: TestClient) -> None:
    here = read(office, clerk, faulty(office))
    titles = {
        tongue: clerk.get(f"{here}/issues?code=land_use.unknown", headers={"Accept-Language": tongue}).json()["issues"][
            0
        ]["title"]
        for tongue in ("vi", "en")
    }
    assert titles["vi"] != titles["en"]


def test_the_preview_shows_shapes_and_no_person(office: Desk, clerk: TestClient) -> None:
    here = read(office, clerk, faulty(office))
    preview = clerk.get(f"{here}/preview.geojson")
    features = preview.json()["features"]
    assert [f["properties"]["verdict"] for f in features] == ["quarantined", "new", "new"]
    assert {f["properties"]["row"] for f in features} == {1, 2, 3}
    assert "Hoa" not in preview.text
    west, south, east, north = clerk.get(f"{here}/extent").json()["bbox"]
    assert 105 < west < east < 107
    assert 9 < south < north < 10


def test_a_preview_tile_holds_the_rows(office: Desk, clerk: TestClient) -> None:
    here = read(office, clerk, faulty(office))
    place = office.ask(
        """SELECT floor((ST_X(p) + 20037508.342789244) / 40075016.685578488 * 65536)::int AS x,
                  floor((20037508.342789244 - ST_Y(p)) / 40075016.685578488 * 65536)::int AS y
           FROM (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(:e, :n), 9209), 3857) AS p) t""",
        e=EAST + 30, n=NORTH + 10,
    )[0]  # fmt: skip
    tile = clerk.get(f"{here}/tiles/16/{place['x']}/{place['y']}.mvt")
    assert (tile.status_code, tile.headers["content-type"]) == (200, "application/vnd.mapbox-vector-tile")
    assert b"staged" in tile.content
    assert b"quarantined" in tile.content
    assert b"Hoa" not in tile.content
    assert tile.headers["cache-control"] == "private, no-store"
    assert clerk.get(f"{here}/tiles/16/0/0.mvt").content == b""


def test_a_row_and_its_mending(office: Desk, clerk: TestClient) -> None:
    here = read(office, clerk, faulty(office))
    row = clerk.get(f"{here}/rows/1/thua_dat/2").json()
    assert (row["verdict"], row["raw"]["parcel_no"], row["raw"]["land_use"]) == ("quarantined", "=1+1", "XXX")
    assert row["geometry"]["type"] == "Polygon"
    assert clerk.get(f"{here}/rows/1/thua_dat/99").json()["code"] == "import.row_unknown"
    refused = clerk.put(f"{here}/rows/1/thua_dat/2", json={"fields": {"geom": "x"}})
    assert (refused.status_code, refused.json()["code"]) == (422, "import.unknown_field")
    in_order = clerk.put(f"{here}/rows/1/thua_dat/1", json={"fields": {"parcel_no": "2"}})
    assert (in_order.status_code, in_order.json()["code"]) == (409, "import.row_not_quarantined")
    mended = clerk.put(f"{here}/rows/1/thua_dat/2", json={"fields": {"parcel_no": "2", "land_use": "ONT"}})
    assert (mended.status_code, mended.json()["state"]) == (202, "reading")
    office.worker.read_import(UUID(mended.json()["job_id"]))
    assert clerk.get(here).json()["counts"]["quarantined"] == 0


def test_mending_by_a_second_file(office: Desk, clerk: TestClient) -> None:
    plots = lattice(2, 1)
    here = read(office, clerk, office.file([plots[0], plots[1].having(land_use="XXX")]))
    good = office.file([plots[1]], "sua.gpkg")
    answer = clerk.post(f"{here}/mending", files=[("file", (good.name, good.read_bytes()))])
    assert answer.status_code == 202
    office.worker.read_import(UUID(answer.json()["job_id"]))
    job = clerk.get(here).json()
    assert (job["counts"]["new"], [f["role"] for f in job["files"]]) == (2, ["source", "mend"])


def test_some_rows_are_approved(office: Desk, clerk: TestClient, judge: TestClient) -> None:
    here = read(office, clerk, office.file(lattice(3, 1)))
    rows = [{"file_no": 1, "layer": "thua_dat", "row": 2}]
    answer = judge.post(f"{here}/approval", json={"rows": rows})
    assert answer.status_code == 202
    office.worker.apply_import(UUID(answer.json()["job_id"]))
    job = judge.get(here).json()
    assert (job["state"], set(job["actions"])) == ("applied", {"approve", "undo"})
    assert set(office.parcels()) == {"1/2"}
    assert judge.post(f"{here}/approval", json={"row": []}).status_code in (400, 422)


def test_what_was_recognised_may_be_corrected(office: Desk, clerk: TestClient) -> None:
    """Zone, profile and sheet; what is not said stays as it was found."""
    bare = [plot("1", str(i), i, 0) for i in (1, 2)]
    bare = [p.__class__(p.at, p.size, None, {"parcel_no": p.fields["parcel_no"]}) for p in bare]
    here = read(office, clerk, office.file(bare))
    assert clerk.get(here).json()["issues"]["parcel.sheet_missing"] == 2
    answer = clerk.patch(here, json={"sheet_no": "7"})
    assert (answer.status_code, answer.json()["state"]) == (200, "submitted")
    office.worker.read_import(UUID(answer.json()["job_id"]))
    job = clerk.get(here).json()
    assert (job["counts"]["new"], job["counts"]["quarantined"]) == (2, 0)
    assert clerk.patch(here, json={"srid": 9210, "profile": "general"}).status_code == 200
    office.worker.read_import(UUID(job["job_id"]))
    job = clerk.get(here).json()
    assert (job["recognised"]["zone"]["srid"], job["recognised"]["profile"]["name"]) == (9210, "general")
    assert clerk.patch(here, json={"zone": 1}).status_code in (400, 422)
    clerk.patch(here, json={"profile": "nhà tôi"})
    office.worker.read_import(UUID(job["job_id"]))
    failed = clerk.get(here).json()
    assert (failed["state"], failed["failure"]["code"]) == ("failed", "profile.unknown")
    assert "correct" in failed["actions"]


def test_the_same_key_submits_once(office: Desk, clerk: TestClient) -> None:
    path, key = office.file(lattice(1, 1)), {"Idempotency-Key": str(uuid4())}
    first, second = upload(clerk, path, key), upload(clerk, path, key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["job_id"] == second.json()["job_id"]
    assert office.one("SELECT count(*) FROM import_job") == 1
    other = upload(clerk, office.file(lattice(2, 1)), key)
    assert other.status_code in (409, 422)


def test_the_same_file_again_is_a_conflict(office: Desk, clerk: TestClient, judge: TestClient) -> None:
    path = office.file(lattice(1, 1))
    here = read(office, clerk, path)
    judge.post(f"{here}/approval")
    office.worker.apply_import(UUID(here.rsplit("/", 1)[1]))
    answer = upload(clerk, path)
    assert (answer.status_code, answer.json()["code"]) == (409, "import.same_file")


def test_lists(office: Desk, clerk: TestClient) -> None:
    heres = [read(office, clerk, office.file(lattice(1, 1, sheet=str(i)))) for i in range(3)]
    page = clerk.get("/v1/imports?limit=2").json()
    assert [job["links"]["self"] for job in page["imports"]] == [heres[2], heres[1]]
    rest = clerk.get(page["next"]).json()
    assert ([job["links"]["self"] for job in rest["imports"]], rest["next"]) == ([heres[0]], None)
    assert clerk.get("/v1/imports?state=applied").json()["imports"] == []
    assert len(clerk.get("/v1/imports?state=applied&state=checked").json()["imports"]) == 3
    book = openpyxl.load_workbook(io.BytesIO(clerk.get("/v1/imports?format=xlsx").content))
    assert len(list(book.active.iter_rows())) == 4


def test_undo_is_refused_with_the_list(office: Desk, clerk: TestClient, judge: TestClient) -> None:
    here = read(office, clerk, office.file(lattice(2, 1)))
    judge.post(f"{here}/approval")
    office.worker.apply_import(UUID(here.rsplit("/", 1)[1]))
    office.change_by_hand("1", "2")
    answer = judge.post(f"{here}/undo")
    said = answer.json()
    assert (answer.status_code, said["code"]) == (409, "import.undo_blocked")
    assert '"parcel_no": "2"' in json.dumps(said)

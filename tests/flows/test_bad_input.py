"""Whatever a branch uploads: a code, a sentence in both languages with what to do next, nothing half applied, no process dead."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient

from landdb.access import store as access
from landdb.access.add_api_key import add_api_key
from landdb.db.transaction import SYSTEM, Database
from landdb.messages import message
from tests.api.access_office import app_on, bearer, browser, person
from tests.make import EAST, NORTH, Desk, Plot, desk, lattice, parts, plot, write

COMMUNE = "98001"
Files = list[Path]


@pytest.fixture
def office(database: Database, database_url: str, tmp_path: Path) -> Iterator[Desk]:
    """A commune whose boundary is known, two kilometres across."""
    made = desk(database, database_url, tmp_path)
    to_lonlat = pyproj.Transformer.from_crs(9209, 4326, always_xy=True).transform
    around = shapely.transform(
        shapely.box(EAST - 1000, NORTH - 1000, EAST + 1000, NORTH + 1000).segmentize(50),
        lambda xy: np.column_stack(to_lonlat(xy[:, 0], xy[:, 1])),
    )
    with database.begin(SYSTEM) as tx:
        tx.execute(
            """INSERT INTO admin_unit_boundary (admin_unit_id, geom, accuracy_m, source)
               VALUES (800001, ST_Multi(ST_GeomFromWKB(:wkb, 4326)), 1, 'test')""",
            wkb=shapely.to_wkb(around),
        )
    yield made
    made.worker.database.dispose()


@pytest.fixture
def app(office: Desk) -> FastAPI:
    return app_on(office.database, office.folder / "data", max_upload_mb=300)


@pytest.fixture
def clerk(app: FastAPI, office: Desk) -> TestClient:
    person(office.database, "lan", "survey_officer")
    client = browser(app)
    client.headers.update(bearer(app, "lan"))
    return client


def upload(client: TestClient, paths: Files, **fields: Any) -> Any:
    opened = [("file", (path.name, path.read_bytes())) for path in paths]
    return client.post("/v1/imports", files=opened, data={"commune": COMMUNE, **fields})


def imported(office: Desk, client: TestClient, paths: Files, **fields: Any) -> dict[str, Any]:
    """The import as its page shows it once a worker has read the file."""
    answer = upload(client, paths, **fields)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    from uuid import UUID

    office.worker.read_import(UUID(job["job_id"]))
    shown: dict[str, Any] = client.get(f"/v1/imports/{job['job_id']}").json()
    return shown


def shp(office: Desk, plots: list[Plot] | None = None, **options: Any) -> Path:
    return office.file(plots or lattice(3, 1), "thua.shp", **options)


def empty_file(office: Desk) -> Files:
    path = office.folder / "rỗng.shp"
    path.write_bytes(b"")
    return [path]


def no_prj(office: Desk) -> Files:
    """Numbers far from the commune in every zone; where they fit one, the zone is found (see below)."""
    far = [Plot(shape=shapely.box(10, 10, 20, 20), fields={"sheet_no": "1", "parcel_no": "1"})]
    return [p for p in parts(shp(office, far)) if p.suffix != ".prj"]


def wrong_prj(office: Desk) -> Files:
    path = shp(office)
    path.with_suffix(".prj").write_text(pyproj.CRS.from_epsg(32650).to_wkt("WKT1_ESRI"))
    return parts(path)


def missing_dbf(office: Desk) -> Files:
    return [p for p in parts(shp(office)) if p.suffix != ".dbf"]


def zipped(office: Desk, paths: Files, name: str = "thua.zip") -> Path:
    target = office.folder / name
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, path.name)
    return target


def truncated_zip(office: Desk) -> Files:
    whole = zipped(office, parts(shp(office, lattice(30, 30))))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return [whole]


def zip_with_two_layers(office: Desk) -> Files:
    return [zipped(office, [*parts(shp(office)), *parts(office.file(lattice(2, 1, sheet="2"), "khac.shp"))])]


def nothing_of_200_mb(office: Desk) -> Files:
    path = office.folder / "rỗng.gpkg"
    with path.open("wb") as out:
        out.truncate(200 << 20)
    return [path]


def vrt_renamed(office: Desk) -> Files:
    secret = office.file(lattice(3, 1), "that.gpkg")
    path = office.folder / "thua.shp"
    path.write_text(f'<OGRVRTDataSource><OGRVRTLayer name="thua_dat"><SrcDataSource>{secret}</SrcDataSource>'
                    "</OGRVRTLayer></OGRVRTDataSource>")  # fmt: skip
    return [path]


def no_layer_at_all(office: Desk) -> Files:
    path = office.folder / "thơ.gpkg"
    path.write_text("Đất nước tôi thon thả giọt đàn bầu", encoding="utf-8")
    return [path]


REFUSED: list[tuple[Callable[[Desk], Files], str]] = [
    (empty_file, "file.empty"),
    (no_prj, "crs.no_fit"),
    (wrong_prj, "crs.wrong_declared"),
    (missing_dbf, "file.part_missing"),
    (truncated_zip, "file.zip_broken"),
    (zip_with_two_layers, "file.several_layers"),
    (nothing_of_200_mb, "file.empty"),
    (vrt_renamed, "file.disguised"),
    (no_layer_at_all, "file.disguised"),
]


@pytest.mark.parametrize(("make", "code"), REFUSED, ids=lambda v: getattr(v, "__name__", v))
def test_a_file_that_cannot_be_read_is_refused_whole(
    office: Desk, clerk: TestClient, make: Callable[[Desk], Files], code: str
) -> None:
    job = imported(office, clerk, make(office))
    assert (job["state"], (job["failure"] or {}).get("code")) == ("failed", code)
    for tongue in ("vi", "en"):
        said = clerk.get(f"/v1/imports/{job['job_id']}", headers={"Accept-Language": tongue}).json()["failure"]
        assert said["title"]
        assert said["action"]
        assert "{" not in said["detail"] + said["action"], "every parameter is filled in"
    assert office.parcels() == {}
    assert office.ask("SELECT 1 FROM staged_parcel") == []
    good = imported(office, clerk, [office.file(lattice(2, 1))])
    assert (good["state"], good["counts"]["new"]) == ("checked", 2), "the worker lives"


def test_without_a_prj_the_zone_is_found_by_the_boundary(office: Desk, clerk: TestClient) -> None:
    job = imported(office, clerk, [p for p in parts(shp(office)) if p.suffix != ".prj"])
    assert (job["state"], job["recognised"]["zone"]["srid"], job["counts"]["new"]) == ("checked", 9209, 3)


def test_a_zone_that_a_person_declares_settles_it(office: Desk, clerk: TestClient) -> None:
    """After the refusal of a wrong .prj the clerk names the zone; the file is read again."""
    job = imported(office, clerk, wrong_prj(office))
    assert "correct" in job["actions"]
    answer = clerk.patch(f"/v1/imports/{job['job_id']}", json={"srid": 9209})
    assert answer.status_code == 200
    from uuid import UUID

    office.worker.read_import(UUID(job["job_id"]))
    job = clerk.get(f"/v1/imports/{job['job_id']}").json()
    assert (job["state"], job["counts"]["new"], job["failure"]) == ("checked", 3, None)


def test_the_layer_of_a_zip_may_be_named(office: Desk, clerk: TestClient) -> None:
    job = imported(office, clerk, zip_with_two_layers(office), layer="khac")
    assert (job["state"], job["counts"]["new"]) == ("checked", 2)


def test_polygon_beside_multipolygon(office: Desk, clerk: TestClient) -> None:
    two = shapely.MultiPolygon(
        [shapely.box(EAST + 200, NORTH, EAST + 220, NORTH + 20), shapely.box(EAST + 300, NORTH, EAST + 320, NORTH + 20)]
    )
    mixed = [*lattice(2, 1), Plot(shape=two, fields={"sheet_no": "1", "parcel_no": "3", "land_use": "LUC"})]
    path = write(office.folder / "hon.gpkg", mixed, geometry_type="Unknown")
    job = imported(office, clerk, [path])
    assert (job["counts"]["new"], job["issues"]["geometry.multipart"]) == (3, 1)


@pytest.mark.parametrize(
    ("text", "stored", "code"),
    [("1.234,5", "1234.5", "area.rewritten"), ("1234,5", "1234.5", None), ("*", None, "area.not_a_number")],
)
def test_numbers_as_people_write_them(
    office: Desk, clerk: TestClient, text: str, stored: str | None, code: str | None
) -> None:
    """A number that can be read is read, and said; one that cannot is set aside."""
    plots = [plot("1", "1", 0, 0, declared_area_m2=text), plot("1", "2", 1, 0, declared_area_m2="400")]
    job = imported(office, clerk, [office.file(plots)])
    assert job["counts"]["quarantined"] == (stored is None)
    if code:
        assert code in job["issues"]
    value = office.one("SELECT declared_area_m2 FROM staged_parcel WHERE row_no = 1")
    assert (None if value is None else str(value)) == stored


def test_a_parcel_of_another_commune(office: Desk, clerk: TestClient) -> None:
    plots = [
        *lattice(2, 1, commune_code=COMMUNE),
        plot("1", "9", 5, 0, commune_code="98777"),
        plot("1", "10", 500, 0, commune_code=COMMUNE),
    ]
    job = imported(office, clerk, [office.file(plots)])
    assert job["counts"]["quarantined"] == 2
    assert set(job["issues"]) >= {"parcel.wrong_commune", "geometry.outside_commune"}


def problem(answer: Any) -> tuple[int, str]:
    said = answer.json()
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert said["title"]
    assert said.get("action", "-")
    return answer.status_code, said["code"]


def test_a_code_that_went_to_another_territory(office: Desk, clerk: TestClient) -> None:
    """Since 1 July 2025 a new commune bears an old one's code: without a day nobody can know which is meant."""
    with office.database.begin(SYSTEM) as tx:
        from tests.make import add_unit

        add_unit(tx, 800_020, "98020", "Cũ", valid="(,2025-07-01)")
        add_unit(tx, 800_021, "98020", "Mới", valid="[2025-07-01,)")
    path = office.file(lattice(1, 1))
    moved = upload(clerk, [path], commune="98020")
    assert problem(moved) == (409, "reference.unit_ambiguous")
    assert "2025" in moved.text, "both units are named"
    assert upload(clerk, [path], commune="98020@2025-06-30").json()["commune"]["id"] == 800_020
    assert upload(clerk, [path], commune="98020", valid_from="2025-08-01").json()["commune"]["id"] == 800_021


def test_unknown_things(office: Desk, clerk: TestClient) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    assert problem(clerk.get(f"/v1/imports/{nobody}")) == (404, "import.unknown")
    assert problem(clerk.get("/v1/imports/thua-45"))[0] in (400, 404, 422)
    assert problem(upload(clerk, [office.file(lattice(1, 1))], commune="00000"))[0] == 404
    assert problem(upload(clerk, [office.file(lattice(1, 1))], intent="xoá"))[0] in (400, 422)


def test_an_expired_token(office: Desk, app: FastAPI) -> None:
    with office.database.begin(SYSTEM) as tx:
        cn = access.list_offices(tx, closed_too=False)[0].office_id
        key_id, key = add_api_key(
            tx,
            name="cũ",
            permissions=frozenset({"import:read"}),
            office_id=cn,
            expires_at=tx.now + dt.timedelta(days=1),
        )
    assert browser(app).get("/v1/imports", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    with office.database.begin(SYSTEM) as tx:
        tx.execute(
            "UPDATE api_key SET expires_at = now() - interval '1 day' WHERE api_key_id = :k", k=key_id.api_key_id
        )
    for token in (key, "rac", "eyJhbGciOiJub25lIn0.e30."):
        status, code = problem(browser(app).get("/v1/imports", headers={"Authorization": f"Bearer {token}"}))
        assert status == 401
        for tongue in ("vi", "en"):
            assert message(code, {}, tongue).action


def test_an_upload_beyond_the_limit(office: Desk) -> None:
    person(office.database, "lan", "survey_officer")
    small = app_on(office.database, office.folder / "data", max_upload_mb=1)
    client = browser(small)
    client.headers.update(bearer(small, "lan"))
    big = office.folder / "to.gpkg"
    big.write_bytes(bytes(2 << 20))
    assert problem(upload(client, [big]))[0] == 413


def test_every_feature_of_a_gpkg_without_rows(office: Desk, clerk: TestClient) -> None:
    path = office.folder / "không.gpkg"
    pyogrio.raw.write(path, np.array([], object), [np.array([], object)], ["parcel_no"], geometry_type="Polygon",
                      crs="EPSG:9209", driver="GPKG")  # fmt: skip
    job = imported(office, clerk, [path])
    assert job["state"] == "failed"
    assert job["failure"]["code"].startswith("file.")

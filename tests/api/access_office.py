"""An office, its people and their browsers, as the examples of the interface need them."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from landdb.access import store
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.grant_role import grant_role
from landdb.access.passwords import hashed
from landdb.config import Settings
from landdb.db.transaction import Database
from landdb.files import FileStore
from landdb.sealing.keys import Keys

PASSWORD = "một câu chỉ mình tôi biết"
KEYS = Keys(((1, b"k" * 32),))


def app_on(database: Database, folder: Path, *routers: APIRouter, max_upload_mb: int = 4) -> FastAPI:
    """The application with these routers, or with all of its own."""
    settings = Settings(data=folder, max_upload_mb=max_upload_mb)
    return create_app(
        database, FileStore(folder / "files"), keys=KEYS, settings=settings, routers=list(routers) or None
    )


def browser(app: FastAPI) -> TestClient:
    """Somebody who reads answers, 500s too."""
    return TestClient(app, raise_server_exceptions=False)


def person(database: Database, login: str, *roles: str) -> UUID:
    """A member of staff of one office with roles."""
    with database.begin() as tx:
        office = store.find_office(tx, "CN", tx.today)
        office_id = office.office_id if office else add_office(tx, code="CN", name="Chi nhánh", kind="branch")
        staff_id = add_staff(tx, login=login, full_name=login.title(), office_id=office_id)
        store.set_password_hash(tx, staff_id, hashed(PASSWORD), must_change=False)
        for role in roles:
            grant_role(tx, staff_id, role)
    return staff_id


def signed_in(app: FastAPI, login: str) -> TestClient:
    """A browser with a session that sends the protection token."""
    client = browser(app)
    answer = client.post("/v1/sessions", json={"login": login, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    client.headers["X-CSRF-Token"] = client.get("/v1/account").json()["csrf_token"]
    return client


def bearer(app: FastAPI, login: str) -> dict[str, str]:
    """The header of a short token."""
    answer = browser(app).post("/v1/tokens", json={"login": login, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}

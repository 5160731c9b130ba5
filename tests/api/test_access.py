"""Who may do what over HTTP: the matrix of roles and routes, sessions, tokens, keys, forged calls."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from landdb.access import store
from landdb.access.add_api_key import add_api_key, revoke_api_key
from landdb.access.permissions import KEY_PERMISSIONS, PUBLIC, ROLES, SIGNED_IN
from landdb.db.transaction import Database
from landdb.sealing.tokens import sign
from tests.api.access_office import KEYS, PASSWORD, app_on, bearer, browser, person, signed_in


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    return app_on(database, tmp_path)


def operations(app: FastAPI) -> list[tuple[str, str, str]]:
    """Method, a path with made-up identifiers, and permission of every operation there is."""
    found = []
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            filled = path
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    text = parameter["schema"].get("format") == "uuid"
                    number = parameter["schema"].get("type") == "integer"
                    value = str(uuid4()) if text else "999999" if number else "2031-01-01"
                    filled = filled.replace("{" + parameter["name"] + "}", value)
            found.append((method.upper(), filled, operation["x-permission"]))
    return found


def test_each_role_may_call_its_routes_and_no_other(app: FastAPI, database: Database) -> None:
    """The answer of a route that one may call is anything but 401 and 403; no route is left out."""
    callers: dict[str, tuple[frozenset[str], TestClient]] = {}
    for role, permissions in ROLES.items():
        person(database, f"co.{role}", role)
        client = browser(app)
        client.headers.update(bearer(app, f"co.{role}"))
        callers[role] = (permissions | SIGNED_IN, client)
    with database.begin() as tx:
        office = store.list_offices(tx, closed_too=False)[0].office_id
        _, key = add_api_key(tx, name="tất cả", permissions=KEY_PERMISSIONS, office_id=office)
    service = browser(app)
    service.headers["Authorization"] = f"Bearer {key}"
    callers["service"] = (KEY_PERMISSIONS, service)
    callers["public"] = (frozenset(), browser(app))

    wrong, seen = [], 0
    last = {"/v1/sessions"}  # ends everybody's tokens: asked apart
    for method, path, permission in operations(app):
        if method == "DELETE" and path in last:
            continue
        for name, (permissions, client) in callers.items():
            status = client.request(method, path, json={} if method in {"POST", "PUT"} else None).status_code
            allowed = permission in PUBLIC | permissions
            expected = {401} if name == "public" else {403}
            seen += 1
            if (status not in expected) != allowed or (allowed and status in {401, 403}):
                wrong.append((name, method, path, permission, status))
    assert wrong == []
    assert seen > 200


def test_sessions_begin_and_end(app: FastAPI, database: Database) -> None:
    person(database, "lan", "registrar")
    client = signed_in(app, "lan")
    cookie = client.cookies.jar.__iter__().__next__()
    assert cookie.name == "landdb_session"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert client.get("/v1/account").json()["roles"][0]["role"] == "registrar"
    assert client.delete("/v1/sessions/current").status_code == 204
    assert browser(app).get("/v1/account", headers={"cookie": f"landdb_session={cookie.value}"}).status_code == 401


def test_the_cookie_is_for_https_where_there_is_https(app: FastAPI, database: Database) -> None:
    person(database, "lan")
    client = TestClient(app, base_url="https://dat-dai.example")
    answer = client.post("/v1/sessions", json={"login": "lan", "password": PASSWORD})
    assert "Secure" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]


def test_a_foreign_page_cannot_act_for_an_officer(app: FastAPI, database: Database) -> None:
    person(database, "quan.tri", "sysadmin")
    client = signed_in(app, "quan.tri")
    token = client.headers.pop("X-CSRF-Token")
    office = {"code": "X", "name": "X", "kind": "branch"}
    cases = [
        ({}, 403),
        ({"X-CSRF-Token": ""}, 403),
        ({"X-CSRF-Token": "é"}, 403),
        ({"X-CSRF-Token": token[:-1]}, 403),
        ({"X-CSRF-Token": token, "Origin": "https://elsewhere.example"}, 403),
        ({"X-CSRF-Token": token, "Origin": "null"}, 403),
        ({"X-CSRF-Token": token, "Origin": "http://testserver"}, 201),
    ]
    for headers, status in cases:
        sent = {name: value.encode() for name, value in headers.items()}
        answer = client.post("/v1/admin/offices", json=office, headers=sent)
        assert answer.status_code == status, headers
        assert status != 403 or answer.json()["code"] == "access.csrf"
    other = signed_in(app, "quan.tri")  # another session's token is no token
    borrowed = {"X-CSRF-Token": other.headers["X-CSRF-Token"]}
    assert client.post("/v1/admin/offices", json=office, headers=borrowed).status_code == 403


def test_a_plain_form_carries_its_token_in_a_field(app: FastAPI, database: Database) -> None:
    person(database, "quan.tri", "sysadmin")
    client = signed_in(app, "quan.tri")
    token = client.headers.pop("X-CSRF-Token")
    assert client.post("/v1/admin/offices", data={"csrf_token": "x"}).status_code == 403
    # The door opens, and the body can still be read: the route finds that it is no JSON.
    assert client.post("/v1/admin/offices", data={"csrf_token": token}).status_code == 422


def test_a_foreign_page_cannot_sign_somebody_in(app: FastAPI, database: Database) -> None:
    person(database, "lan")
    answer = browser(app).post(
        "/v1/sessions", json={"login": "lan", "password": PASSWORD}, headers={"Origin": "https://elsewhere.example"}
    )
    assert answer.status_code == 403


def test_failed_attempts_are_kept_though_the_call_is_refused(app: FastAPI, database: Database) -> None:
    person(database, "lan")
    client = browser(app)
    wrong = [client.post("/v1/tokens", json={"login": "lan", "password": "sai"}) for _ in range(5)]
    right = client.post("/v1/sessions", json={"login": "lan", "password": PASSWORD})
    unknown = client.post("/v1/sessions", json={"login": "ma", "password": PASSWORD})
    bodies = [{**answer.json(), "instance": ""} for answer in [*wrong, right, unknown]]
    assert {answer.status_code for answer in [*wrong, right, unknown]} == {401}
    assert all(body == bodies[0] for body in bodies)


def test_an_expired_token_says_what_to_do(app: FastAPI, database: Database) -> None:
    staff_id = person(database, "lan", "registrar")
    now = dt.datetime.now(dt.UTC)
    token, _ = sign(
        KEYS,
        subject=f"staff:{staff_id}",
        office_id=1,
        permissions=frozenset({"import:read"}),
        now=now - dt.timedelta(hours=1),
    )
    for tongue, word in (("vi", "hết hạn"), ("en", "expired")):
        answer = browser(app).get(
            "/v1/account", headers={"Authorization": f"Bearer {token}", "Accept-Language": tongue}
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "access.token_expired")
        assert word in answer.json()["title"]
        assert "/v1/tokens" in answer.json()["detail"]


@pytest.mark.parametrize(
    "credential", ["Bearer x", "Bearer", "Basic bGFuOmxhbg==", "Bearer lk_x", "é", "Bearer " + "a" * 9000]
)
def test_wrong_credentials_are_refused_even_where_none_is_needed(app: FastAPI, credential: str) -> None:
    answer = browser(app).get("/healthz", headers={"Authorization": credential.encode()})
    assert answer.status_code == 401
    assert answer.json()["code"].startswith("access.")


def test_a_token_claims_no_more_than_its_owner_may(app: FastAPI, database: Database) -> None:
    staff_id = person(database, "lan")
    token, _ = sign(
        KEYS,
        subject=f"staff:{staff_id}",
        office_id=1,
        permissions=frozenset({"admin:staff", "admin:read"}),
        now=dt.datetime.now(dt.UTC),
    )
    assert browser(app).get("/v1/admin/staff", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_a_revoked_key_is_refused_at_the_next_request(app: FastAPI, database: Database) -> None:
    person(database, "lan")
    with database.begin() as tx:
        office = store.list_offices(tx, closed_too=False)[0].office_id
        key, text = add_api_key(tx, name="cổng", permissions=["import:read"], office_id=office)
    client = browser(app)
    token = client.post("/v1/tokens", json={"api_key": text}).json()["access_token"]
    for credential in (text, token):
        assert client.get("/v1/account", headers={"Authorization": f"Bearer {credential}"}).status_code == 403
    with database.begin() as tx:
        revoke_api_key(tx, key.api_key_id)
    for credential, code in ((text, "access.key_invalid"), (token, "access.token_invalid")):
        answer = client.get("/v1/account", headers={"Authorization": f"Bearer {credential}"})
        assert (answer.status_code, answer.json()["code"]) == (401, code)


def test_a_temporary_password_must_be_changed_first(app: FastAPI, database: Database) -> None:
    staff_id = person(database, "lan", "sysadmin")
    with database.begin() as tx:
        account = store.lock_account_of(tx, staff_id)
        assert account is not None
        store.set_password_hash(tx, staff_id, account.password_hash or "", must_change=True)
    client = signed_in(app, "lan")
    assert client.get("/v1/admin/staff").json()["code"] == "access.password_change_required"
    tokens = browser(app).post("/v1/tokens", json={"login": "lan", "password": PASSWORD})
    assert tokens.json()["code"] == "access.password_change_required"
    changed = client.put("/v1/account/password", json={"old": PASSWORD, "new": "một câu hoàn toàn mới"})
    assert changed.status_code == 204
    assert client.get("/v1/account").status_code == 401


def test_a_day_in_the_administration(app: FastAPI, database: Database) -> None:
    """Founds an office, opens an account, hands over a code; the newcomer sets a password and comes in."""
    person(database, "quan.tri", "sysadmin")
    admin = signed_in(app, "quan.tri")
    office = admin.post("/v1/admin/offices", json={"code": "CN-2", "name": "Chi nhánh 2", "kind": "branch"}).json()
    made = admin.post(
        "/v1/admin/staff",
        json={
            "login": "minh",
            "full_name": "Trần Văn Minh",
            "office_id": office["office_id"],
            "roles": ["land_officer"],
        },
    )
    assert made.status_code == 201, made.text
    where = made.headers["location"]
    assert admin.get(where).json()["roles"][0]["label"] == "Cán bộ tra cứu đất đai"
    code = admin.post(f"{where}/password-reset").json()["code"]
    newcomer = browser(app)
    assert newcomer.post("/v1/password-resets", json={"code": code, "password": "ngắn"}).status_code == 422
    assert newcomer.post("/v1/password-resets", json={"code": code, "password": PASSWORD}).status_code == 204
    assert newcomer.post("/v1/password-resets", json={"code": code, "password": PASSWORD}).status_code == 422
    signed_in(app, "minh")
    assert admin.put(f"{where}/roles/registrar").status_code == 200
    assert admin.delete(f"{where}/roles/land_officer").json()["roles"][0]["role"] == "registrar"
    again = admin.post("/v1/admin/staff", json={"login": "MINH", "full_name": "x", "office_id": office["office_id"]})
    assert (again.status_code, again.json()["code"]) == (409, "access.login_taken")
    assert (
        admin.post(f"/v1/admin/offices/{office['office_id']}/closure", json={"to_on": "2030-01-01"}).status_code == 409
    )
    assert admin.post(f"{where}/deactivation").json()["active"] is False
    first = admin.get("/v1/admin/staff?limit=1&inactive=true").json()
    assert [p["login"] for p in first["items"]] == ["minh"]
    assert [p["login"] for p in admin.get(first["next"]).json()["items"]] == ["quan.tri"]
    key = admin.post(
        "/v1/admin/keys", json={"name": "Cổng", "permissions": ["parcel:card"], "office_id": office["office_id"]}
    ).json()
    assert key["key"] not in admin.get("/v1/admin/keys").text
    assert admin.delete(f"/v1/admin/keys/{key['api_key_id']}").status_code == 204
    day = {"kind": "holiday", "name_vi": "Tết", "name_en": "Tet", "source": "thử"}
    assert admin.put("/v1/admin/holidays/2031-01-23", json=day).status_code == 200
    assert [d["name_vi"] for d in admin.get("/v1/admin/holidays?year=2031").json()["items"]] == ["Tết"]
    kinds = [event["kind"] for event in admin.get("/v1/admin/events").json()["items"]]
    assert {"staff_added", "role_granted", "reset_issued", "password_reset", "key_created", "key_revoked"} <= set(kinds)
    assert len(admin.get("/v1/admin/roles").json()) == len(ROLES)

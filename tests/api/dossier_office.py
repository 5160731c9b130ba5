"""A small province over HTTP: a desk, two branches, a tax office, the provincial office, and their people with bearer tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from fastapi.testclient import TestClient

from landdb.access import store as access
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.grant_role import grant_role
from landdb.access.passwords import hashed
from landdb.db.transaction import Database
from landdb.documents import render
from tests.api.access_office import PASSWORD, app_on, bearer, browser

PROCEDURE = "local.transfer"
NAME = "Nguyễn Thị Ẩn"
NUMBER = "094190012345"
APPLICANT = {"name": NAME, "identity": NUMBER, "phone": "0912345678", "address": "Ấp Đại Chí"}
PAPERS = [{"doc_type": "DDKBD"}, {"doc_type": "GCN"}]
OFFICES = {
    "H98.16.14": ("commune_desk", "Trung tâm Phục vụ hành chính công xã Đại Tâm"),
    "CN.A": ("branch", "Chi nhánh Mỹ Xuyên"),
    "CN.B": ("branch", "Chi nhánh Kế Sách"),
    "THUE": ("tax", "Thuế cơ sở 5"),
    "TINH": ("provincial_office", "Văn phòng Đăng ký đất đai"),
    "UBND": ("commune_committee", "Ủy ban nhân dân xã Đại Tâm"),
}
PEOPLE = {
    "lan": ("H98.16.14", "desk_officer"),
    "minh": ("CN.A", "registrar"),
    "hung": ("CN.A", "branch_head"),
    "tra": ("CN.B", "registrar"),
    "thue": ("THUE", "tax_officer"),
    "sep": ("TINH", "supervisor"),
    "sep2": ("TINH", "supervisor"),
}


def key() -> dict[str, str]:
    """A fresh key for one act."""
    return {"Idempotency-Key": str(uuid4())}


def pdf(text: str = "Một tờ giấy") -> bytes:
    """An innocent PDF."""
    import typst

    made: bytes = typst.compile(text.encode(), format="pdf", font_paths=render._fonts())
    return made


@dataclass
class Province:
    """The application, its offices by code, and its people as clients."""

    database: Database
    app: FastAPI
    offices: dict[str, int] = field(default_factory=dict)
    staff: dict[str, UUID] = field(default_factory=dict)
    clients: dict[str, TestClient] = field(default_factory=dict)

    def __getitem__(self, login: str) -> TestClient:
        """The person's client."""
        if login not in self.clients:
            self.clients[login] = browser(self.app)
            self.clients[login].headers.update(bearer(self.app, login))
        return self.clients[login]

    def receive(self, by: str = "lan", **said: Any) -> dict[str, Any]:
        """A dossier received at a desk."""
        body = {"procedure": PROCEDURE, "applicant": APPLICANT, "papers": PAPERS, "summary": "Chuyển nhượng", **said}
        answer = self[by].post("/v1/dossiers", json=body, headers=key())
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def offer(self, by: str, to: str, *dossiers: dict[str, Any]) -> list[dict[str, Any]]:
        """Hand dossiers over; the hand-overs."""
        body = {"dossier_ids": [d["dossier_id"] for d in dossiers], "to_office": to}
        answer = self[by].post("/v1/handovers", json=body, headers=key())
        assert answer.status_code == 201, answer.text
        return [row["handover"] for row in answer.json()["rows"]]

    def accept(self, by: str, handover: dict[str, Any]) -> dict[str, Any]:
        """Take one."""
        answer = self[by].post(f"/v1/handovers/{handover['handover_id']}/acceptance", headers=key())
        assert answer.status_code == 200, answer.text
        taken: dict[str, Any] = answer.json()
        return taken

    def move(self, by: str, to: str, taker: str, dossier: dict[str, Any]) -> dict[str, Any]:
        """Offer and accept."""
        return self.accept(taker, self.offer(by, to, dossier)[0])

    def step(self, by: str, dossier: dict[str, Any], action: str, **said: Any) -> dict[str, Any]:
        """A step that must succeed; the dossier after it."""
        path = f"/v1/dossiers/{dossier['dossier_id']}/steps"
        answer = self[by].post(path, json={"action": action, **said}, headers=key())
        assert answer.status_code == 200, answer.text
        after: dict[str, Any] = answer.json()
        return after

    def add_paper(self, by: str, dossier: dict[str, Any], name: str, content: bytes, doc_type: str = "GCN") -> Any:
        """Send a file as a paper; the answer."""
        return self[by].post(
            f"/v1/dossiers/{dossier['dossier_id']}/documents",
            files={"file": (name, content)},
            data={"doc_type": doc_type},
            headers=key(),
        )

    def get(self, by: str, dossier: dict[str, Any], more: str = "") -> Any:
        """Look at a dossier or a part of it."""
        return self[by].get(f"/v1/dossiers/{dossier['dossier_id']}{more}")


def province(database: Database, folder: Path, *, max_upload_mb: int = 4) -> Province:
    """The whole made-up province on a database of its own."""
    made = Province(database, app_on(database, folder, max_upload_mb=max_upload_mb))
    with database.begin() as tx:
        secret = hashed(PASSWORD)
        for code, (kind, name) in OFFICES.items():
            made.offices[code] = add_office(tx, code=code, name=name, kind=kind)
        for login, (office, role) in PEOPLE.items():
            staff_id = add_staff(tx, login=login, full_name=login.title(), office_id=made.offices[office])
            access.set_password_hash(tx, staff_id, secret, must_change=False)
            grant_role(tx, staff_id, role)
            made.staff[login] = staff_id
    return made

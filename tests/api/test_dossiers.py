"""Dossiers over HTTP: the whole road of one, what each is refused for, and that nobody else sees it."""

from __future__ import annotations

import datetime as dt
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import openpyxl
import pytest

from landdb.access.close_office import close_office
from landdb.access.deactivate_staff import deactivate_staff
from landdb.db.transaction import Database
from landdb.sealing.signer import TestSigner
from tests.api.access_office import browser
from tests.api.dossier_office import APPLICANT, NAME, NUMBER, PAPERS, PROCEDURE, Province, key, pdf, province


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Province:
    return province(database, tmp_path)


def test_the_road_from_the_desk_to_the_tax_office_and_back(here: Province) -> None:
    dossier = here.receive(external_ids={"portal": "000.00.14.H56-261122-0118"}, paper_place="Tủ 3")
    assert re.fullmatch(r"H98\.16\.14-\d{6}-0001", dossier["code"])
    assert (dossier["version"], dossier["stage"]["stage"], dossier["custody"]["state"]) == (1, "received", "held")
    assert dossier["custody"]["holder"]["code"] == "H98.16.14"
    assert (dossier["missing_papers"], dossier["warnings"]) == ([], [])
    assert dossier["external_ids"][0]["system"] == "portal"
    assert dossier["people"][0]["name"] == NAME
    assert here.move("lan", "CN.A", "minh", dossier)["state"] == "accepted"
    assert here.step("minh", dossier, "take_up")["stage"]["stage"] == "in_process"
    assert here.step("minh", dossier, "send_to_tax")["stage"]["pause_reason"] == "tax"
    here.move("minh", "THUE", "thue", dossier)
    assert here.step("thue", dossier, "tax_answered")["stage"]["stage"] == "in_process"
    here.move("thue", "CN.A", "minh", dossier)
    here.step("minh", dossier, "submit_for_signature")
    here.step("hung", dossier, "sign")
    assert here.add_paper("minh", dossier, "ket-qua.pdf", pdf("Kết quả"), "RESULT").status_code == 201
    assert here.step("minh", dossier, "prepare_result")["stage"]["national_status"] == 9
    here.move("minh", "H98.16.14", "lan", dossier)
    after = here.step("lan", dossier, "return_result")
    assert after["stage"]["stage"] == "closed"
    assert after["custody"]["epoch"] == 5
    assert after["closed_at"]
    assert after["actions"] == []
    kinds = [event["kind"] for event in here.get("lan", dossier, "/events").json()["events"]]
    assert kinds.count("offered") == kinds.count("accepted") == 4
    assert after["version"] == len(kinds)


def test_an_answer_has_its_version_and_its_actions(here: Province) -> None:
    dossier = here.receive()
    answer = here.get("lan", dossier)
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "private, no-store"
    offered = {action["action"]: action for action in answer.json()["actions"]}
    assert offered["ask_supplement"]["allowed"]
    assert offered["take_up"]["allowed"] is False
    assert offered["take_up"]["why_not"]
    english = here["lan"].get(answer.json()["links"]["self"], headers={"Accept-Language": "en"}).json()
    assert {a["action"]: a["name"] for a in english["actions"]}["take_up"] == "Take up"


def test_a_step_on_an_old_version_is_refused(here: Province) -> None:
    dossier = here.receive()
    path = f"/v1/dossiers/{dossier['dossier_id']}"
    here["lan"].post(f"{path}/notes", json={"body": "Đã gọi điện"}, headers=key())
    step = {"action": "ask_supplement", "reason": "papers_missing"}
    late = here["lan"].post(f"{path}/steps", json=step, headers={**key(), "If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "request.stale")
    odd = here["lan"].post(f"{path}/steps", json=step, headers={**key(), "If-Match": '"abc"'})
    assert (odd.status_code, odd.json()["code"]) == (400, "request.if_match_malformed")
    now = here["lan"].post(f"{path}/steps", json=step, headers={**key(), "If-Match": '"2"'})
    assert (now.status_code, now.json()["stage"]["stage"]) == (200, "wait_citizen")
    pauses = here.get("lan", dossier, "/deadlines").json()["pauses"]
    assert [pause["reason"] for pause in pauses] == ["supplement"]


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"procedure": "9.999999"}, 404, "procedure.unknown"),
        ({"papers": [{"doc_type": "DDKBD"}]}, 422, "dossier.paper_missing"),
        ({"applicant": {"name": " "}}, 422, "request.fields_wrong"),
        ({"parcel_id": str(uuid4())}, 422, "dossier.parcel_unknown"),
        ({"commune": "không có"}, 404, None),
        ({"papers": [*PAPERS, {"doc_type": "HDCQ", "upload_id": str(uuid4())}]}, 404, "dossier.upload_unknown"),
        ({"holder_office_id": 1}, 422, "request.fields_wrong"),
        ({"summary": "rỗng\x00"}, 400, "request.text_unstorable"),
        ({"external_ids": {f"s{n}": "1" for n in range(21)}}, 422, "request.fields_wrong"),
        ({"external_ids": {"portal": "1" * 201}}, 422, "request.fields_wrong"),
    ],
)
def test_what_is_not_received(here: Province, said: dict[str, Any], status: int, code: str | None) -> None:
    body = {"procedure": PROCEDURE, "applicant": APPLICANT, "papers": PAPERS, **said}
    answer = here["lan"].post("/v1/dossiers", json=body, headers=key())
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code
    assert NUMBER not in answer.text
    assert here["lan"].get("/v1/dossiers").json()["dossiers"] == []


def test_a_missing_paper_is_named_and_may_come_later(here: Province) -> None:
    body = {"procedure": PROCEDURE, "applicant": APPLICANT, "papers": [{"doc_type": "DDKBD"}]}
    refused = here["lan"].post("/v1/dossiers", json=body, headers=key()).json()
    assert "Giấy chứng nhận đã cấp" in refused["detail"]
    dossier = here.receive(papers=[{"doc_type": "DDKBD"}], accept_incomplete=True)
    assert [paper["doc_type"] for paper in dossier["missing_papers"]] == ["GCN"]
    assert dossier["actions"][0]["action"] == "ask_supplement"


def test_a_year_without_holidays_is_said(here: Province) -> None:
    with here.database.begin() as tx:  # before the first dossier: a process keeps the calendar for a minute
        tx.execute("DELETE FROM working_day_exception")
    dossier = here.receive()
    assert dossier["due_provisional"] is True
    assert dossier["warnings"][0]["code"] == "calendar.year_missing"
    assert dossier["warnings"][0]["title"] != "calendar.year_missing"


def test_the_clock_of_a_client_counts_for_nothing(here: Province) -> None:
    year_off = (dt.datetime.now(dt.UTC) - dt.timedelta(days=365)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    body = {"procedure": PROCEDURE, "applicant": APPLICANT, "papers": PAPERS}
    answer = here["lan"].post("/v1/dossiers", json=body, headers={**key(), "Date": year_off}).json()
    received = dt.datetime.fromisoformat(answer["received_at"])
    assert abs((dt.datetime.now(dt.UTC) - received).total_seconds()) < 600
    named = here["lan"].post("/v1/dossiers", json={**body, "received_at": "2025-01-01T00:00:00Z"}, headers=key())
    assert (named.status_code, named.json()["errors"][0]["code"]) == (422, "request.field_unknown")


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_act_on_a_dossier_takes_a_key(here: Province) -> None:
    dossier = here.receive()
    schema = here.app.openapi()
    walked = 0
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            if method == "get" or not path.startswith(("/v1/dossiers", "/v1/handovers", "/v1/force-moves")):
                continue
            walked += 1
            spelled = path.replace("{dossier_id}", dossier["dossier_id"]).replace("{document_id}", str(uuid4()))
            spelled = re.sub(r"\{\w+\}", str(uuid4()), spelled)
            client = here["sep" if "force" in path else "lan"]
            answer = client.request(method, spelled, json={})
            assert (answer.status_code, answer.json()["code"]) == (400, "request.idempotency_key_missing"), path
            headers = [p for p in operation["parameters"] if p["name"] == "Idempotency-Key"]
            assert [p["required"] for p in headers] == [True], path
    assert walked >= 15


def test_the_same_key_brings_the_same_bytes(here: Province) -> None:
    body = {"procedure": PROCEDURE, "applicant": APPLICANT, "papers": PAPERS}
    once = key()
    first, second = (here["lan"].post("/v1/dossiers", json=body, headers=once) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert len(here["lan"].get("/v1/dossiers").json()["dossiers"]) == 1
    other = here["lan"].post("/v1/dossiers", json={**body, "summary": "khác"}, headers=once)
    assert (other.status_code, other.json()["code"]) == (422, "request.idempotency_reused")


def test_a_refusal_is_kept_and_a_mended_call_may_use_its_key(here: Province) -> None:
    dossier = here.receive()
    path = f"/v1/dossiers/{dossier['dossier_id']}/steps"
    once = key()
    wrong = {"action": "sign"}
    first = here["lan"].post(path, json=wrong, headers=once)
    assert (first.status_code, first.json()["code"]) == (409, "dossier.action_refused")
    again = here["lan"].post(path, json=wrong, headers=once)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    mended = {"action": "ask_supplement", "reason": "papers_missing"}
    done = here["lan"].post(path, json=mended, headers=once)
    assert (done.status_code, done.json()["stage"]["stage"]) == (200, "wait_citizen")
    assert "idempotency-replayed" not in done.headers
    assert here["lan"].post(path, json=mended, headers=once).content == done.content
    late = here["lan"].post(path, json=wrong, headers=once)
    assert (late.status_code, late.json()["code"]) == (422, "request.idempotency_reused")


def test_who_lost_a_right_gets_no_kept_answer(here: Province) -> None:
    dossier = here.receive()
    path = f"/v1/dossiers/{dossier['dossier_id']}/notes"
    once = key()
    assert here["lan"].post(path, json={"body": "a"}, headers=once).status_code == 201
    with here.database.begin() as tx:
        deactivate_staff(tx, here.staff["lan"])
    assert here["lan"].post(path, json={"body": "a"}, headers=once).status_code == 401


# ── who sees what ───────────────────────────────────────────────────────────────────────────────────────────────────


def _gets(here: Province, dossier: dict[str, Any], paper: str) -> list[str]:
    """Every address of the interface under one dossier that is read, by the description of the interface itself."""
    paths = [path for path, item in here.app.openapi()["paths"].items() if "get" in item and "{dossier_id}" in path]
    assert len(paths) >= 8
    return [p.replace("{dossier_id}", dossier["dossier_id"]).replace("{document_id}", paper) for p in sorted(paths)]


def test_another_office_finds_nothing_on_any_route(here: Province) -> None:
    dossier = here.receive()
    paper = here.add_paper("lan", dossier, "gcn.pdf", pdf()).json()["document_id"]
    unknown = str(uuid4())
    for path in _gets(here, dossier, paper):
        assert here["lan"].get(path).status_code == 200, path
        assert here["sep"].get(path).status_code == 200, path
        for login in ("minh", "tra", "thue"):
            answer = here[login].get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "dossier.unknown"), (login, path)
            # The same body as for one that does not exist, but for the id that was asked for.
            missing = here[login].get(path.replace(dossier["dossier_id"], unknown))
            assert answer.text.replace(dossier["dossier_id"], unknown) == missing.text
    for login in ("minh", "tra", "thue"):
        for box in ("held", "incoming", "sent", "all-known", "overdue"):
            listed = here[login].get(f"/v1/dossiers?box={box}&q={dossier['code']}").json()
            assert listed["dossiers"] == [], (login, box)
        assert set(here[login].get("/v1/dossiers/boxes").json()["boxes"].values()) == {0}
        for act, body in (
            ("steps", {"action": "withdraw"}),
            ("notes", {"body": "x"}),
            ("assignment", {"staff_id": None}),
        ):
            answer = here[login].post(f"/v1/dossiers/{dossier['dossier_id']}/{act}", json=body, headers=key())
            assert (answer.status_code, answer.json()["code"]) == (404, "dossier.unknown"), (login, act)
    assert browser(here.app).get(f"/v1/dossiers/{dossier['dossier_id']}").status_code == 401


def test_the_receiver_of_an_offer_may_look_and_not_touch(here: Province) -> None:
    dossier = here.receive()
    here.offer("lan", "CN.A", dossier)
    assert here.get("minh", dossier).status_code == 200
    assert here.get("tra", dossier).status_code == 404
    note = here["minh"].post(f"/v1/dossiers/{dossier['dossier_id']}/notes", json={"body": "x"}, headers=key())
    assert (note.status_code, note.json()["code"]) == (409, "handover.dossier_not_held")
    sealed = here["lan"].post(f"/v1/dossiers/{dossier['dossier_id']}/notes", json={"body": "x"}, headers=key())
    assert (sealed.status_code, sealed.json()["code"]) == (409, "dossier.sealed")


def test_a_former_holder_follows_and_reads_nothing(here: Province) -> None:
    dossier = here.receive()
    paper = here.add_paper("lan", dossier, "gcn.pdf", pdf()).json()["document_id"]
    handover = here.move("lan", "CN.A", "minh", dossier)
    here.step("minh", dossier, "take_up", note="riêng của chi nhánh")
    timeline = here.get("lan", dossier, "/events")
    assert [event["kind"] for event in timeline.json()["events"]][:2] == ["received", "document_added"]
    assert "payload" not in timeline.text
    assert "staff" not in timeline.text
    assert "payload" in here.get("minh", dossier, "/events").text
    receipts = here.get("lan", dossier, "/receipts").json()["receipts"]
    assert {receipt["kind"] for receipt in receipts} == {"stored", "released"}
    assert {receipt["handover_id"] for receipt in receipts} == {handover["handover_id"]}
    for path in _gets(here, dossier, paper):
        followed = path.endswith(("/events", "/receipts"))
        assert here["lan"].get(path).status_code == (200 if followed else 404), path
    row = here["lan"].get("/v1/dossiers?box=all-known").json()["dossiers"][0]
    assert (row["code"], row["applicant"], row["assignee"]) == (dossier["code"], None, None)


def test_only_who_has_a_duty_writes(here: Province) -> None:
    dossier = here.receive()
    note = here["sep"].post(f"/v1/dossiers/{dossier['dossier_id']}/notes", json={"body": "x"}, headers=key())
    assert (note.status_code, note.json()["code"]) == (403, "access.permission_missing")
    received = here["thue"].post("/v1/dossiers", json={}, headers=key())
    assert received.status_code == 403


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_paged_and_comes_as_a_workbook(here: Province) -> None:
    codes = [here.receive(summary=f"số {n}")["code"] for n in range(5)]
    found, path = [], "/v1/dossiers?box=held&limit=2"
    while path:
        page = here["lan"].get(path).json()
        found += [row["code"] for row in page["dossiers"]]
        path = page["next"]
    assert sorted(found) == codes
    assert here["lan"].get("/v1/dossiers/boxes").json()["boxes"]["held"] == 5
    for asked in (
        here["lan"].get("/v1/dossiers?format=xlsx"),
        here["lan"].get(
            "/v1/dossiers",
            headers={"Accept": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
        ),
    ):
        rows = list(openpyxl.load_workbook(io.BytesIO(asked.content)).active.values)  # type: ignore[union-attr]
        assert sorted(row[rows[0].index("code")] for row in rows[1:]) == codes
        assert rows[1][rows[0].index("holder")].startswith("Trung tâm")
    by_name = here["lan"].get("/v1/dossiers?q=nguyen thi an").json()["dossiers"]
    assert len(by_name) == 5
    odd = here["lan"].get("/v1/dossiers?box=nothing")
    assert (odd.status_code, odd.json()["code"]) == (400, "dossier.box_unknown")
    assert here["lan"].get("/v1/dossiers?box=held&after=rubbish").json()["code"] == "dossier.after_malformed"
    events = here["lan"].get(f"/v1/dossiers/{page['dossiers'][0]['dossier_id']}/events?format=xlsx")
    assert list(openpyxl.load_workbook(io.BytesIO(events.content)).active.values)[1][2] == "received"  # type: ignore[union-attr]


def test_notes_fees_places_and_desks(here: Province) -> None:
    dossier = here.receive()
    base = f"/v1/dossiers/{dossier['dossier_id']}"
    assert (
        here["lan"].post(f"{base}/notes", json={"body": "Hẹn thứ Hai"}, headers=key()).json()["staff"]["name"] == "Lan"
    )
    fee = here["lan"].post(f"{base}/fees", json={"name": "Phí", "amount_vnd": 150000}, headers=key()).json()
    paid = here["lan"].post(f"{base}/fees/{fee['fee_id']}/payment", headers=key()).json()
    assert (fee["paid_at"], bool(paid["paid_at"])) == (None, True)
    twice = here["lan"].post(f"{base}/fees/{fee['fee_id']}/payment", headers=key())
    assert twice.status_code == 404
    moved = here["lan"].put(f"{base}/paper-place", json={"place": "Tủ 9"}, headers=key()).json()
    assert moved["paper_place"] == "Tủ 9"
    ids = here["lan"].post(f"{base}/external-ids", json={"system": "VBDLIS", "value": "HS-1"}, headers=key()).json()
    assert ids["external_ids"][0]["value"] == "HS-1"
    mine = here["lan"].post(f"{base}/assignment", json={"staff_id": str(here.staff["lan"])}, headers=key()).json()
    assert mine["assignee"]["name"] == "Lan"
    foreign = here["lan"].post(f"{base}/assignment", json={"staff_id": str(here.staff["minh"])}, headers=key())
    assert foreign.status_code in {403, 404}
    assert here["lan"].get("/v1/dossiers?box=mine").json()["dossiers"][0]["assignee"]["name"] == "Lan"
    assert [note["body"] for note in here["lan"].get(f"{base}/notes").json()["notes"]] == ["Hẹn thứ Hai"]
    assert here["lan"].get(f"{base}/fees").json()["fees"][0]["amount_vnd"] == 150000
    digest = here["lan"].get("/v1/dossiers/digest").json()
    assert digest["boxes"]["mine"] == 1


# ── papers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SCRIPT = b"\n".join(
    [
        b"%PDF-1.4",
        b"1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>endobj",
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj",
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj",
        b"xref",
        b"0 4",
        b"0000000000 65535 f ",
        b"0000000009 00000 n ",
        b"0000000096 00000 n ",
        b"0000000145 00000 n ",
        b"trailer<</Size 4/Root 1 0 R>>",
        b"startxref",
        b"204",
        b"%%EOF",
        b"",
    ]
)
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def test_a_paper_comes_back_as_it_was_added(here: Province) -> None:
    dossier, content = here.receive(), pdf("Giấy chứng nhận")
    added = here.add_paper("lan", dossier, "Giấy chứng nhận.pdf", content)
    assert added.status_code == 201, added.text
    paper = added.json()
    assert (paper["media_type"], paper["size_bytes"], paper["signature"]) == ("application/pdf", len(content), None)
    got = here["lan"].get(paper["links"]["content"])
    assert got.content == content
    assert got.headers["x-content-type-options"] == "nosniff"
    newer = (
        here["lan"]
        .post(
            f"/v1/dossiers/{dossier['dossier_id']}/documents",
            files={"file": ("b.pdf", pdf("Mới"))},
            data={"doc_type": "GCN", "supersedes": paper["document_id"]},
            headers=key(),
        )
        .json()
    )
    assert newer["version"] == 2
    assert [p["document_id"] for p in here.get("lan", dossier, "/documents").json()["documents"]] == [
        newer["document_id"]
    ]
    assert len(here.get("lan", dossier, "/documents?all_versions=true").json()["documents"]) == 2
    gone = here["lan"].delete(f"/v1/dossiers/{dossier['dossier_id']}/documents/{newer['document_id']}", headers=key())
    assert gone.status_code == 200


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("kich-ban.pdf", SCRIPT, 422, "dossier.document_dangerous"),
        ("virus.txt", EICAR, 422, "dossier.document_infected"),
        ("a.exe", b"MZ" + bytes(200), 415, "dossier.document_kind_refused"),
        ("a.html", b"<html><script>alert(1)</script>", 415, "dossier.document_kind_refused"),
        ("empty.pdf", b"", 415, "dossier.document_kind_refused"),
        ("to.pdf", b"%PDF-1.7\n" + bytes(5 << 20), 413, "request.too_large"),
    ],
)  # fmt: skip
def test_papers_that_are_refused(here: Province, name: str, content: bytes, status: int, code: str) -> None:
    dossier = here.receive()
    answer = here.add_paper("lan", dossier, name, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert here.get("lan", dossier, "/documents").json()["documents"] == []
    assert here.get("lan", dossier).json()["version"] == 1
    english = here["lan"].get(f"/problems/{code}", headers={"Accept-Language": "en"}).json()
    assert english["title"] != answer.json()["title"]


def test_bytes_after_a_signature_are_refused_and_a_sound_one_is_reported(here: Province, tmp_path: Path) -> None:
    dossier, plain, signed = here.receive(), tmp_path / "plain.pdf", tmp_path / "signed.pdf"
    plain.write_bytes(pdf("Hợp đồng"))
    now = dt.datetime.now(dt.UTC)
    signer = TestSigner.made("Công chứng viên", now - dt.timedelta(days=1), now + dt.timedelta(days=30))
    signer.sign(plain, signed, reason="Công chứng")
    sound = here.add_paper("lan", dossier, "hop-dong.pdf", signed.read_bytes(), "HDCQ")
    assert sound.status_code == 201, sound.text
    assert sound.json()["signature"]["signed"] is True
    assert sound.json()["signature"]["valid"] is False  # nobody here trusts this authority
    assert here["lan"].get(sound.json()["links"]["content"]).content == signed.read_bytes()
    tampered = here.add_paper("lan", dossier, "hop-dong.pdf", signed.read_bytes() + b"\n% them vao sau\n", "HDCQ")
    assert (tampered.status_code, tampered.json()["code"]) == (422, "dossier.document_dangerous")


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("thẻ.png", "thẻ.png"),
        ("thẻ.PNG", "thẻ.PNG"),
        ("giay-chung-nhan.hta", "giay-chung-nhan.hta.png"),  # a picture with a script behind it runs under such a name
        ("\u202egnp.exe", "gnp.exe.png"),
    ],
)
def test_a_paper_is_saved_under_the_ending_of_what_it_is(here: Province, name: str, saved: str) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(40) + b"<script>alert(1)</script>"
    paper = here.add_paper("lan", here.receive(), name, picture).json()
    got = here["lan"].get(paper["links"]["content"])
    assert got.headers["content-disposition"] == f"inline; filename*=UTF-8''{quote(saved)}"
    assert (got.headers["content-type"], got.headers["x-content-type-options"]) == ("image/png", "nosniff")


def test_a_nul_in_an_address_is_the_callers_fault(here: Province) -> None:
    for path in ("/v1/dossiers?q=%00", "/v1/dossiers?commune=%00", "/v1/procedures/a%00", "/static/v-x/%00"):
        answer = here["lan"].get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "request.text_unstorable"), path
    metadata = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": "filename YQBi"}
    assert here["lan"].post("/v1/uploads", headers=metadata).json()["code"] == "request.text_unstorable"


def test_two_gigabytes_are_refused_before_they_are_sent(here: Province) -> None:
    dossier = here.receive()
    headers = {**key(), "Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(2 << 30)}
    answer = here["lan"].post(f"/v1/dossiers/{dossier['dossier_id']}/documents", content=b"--x", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


def test_a_paper_needs_a_file_or_an_upload(here: Province) -> None:
    dossier = here.receive()
    path = f"/v1/dossiers/{dossier['dossier_id']}/documents"
    nothing = here["lan"].post(path, data={"doc_type": "GCN"}, headers=key())
    assert (nothing.status_code, nothing.json()["code"]) == (400, "request.file_or_upload_missing")
    odd = here["lan"].post(path, json={"upload_id": "x", "sha256": "0" * 64}, headers=key())
    assert (odd.status_code, odd.json()["code"]) == (422, "request.fields_wrong")
    assert {e["code"] for e in odd.json()["errors"]} == {"request.field_not_an_id", "request.field_unknown"}


def test_an_office_closed_by_law_takes_nothing_in(here: Province) -> None:
    dossier = here.receive()
    with here.database.begin() as tx:
        tx.execute(
            "UPDATE staff SET office_id = :b WHERE office_id = :a", a=here.offices["CN.A"], b=here.offices["CN.B"]
        )
        close_office(tx, here.offices["CN.A"], tx.today)
    body = {"dossier_ids": [dossier["dossier_id"]], "to_office": "CN.A"}
    answer = here["lan"].post("/v1/handovers", json=body, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (409, "handover.receiver_closed")


# ── the description of the interface ────────────────────────────────────────────────────────────────────────────────


def test_every_new_route_is_described_with_an_example(here: Province) -> None:
    ours = ("/v1/dossiers", "/v1/handovers", "/v1/force-moves", "/v1/keys", "/v1/uploads", "/v1/procedures")
    schemas = here.app.openapi()["components"]["schemas"]
    bare: list[str] = []
    walked = 0
    for path, item in here.app.openapi()["paths"].items():
        for method, operation in item.items():
            if not path.startswith(ours):
                continue
            walked += 1
            name = f"{method.upper()} {path}"
            assert operation["x-permission"], name
            assert operation["summary"], name
            answers = operation["responses"]
            shown = [c for s, a in answers.items() if s.startswith("2") for c in a.get("content", {}).values()]
            if "204" not in answers and not any("example" in content for content in shown):
                bare.append(f"{name}: answer")
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = content["schema"]
                body = schemas.get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
                multipart = "Body_" in schema.get("$ref", "")
                if not (multipart or "example" in content or body.get("examples")):
                    bare.append(f"{name}: body")
    assert bare == []
    assert walked > 35

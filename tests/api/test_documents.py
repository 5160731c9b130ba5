"""The papers that the office prints: what stands in them, in Vietnamese letters, and that the same facts give the same bytes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from landdb.db.transaction import Database
from landdb.documents import render
from landdb.documents.minutes import facts_of as minutes_of
from landdb.documents.receipt import facts_of as receipt_of
from landdb.documents.receipt import status_link
from landdb.dossier import store
from landdb.sealing.pdf import inspect_pdf
from tests.api.dossier_office import NAME, NUMBER, Province, key, province

AT = dt.datetime(2026, 11, 22, 3, 4, tzinfo=dt.UTC)
LETTERS = "ăâđêôơư ĂÂĐÊÔƠƯ áàảãạ ấầẩẫậ ắằẳẵặ éèẻẽẹ ếềểễệ íìỉĩị óòỏõọ ốồổỗộ ớờởỡợ úùủũụ ứừửữự ýỳỷỹỵ"
LETTERS += "ẤẦẨẪẬ ẾỀỂỄỆ ỐỒỔỖỘ ỚỜỞỠỢ ỨỪỬỮỰ ÝỲỶỸỴ"


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Province:
    return province(database, tmp_path)


def texts(value: Any) -> str:
    """All that a paper says, in one text."""
    if isinstance(value, dict):
        return " ".join(texts(each) for each in value.values())
    return " ".join(texts(each) for each in value) if isinstance(value, list) else str(value)


def drawn(letters: str, font: str) -> bytes:
    """A picture of a text in one font, without help from another."""
    import typst

    source = f'#set page(width: 600pt, height: 30pt)\n#set text(font: "{font}", fallback: false)\n#sys.inputs.text'
    made: bytes = typst.compile(
        source.encode(), format="png", sys_inputs={"text": letters}, font_paths=render._fonts(), ppi=60
    )
    return made


@pytest.mark.parametrize("font", ["Libertinus Serif"])
def test_the_fonts_that_come_along_have_every_letter(font: str) -> None:
    missing = drawn("\U000f1234", font)  # a sign that no font has
    assert [letter for letter in LETTERS.replace(" ", "") if drawn(letter, font) == missing] == []


def test_the_sheet_for_the_applicant(here: Province, tmp_path: Path) -> None:
    dossier = here.receive(
        papers=[{"doc_type": "DDKBD"}],
        accept_incomplete=True,
        proxy={"name": "Trần Văn *Bình* #1"},
        summary="Chuyển nhượng",
    )
    answer = here.get("lan", dossier, "/receipt.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert dossier["code"] in answer.headers["content-disposition"]
    assert answer.content == here.get("lan", dossier, "/receipt.pdf").content
    with here.database.begin() as tx:
        found = store.find_dossier(tx, dossier["code"])
        assert found is not None
        facts = receipt_of(tx, found, "http://testserver/")
    said = texts(facts)
    for part in (
        dossier["code"],
        NAME,
        "Trần Văn *Bình* #1",
        "0912345678",
        "Đơn đăng ký biến động",
        "Ấp Đại Chí",
        "Lan",
    ):
        assert part in said
    assert facts["missing"] == ["Giấy chứng nhận đã cấp"]
    assert NUMBER not in said
    due = dt.datetime.fromisoformat(dossier["due_at"])
    assert facts["due"] == render.moment(due)
    path = tmp_path / "sheet.pdf"
    path.write_bytes(answer.content)
    report = inspect_pdf(path)
    assert report.faults == ()
    assert len(render.png("receipt", facts)) == 1  # one sheet of paper


def test_the_code_leads_to_the_public_page_and_into_no_log() -> None:
    link = status_link("https://datdai.example.vn/", "H98.16.14-261122-0001")
    assert link == "https://datdai.example.vn/#ho-so=H98.16.14-261122-0001"
    assert render.qr_code(link).startswith("<svg")
    assert render.qr_code(link) != render.qr_code(link + "2")


def test_the_printed_address_is_a_setting(here: Province, tmp_path: Path) -> None:
    dossier = here.receive()
    first = here.get("lan", dossier, "/receipt.pdf").content
    here.app.state.settings = here.app.state.settings.model_copy(update={"public_address": "https://dat.example.vn/"})
    assert here.get("lan", dossier, "/receipt.pdf").content != first


def test_the_minutes_of_a_batch(here: Province) -> None:
    dossiers = [here.receive() for _ in range(3)]
    handovers = here.offer("lan", "CN.A", *dossiers)
    here.accept("minh", handovers[0])
    refused = {"reason_code": "papers_missing", "note": "riêng"}
    here["minh"].post(f"/v1/handovers/{handovers[1]['handover_id']}/refusal", json=refused, headers=key())
    minutes = [here[by].get(h["links"]["minutes"]).content for by in ("lan", "minh") for h in handovers]
    assert minutes[0].startswith(b"%PDF-1.7")
    assert len(set(minutes)) == 1  # one act, one paper, for both sides
    with here.database.begin() as tx:
        facts = minutes_of(tx, store.list_batch(tx, store.get_handover(tx, handovers[0]["handover_id"]).batch_id))
    assert [row["code"] for row in facts["rows"]] == sorted(d["code"] for d in dossiers)
    assert {row["sha256"] for row in facts["rows"]} == {h["manifest_sha256"] for h in handovers}
    assert sorted(row["state"] for row in facts["rows"]) == ["Chờ nhận", "Không nhận", "Đã nhận"]
    assert {row["reason"] for row in facts["rows"]} == {"", "Thiếu giấy tờ"}
    assert {row["kid"] for row in facts["keys"]} == {handovers[0]["seal_kid"], "register-1"}
    assert next(row["count"] for row in facts["keys"] if row["kid"] == "register-1") == 10
    assert NAME not in texts(facts)  # a former holder keeps this paper
    assert facts["closed_by"] == "Minh"


def test_two_hundred_rows_are_set_on_pages() -> None:
    row = {
        "code": "H98.16.14-261122-0001", "procedure": "Tách thửa", "stage": "Đang xử lý", "due": "30/11/2026",
        "sha256": "0123456789abcdef" * 4, "papers": 3, "state": "Đã nhận", "closed": "22/11/2026", "reason": "",
    }  # fmt: skip
    facts = {
        "number": "1", "above": "", "from_office": "A", "to_office": "B", "date": "", "offered": "", "offered_by": "",
        "closed_by": "", "tally": "", "note": "", "rows": [row] * 200, "keys": [],
    }  # fmt: skip
    assert len(render.png("minutes", facts)) > 10


def test_what_a_person_writes_is_text_and_no_program() -> None:
    facts = {"number": "#panic()", "rows": [], "keys": []} | dict.fromkeys(
        ("above", "from_office", "to_office", "date", "offered", "offered_by", "closed_by", "tally", "note"),
        '#read("/etc/passwd") $x$ `y` \\ // *z* @a <b>',
    )
    assert render.pdf("minutes", facts, AT).startswith(b"%PDF")

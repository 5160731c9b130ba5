"""Hand-overs over HTTP: batches with a verdict for each, races that have one winner, receipts that a stranger verifies."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import openpyxl
import pytest

from landdb.db.transaction import Database
from landdb.sealing.seal import check
from tests.api.access_office import bearer, browser
from tests.api.dossier_office import Province, key, pdf, province


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Province:
    return province(database, tmp_path)


def act(here: Province, by: str, handover: dict[str, Any], what: str, **body: Any) -> Any:
    """Answer an offer, or take it back."""
    said = {"json": body} if body else {}
    return here[by].post(f"/v1/handovers/{handover['handover_id']}/{what}", headers=key(), **said)


def test_a_batch_goes_with_a_verdict_for_each(here: Province) -> None:
    good, foreign, sent = here.receive(), here.receive(), here.receive()
    here.move("lan", "CN.A", "minh", foreign)
    here.offer("lan", "CN.B", sent)
    asked = {
        "codes": [good["code"], f" {good['code']} ", "H98.16.14-260101-9999", foreign["code"]],
        "dossier_ids": [sent["dossier_id"]],
        "to_office": here.offices["CN.A"],
    }
    dry = here["lan"].post("/v1/handovers", json={**asked, "dry_run": True}, headers=key())
    assert dry.status_code == 200
    verdicts = {row["asked"].strip(): row for row in dry.json()["rows"]}
    assert len(dry.json()["rows"]) == 4
    assert (verdicts[good["code"]]["allowed"], verdicts[good["code"]]["refusal"]) == (True, None)
    assert verdicts[sent["dossier_id"]]["refusal"]["code"] == "handover.already_offered"
    # Handed on long ago, and never there: the same words.
    unknown = verdicts["H98.16.14-260101-9999"]["refusal"]
    gone = verdicts[foreign["code"]]["refusal"]
    assert unknown["code"] == gone["code"] == "dossier.unknown"
    assert gone["detail"].replace(foreign["code"], "") == unknown["detail"].replace("H98.16.14-260101-9999", "")
    assert here["lan"].get("/v1/handovers?box=sent").json()["handovers"][0]["code"] == sent["code"]
    whole = here["lan"].post("/v1/handovers", json=asked, headers=key())
    assert whole.status_code == 404
    assert here["minh"].get("/v1/handovers").json()["handovers"] == []
    part = here["lan"].post("/v1/handovers", json={**asked, "partial": True}, headers=key())
    assert (part.status_code, part.json()["offered"], part.json()["refused"]) == (201, 1, 3)
    assert [h["code"] for h in here["minh"].get("/v1/handovers").json()["handovers"]] == [good["code"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"to_office": "CN.A"}, 422, "request.fields_wrong"),
        ({"to_office": "KHONG"}, 404, "access.office_unknown"),
        ({"to_office": True}, 422, "request.fields_wrong"),
        ({"to_office": "x" * 61}, 422, "request.fields_wrong"),
        ({"to_office": "CN\x00A"}, 400, "request.text_unstorable"),
        ({"to_office": 999_999_999_999}, 404, "access.office_unknown"),
        ({"to_office": "H98.16.14"}, 422, "handover.to_self"),
        ({"to_office": "UBND"}, 422, "handover.route_refused"),
        ({"to_office": "CN.A", "dossier_ids": [str(uuid4())]}, 404, "dossier.unknown"),
    ],
)
def test_offers_that_are_refused(here: Province, body: dict[str, Any], status: int, code: str) -> None:
    dossier = here.receive()
    if body != {"to_office": "CN.A"}:
        body = {"dossier_ids": [dossier["dossier_id"]], **body}
    answer = here["lan"].post("/v1/handovers", json=body, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert here.get("lan", dossier).json()["custody"]["state"] == "held"


def test_the_second_acceptance_names_the_first(here: Province) -> None:
    (handover,) = here.offer("lan", "CN.A", here.receive())
    once = key()
    path = f"/v1/handovers/{handover['handover_id']}/acceptance"
    first = here["minh"].post(path, headers=once)
    assert (first.status_code, first.json()["state"]) == (200, "accepted")
    colleague = act(here, "hung", handover, "acceptance")
    assert (colleague.status_code, colleague.json()["code"]) == (409, "handover.already_held")
    assert colleague.json()["params"]["winner"] == "accepted"
    assert colleague.json()["params"]["by"] == "Chi nhánh Mỹ Xuyên"
    again = here["minh"].post(path, headers=once)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


def test_a_loser_hears_the_same_when_asking_again(here: Province) -> None:
    dossier = here.receive()
    (first,) = here.offer("lan", "CN.A", dossier)
    assert act(here, "lan", first, "recall").json()["state"] == "recalled"
    once, path = key(), f"/v1/handovers/{first['handover_id']}/acceptance"
    late = here["minh"].post(path, headers=once)
    assert (late.status_code, late.json()["code"]) == (409, "handover.closed")
    assert (late.json()["params"]["winner"], late.json()["params"]["by"][:9]) == ("recalled", "Trung tâm")
    here.offer("lan", "CN.A", dossier)  # a new attempt does not turn the old answer
    again = here["minh"].post(path, headers=once)
    assert (again.content, again.headers["idempotency-replayed"]) == (late.content, "true")


def test_accept_and_recall_at_once_have_one_winner(here: Province) -> None:
    tokens = {login: bearer(here.app, login) for login in ("minh", "hung", "lan")}
    for _ in range(5):
        dossier = here.receive()
        (handover,) = here.offer("lan", "CN.A", dossier)
        gate, answers = threading.Barrier(3), {}

        def call(login: str, what: str, path: str = f"/v1/handovers/{handover['handover_id']}") -> None:
            client = browser(here.app)
            gate.wait()  # noqa: B023 - all threads end within the round
            answers[login] = client.post(f"{path}/{what}", headers={**tokens[login], **key()})  # noqa: B023

        calls = {"minh": "acceptance", "hung": "acceptance", "lan": "recall"}
        threads = [threading.Thread(target=call, args=each) for each in calls.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [login for login, answer in answers.items() if answer.status_code == 200]
        assert len(winners) == 1, {login: answer.text for login, answer in answers.items()}
        state = {"acceptance": "accepted", "recall": "recalled"}[calls[winners[0]]]
        for login in answers.keys() - set(winners):
            body = answers[login].json()
            assert answers[login].status_code == 409
            assert body["code"] in {"handover.closed", "handover.already_held"}
            assert body["params"]["winner"] == state


def test_who_is_no_party_finds_nothing(here: Province) -> None:
    (handover,) = here.offer("lan", "CN.A", here.receive())
    unknown = str(uuid4())
    paths = [p for p, item in here.app.openapi()["paths"].items() if "{handover_id}" in p and "get" in item]
    assert len(paths) == 3
    for path in paths:
        here_path = path.replace("{handover_id}", handover["handover_id"])
        for login in ("lan", "minh", "sep"):
            assert here[login].get(here_path).status_code == 200, (login, path)
        for login in ("tra", "thue"):
            answer = here[login].get(here_path)
            assert (answer.status_code, answer.json()["code"]) == (404, "handover.unknown")
            missing = here[login].get(path.replace("{handover_id}", unknown))
            assert answer.text.replace(handover["handover_id"], unknown) == missing.text
    for what, body in (("acceptance", {}), ("recall", {}), ("refusal", {"reason_code": "other"})):
        answer = act(here, "tra", handover, what, **body)
        assert (answer.status_code, answer.json()["code"]) == (404, "handover.unknown"), what
    assert act(here, "lan", handover, "acceptance").status_code == 404  # a party, and not the one who may
    assert act(here, "minh", handover, "recall").status_code == 404
    assert here["tra"].get("/v1/handovers?box=incoming").json()["handovers"] == []


def test_a_refusal_has_its_reason(here: Province) -> None:
    dossier = here.receive()
    (handover,) = here.offer("lan", "CN.A", dossier)
    odd = act(here, "minh", handover, "refusal", reason_code="just_so")
    assert (odd.status_code, odd.json()["code"]) == (422, "handover.reason_unknown")
    done = act(here, "minh", handover, "refusal", reason_code="papers_missing", note="Thiếu hợp đồng").json()
    assert (done["state"], done["reason_code"], done["reason_note"]) == ("refused", "papers_missing", "Thiếu hợp đồng")
    assert here.get("lan", dossier).json()["custody"]["state"] == "held"
    assert here.get("minh", dossier).status_code == 404


def test_many_are_taken_at_once(here: Province) -> None:
    handovers = here.offer("lan", "CN.A", here.receive(), here.receive(), here.receive())
    act(here, "lan", handovers[2], "recall")
    asked = {"handover_ids": [*(h["handover_id"] for h in handovers), str(uuid4())]}
    done = here["minh"].post("/v1/handovers/acceptance", json=asked, headers=key()).json()
    assert (done["accepted"], done["refused"]) == (2, 2)
    refusals = [row["refusal"] and row["refusal"]["code"] for row in done["rows"]]
    assert refusals == [None, None, "handover.closed", "handover.unknown"]
    assert len(here["minh"].get("/v1/dossiers?box=held").json()["dossiers"]) == 2


def test_an_office_closed_while_a_hand_over_lies_there(here: Province) -> None:
    dossier = here.receive()
    (handover,) = here.offer("lan", "CN.A", dossier)
    with here.database.begin() as tx:
        # The law closes the office; its people are still there.
        closing = "UPDATE office SET valid = daterange(NULL, :today) WHERE office_id = :id"
        tx.execute(closing, today=tx.today, id=here.offices["CN.A"])
    late = act(here, "minh", handover, "acceptance")
    assert (late.status_code, late.json()["code"]) == (409, "handover.receiver_closed")
    assert act(here, "lan", handover, "recall").status_code == 200
    again = here["lan"].post(
        "/v1/handovers", json={"dossier_ids": [dossier["dossier_id"]], "to_office": "CN.A"}, headers=key()
    )
    assert (again.status_code, again.json()["code"]) == (409, "handover.receiver_closed")


def test_lists_are_paged_and_come_as_workbooks(here: Province) -> None:
    dossiers = [here.receive() for _ in range(5)]
    here.offer("lan", "CN.A", *dossiers)
    found, path = [], "/v1/handovers?box=incoming&limit=2"
    while path:
        page = here["minh"].get(path).json()
        found += [row["code"] for row in page["handovers"]]
        path = page["next"]
    assert sorted(found) == sorted(d["code"] for d in dossiers)
    book = openpyxl.load_workbook(io.BytesIO(here["minh"].get("/v1/handovers?format=xlsx").content)).active
    assert len(list(book.values)) == 6  # type: ignore[union-attr]
    assert here["minh"].get("/v1/handovers?box=nothing").status_code == 422


def test_a_stranger_verifies_what_was_handed_over(here: Province) -> None:
    dossier = here.receive()
    here.add_paper("lan", dossier, "gcn.pdf", pdf())
    handover = here.move("lan", "CN.A", "minh", dossier)
    proof = here["minh"].get(handover["links"]["receipt"]).json()
    keys = {each["kid"]: each for each in browser(here.app).get("/v1/keys").json()["keys"]}
    assert keys == {each["kid"]: each for each in proof["keys"]}
    assert check(keys[proof["seal"]["kid"]], proof["seal"]["jws"], proof["manifest"].encode())
    assert json.loads(proof["manifest"])["items"][0]["name"] == "gcn.pdf"
    assert {receipt["kind"] for receipt in proof["receipts"]} == {"delivered", "granted"}
    for receipt in proof["receipts"]:
        assert check(keys[receipt["kid"]], receipt["jws"], receipt["body"].encode())
        assert not check(keys[receipt["kid"]], receipt["jws"], receipt["body"].replace("1", "2", 1).encode())
    assert {r["kind"] for r in here["lan"].get(handover["links"]["receipt"]).json()["receipts"]} == {
        "stored",
        "released",
    }


def test_the_single_file_verifier_takes_what_is_downloaded(here: Province, tmp_path: Path) -> None:
    handover = here.move("lan", "CN.A", "minh", here.receive())
    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    receipt.write_bytes(here["minh"].get(handover["links"]["receipt"]).content)
    keys.write_bytes(browser(here.app).get("/v1/keys").content)
    script = Path(__file__).resolve().parents[2] / "client" / "verify_receipt.py"

    def verified() -> int:
        return subprocess.run([sys.executable, script, receipt, keys], capture_output=True, check=False).returncode

    assert verified() == 0
    whole = json.loads(receipt.read_bytes())
    whole["manifest"] = whole["manifest"].replace("received", "recieved")
    receipt.write_text(json.dumps(whole))
    assert verified() == 4


def test_two_persons_move_by_force_what_lies_in_a_dead_office(here: Province) -> None:
    dossier = here.receive()
    here.move("lan", "CN.A", "minh", dossier)
    order = pdf("Quyết định điều chuyển")
    begun = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(order)), "Upload-Metadata": "filename cWQucGRm"}
    upload = here["sep"].post("/v1/uploads", headers=begun)
    sent = here["sep"].patch(
        upload.headers["location"],
        content=order,
        headers={"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
    )
    assert sent.status_code == 204, sent.text
    said = {
        "dossier_id": dossier["dossier_id"],
        "to_office": "CN.B",
        "reason_code": "office_unreachable",
        "reason_note": "Quyết định 12",
    }
    bare = here["sep"].post("/v1/force-moves", json=said, headers=key())
    assert (bare.status_code, bare.json()["code"]) == (422, "handover.force_order_missing")
    assert here["minh"].post("/v1/force-moves", json=said, headers=key()).status_code == 403
    asked = {**said, "upload_id": upload.json()["upload_id"]}
    proposed = here["sep"].post("/v1/force-moves", json=asked, headers=key())
    assert proposed.status_code == 201, proposed.text
    path = f"/v1/force-moves/{proposed.json()['force_move_id']}"
    alone = here["sep"].post(f"{path}/confirmation", headers=key())
    assert (alone.status_code, alone.json()["code"]) == (403, "handover.force_same_person")
    assert [m["force_move_id"] for m in here["sep2"].get("/v1/force-moves").json()["force_moves"]] == [path[-36:]]
    moved = here["sep2"].post(f"{path}/confirmation", headers=key()).json()
    assert (moved["state"], moved["to_office"]["code"]) == ("forced", "CN.B")
    assert here.get("tra", dossier).json()["custody"]["epoch"] == 3
    assert here.get("minh", dossier).status_code == 404
    gone = here["sep"].delete(path, headers=key())
    assert (gone.status_code, gone.json()["code"]) == (404, "handover.force_unknown")
    minutes = here["tra"].get(moved["links"]["minutes"])
    assert minutes.content.startswith(b"%PDF-")

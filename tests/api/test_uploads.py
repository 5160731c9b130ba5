"""Uploads that come in pieces (tus 1.0): what a client of that protocol relies on, and lines that break."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from fastapi import FastAPI

from landdb.db.transaction import Database
from tests.api.access_office import browser
from tests.api.dossier_office import Province, key, pdf, province

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Province:
    return province(database, tmp_path)


def described(**facts: str) -> str:
    """``Upload-Metadata``."""
    return ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in facts.items())


def begin(here: Province, size: int, by: str = "lan", **facts: str) -> Any:
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": described(**facts)}
    return here[by].post("/v1/uploads", headers=headers)


def send(here: Province, path: str, offset: int, content: bytes, by: str = "lan", **more: str) -> Any:
    return here[by].patch(path, content=content, headers={**PIECE, "Upload-Offset": str(offset), **more})


def test_what_the_server_can(here: Province) -> None:
    answer = browser(here.app).options("/v1/uploads")
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")
    assert answer.headers["tus-max-size"] == str(4 << 20)
    assert answer.headers["tus-extension"] == "creation,termination"


def test_a_file_in_pieces_becomes_a_paper(here: Province) -> None:
    dossier, content = here.receive(), pdf("Giấy chứng nhận")
    made = begin(here, len(content), filename="giấy chứng nhận.pdf", doc_type="GCN", dossier=dossier["dossier_id"])
    assert (made.status_code, made.headers["upload-offset"]) == (201, "0")
    path = made.headers["location"]
    third = len(content) // 3
    assert send(here, path, 0, content[:third]).headers["upload-offset"] == str(third)
    early = here["lan"].post(
        f"/v1/dossiers/{dossier['dossier_id']}/documents", json={"upload_id": made.json()["upload_id"]}, headers=key()
    )
    assert (early.status_code, early.json()["code"]) == (409, "dossier.upload_unfinished")
    looked = here["lan"].head(path, headers=TUS)
    assert (looked.headers["upload-offset"], looked.headers["upload-length"]) == (str(third), str(len(content)))
    assert looked.headers["cache-control"] == "no-store"
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    last = send(here, path, third, content[third:], **{"Repr-Digest": f"sha-256=:{digest}:"})
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(content)))
    assert here["lan"].get(path, headers=TUS).json()["sha256"] == hashlib.sha256(content).hexdigest()
    linked = here["lan"].post(
        f"/v1/dossiers/{dossier['dossier_id']}/documents", json={"upload_id": made.json()["upload_id"]}, headers=key()
    )
    assert linked.status_code == 201, linked.text
    paper = linked.json()
    assert (paper["name"], paper["doc_type"]) == ("giấy chứng nhận.pdf", "GCN")
    assert here["lan"].get(paper["links"]["content"]).content == content


def test_a_scan_may_come_before_its_dossier(here: Province) -> None:
    content = pdf()
    made = begin(here, len(content), filename="don.pdf")
    send(here, made.headers["location"], 0, content)
    papers = [{"doc_type": "DDKBD", "upload_id": made.json()["upload_id"]}, {"doc_type": "GCN"}]
    dossier = here.receive(papers=papers)
    assert [p["name"] for p in here.get("lan", dossier, "/documents").json()["documents"]] == ["don.pdf"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload-Length": "5"}, 412, "upload.version"),
        ({"Upload-Length": "5", "Tus-Resumable": "0.2.2"}, 412, "upload.version"),
        ({**TUS}, 400, "upload.length_missing"),
        ({**TUS, "Upload-Length": "-5"}, 400, "upload.length_missing"),
        ({**TUS, "Upload-Length": "9" * 30}, 400, "upload.length_missing"),
        ({**TUS, "Upload-Length": str(2 << 30)}, 413, "file.too_large"),
        ({**TUS, "Upload-Length": "5", "Upload-Metadata": "filename ###"}, 400, "upload.metadata_malformed"),
        ({**TUS, "Upload-Length": "5", "Upload-Metadata": described(dossier="7")}, 400, "upload.metadata_malformed"),
        ({**TUS, "Upload-Length": "5", "Upload-Metadata": described(dossier=str(uuid4()))}, 404, "dossier.unknown"),
    ],
)
def test_beginnings_that_are_refused(here: Province, headers: dict[str, str], status: int, code: str) -> None:
    answer = here["lan"].post("/v1/uploads", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    with here.database.begin() as tx:
        assert tx.execute("SELECT count(*) FROM upload").scalar_one() == 0


def test_pieces_that_do_not_fit(here: Province) -> None:
    path = begin(here, 10, filename="a.pdf").headers["location"]
    assert send(here, path, 0, b"01234").status_code == 204
    for offset, content, more, status, code in (
        (0, b"01234", {}, 409, "dossier.upload_offset"),
        (7, b"7", {}, 409, "dossier.upload_offset"),
        (5, b"567890", {}, 413, "file.too_large"),
        (5, b"5", {"Content-Type": "text/plain"}, 415, "upload.piece_type"),
        (5, b"5", {"Repr-Digest": "md5=:x:"}, 400, "upload.digest_malformed"),
    ):
        answer = send(here, path, offset, content, **more)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (offset, content)
        assert here["lan"].head(path, headers=TUS).headers["upload-offset"] == "5"
    missing = here["lan"].patch(path, content=b"5", headers=PIECE)
    assert (missing.status_code, missing.json()["code"]) == (400, "upload.offset_missing")
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    answer = send(here, path, 5, b"56789", **{"Repr-Digest": f"sha-256=:{wrong}:"})
    assert (answer.status_code, answer.json()["code"]) == (422, "file.hash_mismatch")


def test_an_upload_is_its_owners_alone(here: Province) -> None:
    content = pdf()
    made = begin(here, len(content), filename="a.pdf")
    path = made.headers["location"]
    send(here, path, 0, content)
    dossier = here.receive()
    here.move("lan", "CN.A", "minh", dossier)
    for answer in (
        here["minh"].get(path, headers=TUS),
        send(here, path, len(content), b"x", by="minh"),
        here["minh"].delete(path, headers=TUS),
        here["minh"].post(
            f"/v1/dossiers/{dossier['dossier_id']}/documents",
            json={"upload_id": made.json()["upload_id"], "doc_type": "GCN"},
            headers=key(),
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "dossier.upload_unknown")
    assert browser(here.app).get(path, headers=TUS).status_code == 401
    assert here["lan"].delete(path, headers=TUS).status_code == 204
    assert here["lan"].head(path, headers=TUS).status_code == 404


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[int]:
    """The application behind a real socket; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(20)


def test_a_line_that_breaks_costs_only_what_had_not_come(here: Province) -> None:
    content = pdf("Bản đồ") + bytes(700_000)
    path = begin(here, len(content), filename="a.zip").headers["location"]
    cut = 300_000
    with served(here.app) as port:
        with socket.create_connection(("127.0.0.1", port)) as line:
            head = [
                f"PATCH {path} HTTP/1.1",
                "Host: x",
                f"Authorization: {here['lan'].headers['authorization']}",
                f"Content-Length: {len(content)}",
                "Upload-Offset: 0",
                *(f"{name}: {value}" for name, value in PIECE.items()),
            ]
            line.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + content[:cut])
        offset = 0
        for _ in range(200):  # the server hears of the cut some time after
            offset = int(here["lan"].head(path, headers=TUS).headers["upload-offset"])
            if offset == cut:
                break
            time.sleep(0.05)
    assert offset == cut
    for _ in range(200):  # until the broken call has let go of the file
        answer = send(here, path, offset, content[offset:])
        if answer.status_code != 409:
            break
        time.sleep(0.05)
    assert answer.status_code == 204, answer.text
    assert here["lan"].get(path, headers=TUS).json()["sha256"] == hashlib.sha256(content).hexdigest()

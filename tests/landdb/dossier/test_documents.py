"""Papers: what they are by content, what is refused, versions and signatures, uploads that are cut, and nothing half linked."""

from __future__ import annotations

import hashlib
import io
import socket
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from landdb.db.transaction import Tx
from landdb.dossier import store, upload
from landdb.dossier.add_document import add_document, withdraw_document
from landdb.dossier.add_order import add_order
from landdb.dossier.examine import media_type_of
from landdb.dossier.model import (
    Document,
    DocumentDangerous,
    DocumentInfected,
    DocumentKindRefused,
    DocumentUnknown,
    DossierUnknown,
    TextMissing,
    UploadOffsetWrong,
    UploadUnfinished,
    UploadUnknown,
)
from landdb.dossier.scan import ClamdScanner, NoScanner, Scan, ScannerUnavailable, scanner_at
from landdb.files import FileStore, FileUnknown, HashMismatch, UploadTooLarge
from tests.dossier_make import KEYS
from tests.landdb.dossier.desk import PNG, Work, keep, work

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@pytest.fixture
def here(tx: Tx) -> Work:
    return work(tx)


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def pdf(root: bytes = b"") -> bytes:
    """A PDF of one empty page, with more members of its root."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R " + root + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>",
    ]
    out, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 4\n0000000000 65535 f \n%strailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(out),
    )


def packed(**entries: bytes | str) -> bytes:
    """An archive with these entries; ``__`` in a name stands for a slash, a trailing ``_x`` for a suffix."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return out.getvalue()


def add(
    here: Work, files: FileStore, content: bytes, dossier_id: UUID, name: str = "giay.pdf", **said: Any
) -> Document:
    return add_document(
        here.by(here.places.clerk),
        KEYS,
        dossier_id,
        name,
        said.pop("doc_type", "DON"),
        keep(files, name, content),
        files=files,
        **said,
    )


# ── what a paper is ─────────────────────────────────────────────────────────────────────────────────────────────────

KINDS: dict[str, tuple[bytes, str]] = {
    "pdf": (pdf(), "application/pdf"),
    "pdf behind a mark": (b"\xef\xbb\xbf" + pdf(), "application/pdf"),
    "png": (PNG, "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
    "tiff": (b"II*\x00" + bytes(20), "image/tiff"),
    "tiff of the other order": (b"MM\x00*" + bytes(20), "image/tiff"),
    "docx": (
        packed(word__document_dot_xml="<x/>"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    "xlsx": (packed(xl__workbook_dot_xml="<x/>"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "zip": (packed(thua_dot_shp=b"x"), "application/zip"),
    "dxf": (b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "image/vnd.dxf"),
    "dxf with a comment": (b"999\nfrom somewhere\n  0\nSECTION\n", "image/vnd.dxf"),
    "dxf in binary": (b"AutoCAD Binary DXF\r\n\x1a\x00", "image/vnd.dxf"),
    "dgn": (b"\x08\x09\xfe\x02" + bytes(20), "image/vnd.dgn"),
    "gpkg": (b"SQLite format 3\x00" + bytes(52) + b"GPKG" + bytes(20), "application/geopackage+sqlite3"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_read_from_the_bytes(kind: str, tmp_path: Path) -> None:
    content, media_type = KINDS[kind]
    (tmp_path / "giay.exe").write_bytes(content)
    assert media_type_of(tmp_path / "giay.exe", "giay.exe") == media_type


REFUSED: dict[str, tuple[bytes, type[Exception], str]] = {
    "empty": (b"", DocumentKindRefused, "empty"),
    "text": (b"xin chao", DocumentKindRefused, "octet"),
    "html": (b"<!DOCTYPE html><script>", DocumentKindRefused, "html"),
    "html before a pdf": (b"<html>" + pdf(), DocumentKindRefused, "html"),
    "svg": (b"<svg onload=1>", DocumentKindRefused, "html"),
    "old office": (b"\xd0\xcf\x11\xe0" + bytes(600), DocumentKindRefused, "ole"),
    "program": (b"MZ" + bytes(80), DocumentKindRefused, "dosexec"),
    "other sqlite": (b"SQLite format 3\x00" + bytes(90), DocumentKindRefused, "octet"),
    "cut zip": (packed(a_dot_txt="x")[:-10], DocumentKindRefused, "zip"),
    "macro": (
        packed(xl__workbook_dot_xml="<x/>", xl__vbaProject_dot_bin=b"x"),
        DocumentDangerous,
        "macro",
    ),
    "program in a zip": (packed(thua_dot_shp=b"x", chay_dot_EXE=b"MZ"), DocumentDangerous, "program"),
    "remote template": (
        packed(
            word__document_dot_xml="<x/>",
            word___rels__settings_dot_xml_dot_rels='<R Type="x/attachedTemplate" TargetMode="External" Target="http://x"/>',
        ),
        DocumentDangerous,
        "template",
    ),
    "script": (pdf(b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"), DocumentDangerous, "javascript"),
    "launch": (pdf(b"/OpenAction << /S /Launch /F (calc.exe) >>"), DocumentDangerous, "launch"),
    "broken pdf": (b"%PDF-1.7\nnothing", DocumentDangerous, "unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_leaves_neither_row_nor_bytes(here: Work, files: FileStore, what: str) -> None:
    content, error, said = REFUSED[what]
    dossier = here.receive()
    with pytest.raises(error) as refusal:
        add(here, files, content, dossier.dossier_id)
    assert said in repr(refusal.value.params)  # type: ignore[attr-defined]
    assert here.ask("SELECT 1 FROM document UNION ALL SELECT 1 FROM blob") == []
    assert [p for p in files.root.rglob("*") if p.is_file()] == []
    assert here.get(dossier).event_no == dossier.event_no


# ── adding, replacing, taking out ───────────────────────────────────────────────────────────────────────────────────


def test_a_paper_is_linked_by_its_content_and_the_history_names_no_file(here: Work, files: FileStore) -> None:
    dossier = here.receive()
    content = pdf()
    document = add(here, files, content, dossier.dossier_id, name="../../Đơn của bà Ánh.pdf")
    assert (document.sha256, document.name) == (hashlib.sha256(content).hexdigest(), "Đơn của bà Ánh.pdf")
    assert (document.media_type, document.state, document.signature) == ("application/pdf", "verified", None)
    assert store.list_documents(here.tx, dossier.dossier_id) == [document]
    assert files.path(document.sha256).read_bytes() == content
    event = store.list_events(here.tx, dossier.dossier_id)[-1]
    assert (event.kind, event.payload["sha256"]) == ("document_added", document.sha256)
    assert "Ánh" not in repr(event.payload)
    assert here.ask("SELECT scan_result FROM blob") == [{"scan_result": None}]  # it says that nobody looked


def test_a_newer_version_replaces_and_both_stay(here: Work, files: FileStore) -> None:
    dossier_id = here.receive().dossier_id
    first = add(here, files, pdf(), dossier_id)
    second = add(here, files, PNG, dossier_id, supersedes=first.document_id)
    assert (second.version, second.supersedes_id) == (2, first.document_id)
    assert [d.document_id for d in store.list_documents(here.tx, dossier_id)] == [second.document_id]
    assert len(store.list_documents(here.tx, dossier_id, all_versions=True)) == 2
    with pytest.raises(DocumentUnknown):
        add(here, files, pdf(b"/A 1"), dossier_id, supersedes=first.document_id)
    withdraw_document(here.by(here.places.clerk), dossier_id, second.document_id)
    assert [d.document_id for d in store.list_documents(here.tx, dossier_id)] == [first.document_id]
    with pytest.raises(DocumentUnknown):
        withdraw_document(here.by(here.places.clerk), dossier_id, second.document_id)
    kinds = [e.kind for e in store.list_events(here.tx, dossier_id)]
    assert kinds == ["received", "document_added", "document_added", "document_withdrawn"]


def test_the_same_bytes_in_two_dossiers_are_kept_once(here: Work, files: FileStore) -> None:
    one, other = here.receive().dossier_id, here.receive().dossier_id
    add(here, files, PNG, one)
    add(here, files, PNG, other)
    assert here.ask("SELECT count(*) AS n FROM blob") == [{"n": 1}]
    assert here.ask("SELECT count(*) AS n FROM document") == [{"n": 2}]


def test_only_the_holder_adds_and_a_paper_of_another_dossier_is_unknown(here: Work, files: FileStore) -> None:
    dossier_id = here.receive().dossier_id
    with pytest.raises(DossierUnknown):
        add_document(
            here.by(here.places.officer), KEYS, dossier_id, "a.png", "DON", keep(files, "a.png", PNG), files=files
        )
    document = add(here, files, PNG, dossier_id)
    with pytest.raises(DocumentUnknown):
        store.get_document(here.tx, here.receive().dossier_id, document.document_id)
    with pytest.raises(TextMissing):
        add(here, files, PNG, dossier_id, doc_type="  ")


def test_a_signed_pdf_keeps_its_report_and_its_bytes(
    here: Work, files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datetime as dt

    from landdb.config import Settings
    from landdb.dossier import add_document as module
    from landdb.sealing.pdf import TestSigner

    year = dt.timedelta(days=365)
    signer = TestSigner.made("Nguyễn Thị Ký", here.tx.now - year, here.tx.now + 3 * year)
    (tmp_path / "plain.pdf").write_bytes(pdf())
    signer.sign(tmp_path / "plain.pdf", tmp_path / "signed.pdf", reason="thử")
    content = (tmp_path / "signed.pdf").read_bytes()
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "ca.pem").write_bytes(signer.authority_pem)
    dossier_id = here.receive().dossier_id
    unknown = add(here, files, content, dossier_id)
    assert unknown.signature is not None
    assert unknown.signature["valid"] is False  # nobody vouches for who signed
    monkeypatch.setattr(module, "settings", lambda: Settings(trust_folder=tmp_path / "trusted"))
    known = add(here, files, content, dossier_id)
    assert known.signature is not None
    assert known.signature["valid"] is True
    assert store.get_document(here.tx, dossier_id, known.document_id).signature == known.signature
    assert files.path(known.sha256).read_bytes() == content
    with pytest.raises(DocumentDangerous) as refusal:
        add(here, files, content + b"more", dossier_id)
    assert "after_signature" in refusal.value.params["found"]


# ── scanning ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_test_virus_goes_to_quarantine_and_is_never_linked(here: Work, files: FileStore) -> None:
    dossier_id = here.receive().dossier_id
    with pytest.raises(DocumentInfected):
        add(here, files, EICAR, dossier_id)
    digest = hashlib.sha256(EICAR).hexdigest()
    with pytest.raises(FileUnknown):
        files.path(digest)
    assert (files.root / "quarantine" / digest).is_file()
    assert here.ask("SELECT 1 FROM document UNION ALL SELECT 1 FROM blob") == []


def test_what_a_later_scanner_finds_in_papers_already_linked_stays_where_it_is(here: Work, files: FileStore) -> None:
    class Stern:
        def scan(self, path: Path) -> Scan:
            return Scan("Trojan", "stern")

    one, other = here.receive().dossier_id, here.receive().dossier_id
    document = add(here, files, PNG, one)
    with pytest.raises(DocumentInfected):
        add(here, files, PNG, other, scanner=Stern())
    assert files.path(document.sha256).is_file()


@contextmanager
def clamd(folder: Path, answer: bytes) -> Iterator[tuple[Path, list[bytes]]]:
    """A daemon that takes one file and answers."""
    address, got = folder / "clamd.sock", [b""]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(str(address))
        door.listen(1)

        def serve() -> None:
            line, _ = door.accept()
            with line, line.makefile("rb") as stream:
                assert stream.read(10) == b"zINSTREAM\x00"
                while size := struct.unpack("!L", stream.read(4))[0]:
                    got[0] += stream.read(size)
                line.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield address, got
        thread.join()


@pytest.mark.parametrize(
    ("answer", "scan"),
    [
        (b"stream: OK\x00", Scan(None, "clamd: OK")),
        (b"stream: Eicar-Signature FOUND\x00", Scan("Eicar-Signature", "clamd: Eicar-Signature FOUND")),
    ],
)
def test_the_daemon_gets_the_bytes_and_its_word_counts(tmp_path: Path, answer: bytes, scan: Scan) -> None:
    path = tmp_path / "giay"
    path.write_bytes(b"x" * 3_000_000)
    with clamd(tmp_path, answer) as (address, got):
        assert scanner_at(address).scan(path) == scan
    assert got[0] == path.read_bytes()


def test_a_daemon_that_is_away_or_lost_lets_nothing_through(here: Work, files: FileStore, tmp_path: Path) -> None:
    dossier_id = here.receive().dossier_id
    with pytest.raises(ScannerUnavailable):
        add(here, files, PNG, dossier_id, scanner=ClamdScanner(tmp_path / "nobody.sock"))
    path = tmp_path / "giay"
    path.write_bytes(PNG)
    with clamd(tmp_path, b"stream: size limit exceeded. ERROR\x00") as (address, _), pytest.raises(ScannerUnavailable):
        ClamdScanner(address).scan(path)
    assert here.ask("SELECT 1 FROM document") == []
    assert isinstance(scanner_at(None), NoScanner)
    assert isinstance(scanner_at(Path()), NoScanner)  # the setting stands there, empty


# ── uploads in pieces ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_upload_cut_and_continued_becomes_a_paper(here: Work, files: FileStore) -> None:
    clerk, dossier_id = here.by(here.places.clerk), here.receive().dossier_id
    content = pdf(b"/X (" + b"a" * 5_000 + b")")
    begun = upload.begin_upload(
        clerk, files, "don.pdf", len(content), max_bytes=1 << 20, dossier_id=dossier_id, doc_type="DON"
    )
    assert upload.take_piece(files, begun, 0, io.BytesIO(content[:1000])) == 1000
    assert upload.note_progress(clerk, files, begun.upload_id).sha256 is None
    with pytest.raises(UploadUnfinished):
        upload.finished(clerk, begun.upload_id)
    for wrong in (0, 999, 1001):
        with pytest.raises(UploadOffsetWrong) as refusal:
            upload.take_piece(files, begun, wrong, io.BytesIO(b"x"))
        assert refusal.value.params == {"expected": 1000, "found": wrong}
    assert upload.arrived(files, begun) == 1000
    assert upload.take_piece(files, begun, 1000, io.BytesIO(content[1000:])) == len(content)
    done = upload.note_progress(clerk, files, begun.upload_id, sha256=hashlib.sha256(content).hexdigest())
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert done.finished_at == here.tx.now
    stored = upload.finished(clerk, begun.upload_id)
    document = add_document(clerk, KEYS, dossier_id, stored.name, "DON", stored, files=files)
    assert files.path(document.sha256).read_bytes() == content
    assert upload.note_progress(clerk, files, begun.upload_id) == done  # asked again, it is still so
    with pytest.raises(UploadOffsetWrong):
        upload.take_piece(files, done, len(content), io.BytesIO(b"x"))


def test_what_came_before_the_line_broke_counts(here: Work, files: FileStore) -> None:
    class Line(io.RawIOBase):
        pieces = [b"abc", b"def"]  # noqa: RUF012

        def read(self, size: int = -1) -> bytes:
            if not self.pieces:
                raise ConnectionResetError
            return self.pieces.pop(0)

    begun = upload.begin_upload(here.by(here.places.clerk), files, "a.pdf", 100, max_bytes=100)
    with pytest.raises(ConnectionResetError):
        upload.take_piece(files, begun, 0, Line())  # type: ignore[arg-type]
    assert upload.arrived(files, begun) == 6


def test_a_file_above_the_limit_is_refused_before_a_byte_comes_and_more_than_announced_when_it_does(
    here: Work, files: FileStore
) -> None:
    clerk = here.by(here.places.clerk)
    with pytest.raises(UploadTooLarge) as refusal:
        upload.begin_upload(clerk, files, "anh.tif", 3 << 30, max_bytes=2 << 30)
    assert refusal.value.params == {"file": "anh.tif", "limit": "2048 MB"}
    begun = upload.begin_upload(clerk, files, "a.pdf", 10, max_bytes=1 << 20)
    with pytest.raises(UploadTooLarge):
        upload.take_piece(files, begun, 0, io.BytesIO(bytes(11)))
    assert upload.arrived(files, begun) == 0


def test_an_upload_is_its_callers_own(here: Work, files: FileStore) -> None:
    begun = upload.begin_upload(here.by(here.places.clerk), files, "a.pdf", 3, max_bytes=100)
    stranger = here.by(here.places.second_clerk)
    for act in (upload.find, upload.finished):
        with pytest.raises(UploadUnknown):
            act(stranger, begun.upload_id)
    with pytest.raises(UploadUnknown):
        upload.note_progress(stranger, files, begun.upload_id)
    with pytest.raises(UploadUnknown):
        upload.give_up(stranger, files, begun.upload_id)
    with pytest.raises(DossierUnknown):
        upload.begin_upload(
            here.by(here.places.officer), files, "a", 1, max_bytes=9, dossier_id=here.receive().dossier_id
        )
    upload.give_up(here.by(here.places.clerk), files, begun.upload_id)
    with pytest.raises(UploadUnknown):
        upload.arrived(files, begun)


def test_bytes_that_are_not_those_announced_are_thrown_away(here: Work, files: FileStore) -> None:
    clerk = here.by(here.places.clerk)
    begun = upload.begin_upload(clerk, files, "a.pdf", 3, max_bytes=100)
    upload.take_piece(files, begun, 0, io.BytesIO(b"abc"))
    with pytest.raises(HashMismatch):
        upload.note_progress(clerk, files, begun.upload_id, sha256="0" * 64)
    assert [p for p in files.root.rglob("*") if p.is_file()] == []


def test_what_nobody_finishes_in_a_week_is_given_up(here: Work, files: FileStore) -> None:
    import datetime as dt

    begun = upload.begin_upload(here.by(here.places.clerk), files, "a.pdf", 3, max_bytes=100)
    here.go(here.tx.now + dt.timedelta(days=6))
    assert upload.sweep_uploads(here.tx, files) == 0
    here.go(here.tx.now + dt.timedelta(days=2))
    assert upload.sweep_uploads(here.tx, files) == 1
    with pytest.raises(UploadUnknown):
        upload.arrived(files, begun)


def test_nobody_waits_for_a_dossier_while_an_order_is_scanned(here: Work, files: FileStore) -> None:
    class Slow:
        waited = "never scanned"

        def scan(self, path: Path) -> Scan:
            self.waited = here.tx.execute("SHOW lock_timeout").scalar_one()  # it is set with the lock
            return NoScanner().scan(path)

    dossier = here.receive()
    here.tx.execute("SET LOCAL lock_timeout = 0")
    scanner = Slow()
    supervisor = here.by(here.places.supervisor)
    add_order(supervisor, dossier.dossier_id, keep(files, "quyet-dinh.pdf", pdf()), files=files, scanner=scanner)
    assert scanner.waited == "0"
    assert here.tx.execute("SHOW lock_timeout").scalar_one() == "5s"

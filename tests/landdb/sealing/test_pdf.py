"""PDFs made here, byte by byte: what each kind of fault looks like, signatures that hold and signatures that do not."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import random
import socket
from io import BytesIO
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from landdb.sealing import pdf as module
from landdb.sealing.pdf import FAULTS, PdfReport, TestSigner, TrustUnreadable, inspect_pdf

NOW = dt.datetime.now(dt.UTC)
YEAR = dt.timedelta(days=365)


def plain(extra: dict[int, bytes] | None = None, root: bytes = b"") -> bytes:
    """A PDF of one empty page, written by hand, with more objects and more members of its root."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R " + root + b" >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << >> >>",
        4: b"<< /Length 0 >>\nstream\n\nendstream",
        **(extra or {}),
    }
    out, places = BytesIO(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), {}
    out.seek(0, 2)
    for number, content in sorted(objects.items()):
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    size = max(objects) + 1
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    for number in range(1, size):
        out.write(b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n")
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start))
    return out.getvalue()


def packed(hidden: generic.DictionaryObject) -> bytes:
    """A PDF whose object lies in a compressed stream, where nobody finds it by looking for a word."""
    writer = PdfFileWriter(stream_xrefs=True)
    writer.insert_page(PageObject(writer.add_object(generic.StreamObject(stream_data=b"")), (0, 0, 595, 842)))
    writer.add_object(hidden, obj_stream=writer.prepare_object_stream())
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def stored(folder: Path, content: bytes, name: str = "paper.pdf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def signer() -> TestSigner:
    return TestSigner.made("Nguyễn Thị Ký", NOW - YEAR, NOW + YEAR)


@pytest.fixture
def trusted(tmp_path: Path, signer: TestSigner) -> Path:
    """A folder that trusts the signer's authority."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "authority.pem").write_bytes(signer.authority_pem)
    (folder / "README.txt").write_text("not a certificate")
    return folder


@pytest.fixture
def signed(tmp_path: Path, signer: TestSigner) -> Path:
    target = tmp_path / "signed.pdf"
    signer.sign(stored(tmp_path, plain()), target, reason="Ký thử")
    return target


# ── what it carries ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plain_pdf_is_unsigned_and_without_fault(tmp_path: Path) -> None:
    assert inspect_pdf(stored(tmp_path, plain())) == PdfReport(False, None, (), ())


JS = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
CARRIED: dict[str, tuple[bytes, set[str]]] = {
    "a script at opening": (plain(root=b"/OpenAction " + JS), {"javascript"}),
    "a script in an object of its own": (plain({5: JS}, b"/OpenAction 5 0 R"), {"javascript"}),
    "a script that nothing refers to": (plain({5: JS}), {"javascript"}),
    "a script with its name written otherwise": (plain({5: b"<< /S /J#61vaScript /#4aS (x) >>"}), {"javascript"}),
    "a script deep inside": (plain({5: b"[ [ << /A << /Next [ " + JS + b" ] >> >> ] ]"}), {"javascript"}),
    "a script among the names": (plain(root=b"/Names << /JavaScript << /Names [(a) 5 0 R] >> >>"), {"javascript"}),
    "a script of a page": (plain({5: b"<< /O << /S /JavaScript /JS 6 0 R >> >>"}), {"javascript"}),
    "a program at opening": (plain(root=b"/OpenAction << /S /Launch /F (cmd.exe) >>"), {"launch"}),
    "a program behind a link": (
        plain({5: b"<< /Type /Annot /Subtype /Link /A << /S /Launch /Win << /F (a.exe) >> >> >>"}),
        {"launch"},
    ),
    "a file inside": (
        plain(
            {
                5: b"<< /Type /Filespec /F (a.exe) /EF << /F 6 0 R >> >>",
                6: b"<< /Type /EmbeddedFile /Length 2 >>\nstream\nMZ\nendstream",
            },
            b"/Names << /EmbeddedFiles << /Names [(a) 5 0 R] >> >>",
        ),
        {"embedded_file"},
    ),
    "a file pinned to a page": (plain({5: b"<< /Type /Annot /Subtype /FileAttachment /FS 6 0 R >>"}), {"embedded_file"}),
    "a film": (plain({5: b"<< /Type /Annot /Subtype /RichMedia /RichMediaContent << >> >>"}), {"rich_media"}),
    "a form with scripts of its own": (plain(root=b"/AcroForm << /Fields [] /XFA [] >>"), {"dynamic_form"}),
    "a script in a compressed stream": (
        packed(generic.DictionaryObject({pdf_name("/S"): pdf_name("/JavaScript")})),
        {"javascript"},
    ),
    "script and program": (plain({5: JS, 6: b"<< /S /Launch >>"}), {"javascript", "launch"}),
}  # fmt: skip


@pytest.mark.parametrize("what", CARRIED)
def test_what_no_paper_may_carry_is_found(tmp_path: Path, what: str) -> None:
    content, faults = CARRIED[what]
    report = inspect_pdf(stored(tmp_path, content))
    assert set(report.faults) == faults <= FAULTS.keys()
    assert (report.signed, report.valid) == (False, None)


def test_the_word_alone_is_no_fault(tmp_path: Path) -> None:
    words = plain({5: b"<< /Title (JavaScript /JS /Launch) /A << /S /URI /URI (https://example.vn) >> >>"})
    assert inspect_pdf(stored(tmp_path, words)).faults == ()


def test_what_an_earlier_revision_carries_is_found(tmp_path: Path) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(plain({5: JS}, b"/OpenAction 5 0 R")))
    del writer.root["/OpenAction"]
    writer.update_root()
    harmless = writer.add_object(generic.DictionaryObject())
    writer.objects[(0, 5)] = generic.NullObject()
    writer.mark_update(harmless.reference)
    out = BytesIO()
    writer.write(out)
    assert inspect_pdf(stored(tmp_path, out.getvalue())).faults == ("javascript",)


def test_an_encrypted_one_says_so(tmp_path: Path) -> None:
    writer = PdfFileWriter()
    writer.insert_page(PageObject(writer.add_object(generic.StreamObject(stream_data=b"")), (0, 0, 595, 842)))
    writer.encrypt("owner", "user")
    out = BytesIO()
    writer.write(out)
    assert inspect_pdf(stored(tmp_path, out.getvalue())).faults == ("encrypted",)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"hello", plain()[:200], b"\0" * 5000], ids=repr)
def test_rubbish_is_unreadable_and_no_error(tmp_path: Path, content: bytes) -> None:
    assert inspect_pdf(stored(tmp_path, content)).faults == ("unreadable",)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    import zlib

    zeros = zlib.compress(zlib.compress(zlib.compress(b"1 0 " * (1 << 24), 9), 9), 9)
    body = (
        b"<< /Type /ObjStm /N 1 /First 4 /Filter [/FlateDecode /FlateDecode /FlateDecode] /Length %d >>\nstream\n"
        % len(zeros)
    )
    content = plain({5: body + zeros + b"\nendstream"})
    xref = b"<< /Type /XRef /Size 7 /W [1 4 2] /Root 1 0 R /Index [6 1] /Prev %d /Length 7 >>" % content.index(
        b"xref\n0"
    )
    start = len(content)
    entry = b"\x02" + (5).to_bytes(4, "big") + b"\0\0"
    content += b"7 0 obj\n" + xref + b"\nstream\n" + entry + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start
    assert inspect_pdf(stored(tmp_path, content)).faults == ("unreadable",)


def test_more_than_is_looked_at_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OBJECTS", 3)
    assert inspect_pdf(stored(tmp_path, plain())).faults == ("too_large",)
    monkeypatch.setattr(module, "LARGEST_BYTES", 100)
    assert inspect_pdf(stored(tmp_path, plain())).faults == ("too_large",)


def test_broken_files_never_raise(tmp_path: Path, signed: Path, trusted: Path) -> None:
    dice = random.Random(3)
    for content in (plain({5: JS}), signed.read_bytes(), packed(generic.DictionaryObject())):
        for _ in range(60):
            broken = bytearray(content)
            for _ in range(dice.choice([1, 3, 20])):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            report = inspect_pdf(stored(tmp_path, bytes(broken)), trusted)
            json.dumps(report.as_json())


# ── who signed it ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signature_holds_and_the_original_bytes_are_kept(tmp_path: Path, signed: Path, trusted: Path) -> None:
    original = (tmp_path / "paper.pdf").read_bytes()
    assert original == plain()
    assert signed.read_bytes().startswith(original)
    before = hashlib.sha256(signed.read_bytes()).digest()
    report = inspect_pdf(signed, trusted)
    assert (report.signed, report.valid, report.faults) == (True, True, ())
    (person,) = report.signers
    assert (person.name, person.issuer) == ("Nguyễn Thị Ký", "LandDB test authority")
    assert (person.intact, person.trusted, person.alone, person.problem) == (True, True, True, None)
    assert person.signed_at is not None
    assert hashlib.sha256(signed.read_bytes()).digest() == before
    assert json.loads(json.dumps(report.as_json()))["signers"][0]["name"] == "Nguyễn Thị Ký"


def test_two_persons_sign_one_after_the_other(tmp_path: Path, signed: Path, trusted: Path) -> None:
    second = TestSigner.made("Trần Văn Hai", NOW - YEAR, NOW + YEAR)
    (trusted / "second.crt").write_bytes(second.authority_pem)
    both = tmp_path / "both.pdf"
    second.sign(signed, both, reason="Duyệt", field_name="Signature2")
    report = inspect_pdf(both, trusted)
    assert report.valid is True
    assert report.faults == ()
    assert [person.name for person in report.signers] == ["Nguyễn Thị Ký", "Trần Văn Hai"]


def test_an_authority_that_nobody_trusts_makes_no_valid_signature(tmp_path: Path, signed: Path, trusted: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (None, empty):
        report = inspect_pdf(signed, folder)
        assert (report.signed, report.valid, report.faults) == (True, False, ())
        assert [(person.intact, person.problem) for person in report.signers] == [(True, "untrusted")]


def test_a_certificate_counts_while_it_is_valid(tmp_path: Path, trusted: Path) -> None:
    old = TestSigner.made("Lê Cũ", NOW - 3 * YEAR, NOW - YEAR)
    (trusted / "old.pem").write_bytes(old.authority_pem)
    target = tmp_path / "old.pdf"
    old.sign(stored(tmp_path, plain()), target, reason="Ký thử")
    assert inspect_pdf(target, trusted).valid is False
    assert inspect_pdf(target, trusted, at=NOW).valid is False
    assert inspect_pdf(target, trusted, at=NOW - 2 * YEAR).valid is True


def updated(content: bytes, *, page: bool) -> bytes:
    """The file with one more revision: another page's content, or a script."""
    writer = IncrementalPdfFileWriter(BytesIO(content))
    if page:
        found = writer.root["/Pages"]["/Kids"][0]
        found["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"0 0 m 100 100 l S"))
        writer.update_container(found)
    else:
        writer.root["/OpenAction"] = generic.DictionaryObject(
            {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): pdf_string("x")}
        )
        writer.update_root()
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_bytes_after_the_signature_are_found(tmp_path: Path, signed: Path, trusted: Path) -> None:
    for more in (b"\n", b"MZ", b"\n%comment\n", b"x" * 5000, b"\n%%EOF\n"):
        report = inspect_pdf(stored(tmp_path, signed.read_bytes() + more), trusted)
        assert "bytes_after_signature" in report.faults, more
        assert (report.signed, report.valid) == (True, False)


def test_a_revision_after_the_signature_is_found(tmp_path: Path, signed: Path, trusted: Path) -> None:
    report = inspect_pdf(stored(tmp_path, updated(signed.read_bytes(), page=True)), trusted)
    assert report.faults == ("changed_after_signature",)
    assert (report.signed, report.valid) == (True, False)
    assert [(person.alone, person.problem) for person in report.signers] == [(False, "changed_after")]
    scripted = inspect_pdf(stored(tmp_path, updated(signed.read_bytes(), page=False)), trusted)
    assert scripted.faults == ("changed_after_signature", "javascript")


def test_a_page_swapped_between_two_signatures_is_found(tmp_path: Path, signed: Path, trusted: Path) -> None:
    second = TestSigner.made("Trần Văn Hai", NOW - YEAR, NOW + YEAR)
    (trusted / "second.pem").write_bytes(second.authority_pem)
    swapped, both = stored(tmp_path, updated(signed.read_bytes(), page=True), "swapped.pdf"), tmp_path / "both.pdf"
    second.sign(swapped, both, reason="Duyệt", field_name="Signature2")
    report = inspect_pdf(both, trusted)
    assert report.valid is False
    assert [(person.name, person.problem) for person in report.signers] == [
        ("Nguyễn Thị Ký", "changed_after"),
        ("Trần Văn Hai", None),
    ]


def test_one_flipped_byte_of_what_was_signed_breaks_it(tmp_path: Path, signed: Path, trusted: Path) -> None:
    content = signed.read_bytes()
    place = content.index(b"/MediaBox [0 0 595 842]") + len(b"/MediaBox [0 0 59")
    report = inspect_pdf(stored(tmp_path, content[:place] + b"4" + content[place + 1 :]), trusted)
    assert (report.signed, report.valid) == (True, False)
    assert [(person.intact, person.problem) for person in report.signers] == [(False, "changed")]


def test_a_signature_that_leaves_out_more_than_itself_is_found(tmp_path: Path, signed: Path, trusted: Path) -> None:
    content = signed.read_bytes()
    start = content.index(b"/ByteRange [") + len(b"/ByteRange [")
    end = content.index(b"]", start)
    numbers = [int(number) for number in content[start:end].split()]
    wider = b"%d %d %d %d" % (0, numbers[1], numbers[2] + 10, numbers[3] - 10)
    changed = content[:start] + wider.ljust(end - start) + content[end:]
    report = inspect_pdf(stored(tmp_path, changed), trusted)
    assert "byte_range" in report.faults
    assert report.valid is False


# ── what it must never do ───────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_fetched_and_no_name_is_logged(
    tmp_path: Path, signed: Path, trusted: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    with caplog.at_level(logging.DEBUG):
        assert inspect_pdf(signed, trusted).valid is True
        assert inspect_pdf(signed, None).valid is False
    assert "Nguyễn" not in caplog.text


def test_a_trusted_certificate_that_is_none_is_an_error_of_the_operator(tmp_path: Path, trusted: Path) -> None:
    (trusted / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(TrustUnreadable):
        inspect_pdf(stored(tmp_path, plain()), trusted)
    with pytest.raises(TrustUnreadable):
        inspect_pdf(stored(tmp_path, plain()), tmp_path / "none")

"""What a PDF carries: personal signatures (chữ ký số cá nhân, PAdES), and what no paper of a dossier may carry.

Nothing is fetched from any network: a certificate is trusted if its chain ends in the office's own folder
(``LANDDB_TRUST_FOLDER``), and revocation is looked at only as far as the file brings it along. The file is read and never
written: a signature covers bytes, and a PDF saved again is another one.

Every object of every revision is looked at, also what the last one hides: a shadow of the document that somebody signed is still
in it.
"""

from __future__ import annotations

import datetime as dt
import logging
import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from landdb.errors import Unavailable
from landdb.sealing.chain import instant
from landdb.sealing.signer import Signer, TestSigner

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

__all__ = ["FAULTS", "PdfReport", "PdfSigner", "Signer", "TestSigner", "TrustUnreadable", "inspect_pdf"]

FAULTS: Final = {
    "javascript": "a script",
    "launch": "an action that starts a program",
    "embedded_file": "a file inside the file",
    "rich_media": "a film, a scene or Flash",
    "dynamic_form": "an XFA form, which brings its own scripts",
    "bytes_after_signature": "bytes that no revision explains, after what was signed",
    "changed_after_signature": "a revision after the last signature, or one that the signature does not allow",
    "byte_range": "a signature that leaves out more than itself",
    "encrypted": "it is encrypted: nobody can look",
    "unreadable": "it does not follow the rules of PDF",
    "too_large": "more than is looked at",
}
"""What may be found in a PDF. Whether it is refused for that is the caller's to say."""

LARGEST_BYTES: Final = 512 << 20
MOST_OBJECTS: Final = 500_000
SUFFIXES: Final = (".pem", ".crt", ".cer", ".der")
_BYTE_RANGE: Final = re.compile(rb"/ByteRange\s*\[\s*0\s+\d+\s+(\d+)\s+(\d+)\s*\]")

# By the name of a member of any dictionary, and by its value.
_MEMBERS: Final = {
    "/JS": "javascript",
    "/JavaScript": "javascript",
    "/EmbeddedFiles": "embedded_file",
    "/EF": "embedded_file",
    "/RichMediaContent": "rich_media",
    "/XFA": "dynamic_form",
}
_VALUES: Final = {
    ("/S", "/JavaScript"): "javascript",
    ("/S", "/Launch"): "launch",
    ("/S", "/RichMediaExecute"): "rich_media",
    ("/Type", "/EmbeddedFile"): "embedded_file",
    ("/Subtype", "/FileAttachment"): "embedded_file",
    ("/Subtype", "/RichMedia"): "rich_media",
    ("/Subtype", "/3D"): "rich_media",
    ("/Subtype", "/Movie"): "rich_media",
}


class TrustUnreadable(Unavailable):
    """A file in the folder of trusted certificates is none. Params: ``file``."""

    code = "sealing.trust_unreadable"


@dataclass(frozen=True)
class PdfSigner:
    """One signature. ``signed_at`` is what the signer's machine said; ``problem`` null: it is valid.

    ``intact``: the bytes are those signed; ``trusted``: the certificate's chain ends in the office's folder and was valid then;
    ``alone``: nothing but what the signature allows came after it.
    """

    name: str
    certificate_serial: str
    issuer: str
    signed_at: str | None
    intact: bool
    trusted: bool
    alone: bool
    problem: str | None


@dataclass(frozen=True)
class PdfReport:
    """What was found. ``valid`` null: nobody signed; ``faults`` are keys of ``FAULTS``, sorted."""

    signed: bool
    valid: bool | None
    signers: tuple[PdfSigner, ...]
    faults: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as it is kept beside the document."""
        return {**asdict(self), "signers": [asdict(signer) for signer in self.signers], "faults": list(self.faults)}


def inspect_pdf(path: Path, trust_folder: Path | None = None, *, at: dt.datetime | None = None) -> PdfReport:
    """Look at a PDF: what is in it, who signed it, and whether that holds at ``at`` (null: now).

    Raises: ``TrustUnreadable``.
    """
    _silence()
    roots = list(_trusted(trust_folder))
    with path.open("rb") as stream:
        if path.stat().st_size > LARGEST_BYTES:
            return _unopened(stream, "too_large")
        try:
            return _inspected(stream, roots, at)
        except _unreadable():
            return _unopened(stream, "unreadable")


def _inspected(stream: IO[bytes], roots: list[Certificate], at: dt.datetime | None) -> PdfReport:
    from pyhanko.pdf_utils.reader import PdfFileReader

    reader = PdfFileReader(stream, strict=False)
    if reader.encrypted:
        return _unopened(stream, "encrypted")
    faults = set(_contents(reader))
    found = list(reader.embedded_signatures)
    faults.update(_after_signing(stream, reader, found))
    signers = tuple(_signer(signature, roots, at) for signature in found)
    valid = all(signer.problem is None for signer in signers) and not faults & _OF_SIGNATURES if signers else None
    return PdfReport(bool(signers), valid, signers, tuple(sorted(faults)))


_OF_SIGNATURES: Final = {"bytes_after_signature", "changed_after_signature", "byte_range"}


def _unopened(stream: IO[bytes], fault: str) -> PdfReport:
    """The report on a file that was not looked into: only whether it looks signed, and by how much it outgrew that."""
    ends = _ends(stream)
    size = stream.seek(0, 2)
    after = {"bytes_after_signature"} if ends and max(ends) < size else set()
    return PdfReport(bool(ends), False if ends else None, (), tuple(sorted({fault, *after})))


def _ends(stream: IO[bytes]) -> list[int]:
    """Where the byte ranges in a file end, as far as they can be found without understanding it."""
    if stream.seek(0, 2) == 0:
        return []
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return [int(match[1]) + int(match[2]) for match in _BYTE_RANGE.finditer(whole)]


# ── what it carries ─────────────────────────────────────────────────────────────────────────────────────────────────


def _contents(reader: PdfFileReader) -> Iterator[str]:
    """Faults among all objects of all revisions."""
    for count, one in enumerate(_objects(reader)):
        if count > MOST_OBJECTS:
            yield "too_large"
            return
        yield from _faults_in(one)


def _objects(reader: PdfFileReader) -> Iterator[Any]:
    """Every object that some revision defines, none kept. Those packed in streams are unpacked once for each stream."""
    from pyhanko.pdf_utils.generic import Reference
    from pyhanko.pdf_utils.xref import ObjStreamRef

    yield dict(reader.trailer.flatten())
    for revision in range(reader.total_revisions):
        packed = set()
        for reference in reader.xrefs.explicit_refs_in_revision(revision):
            place = reader.xrefs.get_historical_ref(reference, revision)
            if isinstance(place, ObjStreamRef):
                packed.add(place.obj_stream_id)
            elif place is not None:
                yield reader.get_object(reference, revision=revision)
        for number in sorted(packed):
            yield from _unpacked(reader, reader.get_object(Reference(number, 0, reader), revision=revision))


def _unpacked(reader: PdfFileReader, packed: Any) -> Iterator[Any]:
    from io import BytesIO

    from pyhanko.pdf_utils.decode_limits import DecodePurpose
    from pyhanko.pdf_utils.generic import Reference, read_object

    data = packed.read_data(DecodePurpose.OBJECT_STREAM)
    first = int(packed["/First"])
    numbers = data[:first].split()
    for place in range(0, min(2 * int(packed["/N"]), len(numbers) - 1), 2):
        stream = BytesIO(data)
        stream.seek(first + int(numbers[place + 1]))
        yield read_object(stream, Reference(int(numbers[place]), 0, reader))


def _faults_in(one: Any) -> Iterator[str]:
    """Faults of an object and what it holds directly; what it refers to is an object of its own."""
    waiting = [one]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for name, member in value.items():
                if fault := _MEMBERS.get(str(name)) or _VALUES.get((str(name), str(member))):
                    yield fault
                if isinstance(member, dict | list):
                    waiting.append(member)
        elif isinstance(value, list):
            waiting.extend(member for member in value if isinstance(member, dict | list))


# ── who signed it ───────────────────────────────────────────────────────────────────────────────────────────────────


def _after_signing(stream: IO[bytes], reader: PdfFileReader, found: list[EmbeddedPdfSignature]) -> Iterator[str]:
    """What came after the last signature, and signatures that do not cover what they should."""
    from pyhanko.sign.diff_analysis import ModificationLevel

    size = stream.seek(0, 2)
    for signature in found:
        if not _spans(signature):
            yield "byte_range"
    if not found or not all(_spans(signature) for signature in found):
        return
    last = max(found, key=_end)
    if _end(last) == size:
        return
    level = _changes(last)
    if last.signed_revision + 1 >= reader.total_revisions:
        yield "bytes_after_signature"
    elif level is None or level > ModificationLevel.LTA_UPDATES:
        yield "changed_after_signature"
    elif not _ends_well(stream):
        yield "bytes_after_signature"


def _spans(signature: EmbeddedPdfSignature) -> bool:
    """Whether its byte range is the file from the start, all but the signature itself."""
    numbers = [int(number) for number in signature.byte_range]
    if len(numbers) != 4 or numbers[0] != 0 or min(numbers) < 0:
        return False
    return bool(numbers[2] - numbers[1] == 2 * len(signature.pkcs7_content) + 2)


def _end(signature: EmbeddedPdfSignature) -> int:
    return int(signature.byte_range[2]) + int(signature.byte_range[3])


def _changes(signature: EmbeddedPdfSignature) -> Any:
    """How far the file went on after a signature, as PAdES tells apart; null: further than allowed."""
    try:
        signature.compute_integrity_info()
        return getattr(signature.diff_result, "modification_level", None)
    except _unreadable():
        return None


def _ends_well(stream: IO[bytes]) -> bool:
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 16))
    return stream.read().rstrip(b"\r\n").endswith(b"%%EOF")


def _signer(signature: EmbeddedPdfSignature, roots: list[Certificate], at: dt.datetime | None) -> PdfSigner:
    intact = trusted = alone = False
    try:
        if str(signature.sig_object_type) == "/DocTimeStamp":
            status = _timestamp_status(signature, roots, at)
        else:
            status = _status(signature, roots, at)
        intact, trusted = bool(status.intact and status.valid), bool(status.trusted)
        alone = bool(status.docmdp_ok)
        problem = None if status.bottom_line else _problem(intact, trusted, alone)
    except _unreadable() as error:
        problem = type(error).__name__
    subject, issuer, serial = _named(signature)
    reported = signature.self_reported_timestamp
    signed_at = instant(reported) if reported is not None and reported.tzinfo is not None else None
    return PdfSigner(subject, serial, issuer, signed_at, intact, trusted, alone, problem)


def _problem(intact: bool, trusted: bool, alone: bool) -> str:
    if not intact:
        return "changed"
    if not alone:
        return "changed_after"
    return "timestamp" if trusted else "untrusted"


def _status(signature: EmbeddedPdfSignature, roots: list[Certificate], at: dt.datetime | None) -> Any:
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.settings import KeyUsageConstraints

    usage = KeyUsageConstraints(key_usage={"non_repudiation", "digital_signature"})
    return validate_pdf_signature(signature, _context(roots, at), key_usage_settings=usage)


def _timestamp_status(signature: EmbeddedPdfSignature, roots: list[Certificate], at: dt.datetime | None) -> Any:
    from pyhanko.sign.validation import validate_pdf_timestamp

    return validate_pdf_timestamp(signature, _context(roots, at))


def _context(roots: list[Certificate], at: dt.datetime | None) -> Any:
    from pyhanko_certvalidator import ValidationContext

    # An empty list trusts nobody; leaving it out would trust whatever the machine's browsers do.
    return ValidationContext(trust_roots=roots, allow_fetching=False, revocation_mode="soft-fail", moment=at)


def _named(signature: EmbeddedPdfSignature) -> tuple[str, str, str]:
    """Common name of the signer, of the issuer, and the certificate's serial number; dashes where it cannot be read."""
    try:
        certificate = signature.signer_cert
        subject, issuer = certificate.subject.native, certificate.issuer.native
        serial = f"{certificate.serial_number:x}"
    except _unreadable():
        return "–", "–", "–"
    return _text(subject), _text(issuer), serial


def _text(name: dict[str, Any]) -> str:
    found = name.get("common_name") or name.get("organization_name") or "–"
    return ", ".join(found) if isinstance(found, list) else str(found)


def _trusted(folder: Path | None) -> Iterator[Certificate]:
    from pyhanko.keys import load_certs_from_pemder

    if folder is None:
        return
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise TrustUnreadable(file=str(folder)) from error
    for file in files:
        try:
            yield from load_certs_from_pemder([str(file)])
        except (ValueError, OSError, TypeError) as error:
            raise TrustUnreadable(file=str(file)) from error


def _unreadable() -> tuple[type[Exception], ...]:
    """What the libraries raise over a broken or hostile file; a file of a client is never our fault."""
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko_certvalidator.errors import PathError, ValidationError

    return (
        PdfError, PathError, ValidationError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError,
        NotImplementedError, RecursionError, OSError, EOFError, struct.error, zlib.error, InvalidSignature, UnsupportedAlgorithm,
    )  # fmt: skip


def _silence() -> None:
    """The libraries write names of signers into the log; ours holds no personal data."""
    for name in ("pyhanko", "pyhanko_certvalidator"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

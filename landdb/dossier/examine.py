"""What a paper's bytes are, by their content and never by the name or type that came with them (nhận dạng tệp).

Nothing is unpacked: of an archive only the table of its entries is read, and one small part of a word processor's file.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landdb.dossier.model import DocumentDangerous, DocumentKindRefused

PDF: Final = "application/pdf"
KNOWN: Final = ("PDF", "PNG", "JPEG", "TIFF", "DOCX", "XLSX", "DXF", "DGN", "GPKG", "ZIP")
"""What people are told that they may bring."""

_HEAD_BYTES: Final = 1024
_MOST_ENTRIES: Final = 5_000
_MOST_TEXT_BYTES: Final = 1 << 20
_OFFICE: Final = {
    "word/document.xml": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/workbook.xml": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),  # BigTIFF: scans over 4 GB
    (b"MM\x00+", "image/tiff"),
    (b"AutoCAD Binary DXF\r\n\x1a\x00", "image/vnd.dxf"),
    (b"\x08\x09\xfe\x02", "image/vnd.dgn"),  # MicroStation version 7, in the plane
    (b"\xc8\x09\xfe\x02", "image/vnd.dgn"),  # the same, in space
)
_PROGRAMS: Final = tuple(
    f".{kind}"
    for kind in "exe dll bat cmd com scr js jse vbs vbe ps1 msi lnk jar hta".split()  # noqa: SIM905 -- read aloud
)


@dataclass(frozen=True)
class Entry:
    """One entry of an archive."""

    name: str
    encrypted: bool


def media_type_of(path: Path, name: str) -> str:
    """The media type of a paper. Raises: ``DocumentKindRefused``, ``DocumentDangerous`` (macros, programs, remote templates)."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    found = _by_start(head)
    if found is None and head.startswith(b"PK\x03\x04"):
        found = _archive(path, name)
    if found is None:
        raise DocumentKindRefused(name=name, media_type=_guess(head), known=", ".join(KNOWN))
    return found


def _by_start(head: bytes) -> str | None:
    for start, media_type in _STARTS:
        if head.startswith(start):
            return media_type
    # The header stands first: a PDF behind other bytes is also whatever those bytes are.
    if head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t ").startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"SQLite format 3\x00") and head[68:72] in {b"GPKG", b"GP10", b"GP11"}:
        return "application/geopackage+sqlite3"
    if _is_dxf(head):
        return "image/vnd.dxf"
    return None


def _is_dxf(head: bytes) -> bool:
    lines = [line.strip() for line in head.split(b"\n")[:40]]
    while lines and lines[0] == b"999":  # comments may stand before the first section
        lines = lines[2:]
    return lines[:2] == [b"0", b"SECTION"]


def _archive(path: Path, name: str) -> str:
    entries = _entries(path, name)
    inside = {entry.name.lower() for entry in entries}
    if any(part.endswith("vbaproject.bin") for part in inside):
        raise DocumentDangerous(name=name, found="macro")
    if any(part.endswith(_PROGRAMS) for part in inside):
        raise DocumentDangerous(name=name, found="program")
    if any(entry.encrypted for entry in entries):
        raise DocumentDangerous(name=name, found="password")
    office = next((media_type for part, media_type in _OFFICE.items() if part in inside), None)
    if office is not None and _template_from_elsewhere(path):
        raise DocumentDangerous(name=name, found="remote template")
    return office or "application/zip"


def _entries(path: Path, name: str) -> list[Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [Entry(entry.filename, bool(entry.flag_bits & 1)) for entry in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DocumentKindRefused(name=name, media_type="application/zip?", known=", ".join(KNOWN)) from error
    if len(entries) > _MOST_ENTRIES:
        raise DocumentDangerous(name=name, found=f"{len(entries)} entries")
    return entries


def _template_from_elsewhere(path: Path) -> bool:
    """A word processor fetches such a template, with whatever it carries, when the file is opened."""
    with zipfile.ZipFile(path) as archive:
        for part in archive.namelist():
            if part.lower() == "word/_rels/settings.xml.rels":
                with archive.open(part) as stream:
                    text = stream.read(_MOST_TEXT_BYTES)
                return b"attachedTemplate" in text and b"External" in text
    return False


def _guess(head: bytes) -> str:
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return "application/x-ole-storage"  # old .doc and .xls, and DGN of version 8
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html", b"<svg", b"<?xml")):
        return "text/html"
    if head.startswith(b"MZ"):
        return "application/x-dosexec"
    return "application/octet-stream" if head else "inode/x-empty"

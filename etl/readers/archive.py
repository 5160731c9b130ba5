"""Zipped uploads: everything is checked in the directory of the archive before one byte is unpacked.

Unpacking happens in the child's own scratch folder, under names of ours, so a hostile name can reach nothing. Known
tricks: names that climb out, names equal after case folding, symbolic links, encrypted or nested archives, entries that
overlap or lie about their size, and ratios that only a bomb has.
"""

from __future__ import annotations

import stat
import unicodedata
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path, PurePosixPath

from etl.readers import faults

MAX_ENTRIES = 2000
MAX_RATIO = 100
MAX_UNPACKED = 16 << 30
_SMALL = 1 << 20  # ratios of tiny files say nothing: a .dbf of blanks shrinks 200-fold
_MAX_NAME = 255
_IGNORED = ("thumbs.db", "desktop.ini", ".ds_store")
_ARCHIVES = (".zip", ".kmz", ".rar", ".7z", ".gz", ".bz2", ".xz", ".tar", ".tgz")


def unpack(path: Path, scratch: Path) -> list[Path]:
    """Unpacks a checked archive into `scratch` and answers the files in it.

    Raises: ZipUnsafe with the reason and the entry; ZipBroken where it cannot be read or a checksum is wrong.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir() and not _ignored(e.filename)]
            _check(path, entries)
            return [_extract(archive, entry, scratch) for entry in entries]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise faults.ZipBroken(file=path.name, reason=str(error)[:200]) from error


def _ignored(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return bool(parts) and (parts[0] == "__MACOSX" or parts[-1].lower() in _IGNORED)


def _check(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    def refuse(reason: str, entry: str = "") -> None:
        raise faults.ZipUnsafe(file=path.name, reason=reason, entry=_printable(entry))

    if len(entries) > MAX_ENTRIES:
        refuse("too_many_files", str(len(entries)))
    for entry in entries:
        if reason := _why_unsafe(entry):
            refuse(reason, entry.filename)
    unpacked, packed = sum(e.file_size for e in entries), path.stat().st_size
    if unpacked > MAX_UNPACKED or (unpacked > 50 * _SMALL and unpacked > MAX_RATIO * packed):
        refuse("ratio")
    seen: set[str] = set()
    for entry in entries:
        name = unicodedata.normalize("NFC", _relative(entry.filename).as_posix()).casefold()
        if name in seen:
            refuse("same_name_twice", entry.filename)
        seen.add(name)
    spans = sorted((e.header_offset, e.compress_size) for e in entries)
    for (at, size), (after, _) in pairwise(spans):
        if at + size > after:
            refuse("entries_overlap")


def _why_unsafe(entry: zipfile.ZipInfo) -> str | None:
    name = entry.filename
    posix = _relative(name)
    mode = entry.external_attr >> 16
    reasons = (
        ("path_leaves_archive", posix.is_absolute() or ".." in posix.parts or name[1:2] == ":"),
        ("odd_name", len(name) > _MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cf") for c in name)),
        ("link", bool(mode) and not (stat.S_ISREG(mode) or stat.S_IFMT(mode) == 0)),
        ("encrypted", bool(entry.flag_bits & 0x1)),
        ("nested_archive", posix.suffix.lower() in _ARCHIVES),
        ("ratio", entry.file_size > _SMALL and entry.file_size > MAX_RATIO * max(entry.compress_size, 1) * 10),
    )
    return next((reason for reason, true in reasons if true), None)


def _relative(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:120]


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, scratch: Path) -> Path:
    """One entry. Its folder becomes part of the file's place, so that two layers of one name stay apart."""
    relative = _relative(entry.filename)
    folder = scratch / f"in{zlib.crc32(relative.parent.as_posix().encode()):08x}"
    folder.mkdir(exist_ok=True)
    target = folder / relative.name
    written = 0
    with archive.open(entry) as packed, target.open("wb") as out:
        while block := packed.read(1 << 20):
            written += len(block)
            if written > entry.file_size:
                raise faults.ZipUnsafe(file=Path(archive.filename or "").name, reason="size_lies", entry=relative.name)
            out.write(block)
    return target

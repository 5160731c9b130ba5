"""Uploaded files, kept by the SHA-256 of their content: the same bytes are stored once and never change."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from landdb.errors import Conflict, Invalid, NotFound, TooLarge

CHUNK_BYTES = 1 << 20


class FileUnknown(NotFound):
    code = "file.unknown"


class UploadTooLarge(TooLarge):
    code = "file.too_large"


class PartBusy(Conflict):
    """Another connection still writes to this upload. Params: ``upload``."""

    code = "file.part_busy"


class HashMismatch(Invalid):
    """The bytes that arrived are not those that the client announced. Params: ``file``."""

    code = "file.hash_mismatch"


@dataclass(frozen=True)
class StoredFile:
    """A stored file: the name the client gave it, the digest of its bytes, and its size."""

    name: str
    sha256: str
    size_bytes: int


class Part:
    """An upload under way, held by one writer."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, os.SEEK_END)

    def append(self, name: str, stream: BinaryIO, *, max_bytes: int) -> int:
        """Add a piece at the end; the size after it. max_bytes: of the whole upload.

        What came before the line broke is kept and on disk, so that only the rest is sent again.
        Raises: ``file.too_large`` (the piece is dropped).
        """
        before = self.size
        try:
            while chunk := stream.read(CHUNK_BYTES):
                if self.size + len(chunk) > max_bytes:
                    self.size = self._stream.truncate(before)
                    raise UploadTooLarge(file=name, limit=_megabytes(max_bytes))
                self._stream.write(chunk)
                self.size += len(chunk)
        finally:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        return self.size


def _put(whole: Path, target: Path) -> None:
    """Give a file on disk its final name, durably: without the folder's own fsync a power cut could take the name back."""
    new = not target.parent.exists()
    target.parent.mkdir(exist_ok=True)
    whole.replace(target)
    for folder in (target.parent, *([target.parent.parent] if new else [])):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True)
class FileStore:
    """A folder of files named by their content."""

    root: Path

    def path(self, sha256: str) -> Path:
        """Where the bytes with this digest lie. Raises: ``file.unknown``."""
        path = self.root / sha256[:2] / sha256
        if not path.is_file():
            raise FileUnknown(sha256=sha256)
        return path

    def add(self, name: str, stream: BinaryIO, *, max_bytes: int) -> StoredFile:
        """Keep a stream; it appears under its name only when all of it is on disk. Raises: ``file.too_large``."""
        self.root.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.root, prefix="incoming-", delete=False) as partial:
            try:
                while chunk := stream.read(CHUNK_BYTES):
                    size += len(chunk)
                    if size > max_bytes:
                        raise UploadTooLarge(file=name, limit=_megabytes(max_bytes))
                    digest.update(chunk)
                    partial.write(chunk)
                partial.flush()
                os.fsync(partial.fileno())
            except BaseException:
                Path(partial.name).unlink(missing_ok=True)
                raise
        target = self.root / digest.hexdigest()[:2] / digest.hexdigest()
        _put(Path(partial.name), target)
        return StoredFile(name, digest.hexdigest(), size)

    def lay_out(self, files: list[StoredFile], folder: Path) -> list[Path]:
        """Give stored files their own names again in a fresh folder, as drivers that look for sister files need."""
        folder.mkdir(parents=True, exist_ok=True)
        return [self._lay_one(file, folder) for file in files]

    def _lay_one(self, file: StoredFile, folder: Path) -> Path:
        target = folder / Path(file.name).name
        source = self.path(file.sha256)
        # Never over a file already laid out: that one is a hard link, and writing to it would write into the store.
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copyfile(source, target)
        return target

    # ── resumable uploads: bytes come in pieces, and what is on disk is what has arrived ──

    def begin_part(self, upload_id: UUID) -> None:
        """Make room for an upload that comes in pieces. Begun twice, it keeps what it has."""
        (self.root / "parts").mkdir(parents=True, exist_ok=True)
        self._part(upload_id).touch()

    def part_size(self, upload_id: UUID) -> int:
        """How many bytes of an upload have arrived; a cut piece counts as far as it came. Raises: ``file.unknown``."""
        try:
            return self._part(upload_id).stat().st_size
        except FileNotFoundError:
            raise FileUnknown(upload=str(upload_id)) from None

    @contextmanager
    def writing(self, upload_id: UUID) -> Iterator[Part]:
        """Hold an upload for one writer until the block ends; the next piece goes to its ``size``.

        Raises: ``file.unknown``, ``file.part_busy`` while another connection still writes.
        """
        self.part_size(upload_id)
        with self._part(upload_id).open("ab") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free the moment its process dies
            except BlockingIOError:
                raise PartBusy(upload=str(upload_id)) from None
            yield Part(stream)

    def finish_part(self, upload_id: UUID, name: str, *, sha256: str | None = None) -> StoredFile:
        """Keep a whole upload by its content. sha256: what the client says that it sent.

        Raises: ``file.unknown``, ``file.hash_mismatch`` (the bytes are thrown away: they must be sent again).
        """
        part = self._part(upload_id)
        size = self.part_size(upload_id)
        with part.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if sha256 is not None and sha256.lower() != found:
            self.drop_part(upload_id)
            raise HashMismatch(file=name)
        target = self.root / found[:2] / found
        _put(part, target)
        return StoredFile(name, found, size)

    def drop_part(self, upload_id: UUID) -> None:
        """Throw away what has arrived of an upload; not there is as good."""
        self._part(upload_id).unlink(missing_ok=True)

    def quarantine(self, sha256: str) -> None:
        """Take bytes out of reach, for an examiner to look at: they are found under ``quarantine`` and nowhere else."""
        kept = self.root / "quarantine"
        kept.mkdir(parents=True, exist_ok=True)
        self.path(sha256).replace(kept / sha256)

    def drop(self, sha256: str) -> None:
        """Throw bytes away. The caller knows that nothing names them."""
        (self.root / sha256[:2] / sha256).unlink(missing_ok=True)

    def _part(self, upload_id: UUID) -> Path:
        return self.root / "parts" / str(upload_id)


def _megabytes(size: int) -> str:
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size} B"

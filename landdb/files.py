"""Uploaded files, kept by the SHA-256 of their content: the same bytes are stored once and never change."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from landdb.errors import NotFound, TooLarge

CHUNK_BYTES = 1 << 20


class FileUnknown(NotFound):
    code = "file.unknown"


class UploadTooLarge(TooLarge):
    code = "file.too_large"


@dataclass(frozen=True)
class StoredFile:
    """A stored file: the name the client gave it, the digest of its bytes, and its size."""

    name: str
    sha256: str
    size_bytes: int


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
                        raise UploadTooLarge(file=name, limit=f"{max_bytes >> 20} MB")
                    digest.update(chunk)
                    partial.write(chunk)
                partial.flush()
                os.fsync(partial.fileno())
            except BaseException:
                Path(partial.name).unlink(missing_ok=True)
                raise
        target = self.root / digest.hexdigest()[:2] / digest.hexdigest()
        target.parent.mkdir(exist_ok=True)
        Path(partial.name).replace(target)
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

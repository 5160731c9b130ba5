"""Uploaded files: kept by content, whole or not at all, and never written to again."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from landdb.files import FileStore, FileUnknown, UploadTooLarge

BYTES = "Thửa 45, tờ 12".encode()


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def kept(store: FileStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


def test_a_file_is_found_by_what_it_holds(store: FileStore) -> None:
    file = store.add("thua.shp", io.BytesIO(BYTES), max_bytes=100)
    assert (file.name, file.sha256, file.size_bytes) == ("thua.shp", hashlib.sha256(BYTES).hexdigest(), len(BYTES))
    assert store.path(file.sha256).read_bytes() == BYTES


def test_the_same_bytes_are_kept_once_whatever_their_name(store: FileStore) -> None:
    first = store.add("a.shp", io.BytesIO(BYTES), max_bytes=100)
    assert store.add("b.shp", io.BytesIO(BYTES), max_bytes=100).sha256 == first.sha256
    assert len(kept(store)) == 1


def test_an_upload_that_is_too_large_leaves_nothing(store: FileStore) -> None:
    with pytest.raises(UploadTooLarge) as refusal:
        store.add("big.shp", io.BytesIO(bytes(3 << 20)), max_bytes=2 << 20)
    assert refusal.value.params["file"] == "big.shp"
    assert kept(store) == []


class Torn(io.RawIOBase):
    """An upload whose sender goes away after the first piece."""

    def __init__(self) -> None:
        self.pieces = [b"first"]

    def read(self, size: int = -1) -> bytes:
        if not self.pieces:
            raise ConnectionResetError
        return self.pieces.pop()


def test_an_upload_that_breaks_off_leaves_nothing(store: FileStore) -> None:
    with pytest.raises(ConnectionResetError):
        store.add("torn.shp", Torn(), max_bytes=100)  # type: ignore[arg-type]
    assert kept(store) == []


def test_an_unknown_digest_is_said_to_be_unknown(store: FileStore) -> None:
    with pytest.raises(FileUnknown):
        store.path("0" * 64)


def test_files_are_laid_out_under_their_own_names_and_inside_the_folder(store: FileStore, tmp_path: Path) -> None:
    shp = store.add("thua.shp", io.BytesIO(b"1"), max_bytes=100)
    sly = store.add("../../etc/passwd", io.BytesIO(b"2"), max_bytes=100)
    out = tmp_path / "out"
    assert store.lay_out([shp, sly], out) == [out / "thua.shp", out / "passwd"]
    assert (out / "passwd").read_bytes() == b"2"


def test_a_mended_twin_of_one_name_does_not_write_into_the_store(store: FileStore, tmp_path: Path) -> None:
    old = store.add("thua.shp", io.BytesIO(b"old"), max_bytes=100)
    new = store.add("thua.shp", io.BytesIO(b"new"), max_bytes=100)
    store.lay_out([old, new], tmp_path / "out")
    assert (tmp_path / "out" / "thua.shp").read_bytes() == b"new"
    assert store.path(old.sha256).read_bytes() == b"old"

"""Uploaded files: kept by content, whole or not at all, and never written to again."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from uuid import UUID

import pytest

from landdb.files import FileStore, FileUnknown, HashMismatch, PartBusy, UploadTooLarge

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


UPLOAD = UUID(int=7)


class Cut(io.RawIOBase):
    """A line that breaks after some bytes."""

    def __init__(self, data: bytes) -> None:
        self._left = data

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            raise ConnectionResetError
        taken, self._left = self._left[:3], self._left[3:]
        return taken


def test_an_upload_that_is_cut_keeps_what_came_and_goes_on(store: FileStore) -> None:
    store.begin_part(UPLOAD)
    with pytest.raises(ConnectionResetError), store.writing(UPLOAD) as part:
        part.append("thua.pdf", Cut(BYTES[:7]), max_bytes=100)  # type: ignore[arg-type]
    assert store.part_size(UPLOAD) == 7
    with store.writing(UPLOAD) as part:
        assert part.size == 7
        assert part.append("thua.pdf", io.BytesIO(BYTES[7:]), max_bytes=100) == len(BYTES)
    file = store.finish_part(UPLOAD, "thua.pdf", sha256=hashlib.sha256(BYTES).hexdigest())
    assert store.path(file.sha256).read_bytes() == BYTES
    with pytest.raises(FileUnknown):
        store.part_size(UPLOAD)


def test_a_piece_that_makes_an_upload_too_large_is_dropped_and_says_the_limit(store: FileStore) -> None:
    store.begin_part(UPLOAD)
    with store.writing(UPLOAD) as part:
        part.append("a.pdf", io.BytesIO(BYTES), max_bytes=len(BYTES))
    with pytest.raises(UploadTooLarge) as refusal, store.writing(UPLOAD) as part:
        part.append("a.pdf", io.BytesIO(b"x"), max_bytes=len(BYTES))
    assert refusal.value.params == {"file": "a.pdf", "limit": f"{len(BYTES)} B"}
    assert store.part_size(UPLOAD) == len(BYTES)


def test_two_writers_of_one_upload_do_not_mix(store: FileStore) -> None:
    store.begin_part(UPLOAD)
    with store.writing(UPLOAD), pytest.raises(PartBusy), store.writing(UPLOAD):
        pass


def test_other_bytes_than_announced_are_thrown_away(store: FileStore) -> None:
    store.begin_part(UPLOAD)
    with store.writing(UPLOAD) as part:
        part.append("a.pdf", io.BytesIO(BYTES), max_bytes=100)
    with pytest.raises(HashMismatch):
        store.finish_part(UPLOAD, "a.pdf", sha256="0" * 64)
    assert kept(store) == []


def test_quarantined_bytes_are_out_of_reach_but_not_gone(store: FileStore) -> None:
    file = store.add("a.pdf", io.BytesIO(BYTES), max_bytes=100)
    store.quarantine(file.sha256)
    with pytest.raises(FileUnknown):
        store.path(file.sha256)
    assert (store.root / "quarantine" / file.sha256).read_bytes() == BYTES


def test_a_paper_of_two_gigabytes_is_refused_while_it_comes(store: FileStore) -> None:
    """The bytes are made as they are read: neither side ever holds them."""

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return bytes(size)

    source = Endless()
    with pytest.raises(UploadTooLarge) as refusal:
        store.add("ho-so.pdf", source, max_bytes=20 << 20)  # type: ignore[arg-type]
    assert refusal.value.params == {"file": "ho-so.pdf", "limit": "20 MB"}
    assert source.given <= 21 << 20
    assert kept(store) == []

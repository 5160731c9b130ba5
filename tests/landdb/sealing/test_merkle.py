"""Merkle trees: the published roots of Certificate Transparency, the definition of RFC 9162 word for word, and its proofs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landdb.sealing.merkle import EMPTY, included, inclusion_path, leaf_hash, node_hash, tree_hash

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
# The roots of the first n of these entries, as the test data of Certificate Transparency (RFC 6962, 9162) has them.
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = [*range(1, 70), 127, 128, 129, 1000]


def defined(entries: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, as it is written there."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    split = max(1 << power for power in range(12) if 1 << power < len(entries))
    return hashlib.sha256(b"\1" + defined(entries[:split]) + defined(entries[split:])).digest()


def numbered(size: int) -> list[bytes]:
    return [b"entry %d" % n for n in range(size)]


def test_the_published_roots() -> None:
    assert [tree_hash(ENTRIES[:n]).hex() for n in range(9)] == ROOTS
    assert tree_hash([]) == EMPTY


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_the_one_that_the_rfc_defines(size: int) -> None:
    assert tree_hash(numbered(size)) == defined(numbered(size))


@pytest.mark.parametrize("size", [*range(1, 34), 129])
def test_every_entry_is_proved_and_no_other(size: int) -> None:
    entries = numbered(size)
    root = tree_hash(entries)
    for place, entry in enumerate(entries):
        path = inclusion_path(entries, place)
        assert len(path) <= (size - 1).bit_length()
        assert included(entry, place, size, path, root)
        assert not included(b"another", place, size, path, root)
        assert not any(included(entry, other, size, path, root) for other in range(size) if other != place)
        assert not included(entry, place, size, [*path, bytes(32)], root)
        assert not included(entry, place, size, path[:-1], root) or not path
        assert not included(entry, place, size, path, bytes(32))


def test_a_place_outside_the_tree_is_refused() -> None:
    assert not included(b"entry 0", 3, 3, [], tree_hash(numbered(3)))
    assert not included(b"entry 0", -1, 3, [], tree_hash(numbered(3)))
    assert not included(b"", 0, 0, [], EMPTY)
    with pytest.raises(IndexError):
        inclusion_path(numbered(3), 3)
    with pytest.raises(IndexError):
        inclusion_path(numbered(3), -1)


def test_a_node_is_no_entry() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert tree_hash([b"a", b"b"]) == node_hash(left, right) != leaf_hash(left + right)
    assert tree_hash([left + right]) != tree_hash([b"a", b"b"])


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=200), st.data())
def test_any_changed_entry_changes_the_root_and_breaks_its_proof(entries: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    changed = [*entries]
    changed[place] += b"!"
    path, root = inclusion_path(entries, place), tree_hash(entries)
    assert included(entries[place], place, len(entries), path, root)
    assert tree_hash(changed) != root
    assert not included(changed[place], place, len(entries), path, root)

"""Merkle trees as in RFC 9162 §2.1: one hash over many entries, and short proofs that an entry is under it. Pure.

Leaves and inner nodes are hashed under different prefixes, so that no node can be passed off as an entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

EMPTY: Final = hashlib.sha256(b"").digest()
"""The hash of a tree without entries."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_hash(entries: Sequence[bytes]) -> bytes:
    """The root over entries in their order (§2.1.1)."""
    level = [leaf_hash(entry) for entry in entries]
    while len(level) > 1:
        # An odd one out rises unhashed: the same tree as splitting at the largest power of two, without recursion.
        paired = [node_hash(level[n], level[n + 1]) for n in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0] if level else EMPTY


def inclusion_path(entries: Sequence[bytes], leaf_no: int) -> list[bytes]:
    """What a stranger needs, besides the entry, to compute the root (§2.1.3.1). Raises: ``IndexError``."""
    if not 0 <= leaf_no < len(entries):
        raise IndexError(leaf_no)
    if len(entries) == 1:
        return []
    split = 1 << (len(entries) - 1).bit_length() - 1
    if leaf_no < split:
        return [*inclusion_path(entries[:split], leaf_no), tree_hash(entries[split:])]
    return [*inclusion_path(entries[split:], leaf_no - split), tree_hash(entries[:split])]


def included(entry: bytes, leaf_no: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``entry`` is the leaf ``leaf_no`` of the tree of ``size`` under ``root`` (§2.1.3.2)."""
    if not 0 <= leaf_no < size:
        return False
    place, last, found = leaf_no, size - 1, leaf_hash(entry)
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root

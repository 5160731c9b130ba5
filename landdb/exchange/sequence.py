"""One direction of a link, message by message: nothing is skipped, nothing counts twice, and either side may be restored. Pure.

The sender keeps an ``Outlet``, the receiver an ``Inlet``; both are saved in the transaction of the change that a message tells of
or brings about. Acknowledgements are cumulative, so a duplicate is answered with what is stored and a gap with what is missing.

A side that comes back from a backup raises its *incarnation* and refuses whatever still travels from before. The other side then
gives it back the messages of its own that it has forgotten (``adopt``) and takes up where it stands (``agree``): a number never
stands for two messages. Where two are found under one number the link is forked, and a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final, Generic, TypeVar

from landdb.errors import Conflict
from landdb.exchange.model import NO_HEAD

Body = TypeVar("Body")

BATCH: Final = 100
"""Messages in one request. Source: custody.md §4."""


@dataclass(frozen=True)
class Numbered(Generic[Body]):
    """A message under its number. ``prev_hash`` is the link's head before it."""

    seq: int
    body: Body
    body_sha256: bytes
    prev_hash: bytes

    @property
    def head(self) -> bytes:
        """The link's head after it."""
        return sha256(self.prev_hash + self.body_sha256).digest()


@dataclass(frozen=True)
class Ack:
    """Everything up to ``seq`` has been taken; ``head`` proves that it was the same."""

    seq: int
    head: bytes


# ── what leaves ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Outlet(Generic[Body]):
    """What was sent and is kept: all that is not acknowledged, and more, in case the other side is restored."""

    next_seq: int = 1
    acked_seq: int = 0
    head: bytes = NO_HEAD
    kept: tuple[Numbered[Body], ...] = ()


def post(out: Outlet[Body], body: Body, body_sha256: bytes) -> Outlet[Body]:
    """Give a message the next number."""
    return _append(out, Numbered(out.next_seq, body, body_sha256, out.head))


def since(out: Outlet[Body], seq: int) -> tuple[Numbered[Body], ...]:
    """The messages from this number on. Raises: ``MessagesForgotten``."""
    first = out.next_seq - len(out.kept)
    if seq < first:
        raise MessagesForgotten(wanted=seq, first=first)
    return out.kept[seq - first :]


def waiting(out: Outlet[Body]) -> tuple[Numbered[Body], ...]:
    """What is to be sent (again): not acknowledged, in order, one request's worth."""
    return since(out, out.acked_seq + 1)[:BATCH]


def acknowledge(out: Outlet[Body], ack: Ack) -> Outlet[Body]:
    """Note how far the other side is; an older word says nothing new. Raises: ``LinkForked``."""
    if ack.seq <= out.acked_seq:
        return out
    _same_head(out, ack)
    return replace(out, acked_seq=ack.seq)


def agree(out: Outlet[Body], ack: Ack) -> Outlet[Body]:
    """Take up where the other side stands after one of the two was restored, earlier or later. Raises: ``LinkForked``."""
    _same_head(out, ack)
    return replace(out, acked_seq=ack.seq)


def adopt(out: Outlet[Body], returned: Sequence[Numbered[Body]]) -> Outlet[Body]:
    """Take back messages of one's own that a restore has forgotten. Raises: ``LinkForked``."""
    for message in returned:
        if message.seq < out.next_seq:
            continue
        if message.seq > out.next_seq or message.prev_hash != out.head:
            raise LinkForked(seq=message.seq)
        out = _append(out, message)
    return out


def forget(out: Outlet[Body], before_seq: int) -> Outlet[Body]:
    """Drop what is acknowledged and older than the other side's newest verified backup (it expects ``before_seq`` there)."""
    keep_from = min(before_seq, out.acked_seq + 1)
    return replace(out, kept=tuple(message for message in out.kept if message.seq >= keep_from))


def _append(out: Outlet[Body], message: Numbered[Body]) -> Outlet[Body]:
    return replace(out, next_seq=message.seq + 1, head=message.head, kept=(*out.kept, message))


def _same_head(out: Outlet[Body], ack: Ack) -> None:
    if ack.seq >= out.next_seq:
        raise LinkForked(seq=ack.seq)
    after = since(out, ack.seq + 1)
    if ack.head != (after[0].prev_hash if after else out.head):
        raise LinkForked(seq=ack.seq)


# ── what arrives ────────────────────────────────────────────────────────────────────────────────────────────────────


class Verdict(StrEnum):
    """What a number tells of a message that arrived."""

    NEW = "new"
    DUPLICATE = "duplicate"
    GAP = "gap"
    FORK = "fork"


@dataclass(frozen=True)
class Inlet(Generic[Body]):
    """What was taken, all of it: it answers duplicates, shows forks, and is given back to a sender that was restored."""

    taken: tuple[Numbered[Body], ...] = ()
    head: bytes = NO_HEAD

    @property
    def expected_seq(self) -> int:
        """The number of the next message; no other is taken."""
        return len(self.taken) + 1

    @property
    def ack(self) -> Ack:
        """What every message is answered with, taken or not."""
        return Ack(len(self.taken), self.head)


def receive(inlet: Inlet[Body], message: Numbered[Body]) -> tuple[Verdict, Inlet[Body]]:
    """Take the message that is expected and no other (custody.md, R5)."""
    if message.seq > inlet.expected_seq:
        return Verdict.GAP, inlet
    if message.seq < inlet.expected_seq:
        same = inlet.taken[message.seq - 1].head == message.head
        return (Verdict.DUPLICATE if same else Verdict.FORK), inlet
    if message.prev_hash != inlet.head:
        return Verdict.FORK, inlet
    return Verdict.NEW, Inlet((*inlet.taken, message), message.head)


def taken_since(inlet: Inlet[Body], seq: int) -> tuple[Numbered[Body], ...]:
    """What was taken from this number on, to be given back to its sender."""
    return inlet.taken[max(seq, 1) - 1 :]


# ── incarnations ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Incarnations:
    """How often each side was restored, as one side knows it; every request and answer carries it."""

    mine: int = 1
    theirs: int = 1

    @property
    def mirrored(self) -> Incarnations:
        """The same as the other side would say it."""
        return Incarnations(self.theirs, self.mine)


class Talk(StrEnum):
    """Whether two sides may talk, by the incarnations that a request or answer carries."""

    CURRENT = "current"
    STALE = "stale"  # it travels from before the sender's restore: drop it
    UNAWARE = "unaware"  # the sender does not know yet that we were restored: tell it
    RESTORED = "restored"  # the sender was restored since we last agreed: it must greet first
    ROLLED_BACK = "rolled_back"  # we were put back without raising our incarnation: stop the link


def talk(known: Incarnations, said: Incarnations) -> Talk:
    """Compare what the sender said (``said.mine`` is the sender's own) with what is known here."""
    if said.theirs > known.mine:
        return Talk.ROLLED_BACK
    if said.mine < known.theirs:
        return Talk.STALE
    if said.theirs < known.mine:
        return Talk.UNAWARE
    return Talk.RESTORED if said.mine > known.theirs else Talk.CURRENT


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


class LinkForked(Conflict):
    """Two different messages under one number: the link stops, both are kept, a person decides. Params: ``seq``."""

    code = "exchange.link_fork"


class MessagesForgotten(Conflict):
    """The other side was put back further than messages are kept. Params: ``wanted``, ``first``."""

    code = "exchange.messages_forgotten"

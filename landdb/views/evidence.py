"""Whether the evidence holds: every chain from its first event, the checkpoints over all of them, every receipt and seal.

What no statement can prove, because it takes hashing and signatures. Each function reads in pages, in constant memory, and names
every fault with its dossier and event. Faults are words of a list (``FAULTS``), not sentences.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row

from landdb.db.transaction import Tx
from landdb.dossier.model import Event
from landdb.errors import LandError
from landdb.sealing import store as sealing
from landdb.sealing.chain import GENESIS, commit, event_facts, instant, link
from landdb.sealing.checkpoint import body as checkpoint_body
from landdb.sealing.merkle import tree_hash
from landdb.sealing.model import Checkpoint, CoveredEvent, PublicKey
from landdb.sealing.seal import check

ROWS_AT_ONCE: Final = 5_000
_FIRST: Final = UUID(int=0)

FAULTS: Final = frozenset(
    {
        "facts", "hash", "prev_hash", "payload", "missing", "not_after_the_one_before", "head", "uncovered",  # of a chain
        "root", "prev_root", "count", "seal", "key", "key_over", "event_missing",  # of a checkpoint, a receipt, a hand-over
        "body", "manifest", "event",  # of a receipt or a hand-over
    }
)  # fmt: skip
"""What can be wrong. ``facts``: the event was changed; ``hash``, ``prev_hash``: its place in the chain was; ``payload``: what was
said; ``head``: the dossier's row ends elsewhere; ``key``: it is not published, or belongs to somebody else."""


@dataclass(frozen=True)
class Fault:
    """One fault. ``where`` is a dossier's code with the number of the event, or a checkpoint's number."""

    where: str
    what: str


# ── chains ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Head:
    """Where a dossier's row says that its chain ends, and the highest number under a checkpoint (0: none)."""

    code: str
    event_no: int
    event_hash: bytes
    covered: int


def chain_faults(tx: Tx) -> Iterator[Fault]:
    """Recompute every chain from its first event.

    A changed event is named once, by the number it has; the one after it is not blamed for following what stood there.
    """
    after = _FIRST
    while heads := _heads(tx, after):
        found: dict[UUID, list[_Seen]] = {dossier_id: [] for dossier_id in heads}
        for seen in _events(tx, next(iter(heads)), after := next(reversed(heads))):
            if seen.event.dossier_id in found:  # one whose dossier is gone is named by dossier_conserved
                found[seen.event.dossier_id].append(seen)
        for dossier_id, head in heads.items():
            for event_no, what in _faults_of(head, found[dossier_id]):
                yield Fault(f"{head.code} #{event_no}", what)


@dataclass(frozen=True)
class _Seen:
    event: Event
    covered: bool


def _faults_of(head: _Head, history: list[_Seen]) -> Iterator[tuple[int, str]]:
    expected = 1
    ends: tuple[bytes, ...] = (GENESIS,)  # what the next event may be linked to
    follower = [seen.event.prev_hash for seen in history[1:]] + [head.event_hash]
    for seen, followed_by in zip(history, follower, strict=True):
        event = seen.event
        for number in range(expected, event.event_no):
            yield number, "missing"
        gap = event.event_no != expected
        expected = event.event_no + 1
        what, ends = _judged(event, ends, followed_by, gap=gap)
        if what:
            yield event.event_no, what
        if not _said(event):
            yield event.event_no, "payload"
        if not seen.covered and event.event_no < head.covered:
            yield event.event_no, "uncovered"
    last = history[-1].event.event_no if history else 0
    for number in range(last + 1, head.event_no + 1):
        yield number, "missing"
    if last >= head.event_no and (last != head.event_no or head.event_hash not in ends):
        yield head.event_no, "head"


def _judged(
    event: Event, ends: tuple[bytes, ...], followed_by: bytes, *, gap: bool
) -> tuple[str | None, tuple[bytes, ...]]:
    """What is wrong with an event's own row, and the hashes that the next event may be linked to."""
    made = link(event.prev_hash, event_facts(event))
    if made == event.hash:
        follows = gap or event.prev_hash in ends  # after a gap it is the missing one that was named
        return None if follows else "not_after_the_one_before", (event.hash,)
    if any(link(end, event_facts(event)) == event.hash for end in ends):
        return "prev_hash", (event.hash,)
    if made == followed_by:
        return "hash", (made,)
    return "facts", (event.hash, made)


def _said(event: Event) -> bool:
    """Whether the payload is the one committed to; one that was erased with its salt cannot be asked."""
    if event.payload_salt is None:
        return event.payload == {}
    try:
        return commit(event.payload_salt, event.payload) == event.payload_commit
    except LandError:
        return False


def _heads(tx: Tx, after: UUID) -> dict[UUID, _Head]:
    """The next dossiers by id: so many that their events are about a page."""
    rows = tx.execute(
        """SELECT dossier_id, code, event_no, event_hash,
                  coalesce((SELECT max(c.event_no) FROM checkpoint_event c WHERE c.dossier_id = d.dossier_id), 0) AS covered
           FROM (SELECT *, sum(event_no) OVER (ORDER BY dossier_id) - event_no AS before
                 FROM (SELECT * FROM dossier WHERE dossier_id > :after ORDER BY dossier_id LIMIT 1000) page) d
           WHERE before < :rows ORDER BY dossier_id""",
        after=after,
        rows=ROWS_AT_ONCE,
    )
    return {row.dossier_id: _Head(row.code, row.event_no, bytes(row.event_hash), row.covered) for row in rows}


def _events(tx: Tx, first: UUID, last: UUID) -> Iterator[_Seen]:
    rows = tx.execute(
        """SELECT e.dossier_id, e.event_no, e.kind, e.at, e.staff_id, e.office_id, e.from_stage, e.to_stage, e.payload,
                  e.payload_salt, e.payload_commit, e.messages, e.prev_hash, e.hash, c.leaf_no IS NOT NULL AS covered
           FROM dossier_event e LEFT JOIN checkpoint_event c USING (dossier_id, event_no)
           WHERE e.dossier_id BETWEEN :first AND :last ORDER BY e.dossier_id, e.event_no""",
        first=first,
        last=last,
    )
    for row in rows:
        values = dict(row._mapping)
        covered = values.pop("covered")
        for name in ("payload_salt", "payload_commit", "prev_hash", "hash"):
            values[name] = None if values[name] is None else bytes(values[name])
        yield _Seen(Event(**values), covered)


# ── checkpoints ─────────────────────────────────────────────────────────────────────────────────────────────────────


def checkpoint_faults(tx: Tx) -> Iterator[Fault]:
    """Recompute every checkpoint's root from the events that it covers, its link to the one before, and its seal."""
    keys = _keys(tx)
    before: Checkpoint | None = None
    for checkpoint in sealing.list_checkpoints(tx):
        where = f"checkpoint {checkpoint.checkpoint_no}"
        for what in _checkpoint_faults(checkpoint, before, keys):
            yield Fault(where, what)
        leaves = sealing.list_leaves(tx, checkpoint.checkpoint_no)
        yield from _leaf_faults(tx, where, checkpoint, leaves)
        before = checkpoint


def _checkpoint_faults(
    checkpoint: Checkpoint, before: Checkpoint | None, keys: Mapping[str, PublicKey]
) -> Iterator[str]:
    if checkpoint.prev_root != (before.root if before else GENESIS):
        yield "prev_root"
    if checkpoint.checkpoint_no != (before.checkpoint_no + 1 if before else 1):
        yield "missing"
    key = keys.get(checkpoint.kid)
    if key is None or key.office_id is not None:
        yield "key"
    elif not check(key.jwk, checkpoint.jws, checkpoint_body(checkpoint)):
        yield "seal"
    elif not key.good_at(checkpoint.signed_at):
        yield "key_over"


def _leaf_faults(tx: Tx, where: str, checkpoint: Checkpoint, leaves: list[CoveredEvent]) -> Iterator[Fault]:
    if [leaf.leaf_no for leaf in leaves] != list(range(checkpoint.event_count)):
        yield Fault(where, "count")
    gone = [leaf for leaf in leaves if leaf.hash is None]
    for leaf in gone:
        yield Fault(f"{_code(tx, leaf.dossier_id)} #{leaf.event_no} ({where})", "event_missing")
    if not gone and tree_hash([leaf.hash or b"" for leaf in leaves]) != checkpoint.root:
        yield Fault(where, "root")


def _code(tx: Tx, dossier_id: UUID) -> str:
    code = tx.execute("SELECT code FROM dossier WHERE dossier_id = :id", id=dossier_id).scalar_one_or_none()
    return str(code or dossier_id)


# ── receipts and the manifests that they answer to (I20) ────────────────────────────────────────────────────────────


def receipt_faults(tx: Tx) -> Iterator[Fault]:
    """Check the seal of every receipt, the key's validity at that time, and that the receipt says what the register says."""
    keys, after = _keys(tx), _FIRST
    while rows := _receipts(tx, after):
        after = rows[-1].receipt_id
        bodies = [_told(row.body) for row in rows]
        hashes = _hashes(tx, [(row.dossier_id, told.get("event_no")) for row, told in zip(rows, bodies, strict=True)])
        for row, told in zip(rows, bodies, strict=True):
            for what in _receipt_faults(row, told, hashes.get((row.dossier_id, told.get("event_no"))), keys):
                yield Fault(f"{row.code} #{told.get('event_no', '?')} {row.kind} {row.receipt_id}", what)


def _receipts(tx: Tx, after: UUID) -> Sequence[Row[Any]]:
    return tx.execute(
        """SELECT r.receipt_id, r.kind, r.party_office_id, r.body, r.jws, r.kid, r.issued_at, h.handover_id, h.dossier_id,
                  h.epoch, h.manifest_sha256, d.code
           FROM receipt r JOIN handover h USING (handover_id) JOIN dossier d USING (dossier_id)
           WHERE r.receipt_id > :after ORDER BY r.receipt_id LIMIT :rows""",
        after=after,
        rows=ROWS_AT_ONCE,
    ).all()


def _hashes(tx: Tx, events: Sequence[tuple[UUID, Any]]) -> dict[tuple[UUID, Any], bytes]:
    """The hashes of events by dossier and number, as far as there are such events."""
    known = [(dossier, number) for dossier, number in events if type(number) is int and 0 < number < 2**31]
    rows = tx.execute(
        """SELECT e.dossier_id, e.event_no, e.hash
           FROM unnest(CAST(:dossiers AS uuid[]), CAST(:numbers AS integer[])) AS q(dossier_id, event_no)
           JOIN dossier_event e USING (dossier_id, event_no)""",
        dossiers=[dossier for dossier, _ in known],
        numbers=[number for _, number in known],
    )
    return {(row.dossier_id, row.event_no): bytes(row.hash) for row in rows}


def _receipt_faults(
    row: Row[Any], told: Mapping[str, Any], event_hash: bytes | None, keys: Mapping[str, PublicKey]
) -> Iterator[str]:
    yield from _seal_faults(keys.get(row.kid), {None}, row.jws, bytes(row.body), row.issued_at)
    says = {
        "receipt_id": str(row.receipt_id),
        "kind": row.kind,
        "party_office": row.party_office_id,
        "handover_id": str(row.handover_id),
        "dossier_id": str(row.dossier_id),
        "epoch": row.epoch,
        "hub_time": instant(row.issued_at),
    }
    if any(told.get(name) != value for name, value in says.items()):
        yield "body"
    if told.get("manifest_sha256") != bytes(row.manifest_sha256).hex():
        yield "manifest"
    if event_hash is None or told.get("event_hash") != event_hash.hex():
        yield "event"


def handover_faults(tx: Tx) -> Iterator[Fault]:
    """Check the seal of every manifest against the key of the office that handed over, and the manifest against its hash."""
    keys, after = _keys(tx), _FIRST
    while rows := _handovers(tx, after):
        after = rows[-1].handover_id
        for row in rows:
            for what in _handover_faults(row, keys):
                yield Fault(f"{row.code} {row.handover_id}", what)


def _handovers(tx: Tx, after: UUID) -> Sequence[Row[Any]]:
    return tx.execute(
        """SELECT h.handover_id, h.dossier_id, h.epoch, h.from_office_id, h.to_office_id, h.state, h.manifest, h.manifest_sha256,
                  h.seal_jws, h.seal_kid, h.offered_at, d.code
           FROM handover h JOIN dossier d USING (dossier_id)
           WHERE h.handover_id > :after ORDER BY h.handover_id LIMIT :rows""",
        after=after,
        rows=ROWS_AT_ONCE // 10,
    ).all()


def _handover_faults(row: Row[Any], keys: Mapping[str, PublicKey]) -> Iterator[str]:
    manifest = bytes(row.manifest)
    # A forced move has no sender that could have sealed it: the register may.
    sealers = {row.from_office_id, None} if row.state == "forced" else {row.from_office_id}
    yield from _seal_faults(keys.get(row.seal_kid), sealers, row.seal_jws, manifest, row.offered_at)
    told = _told(manifest)
    says = {
        "handover_id": str(row.handover_id),
        "dossier_id": str(row.dossier_id),
        "epoch": row.epoch,
        "from_office": row.from_office_id,
        "to_office": row.to_office_id,
    }
    if hashlib.sha256(manifest).digest() != bytes(row.manifest_sha256) or any(
        told.get(n) != v for n, v in says.items()
    ):
        yield "manifest"


def _seal_faults(
    key: PublicKey | None, sealers: Set[int | None], jws: str, sealed: bytes, at: dt.datetime
) -> Iterator[str]:
    if key is None or key.office_id not in sealers:
        yield "key"
    elif not check(key.jwk, jws, sealed):
        yield "seal"
    elif not key.good_at(at):
        yield "key_over"


def _told(body: Any) -> dict[str, Any]:
    try:
        told = json.loads(bytes(body))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _keys(tx: Tx) -> dict[str, PublicKey]:
    return {key.kid: key for key in sealing.list_keys(tx)}

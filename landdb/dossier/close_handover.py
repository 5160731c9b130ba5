"""How a hand-over ends, whoever ends it: exactly once, with both parties told and certified (kết thúc một lần bàn giao).

Accept, refuse and recall race on the dossier's row. Whoever gets it second finds the hand-over closed, and is told by whom and
when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from landdb.db.transaction import VIETNAM, Tx
from landdb.dossier import store
from landdb.dossier.issue_receipt import receipts_of
from landdb.dossier.model import (
    AlreadyHeld,
    EpochStale,
    Handover,
    HandoverClosed,
    HandoverState,
    HandoverUnknown,
    Moved,
    Receipt,
)
from landdb.dossier.record import Draft, Message, draft, office_link
from landdb.dossier.store import Locked
from landdb.errors import Conflict
from landdb.sealing import chain
from landdb.sealing.keys import Keys


def demand_open(tx: Tx, locked: Locked, *, epoch: int | None = None) -> None:
    """Whether the hand-over still waits for an answer; who is no party of it learns nothing.

    Raises: ``HandoverUnknown``, ``HandoverClosed``, ``AlreadyHeld``, ``EpochStale`` where the caller saw another epoch.
    """
    handover = locked.handover
    if tx.actor.office_id not in {handover.from_office_id, handover.to_office_id}:
        raise HandoverUnknown(handover=str(handover.handover_id))
    if handover.state is not HandoverState.OFFERED:
        raise closed(tx, handover)
    if epoch is not None and epoch != handover.epoch:
        raise EpochStale(expected=epoch, found=handover.epoch)


def closed(tx: Tx, handover: Handover) -> Conflict:
    """The definite answer to one who came too late: who was quicker, how, and when."""
    facts: dict[str, Any] = {
        "handover": str(handover.handover_id),
        "winner": "forced" if handover.reason_code == store.FORCED else handover.state.value,
        "closed_at": chain.instant(handover.closed_at) if handover.closed_at else None,
        "closed_when": f"{handover.closed_at.astimezone(VIETNAM):%H:%M %d/%m/%Y}" if handover.closed_at else "–",
        "by": store.get_winner(tx, handover),
    }
    if handover.state is HandoverState.ACCEPTED and tx.actor.office_id == handover.to_office_id:
        return AlreadyHeld(**facts)
    return HandoverClosed(**facts)


def ended(
    tx: Tx, handover: Handover, state: HandoverState, *, reason_code: str | None = None, reason_note: str | None = None
) -> Handover:
    """The hand-over as it will be once closed by the actor, now. Never before it was offered, whatever the clocks say."""
    return replace(
        handover,
        state=state,
        closed_at=max(tx.now, handover.offered_at),
        closed_by=tx.actor.staff_id,
        reason_code=reason_code,
        reason_note=reason_note,
    )


def drafted(
    tx: Tx, keys: Keys, locked: Locked, after: Handover, moved: Moved, tell: Sequence[int]
) -> tuple[Draft, list[Receipt]]:
    """The event and the receipts of an end, not written yet; ``tell`` names the offices that get a message."""
    written = draft(
        tx,
        locked.dossier,
        after.state.value,
        told(after),
        messages=[message(after, office) for office in tell],
        custody=moved.custody,
    )
    return written, receipts_of(tx, keys, locked.dossier, after, moved.receipts, written.event)


def message(handover: Handover, to_office: int) -> Message:
    """What an office is told of a hand-over."""
    return Message(
        office_link(to_office),
        f"handover.{handover.state.value}",
        told(handover),
        epoch=handover.epoch,
        handover_id=handover.handover_id,
    )


def told(handover: Handover) -> dict[str, Any]:
    """A hand-over in an event or a message: which, between whom, and its reason. Notes stay in its row."""
    return {
        "handover_id": str(handover.handover_id),
        "batch_id": str(handover.batch_id),
        "epoch": handover.epoch,
        "from_office": handover.from_office_id,
        "to_office": handover.to_office_id,
        "manifest_sha256": handover.manifest_sha256.hex(),
        "reason": handover.reason_code,
    }


def ids_once(handover_ids: Sequence[UUID]) -> list[UUID]:
    """The ids asked for, each once, in their order."""
    return list(dict.fromkeys(handover_ids))

"""A dossier's history, and who may see it: the one way in which anything about a dossier is written down (ghi sổ theo dõi).

Every change is one event, linked by hash to the event before, with the messages that tell others of it, all in the transaction of
the change itself. The caller holds the lock of the dossier's row; ``event_no`` and hash are compared all the same, so that a
caller without it fails instead of tearing the chain.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from landdb.access.permissions import ANYTHING, allows
from landdb.access.store import get_office
from landdb.db.transaction import Tx
from landdb.dossier import store
from landdb.dossier.model import (
    EVENT_KINDS,
    Custody,
    CustodyState,
    Dossier,
    DossierClosed,
    DossierNotHeld,
    DossierSealed,
    DossierUnknown,
    Event,
)
from landdb.dossier.store import CustodyChange
from landdb.errors import Stale
from landdb.exchange.model import PORTAL, Envelope, office_link
from landdb.exchange.send import post
from landdb.sealing import chain

__all__ = [
    "PORTAL",
    "Draft",
    "Message",
    "draft",
    "enter",
    "knows",
    "not_held",
    "office_link",
    "record",
    "visible",
    "workable",
]

SALT_BYTES: Final = 16
OVERSEE: Final = "dossier:oversee"


@dataclass(frozen=True)
class Message:
    """What somebody outside is told of an event. ``body`` is put in canonical form: no fractions, moments as ``chain.instant``.

    The dossier's id and code, the event's number, kind and hash, and the epoch are added to it. ``link``: ``office_link(id)`` or
    ``PORTAL``.
    """

    link: str
    kind: str
    body: Mapping[str, Any]
    epoch: int | None = None
    handover_id: UUID | None = None


@dataclass(frozen=True)
class Draft:
    """An event that is not written yet, the dossier as it will be, and what others will be told."""

    event: Event
    after: Dossier
    messages: tuple[Message, ...]
    custody: CustodyChange | None


def record(
    tx: Tx,
    dossier: Dossier,
    kind: str,
    payload: Mapping[str, Any],
    *,
    to_stage: str | None = None,
    messages: Sequence[Message] = (),
) -> Dossier:
    """Append an event (with a new stage, if one is given) and send its messages; the dossier as it is now.

    ``dossier`` is as it was when locked. What ``store.set_dossier`` has changed since is in its row and in no hash; let the
    payload tell of it. Payloads hold text, integers, booleans, lists and mappings of them.
    Raises: ``Stale`` where the caller's dossier is not the one in the register.
    """
    written = draft(tx, dossier, kind, payload, to_stage=to_stage, messages=messages)
    return enter(tx, written)


def draft(
    tx: Tx,
    dossier: Dossier,
    kind: str,
    payload: Mapping[str, Any],
    *,
    to_stage: str | None = None,
    messages: Sequence[Message] = (),
    custody: Custody | None = None,
) -> Draft:
    """The next event of a dossier, computed and not written: receipts name its number and hash before it stands."""
    if kind not in EVENT_KINDS:
        raise ValueError(f"no kind of event: {kind}")
    first = dossier.event_no == 0
    stage = to_stage or dossier.stage
    salt = secrets.token_bytes(SALT_BYTES)
    unlinked = Event(
        dossier_id=dossier.dossier_id,
        event_no=dossier.event_no + 1,
        kind=kind,
        at=tx.now,
        staff_id=tx.actor.staff_id,
        office_id=tx.actor.office_id,
        from_stage=dossier.stage if to_stage and not first else None,
        to_stage=stage if to_stage or first else None,
        payload=dict(payload),
        payload_salt=salt,
        payload_commit=chain.commit(salt, payload),
        messages=len(messages),
        prev_hash=dossier.event_hash,
        hash=b"",
    )
    event = replace(unlinked, hash=chain.link(dossier.event_hash, chain.event_facts(unlinked)))
    after = replace(dossier, stage=stage, event_no=event.event_no, event_hash=event.hash)
    if custody is None:
        return Draft(event, after, tuple(messages), None)
    change = CustodyChange(custody.state, custody.holder_office_id, custody.epoch)
    moved = replace(
        after,
        custody_state=custody.state,
        holder_office_id=custody.holder_office_id,
        epoch=custody.epoch,
        assignee_id=dossier.assignee_id if custody.epoch == dossier.epoch else None,
    )
    return Draft(event, moved, tuple(messages), change)


def enter(tx: Tx, written: Draft) -> Dossier:
    """Write a drafted event and its messages. Raises: ``Stale``."""
    if not store.add_event(tx, written.event, written.after.stage, written.custody):
        raise Stale(expected=written.event.event_no - 1, dossier=written.after.code)
    if written.messages:
        post(tx, [_envelope(written, message) for message in written.messages])
    return written.after


def _envelope(written: Draft, message: Message) -> Envelope:
    event, dossier = written.event, written.after
    body = {
        **message.body,
        "dossier_id": str(dossier.dossier_id),
        "dossier_code": dossier.code,
        "event_no": event.event_no,
        "event_kind": event.kind,
        "event_hash": event.hash.hex(),
        "at": chain.instant(event.at),
        "epoch": dossier.epoch if message.epoch is None else message.epoch,
        "handover_id": None if message.handover_id is None else str(message.handover_id),
    }
    return Envelope(
        message.link,
        message.kind,
        chain.canonical(body),
        dossier_id=dossier.dossier_id,
        event_no=event.event_no,
        epoch=dossier.epoch if message.epoch is None else message.epoch,
        handover_id=message.handover_id,
    )


# ── who may see it, who may work on it ──────────────────────────────────────────────────────────────────────────────


def visible(tx: Tx, dossier: Dossier) -> None:
    """Whether the actor may read what is in it: the holder, the receiver of the open hand-over, oversight, the system.

    Raises: ``DossierUnknown``, as for one that does not exist.
    """
    if not sees(tx, dossier):
        raise DossierUnknown(dossier=str(dossier.dossier_id))


def sees(tx: Tx, dossier: Dossier) -> bool:
    """The same as an answer."""
    office = tx.actor.office_id
    if oversees(tx) or (office is not None and office == dossier.holder_office_id):
        return True
    if office is None or dossier.custody_state is CustodyState.HELD:
        return False
    opened = store.get_open(tx, dossier)
    return opened is not None and opened.to_office_id == office


def knows(tx: Tx, dossier: Dossier) -> bool:
    """Whether the actor may follow it: who sees it, the office that received it, former holders and parties of its hand-overs."""
    office = tx.actor.office_id
    if sees(tx, dossier) or (office is not None and office == dossier.intake_office_id):
        return True
    return office is not None and store.took_part(tx, dossier.dossier_id, office)


def workable(tx: Tx, dossier: Dossier) -> None:
    """Whether the actor's office may work on it now: it holds it, it is not on its way to another office, and it is not closed.

    Raises: ``DossierUnknown``, ``DossierNotHeld``, ``DossierClosed``, ``DossierSealed``.
    """
    visible(tx, dossier)
    if tx.actor.office_id != dossier.holder_office_id and not _is_system(tx):
        raise not_held(tx, dossier)
    if dossier.closed_at is not None:
        raise DossierClosed(dossier=dossier.code)
    if dossier.custody_state is not CustodyState.HELD:
        raise DossierSealed(dossier=dossier.code)


def not_held(tx: Tx, dossier: Dossier) -> DossierNotHeld:
    """The refusal to an office that sees the dossier and does not hold it, with the name of the one that does."""
    holder = get_office(tx, dossier.holder_office_id)
    return DossierNotHeld(holder=holder.name if holder else "–", dossier=dossier.code)


def oversees(tx: Tx) -> bool:
    """Whether the actor looks over all offices: a supervisor, or the system itself."""
    return _is_system(tx) or (tx.actor.kind == "staff" and allows(tx.actor, OVERSEE))


def _is_system(tx: Tx) -> bool:
    return tx.actor.kind == "system" or ANYTHING in tx.actor.permissions

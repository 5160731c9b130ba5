"""Offer dossiers to another office, one or many in one act (bàn giao hồ sơ).

Until the receiver accepts, the sender stays the holder and may not work on them. What goes is written in a manifest that the
sending office seals; both sides get a receipt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from landdb.access.model import OfficeUnknown
from landdb.db.transaction import Tx, new_id
from landdb.dossier import model, store
from landdb.dossier.answer_time import answer_due
from landdb.dossier.close_handover import message, told
from landdb.dossier.issue_receipt import receipts_of, sealed
from landdb.dossier.manifest import manifest
from landdb.dossier.model import (
    AlreadyOffered,
    CustodyState,
    Dossier,
    DossierClosed,
    DossierUnknown,
    Handover,
    HandoverState,
    HandoverToSelf,
    PapersUnverified,
    ReceiverClosed,
    RouteRefused,
)
from landdb.dossier.record import draft, enter, not_held, visible
from landdb.dossier.store import Paper, Receiver
from landdb.errors import LandError
from landdb.reference.store import procedure_by_id
from landdb.sealing.keys import Keys


@dataclass(frozen=True)
class Offered:
    """The verdict on one dossier of an offer: its hand-over, or why not. Both null: a dry run in which it would go."""

    dossier_id: UUID
    handover: Handover | None = None
    refusal: LandError | None = None
    dossier: Dossier | None = None


def offer(
    tx: Tx,
    keys: Keys,
    dossier_ids: Sequence[UUID],
    to_office: int,
    *,
    note: str | None = None,
    dry_run: bool = False,
    partial: bool = False,
    epochs: Mapping[UUID, int] | None = None,
) -> list[Offered]:
    """Offer dossiers that the actor's office holds to ``to_office``; a verdict on each, in the order asked.

    ``partial`` offers those that can go and leaves the others; without it the first refusal is raised and nothing goes.
    ``dry_run`` changes nothing and refuses nothing. ``epochs``: the epoch in which the caller saw a dossier.

    Raises: ``OfficeUnknown``, ``DossierUnknown``, ``DossierNotHeld``, ``DossierClosed``, ``AlreadyOffered``, ``EpochStale``,
    ``HandoverToSelf``, ``ReceiverClosed``, ``RouteRefused``, ``PapersUnverified``.
    """
    asked = list(dict.fromkeys(dossier_ids))
    found = store.get_dossiers(tx, asked) if dry_run else store.lock_dossiers(tx, asked)
    batch = _Batch(tx, keys, _receiver(tx, to_office), note, new_id(), store.papers_to_hand_over(tx, found))
    verdicts = [
        _judge(batch, dossier_id, found.get(dossier_id), (epochs or {}).get(dossier_id)) for dossier_id in asked
    ]
    if dry_run:
        return verdicts
    refusal = next((verdict.refusal for verdict in verdicts if verdict.refusal), None)
    if refusal and not partial:
        raise refusal
    return [verdict if verdict.refusal else _offer(batch, found[verdict.dossier_id]) for verdict in verdicts]


@dataclass(frozen=True)
class _Batch:
    """What all dossiers of one act share."""

    tx: Tx
    keys: Keys
    to: Receiver
    note: str | None
    batch_id: UUID
    papers: Mapping[UUID, Sequence[Paper]]


def _receiver(tx: Tx, office_id: int) -> Receiver:
    receiver = store.get_receiver(tx, office_id)
    if receiver is None:
        raise OfficeUnknown(office=office_id)
    return receiver


def _judge(batch: _Batch, dossier_id: UUID, dossier: Dossier | None, epoch: int | None) -> Offered:
    try:
        if dossier is None:
            raise DossierUnknown(dossier=str(dossier_id))
        demand_offerable(batch.tx, dossier, batch.to, epoch)
        _demand_papers(batch.papers.get(dossier_id, ()))
    except LandError as refusal:
        return Offered(dossier_id, refusal=refusal)
    return Offered(dossier_id, dossier=dossier)


def demand_offerable(tx: Tx, dossier: Dossier, to: Receiver, epoch: int | None = None) -> None:
    """Whether the actor's office may offer this dossier to that office now. Raises: as ``offer``."""
    visible(tx, dossier)
    if dossier.holder_office_id != tx.actor.office_id:
        raise not_held(tx, dossier)
    if dossier.closed_at is not None:
        raise DossierClosed(dossier=dossier.code)
    if dossier.custody_state is CustodyState.IN_TRANSIT:
        raise AlreadyOffered(dossier=dossier.code)
    if dossier.holder_office_id == to.office_id:
        raise HandoverToSelf(dossier=dossier.code)
    model.offer(
        dossier.custody,
        dossier.dossier_id,
        dossier.holder_office_id,
        to.office_id,
        dossier.epoch if epoch is None else epoch,
    )
    demand_receiver(tx, dossier, to)


def demand_receiver(tx: Tx, dossier: Dossier, to: Receiver) -> None:
    """Whether an office may get this dossier: open today, and of a kind that takes part.

    Raises: ``ReceiverClosed``, ``RouteRefused``.
    """
    if not to.is_open(tx.today):
        raise ReceiverClosed(office=to.name, closed_on=to.valid_to, heirs=", ".join(to.heirs) or "–")
    if to.kind not in procedure_by_id(tx, dossier.procedure_id).office_kinds:
        raise RouteRefused(office=to.name, procedure=dossier.procedure_code)


def _demand_papers(papers: Sequence[Paper]) -> None:
    unfit = [paper.name for paper in papers if not paper.verified]
    if unfit:
        raise PapersUnverified(papers=", ".join(unfit))


def _offer(batch: _Batch, dossier: Dossier) -> Offered:
    tx, papers = batch.tx, batch.papers.get(dossier.dossier_id, ())
    handover_id = new_id()
    moved = model.offer(dossier.custody, handover_id, dossier.holder_office_id, batch.to.office_id, dossier.epoch)
    handover = _handover(batch, dossier, papers, handover_id)
    written = draft(
        tx,
        dossier,
        "offered",
        told(handover),
        messages=[message(handover, handover.to_office_id)],
        custody=moved.custody,
    )
    receipts = receipts_of(tx, batch.keys, dossier, handover, moved.receipts, written.event)
    store.add_handover(tx, handover, papers, receipts)
    return Offered(dossier.dossier_id, handover, dossier=enter(tx, written))


def _handover(batch: _Batch, dossier: Dossier, papers: Sequence[Paper], handover_id: UUID) -> Handover:
    tx = batch.tx
    claimed = manifest(
        dossier,
        papers,
        handover_id=handover_id,
        to_office=batch.to.office_id,
        at=tx.now,
        officer_id=tx.actor.staff_id,
        note=batch.note,
    )
    mark = sealed(tx, batch.keys, dossier.holder_office_id, claimed)
    return Handover(
        handover_id=handover_id,
        batch_id=batch.batch_id,
        dossier_id=dossier.dossier_id,
        epoch=dossier.epoch,
        from_office_id=dossier.holder_office_id,
        to_office_id=batch.to.office_id,
        state=HandoverState.OFFERED,
        manifest=claimed,
        manifest_sha256=hashlib.sha256(claimed).digest(),
        seal_jws=mark.jws,
        seal_kid=mark.kid,
        note=batch.note,
        offered_at=tx.now,
        offered_by=tx.actor.staff_id,
        due_at=answer_due(tx),
        closed_at=None,
        closed_by=None,
        reason_code=None,
        reason_note=None,
    )

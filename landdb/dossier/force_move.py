"""Move a dossier by force: two persons of the province, a reason and a written order (điều chuyển bắt buộc).

For an office that was closed or cannot be reached. The new epoch shuts out whatever is still told of the old one.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import UUID

from landdb.access.model import OfficeUnknown
from landdb.db.transaction import Tx, new_id
from landdb.dossier import clock, model, store
from landdb.dossier.close_handover import ended, message, told
from landdb.dossier.issue_receipt import receipts_of, sealed
from landdb.dossier.manifest import manifest
from landdb.dossier.model import (
    FORCE_REASONS,
    DocumentUnknown,
    Dossier,
    DossierClosed,
    EpochStale,
    ForceMove,
    ForceSamePerson,
    ForceUnknown,
    Handover,
    HandoverState,
    HandoverToSelf,
    ReasonUnknown,
    ReceiptKind,
)
from landdb.dossier.offer import demand_receiver
from landdb.dossier.record import Message, draft, enter, office_link, record, visible
from landdb.dossier.store import Receiver
from landdb.sealing.keys import Keys


def propose(
    tx: Tx, dossier_id: UUID, to_office: int, *, reason_code: str, reason_note: str, document_id: UUID
) -> ForceMove:
    """The first person asks for it. ``document_id`` is the written order, a paper of this dossier.

    Raises: ``ReasonUnknown``, ``DossierUnknown``, ``DossierClosed``, ``HandoverToSelf``, ``ReceiverClosed``, ``RouteRefused``,
    ``OfficeUnknown``, ``DocumentUnknown``, ``ForceOpen``.
    """
    if reason_code not in FORCE_REASONS:
        raise ReasonUnknown(reason=reason_code, known=", ".join(FORCE_REASONS))
    dossier = store.lock_dossier(tx, dossier_id)
    visible(tx, dossier)
    _demand_movable(tx, dossier, to_office)
    if not store.has_document(tx, dossier_id, document_id):
        raise DocumentUnknown(document=str(document_id))
    move = ForceMove(
        force_move_id=new_id(),
        dossier_id=dossier_id,
        epoch=dossier.epoch,
        to_office_id=to_office,
        reason_code=reason_code,
        reason_note=reason_note,
        document_id=document_id,
        proposed_by=_person(tx),
        proposed_at=tx.now,
    )
    store.add_force_move(tx, move)
    record(
        tx,
        dossier,
        "force_proposed",
        _about(move),
        messages=[_proposal(move, "force.proposed", dossier.holder_office_id)],
    )
    return move


def confirm(tx: Tx, keys: Keys, force_move_id: UUID) -> Handover:
    """The second person agrees: the dossier moves at once, whatever its state.

    Raises: ``ForceUnknown``, ``ForceSamePerson``, ``EpochStale`` where it has changed hands since, ``DossierClosed``,
    ``HandoverToSelf``, ``ReceiverClosed``, ``RouteRefused``.
    """
    move, dossier = _locked(tx, force_move_id)
    if _person(tx) == move.proposed_by:
        raise ForceSamePerson(force_move=str(force_move_id))
    _demand_movable(tx, dossier, move.to_office_id)
    overtaken = _overtaken(tx, dossier)
    handover = _forced(tx, keys, dossier, move)
    moved = model.force(store.get_custody(tx, dossier), handover.handover_id, move.to_office_id, move.epoch)
    written = draft(
        tx,
        dossier,
        "forced",
        {**told(handover), **_about(move)},
        messages=[
            *([message(overtaken, overtaken.to_office_id)] if overtaken else []),
            message(handover, handover.from_office_id),
            message(handover, handover.to_office_id),
        ],
        custody=moved.custody,
    )
    if overtaken:
        # Its receiver is told that it is over. Its sender is not told that the dossier is back: it is not.
        parties = [(ReceiptKind.CLOSED, overtaken.to_office_id)]
        store.set_closed(tx, overtaken, receipts_of(tx, keys, dossier, overtaken, parties, written.event))
    receipts = receipts_of(tx, keys, dossier, handover, moved.receipts, written.event)
    papers = store.papers_to_hand_over(tx, [dossier.dossier_id]).get(dossier.dossier_id, ())
    store.add_forced(tx, handover, papers, receipts)
    store.set_force_confirmed(tx, force_move_id)
    clock.move(tx, enter(tx, written))
    return handover


def drop(tx: Tx, force_move_id: UUID) -> ForceMove:
    """Withdraw a proposal. Raises: ``ForceUnknown`` where it is open no longer."""
    move, dossier = _locked(tx, force_move_id)
    store.set_force_dropped(tx, force_move_id)
    record(
        tx,
        dossier,
        "force_dropped",
        _about(move),
        messages=[_proposal(move, "force.dropped", dossier.holder_office_id)],
    )
    return replace(move, dropped_at=tx.now)


def _locked(tx: Tx, force_move_id: UUID) -> tuple[ForceMove, Dossier]:
    """An open proposal with its dossier, held: what was read before the lock may have been decided meanwhile."""
    dossier = store.lock_dossier(tx, store.get_force_move(tx, force_move_id).dossier_id)
    visible(tx, dossier)
    move = store.get_force_move(tx, force_move_id)
    if move.confirmed_at is not None or move.dropped_at is not None:
        raise ForceUnknown(force_move=str(force_move_id))
    return move, dossier


def _person(tx: Tx) -> UUID:
    """A forced move needs persons: no service and no system. Raises: ``ForceSamePerson``."""
    if tx.actor.staff_id is None:
        raise ForceSamePerson()
    return tx.actor.staff_id


def _demand_movable(tx: Tx, dossier: Dossier, to_office: int) -> Receiver:
    receiver = store.get_receiver(tx, to_office)
    if receiver is None:
        raise OfficeUnknown(office=to_office)
    if dossier.closed_at is not None:
        raise DossierClosed(dossier=dossier.code)
    if to_office == dossier.holder_office_id:
        raise HandoverToSelf(dossier=dossier.code)
    demand_receiver(tx, dossier, receiver)
    return receiver


def _forced(tx: Tx, keys: Keys, dossier: Dossier, move: ForceMove) -> Handover:
    """The hand-over that nobody offered: its manifest is sealed by the register, since the holder takes no part."""
    if move.epoch != dossier.epoch:
        raise EpochStale(expected=move.epoch, found=dossier.epoch)
    handover_id = new_id()
    papers = store.papers_to_hand_over(tx, [dossier.dossier_id]).get(dossier.dossier_id, ())
    claimed = manifest(
        dossier,
        papers,
        handover_id=handover_id,
        to_office=move.to_office_id,
        at=tx.now,
        officer_id=tx.actor.staff_id,
        reason=move.reason_code,
    )
    mark = sealed(tx, keys, None, claimed)
    return Handover(
        handover_id=handover_id,
        batch_id=move.force_move_id,
        dossier_id=dossier.dossier_id,
        epoch=dossier.epoch,
        from_office_id=dossier.holder_office_id,
        to_office_id=move.to_office_id,
        state=HandoverState.FORCED,
        manifest=claimed,
        manifest_sha256=hashlib.sha256(claimed).digest(),
        seal_jws=mark.jws,
        seal_kid=mark.kid,
        note=None,
        offered_at=tx.now,
        offered_by=move.proposed_by,
        due_at=None,
        closed_at=tx.now,
        closed_by=tx.actor.staff_id,
        reason_code=move.reason_code,
        reason_note=move.reason_note,
    )


def _overtaken(tx: Tx, dossier: Dossier) -> Handover | None:
    """The open offer as force ends it: of one epoch only one hand-over moves custody, and that is the forced one."""
    opened = store.get_open(tx, dossier)
    if opened is None:
        return None
    offered = store.get_handover(tx, opened.handover_id)
    return ended(tx, offered, HandoverState.RECALLED, reason_code=store.FORCED)


def _about(move: ForceMove) -> dict[str, str | int]:
    return {
        "force_move_id": str(move.force_move_id),
        "to_office": move.to_office_id,
        "reason": move.reason_code,
        "order_document_id": str(move.document_id),
    }


def _proposal(move: ForceMove, kind: str, office: int) -> Message:
    return Message(office_link(office), kind, _about(move), epoch=move.epoch)

"""Certify to the parties of a hand-over what became of it: receipts, sealed by the register (cấp biên nhận bàn giao)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from landdb.db.transaction import Tx, new_id
from landdb.dossier.model import Dossier, Event, Handover, Receipt, ReceiptKind
from landdb.sealing import chain, signing_keys
from landdb.sealing import store as sealing
from landdb.sealing.keys import Keys
from landdb.sealing.model import OVERLAP
from landdb.sealing.seal import Seal, kid_of, public_jwk, seal

VERSION: Final = 1
SURE_FOR: Final = dt.timedelta(seconds=5)
"""How long a process takes a published key for good without asking: a revocation is felt after that."""

_sure: WeakKeyDictionary[Engine, dict[tuple[str, bytes], dt.datetime]] = WeakKeyDictionary()


def sealed(tx: Tx, keys: Keys, office_id: int | None, payload: bytes) -> Seal:
    """A payload sealed by an office (null: by the register) with a key that is published and good.

    Raises: ``SigningKeyOver``, ``SigningKeyOther``.
    """
    kid = kid_of(keys, office_id)
    known = _sure.setdefault(tx.connection.engine, {})
    mark = (kid, keys.derived("fingerprint"))
    asked_at = known.get(mark)
    if asked_at is None or not asked_at <= tx.now < asked_at + SURE_FOR:
        key = sealing.get_key(tx, kid)
        # One published by this very transaction may be rolled back with it: it is asked for again.
        if key and key.good_at(tx.now) and key.not_before < tx.now - OVERLAP and key.jwk == public_jwk(keys, office_id):
            known[mark] = tx.now
        else:
            known.pop(mark, None)
            signing_keys.ensure_key(tx, keys, office_id)
    return seal(keys, office_id, payload)


def receipts_of(
    tx: Tx,
    keys: Keys,
    dossier: Dossier,
    handover: Handover,
    parties: Sequence[tuple[ReceiptKind, int]],
    event: Event,
) -> list[Receipt]:
    """The receipts that a step of a hand-over brings to its parties, not written yet. ``event`` is the step's own."""
    return [_receipt(tx, keys, dossier, handover, kind, party, event) for kind, party in parties]


def _receipt(
    tx: Tx, keys: Keys, dossier: Dossier, handover: Handover, kind: ReceiptKind, party: int, event: Event
) -> Receipt:
    receipt_id = new_id()
    body = chain.canonical(_facts(receipt_id, dossier, handover, kind, party, event))
    mark = sealed(tx, keys, None, body)
    return Receipt(receipt_id, handover.handover_id, kind, party, body, mark.jws, mark.kid, event.at)


def _facts(
    receipt_id: UUID, dossier: Dossier, handover: Handover, kind: ReceiptKind, party: int, event: Event
) -> dict[str, Any]:
    return {
        "v": VERSION,
        "receipt_id": str(receipt_id),
        "kind": kind.value,
        "party_office": party,
        "handover_id": str(handover.handover_id),
        "dossier_id": str(dossier.dossier_id),
        "dossier_code": dossier.code,
        "epoch": handover.epoch,
        "from_office": handover.from_office_id,
        "to_office": handover.to_office_id,
        "state": handover.state.value,
        "reason": handover.reason_code,
        "manifest_sha256": handover.manifest_sha256.hex(),
        "event_no": event.event_no,
        "event_hash": event.hash.hex(),
        "hub_time": chain.instant(event.at),
    }

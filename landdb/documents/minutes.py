"""Biên bản bàn giao hồ sơ: the minutes of one act of handing over, with what proves it.

They list each dossier with the SHA-256 of its sealed manifest and how its hand-over ended, and name the keys that sealed
manifests and receipts. No citizen's name stands in them: they are kept by both offices for ever, and a former holder may keep no
more than the timeline (custody.md §1).
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any, Final
from uuid import UUID

from landdb.access import store as access
from landdb.db.transaction import Tx
from landdb.documents import render
from landdb.dossier import store
from landdb.dossier.model import Handover, HandoverState
from landdb.dossier.store import HandoverLine
from landdb.messages import message
from landdb.reference import store as reference

_STATES: Final = {
    HandoverState.OFFERED: "Chờ nhận",
    HandoverState.ACCEPTED: "Đã nhận",
    HandoverState.REFUSED: "Không nhận",
    HandoverState.RECALLED: "Đã thu hồi",
    HandoverState.FORCED: "Điều chuyển",
}
_RECEIPTS: Final = {
    "stored": "đã gửi",
    "delivered": "đã chuyển",
    "granted": "đã nhận",
    "released": "đã bàn giao",
    "returned": "trả lại",
    "refused": "không nhận",
    "closed": "đã đóng",
}


def handover_minutes(tx: Tx, batch_id: UUID) -> bytes:
    """The minutes as PDF, as things stand in this transaction. The caller has asked whether the actor is a party."""
    lines = store.list_batch(tx, batch_id)
    latest = max(line.handover.closed_at or line.handover.offered_at for line in lines)
    return render.pdf("minutes", facts_of(tx, lines), latest)


def facts_of(tx: Tx, lines: list[HandoverLine]) -> dict[str, Any]:
    """What the template sets."""
    first = lines[0].handover
    sender = access.get_office(tx, first.from_office_id)
    above = access.get_office(tx, sender.parent_id) if sender and sender.parent_id else None
    people = {who for line in lines for who in (line.handover.offered_by, line.handover.closed_by) if who}
    names = access.staff_names(tx, sorted(people))
    takers = {line.handover.closed_by for line in lines if line.handover.state is HandoverState.ACCEPTED}
    tally = Counter(_STATES[line.handover.state] for line in lines)
    return {
        "number": str(first.batch_id),
        "above": above.name if above else "",
        "from_office": lines[0].from_office,
        "to_office": lines[0].to_office,
        "date": render.long_day(first.offered_at),
        "offered": render.moment(first.offered_at),
        "offered_by": names.get(first.offered_by, "") if first.offered_by else "",
        "closed_by": ", ".join(sorted(names[who] for who in takers if who in names)),
        "tally": "; ".join(f"{state.lower()} {count}" for state, count in tally.items()),
        "note": first.note or "",
        "rows": _rows(tx, lines),
        "keys": _keys(tx, lines),
    }


def _rows(tx: Tx, lines: list[HandoverLine]) -> list[dict[str, Any]]:
    """What was sealed of each dossier, in the words of its procedure, and how it ended."""
    dossiers = store.get_dossiers(tx, [line.handover.dossier_id for line in lines])
    rows = []
    for line in lines:
        handover, sealed = line.handover, json.loads(line.handover.manifest)
        procedure = reference.procedure_by_id(tx, dossiers[handover.dossier_id].procedure_id)
        stage = procedure.stages.get(sealed["stage"])
        rows.append(
            {
                "code": line.dossier_code,
                "procedure": procedure.name_vi,
                "stage": stage.name_vi if stage else sealed["stage"],
                "due": render.day(dt.datetime.fromisoformat(sealed["due_at"])) if sealed["due_at"] else "",
                "papers": len(sealed["items"]),
                "sha256": handover.manifest_sha256.hex(),
                "state": _STATES[handover.state],
                "closed": render.clock_and_day(handover.closed_at),
                "reason": _reason(handover),
            }
        )
    return rows


def _reason(handover: Handover) -> str:
    """Why it was not taken or was forced, in words."""
    if handover.reason_code is None:
        return ""
    if handover.reason_code == store.FORCED:
        return _STATES[HandoverState.FORCED]
    area = "force_reason" if handover.state is HandoverState.FORCED else "refuse_reason"
    return message(f"{area}.{handover.reason_code}", {}).title


def _keys(tx: Tx, lines: list[HandoverLine]) -> list[dict[str, Any]]:
    """Each key that sealed something here, with what and how often."""
    seals = Counter(line.handover.seal_kid for line in lines)
    rows = [
        {"kid": kid, "what": "dấu của bên giao trên bản kê", "count": count} for kid, count in sorted(seals.items())
    ]
    for kid, kinds in store.tally_receipts(tx, lines[0].handover.batch_id).items():
        said = ", ".join(f"{_RECEIPTS[kind]} {count}" for kind, count in kinds.items())
        rows.append({"kid": kid, "what": f"biên nhận của hệ thống: {said}", "count": sum(kinds.values())})
    return rows

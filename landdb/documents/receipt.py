"""Giấy tiếp nhận hồ sơ và hẹn trả kết quả: the sheet that the applicant takes home from the desk.

Its fields are those of the one-stop form in use since TT 01/2018/TT-VPCP, Mẫu số 01 [unverified: NĐ 118/2025 replaced it,
and its forms have not been read]. The QR code holds the address of the public page with the dossier's code behind a ``#``, which
browsers keep to themselves: the code appears in no log on the way, and the page still asks for the second fact.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from landdb.access import store as access
from landdb.db.transaction import Tx
from landdb.documents import render
from landdb.dossier import store
from landdb.dossier.model import Dossier, Event
from landdb.reference import store as reference
from landdb.reference.procedure import Procedure
from landdb.views.history import labels

HOURS_A_DAY: Final = 8


def status_link(address: str, code: str) -> str:
    """What the QR code says: where to ask, and for which dossier."""
    return f"{address.rstrip('/')}/#ho-so={quote(code, safe='')}"


def dossier_receipt(tx: Tx, dossier: Dossier, address: str) -> bytes:
    """The sheet as PDF. ``address``: of the citizens' page. The caller has asked whether the actor may see the dossier."""
    return render.pdf("receipt", facts_of(tx, dossier, address), dossier.received_at)


def facts_of(tx: Tx, dossier: Dossier, address: str) -> dict[str, Any]:
    """What the template sets."""
    office = access.get_office(tx, dossier.intake_office_id)
    assert office is not None
    above = access.get_office(tx, office.parent_id) if office.parent_id else None
    procedure = reference.procedure_by_id(tx, dossier.procedure_id)
    received = store.list_events(tx, dossier.dossier_id, limit=1)[0]
    people = {person.role: person for person in store.list_people(tx, dossier.dossier_id)}
    applicant, proxy = people.get("applicant"), people.get("proxy")
    sequence = dossier.code.rsplit("-", 1)[-1]
    return {
        "code": dossier.code,
        "office": office.name,
        "above": above.name if above else "",
        "number": f"{sequence}/TNHS",
        "date": render.long_day(dossier.received_at),
        "qr": render.qr_code(status_link(address, dossier.code)),
        "address_status": address,
        "applicant": applicant.name if applicant else "",
        "address": (applicant and applicant.address) or "",
        "phone": (applicant and applicant.phone) or "",
        "proxy": proxy.name if proxy else "",
        "submitter": next((person.name for person in (proxy, applicant) if person), ""),
        "procedure": procedure.name_vi,
        "procedure_code": "do cơ quan quy định" if procedure.has_local_code else procedure.code,
        "land": _land(tx, dossier),
        "summary": dossier.summary,
        "papers": _papers(received, procedure),
        "missing": _missing(received, procedure),
        "limit": _limit(procedure),
        "received": render.moment(dossier.received_at),
        "due": render.moment(dossier.due_at) or "cơ quan sẽ thông báo",
        "provisional": dossier.due_provisional,
        "sequence": sequence,
        "receiver": _person(tx, dossier.received_by),
    }


def _limit(procedure: Procedure) -> str:
    hours = procedure.limit_working_hours
    if hours is None:
        return "do cơ quan quy định"
    days, rest = divmod(hours, HOURS_A_DAY)
    return f"{days} ngày làm việc" if not rest else f"{hours} giờ làm việc"


def _person(tx: Tx, staff_id: UUID | None) -> str:
    return access.staff_names(tx, [staff_id]).get(staff_id, "") if staff_id else ""


def _land(tx: Tx, dossier: Dossier) -> str:
    """The parcel and the certificate that the application names, as people call them."""
    said = []
    if dossier.parcel_id is not None:
        said += [f"thửa {p.parcel_no}, tờ {p.sheet_no}, {p.commune}" for p in labels(tx, {dossier.parcel_id})]
    if dossier.certificate_serial:
        said.append(f"Giấy chứng nhận số {dossier.certificate_serial}")
    return "; ".join(said)


def _papers(received: Event, procedure: Procedure) -> list[dict[str, str]]:
    """What was handed in, in the order of the list; copies as the procedure asks for them."""
    listed = {paper.doc_type: paper for paper in procedure.papers}
    rows = []
    for given in received.payload.get("papers", []):
        paper = listed.get(given["doc_type"])
        rows.append(
            {
                "name": paper.name_vi if paper else given["doc_type"],
                "copies": f"{paper.copies if paper else 1:02}",
                "form": "bản giấy, đã quét" if given["scanned"] else "bản giấy",
            }
        )
    return rows


def _missing(received: Event, procedure: Procedure) -> list[str]:
    """Required papers that were not handed in."""
    listed = {paper.doc_type: paper.name_vi for paper in procedure.papers}
    return [listed.get(doc_type, doc_type) for doc_type in received.payload.get("missing", [])]

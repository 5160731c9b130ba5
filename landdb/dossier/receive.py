"""Receive a dossier at a desk, by post or from the online form (tiếp nhận hồ sơ).

Any desk of the province receives for any commune ("phi địa giới"). The code is the desk's agency code, the day and a number
without a gap: the desk's counter is locked until the dossier stands, so that a number is taken with a dossier or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from uuid import UUID

from landdb.access import store as access
from landdb.access.model import Office, OfficeUnknown
from landdb.config import settings
from landdb.db.transaction import Tx, new_id
from landdb.dossier import clock, notice, record, store
from landdb.dossier.add_document import Looked, link, look_at
from landdb.dossier.external_id import clean
from landdb.dossier.model import ApplicantMissing, Dossier, OfficeClosed, PaperMissing, ParcelOutside
from landdb.dossier.record import PORTAL, Message
from landdb.dossier.scan import Scanner
from landdb.dossier.store import NewPerson
from landdb.files import FileStore, StoredFile
from landdb.reference import store as reference
from landdb.reference.model import fold
from landdb.reference.procedure import Procedure, ProcedurePaper
from landdb.sealing import identity
from landdb.sealing.keys import Keys


class Channel(IntEnum):
    """How a dossier comes in. Source: national code hinh_thuc_tiep_nhan."""

    DESK = 1
    ONLINE = 2
    POST = 3


@dataclass(frozen=True)
class Person:
    """An applicant or a proxy as the desk takes them down. ``identity_number`` is sealed before it is stored."""

    name: str
    identity_number: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class PaperGiven:
    """A paper that was handed in. ``sha256`` null: on paper only, not scanned; else bytes that are in the file store."""

    doc_type: str
    sha256: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Application:
    """What somebody applies for. ``commune_id`` null: that of the parcel. ``summary``: no personal data."""

    procedure_code: str
    applicant: Person
    channel: int = Channel.DESK
    proxy: Person | None = None
    commune_id: int | None = None
    parcel_id: UUID | None = None
    certificate_serial: str | None = None
    summary: str = ""
    papers: Sequence[PaperGiven] = ()
    external_ids: Mapping[str, str] = field(default_factory=dict)
    paper_place: str | None = None


@dataclass(frozen=True)
class Received:
    """A dossier just received, what it lacks, and what to be wary of (codes of ``messages``)."""

    dossier: Dossier
    missing_papers: tuple[ProcedurePaper, ...]
    warnings: tuple[str, ...]


def receive(
    tx: Tx,
    keys: Keys,
    application: Application,
    *,
    accept_incomplete: bool = False,
    office_id: int | None = None,
    files: FileStore | None = None,
    scanner: Scanner | None = None,
) -> Received:
    """Receive a dossier for an office (null: the actor's own); it begins at the procedure's first stage, its clocks running.

    files: where the bytes of scanned papers lie; needed where the application names some.
    Raises: ``ProcedureUnknown``, ``ApplicantMissing``, ``PaperMissing`` (unless ``accept_incomplete``), ``ParcelOutside``,
    ``OfficeUnknown``, ``OfficeClosed``, ``ExternalIdTaken``, ``file.unknown``, and those of ``add_document``.
    """
    office = _desk(tx, office_id)
    procedure = reference.get_procedure(tx, application.procedure_code, tx.today, settings().province)
    missing = _checked(application, procedure, accept_incomplete)
    land = _land(tx, application)
    papers = _looked_at(tx, application, procedure, files, scanner)
    due = clock.promise(tx, procedure, tx.now)
    ids = [clean(system, value) for system, value in application.external_ids.items()]
    dossier = store.add_dossier(
        tx,
        dossier_id=new_id(),
        code=_code(tx, office),
        procedure_id=procedure.procedure_id,
        stage=procedure.first_stage,
        intake_office_id=office.office_id,
        # Who sends in a form is no member of staff, whatever service hands it on.
        received_by=None if application.channel == Channel.ONLINE else tx.actor.staff_id,
        channel=int(application.channel),
        summary=application.summary.strip(),
        paper_place=" ".join((application.paper_place or "").split()) or None,
        due_at=due.due_at,
        due_provisional=due.provisional,
        **land,
    )
    for role, person in (("applicant", application.applicant), ("proxy", application.proxy)):
        if person is not None:
            store.add_person(tx, dossier.dossier_id, _sealed(keys, role, person))
    for system, value in ids:
        store.add_external_id(tx, dossier.dossier_id, system, value)
    status = procedure.stages[procedure.first_stage].national_status
    told = Message(PORTAL, "status", {"status": status, "stage": procedure.first_stage})
    payload = _payload(application, missing, due) | {"external_ids": dict(ids), "office": office.code}
    recorded = record.record(tx, dossier, "received", payload, messages=[told])
    clock.start(tx, recorded)
    for doc_type, paper in papers:
        _, recorded = link(tx, recorded, doc_type, paper)
    notice.tell(tx, recorded, "received", missing=", ".join(paper.name_vi for paper in missing) or "–")
    return Received(recorded, missing, (clock.YEAR_MISSING,) if due.provisional else ())


def missing_papers(tx: Tx, dossier: Dossier, procedure: Procedure) -> tuple[ProcedurePaper, ...]:
    """The papers of the list that a dossier lacks still: neither handed in at the desk nor added since."""
    there = {document.doc_type for document in store.list_documents(tx, dossier.dossier_id)}
    first = store.list_events(tx, dossier.dossier_id, limit=1)
    handed_in = first[0].payload.get("papers", []) if first else []
    there |= {paper["doc_type"] for paper in handed_in if not paper["scanned"]}
    return tuple(paper for paper in procedure.required_papers if paper.doc_type not in there)


def _desk(tx: Tx, office_id: int | None) -> Office:
    wanted = tx.actor.office_id if office_id is None else office_id
    office = None if wanted is None else access.get_office(tx, wanted)
    if office is None:
        raise OfficeUnknown(office=wanted)
    opened, closed = office.valid_from, office.valid_to
    if (opened is not None and tx.today < opened) or (closed is not None and tx.today >= closed):
        raise OfficeClosed(office=office.name)
    return office


def _checked(application: Application, procedure: Procedure, accept_incomplete: bool) -> tuple[ProcedurePaper, ...]:
    for person in (application.applicant, application.proxy):
        if person is not None and not fold(person.name):
            raise ApplicantMissing()
    given = {paper.doc_type for paper in application.papers}
    missing = tuple(paper for paper in procedure.required_papers if paper.doc_type not in given)
    if missing and not accept_incomplete:
        raise PaperMissing(
            papers=", ".join(paper.name_vi for paper in missing), doc_types=[paper.doc_type for paper in missing]
        )
    return missing


def _land(tx: Tx, application: Application) -> dict[str, Any]:
    """Parcel, commune and certificate as the row keeps them."""
    commune_id = application.commune_id
    if application.parcel_id is not None:
        found = store.find_land(tx, application.parcel_id)
        if found is None:
            raise ParcelOutside(parcel=str(application.parcel_id))
        commune_id = commune_id or found.commune_id
    serial = "".join((application.certificate_serial or "").split()).upper() or None
    return {"commune_id": commune_id, "parcel_id": application.parcel_id, "certificate_serial": serial}


def _code(tx: Tx, office: Office) -> str:
    """``H51.16.14-261122-0001``: agency, Vietnam date, number of the day. Source: QĐ 20/2020 (domain.md §6)."""
    return f"{office.code}-{tx.today:%y%m%d}-{store.next_number(tx, office.office_id, tx.today):04d}"


def _sealed(keys: Keys, role: str, person: Person) -> NewPerson:
    name, number = " ".join(person.name.split()), (person.identity_number or "").strip()
    return NewPerson(
        role=role,
        name=name,
        name_folded=fold(name),
        identity_encrypted=identity.encrypt(keys, identity.CITIZEN, number) if number else None,
        identity_index=identity.blind_index(keys, identity.CITIZEN, number) if number else None,
        phone=(person.phone or "").strip() or None,
        address=(person.address or "").strip() or None,
    )


def _payload(application: Application, missing: Sequence[ProcedurePaper], due: clock.Due) -> dict[str, Any]:
    """What the history says of a receipt: no name, no number."""
    return {
        "channel": int(application.channel),
        "procedure": application.procedure_code,
        "by_proxy": application.proxy is not None,
        "papers": [{"doc_type": p.doc_type, "scanned": p.sha256 is not None} for p in application.papers],
        "missing": [paper.doc_type for paper in missing],
        **clock.due_payload(due),
    }


def _looked_at(
    tx: Tx, application: Application, procedure: Procedure, files: FileStore | None, scanner: Scanner | None
) -> list[tuple[str, Looked]]:
    """The scanned papers, examined before the desk's counter is locked."""
    called = {paper.doc_type: paper.name_vi for paper in procedure.papers}
    looked = []
    for paper in application.papers:
        if paper.sha256 is None:
            continue
        if files is None:
            raise ValueError("scanned papers and no store to find them in")
        name = paper.name or called.get(paper.doc_type, paper.doc_type)
        stored = StoredFile(name, paper.sha256, files.path(paper.sha256).stat().st_size)
        looked.append((paper.doc_type, look_at(tx, name, stored, files=files, scanner=scanner)))
    return looked

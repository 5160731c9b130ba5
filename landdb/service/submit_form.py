"""Take in an online application (nộp hồ sơ trực tuyến): check it, make its dossier in the right box, keep what was sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from landdb.access.model import Office
from landdb.db.transaction import Actor, Tx, new_id
from landdb.dossier.model import Dossier
from landdb.dossier.receive import Application, Channel, PaperGiven, Person, receive
from landdb.files import FileStore
from landdb.reference.model import UnitKind
from landdb.reference.procedure import ProcedurePaper
from landdb.reference.store import find_units_by_code
from landdb.sealing import chain
from landdb.sealing.identity import SUBMISSION, encrypt
from landdb.sealing.keys import Keys
from landdb.service import attempts, store
from landdb.service.check_answers import check_answers
from landdb.service.model import (
    APPLICATION_PAPER,
    AnswersWrong,
    FieldFault,
    FormOutdated,
    FormVersion,
    OfficeMissing,
    PaperUnknown,
    folded_serial,
    value_at,
)
from landdb.service.public_status import phone_index
from landdb.service.store import ParcelPlace, StoredSubmission


@dataclass(frozen=True)
class UploadedPaper:
    """A paper that was uploaded before, by the digest of its bytes."""

    doc_type: str
    sha256: str


@dataclass(frozen=True)
class Sent:
    """What a citizen sent. ``form_version`` is the number that was shown to them."""

    procedure_code: str
    form_version: int
    answers: Mapping[str, Any]
    papers: Sequence[UploadedPaper] = ()


@dataclass(frozen=True)
class Submitted:
    """The dossier that came of it. ``by_commune`` false: no branch serves the commune, so the provincial office has it."""

    submission_id: UUID
    dossier: Dossier
    office: Office
    by_commune: bool
    missing_papers: tuple[ProcedurePaper, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Land:
    """The land of an application: its commune today, and its parcel where exactly one in force is meant."""

    admin_unit_id: int
    parcel: ParcelPlace | None


def submit_form(tx: Tx, keys: Keys, files: FileStore, sent: Sent, *, address: str | None) -> Submitted:
    """Everything or nothing; the caller's key makes sure that it happens once.

    Raises: ``FormUnknown``, ``FormOutdated``, ``AnswersWrong``, ``PaperUnknown``, ``OfficeMissing``, ``TooManyAsks``.
    """
    refused = attempts.admit(tx, attempts.Attempt("submission", "", address))
    if refused is not None:
        raise refused
    form = store.get_form(tx, sent.procedure_code, tx.today)
    if sent.form_version != form.version_no:
        raise FormOutdated(version=sent.form_version, in_force=form.version_no)
    answers = dict(sent.answers)
    land = checked(tx, form, answers)
    if unknown := store.papers_not_uploaded(tx, [paper.sha256 for paper in sent.papers]):
        raise PaperUnknown(papers=unknown)
    office, by_commune = office_for(tx, land.admin_unit_id)
    application = _application(form, answers, land, sent.papers)
    portal = replace(tx, actor=_portal(tx.actor, office))
    # What is missing an officer asks for; nobody is turned away for it at night.
    received = receive(portal, keys, application, accept_incomplete=True, files=files)
    submission_id = _keep(tx, keys, form, answers, received.dossier.dossier_id)
    attempts.note(tx, attempts.Attempt("submission", received.dossier.code, address), found=True)
    return Submitted(submission_id, received.dossier, office, by_commune, received.missing_papers, received.warnings)


def checked(tx: Tx, form: FormVersion, answers: Mapping[str, Any]) -> Land:
    """The land that sound answers name; nothing is changed. Raises: ``AnswersWrong`` with every fault."""
    if faults := check_answers(form, answers):
        raise AnswersWrong(form, faults)
    code = value_at(answers, "/land/commune_code")
    units = find_units_by_code(tx, code, tx.today, UnitKind.COMMUNE)
    if not units:
        raise AnswersWrong(form, [FieldFault("/land/commune_code", "service.field.commune_unknown", {})])
    unit_id = units[0].admin_unit_id
    parcel = _parcel(tx, form, answers, unit_id)
    return Land(unit_id, parcel)


def _parcel(tx: Tx, form: FormVersion, answers: Mapping[str, Any], unit_id: int) -> ParcelPlace | None:
    """The parcel meant: by its id, else by its number where that is unambiguous. An officer decides the rest."""
    parcel_id = value_at(answers, "/land/parcel_id")
    if parcel_id:
        parcel = store.find_parcel(tx, UUID(parcel_id))
        if parcel is None:
            raise AnswersWrong(form, [FieldFault("/land/parcel_no", "service.field.parcel_unknown", {})])
        if parcel.admin_unit_id != unit_id:
            raise AnswersWrong(form, [FieldFault("/land/commune_code", "service.field.commune_differs", {})])
        return parcel
    sheet_no, parcel_no = (value_at(answers, f"/land/{name}") for name in ("sheet_no", "parcel_no"))
    if not sheet_no or not parcel_no:
        return None
    found = store.find_parcels(tx, unit_id, sheet_no, parcel_no)
    return found[0] if len(found) == 1 else None


def office_for(tx: Tx, admin_unit_id: int) -> tuple[Office, bool]:
    """The branch that serves the commune today, else the provincial office (and false). Raises: ``OfficeMissing``."""
    branch = store.branch_serving(tx, admin_unit_id, tx.today)
    if branch is not None:
        return branch, True
    office = store.provincial_office(tx, tx.today)
    if office is None:
        raise OfficeMissing(commune=admin_unit_id)
    return office, False


def _portal(asking: Actor, office: Office) -> Actor:
    """Who receives it: nobody in person, on behalf of the office."""
    return Actor(
        kind="service",
        office_id=office.office_id,
        name="portal",
        permissions=frozenset({"dossier:receive"}),
        language=asking.language,
    )


def _application(
    form: FormVersion, answers: Mapping[str, Any], land: Land, papers: Sequence[UploadedPaper]
) -> Application:
    kind = value_at(answers, "/change/kind")
    option = form.option("/change/kind", kind)
    serial = value_at(answers, "/land/certificate_serial")
    given = [PaperGiven(APPLICATION_PAPER, None), *(PaperGiven(paper.doc_type, paper.sha256) for paper in papers)]
    return Application(
        procedure_code=option.get("procedure", form.procedure_code),
        channel=Channel.ONLINE,
        applicant=_person(answers["holder"]),
        proxy=_person(answers["proxy"]) if answers.get("proxy") else None,
        commune_id=land.admin_unit_id,
        parcel_id=land.parcel.parcel_id if land.parcel else None,
        certificate_serial=folded_serial(serial) if serial else None,
        summary=option.get("label", {}).get("vi", ""),
        papers=given,
    )


def _person(said: Mapping[str, Any]) -> Person:
    return Person(
        name=said["name"], identity_number=said["identity_no"], phone=said.get("phone"), address=said.get("address")
    )


def _keep(tx: Tx, keys: Keys, form: FormVersion, answers: Mapping[str, Any], dossier_id: UUID) -> UUID:
    """Seal the very bytes; they are bound to their submission, so no row can be passed off as another's."""
    submission_id, canonical = new_id(), chain.canonical(answers)
    kept = StoredSubmission(
        submission_id=submission_id,
        form_version_id=form.form_version_id,
        dossier_id=dossier_id,
        answers_encrypted=encrypt(keys, str(submission_id), canonical.decode(), purpose=SUBMISSION),
        answers_sha256=hashlib.sha256(canonical).digest(),
        submitted_at=tx.now,
    )
    store.add_submission(tx, kept, phone_index(keys, answers["holder"]["phone"]))
    return submission_id

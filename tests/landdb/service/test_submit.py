"""An application becomes a dossier in the right box, sealed; its citizen is told how it stands, and nobody else is."""

from __future__ import annotations

import copy
import datetime as dt
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landdb.db.transaction import PUBLIC, SYSTEM, Actor, Tx
from landdb.dossier import record
from landdb.dossier import store as dossiers
from landdb.errors import LandError
from landdb.files import FileStore
from landdb.sealing.identity import CITIZEN, SUBMISSION, SealBroken, decrypt, encrypt
from landdb.service.model import (
    ASKS_PER_ADDRESS,
    MISSES_PER_ADDRESS,
    MISSES_PER_SUBJECT,
    AnswersWrong,
    FormOutdated,
    FormUnknown,
    OfficeMissing,
    PaperUnknown,
    PublicStatus,
    StatusNotFound,
    SubmissionUnknown,
    TooManyAsks,
    phone_digits,
    status_changes,
)
from landdb.service.open_submission import open_submission
from landdb.service.public_status import public_status
from landdb.service.submit_form import Sent, Submitted, UploadedPaper, submit_form
from tests.dossier_make import KEYS, Places, add_dossier, place
from tests.landdb.service.land_of_people import COMMUNE, People
from tests.landdb.service.test_forms import SOUND
from tests.make import add_unit


@pytest.fixture
def places(tx: Tx) -> Places:
    return place(tx)


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def as_(tx: Tx, actor: Actor) -> Tx:
    return replace(tx, actor=actor)


def send(
    tx: Tx, files: FileStore, answers: dict[str, Any] = SOUND, *, address: str | None = None, **said: Any
) -> Submitted:
    sent = Sent(**{"procedure_code": "local.change", "form_version": 1, "answers": answers, **said})
    return submit_form(as_(tx, PUBLIC), KEYS, files, sent, address=address)


def changed(**groups: dict[str, Any]) -> dict[str, Any]:
    answers = copy.deepcopy(SOUND)
    for name, values in groups.items():
        answers[name] = answers.get(name, {}) | values
    return answers


def wrong(tx: Tx, files: FileStore, answers: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(AnswersWrong) as refused:
        send(tx, files, answers)
    return [(fault.pointer, fault.rule.removeprefix("service.field.")) for fault in refused.value.faults]


# ── where it goes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_lies_in_the_box_of_the_branch_that_serves_the_commune(tx: Tx, places: Places, files: FileStore) -> None:
    done = send(tx, files)
    assert (done.office.office_id, done.by_commune) == (places.branch, True)
    dossier = done.dossier
    assert (dossier.holder_office_id, dossier.intake_office_id) == (places.branch, places.branch)
    assert (dossier.channel, dossier.received_by, dossier.procedure_code) == (2, None, "local.change")
    assert dossier.code == f"CN1-{tx.today:%y%m%d}-0001"
    assert dossier.commune_id == COMMUNE
    assert dossier.summary == "Thay đổi thông tin người sử dụng đất"
    assert record.sees(as_(tx, places.officer), dossier)
    assert not record.sees(as_(tx, places.other_officer), dossier)
    assert [event.kind for event in dossiers.list_events(tx, dossier.dossier_id)] == ["received"]


def test_which_branch_is_a_question_of_the_day(tx: Tx, places: Places, files: FileStore) -> None:
    """The branch that served the commune before the law changed gets nothing more; one that will, gets it from then on."""
    tx.execute(
        "UPDATE office_commune SET valid = daterange(lower(valid), :day) WHERE office_id = :office",
        day=tx.today + dt.timedelta(days=1), office=places.branch,
    )  # fmt: skip
    tx.execute(
        "INSERT INTO office_commune (office_id, admin_unit_id, valid) VALUES (:office, :unit, daterange(:day, NULL))",
        office=places.other_branch, unit=COMMUNE, day=tx.today + dt.timedelta(days=1),
    )  # fmt: skip
    assert send(tx, files).office.office_id == places.branch
    tomorrow = replace(tx, now=tx.now + dt.timedelta(days=1))
    assert send(tomorrow, files).office.office_id == places.other_branch


def test_a_commune_without_a_branch_goes_to_the_provincial_office(tx: Tx, places: Places, files: FileStore) -> None:
    add_unit(tx, 800_002, "98002", "Xa Xôi")
    done = send(tx, files, changed(land={"commune_code": "98002"}))
    assert (done.office.office_id, done.by_commune) == (places.province, False)
    tx.execute(
        "UPDATE office SET valid = daterange(NULL, :day) WHERE office_id = :id", day=tx.today, id=places.province
    )
    with pytest.raises(OfficeMissing):
        send(tx, files, changed(land={"commune_code": "98002"}))


def test_the_kind_of_change_names_the_procedure(tx: Tx, places: Places, files: FileStore) -> None:
    assert send(tx, files, changed(change={"kind": "CN"})).dossier.procedure_code == "local.transfer"


def test_the_parcel_is_linked_where_exactly_one_is_meant(tx: Tx, places: Places, files: FileStore) -> None:
    people = People.on(tx)
    parcel = people.parcel("1")
    assert send(tx, files).dossier.parcel_id == parcel
    assert (
        send(tx, files, changed(land={"parcel_id": str(parcel), "certificate_serial": "cx 000001"})).dossier.parcel_id
        == parcel
    )
    assert send(tx, files, changed(land={"parcel_no": "77"})).dossier.parcel_id is None


def test_papers_that_are_missing_are_listed_and_turn_nobody_away(tx: Tx, places: Places, files: FileStore) -> None:
    done = send(tx, files)
    assert "GCN" in {paper.doc_type for paper in done.missing_papers}
    assert "DDKBD" not in {paper.doc_type for paper in done.missing_papers}


def test_an_uploaded_paper_is_attached_and_a_strangers_is_not(tx: Tx, places: Places, files: FileStore) -> None:
    from landdb.dossier.upload import begin_upload, find, note_progress, take_piece

    content = b"%PDF-1.7\n%%EOF\n"
    digest = {}
    for actor in (PUBLIC, places.officer):
        body = content + actor.kind.encode()
        upload = begin_upload(as_(tx, actor), files, "gcn.pdf", len(body), max_bytes=1 << 20)
        take_piece(files, find(as_(tx, actor), upload.upload_id), 0, io.BytesIO(body))
        digest[actor.kind] = note_progress(as_(tx, actor), files, upload.upload_id).sha256
    for sha256 in (digest["staff"], "0" * 64):
        with pytest.raises(PaperUnknown):
            send(tx, files, papers=[UploadedPaper("GCN", str(sha256))])


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_wrong_answers_leave_nothing_behind(tx: Tx, places: Places, files: FileStore) -> None:
    assert wrong(tx, files, changed(holder={"phone": "1"})) == [("/holder/phone", "shape")]
    assert wrong(tx, files, changed(land={"commune_code": "99999"})) == [("/land/commune_code", "commune_unknown")]
    assert tx.execute("SELECT count(*) FROM dossier").scalar_one() == 0
    assert tx.execute("SELECT count(*) FROM dossier_number").scalar_one() == 0


def test_a_parcel_that_is_gone_or_lies_elsewhere(tx: Tx, places: Places, files: FileStore) -> None:
    parcel = People.on(tx).parcel("1")
    add_unit(tx, 800_002, "98002", "Xa Xôi")
    elsewhere = changed(land={"parcel_id": str(parcel), "commune_code": "98002"})
    assert wrong(tx, files, elsewhere) == [("/land/commune_code", "commune_differs")]
    tx.execute("UPDATE parcel SET status = 'ended' WHERE parcel_id = :id", id=parcel)
    gone = changed(land={"parcel_id": str(parcel)})
    assert wrong(tx, files, gone) == [("/land/parcel_no", "parcel_unknown")]


def test_an_old_or_unknown_form(tx: Tx, places: Places, files: FileStore) -> None:
    with pytest.raises(FormOutdated) as refused:
        send(tx, files, form_version=2)
    assert refused.value.params == {"version": 2, "in_force": 1}
    with pytest.raises(FormUnknown):
        send(tx, files, procedure_code="local.mortgage")


def test_one_address_does_not_flood_the_box(tx: Tx, places: Places, files: FileStore) -> None:
    for _ in range(ASKS_PER_ADDRESS):
        send(tx, files, address="10.0.0.1")
    with pytest.raises(TooManyAsks):
        send(tx, files, address="10.0.0.1")
    assert send(tx, files, address="10.0.0.2")


# ── what is kept ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_are_sealed_and_open_for_the_office_that_has_the_dossier(
    tx: Tx, places: Places, files: FileStore
) -> None:
    done = send(tx, files)
    kept = bytes(tx.execute("SELECT answers_encrypted FROM submission").scalar_one())
    assert "Trần".encode() not in kept
    opened = open_submission(as_(tx, places.officer), KEYS, done.dossier.code)
    assert opened.answers == SOUND
    assert opened.form.version_no == 1
    for stranger in (places.other_officer, places.clerk, PUBLIC):
        with pytest.raises(SubmissionUnknown):
            open_submission(as_(tx, stranger), KEYS, done.dossier.code)
    with pytest.raises(SubmissionUnknown):
        open_submission(as_(tx, places.officer), KEYS, "CN1-000000-0000")
    desk = add_dossier(tx, places.branch)
    with pytest.raises(SubmissionUnknown):
        open_submission(as_(tx, places.officer), KEYS, desk.code)
    opened_by = tx.execute("SELECT staff_id FROM access_event WHERE kind = 'submission_opened'").scalars().all()
    assert opened_by == [places.officer.staff_id]


def test_a_row_passed_off_as_anothers_does_not_open(tx: Tx, places: Places, files: FileStore) -> None:
    first, second = send(tx, files), send(tx, files, changed(holder={"name": "Lê Văn Ba"}))
    tx.execute(
        """UPDATE submission SET answers_encrypted = (SELECT answers_encrypted FROM submission WHERE submission_id = :first)
           WHERE submission_id = :second""",
        first=first.submission_id, second=second.submission_id,
    )  # fmt: skip
    with pytest.raises(SealBroken):
        open_submission(as_(tx, places.officer), KEYS, second.dossier.code)


# ── how it stands ───────────────────────────────────────────────────────────────────────────────────────────────────


def status(tx: Tx, code: str, fact: str, address: str | None = None) -> PublicStatus | LandError:
    return public_status(as_(tx, PUBLIC), KEYS, code=code, fact=fact, address=address)


def told(answer: PublicStatus | LandError) -> PublicStatus:
    assert isinstance(answer, PublicStatus), answer
    return answer


@pytest.mark.parametrize("fact", ["000190000001", "000 190 000 001", "0912345678", "+84 912 345 678", "0912.345.678"])
def test_code_and_second_fact(tx: Tx, places: Places, files: FileStore, fact: str) -> None:
    done = send(tx, files)
    found = told(status(tx, f" {done.dossier.code.lower()} ", fact))
    assert (found.code, found.status, found.procedure_code) == (
        done.dossier.code,
        found.history[-1].status,
        "local.change",
    )
    assert (found.office, found.due_at) == ("Chi nhánh khu vực 1", done.dossier.due_at)


def test_nothing_of_a_person_is_told(tx: Tx, places: Places, files: FileStore) -> None:
    done = send(tx, files)
    said = str(told(status(tx, done.dossier.code, "0912345678")))
    assert [word for word in ("Hoa", "000190000001", "0912345678", "Đại Chí") if word in said] == []


def test_a_dossier_of_the_desk_is_told_by_its_peoples_facts(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    tx.execute("UPDATE dossier_person SET phone = '0987 654 321' WHERE dossier_id = :id", id=dossier.dossier_id)
    assert told(status(tx, dossier.code, "0987654321")).status == 2


@pytest.mark.parametrize("fact", ["", "000000", "không có", "0912345679", "000190000002"])
def test_a_wrong_fact_and_an_unknown_code_answer_alike(tx: Tx, places: Places, files: FileStore, fact: str) -> None:
    dossier = send(tx, files).dossier
    bare = add_dossier(tx, places.branch)
    tx.execute("UPDATE dossier_person SET phone = '' WHERE dossier_id = :id", id=bare.dossier_id)
    for code in (dossier.code, bare.code, "CN1-000000-9999"):
        answer = status(tx, code, fact)
        assert isinstance(answer, StatusNotFound)
        assert answer.params == {}


def test_history_tells_changes_of_the_national_status(tx: Tx, places: Places, files: FileStore) -> None:
    dossier = send(tx, files).dossier
    for stage in ("in_process", "posting", "in_process", "wait_citizen"):
        tx = replace(tx, now=tx.now + dt.timedelta(hours=1))
        dossier = record.record(as_(tx, SYSTEM), dossier, "stepped", {}, to_stage=stage)
    found = told(status(tx, dossier.code, "0912345678"))
    assert [change.status for change in found.history] == [2, 4, 5]
    assert found.status == 5
    assert [change.at for change in found.history] == sorted(change.at for change in found.history)


def test_guessing_is_stopped(tx: Tx, places: Places, files: FileStore) -> None:
    dossier = send(tx, files).dossier
    for number in range(MISSES_PER_ADDRESS):
        status(tx, f"CN1-000000-{number:04}", "0912345678", "10.0.0.1")
    assert isinstance(status(tx, dossier.code, "0912345678", "10.0.0.1"), TooManyAsks)
    assert told(status(tx, dossier.code, "0912345678", "10.0.0.2"))
    for number in range(MISSES_PER_SUBJECT):
        status(tx, dossier.code, f"09123456{number:02}", f"10.0.1.{number}")
    assert isinstance(status(tx, dossier.code, "0912345678", "10.0.0.2"), StatusNotFound)


def test_statuses_in_a_row_are_told_once() -> None:
    at = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    changes = status_changes([("a", at), ("b", at), ("?", at), ("c", at), ("a", at)], {"a": 2, "b": 2, "c": 4})
    assert [change.status for change in changes] == [2, 4, 2]


@pytest.mark.parametrize(
    ("written", "digits"), [("+84 912 345 678", "0912345678"), ("0912.345.678", "0912345678"), ("84", "84"), ("", "")]
)
def test_telephone_numbers_are_compared_as_digits(written: str, digits: str) -> None:
    assert phone_digits(written) == digits


def test_what_is_sealed_for_one_purpose_opens_for_no_other() -> None:
    sealed = encrypt(KEYS, CITIZEN, "000190000001")
    assert decrypt(KEYS, CITIZEN, sealed) == "000190000001"
    with pytest.raises(SealBroken):
        decrypt(KEYS, CITIZEN, sealed, purpose=SUBMISSION)

"""Receiving: codes without a gap, papers checked, people sealed, clocks started, and the odd input refused by name."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread
from uuid import UUID

import pytest

from landdb.access.model import OfficeUnknown
from landdb.db.transaction import PUBLIC, SYSTEM, Database, Tx
from landdb.dossier import record, store
from landdb.dossier.model import (
    ApplicantMissing,
    ExternalIdTaken,
    OfficeClosed,
    PaperMissing,
    ParcelOutside,
    TextMissing,
)
from landdb.dossier.receive import Channel, PaperGiven, Person, receive
from landdb.dossier.take_step import actions_for
from landdb.files import FileUnknown
from landdb.reference import store as reference
from landdb.reference.procedure import ProcedureUnknown
from landdb.sealing import identity
from tests.dossier_make import COMMUNE, KEYS, place
from tests.landdb.dossier.desk import NAME, NUMBER, PNG, Work, application, file_store, keep, vn, work
from tests.landdb.views.builder import Builder


@pytest.fixture
def here(tx: Tx) -> Work:
    return work(tx)


def test_a_dossier_is_received_with_its_code_its_due_time_and_its_history(here: Work) -> None:
    done = here.received(summary="Cấp đổi giấy chứng nhận", paper_place="Kệ 3 ô 2", certificate_serial="aa 06654954")
    dossier = done.dossier
    assert dossier.code == "MC1-260302-0001"
    assert (dossier.stage, dossier.holder_office_id, dossier.epoch) == ("received", here.places.desk, 1)
    assert dossier.received_by == here.places.clerk.staff_id
    assert dossier.certificate_serial == "AA06654954"
    assert dossier.paper_place == "Kệ 3 ô 2"
    assert done.missing_papers == ()
    hours = reference.working_calendar(here.tx, here.tx.today, here.tx.today)
    assert dossier.due_at == hours.add(here.tx.now, 80 * 60)
    (clock,) = store.list_deadlines(here.tx, dossier.dossier_id)
    assert (clock.stage, clock.office_id, clock.met_at) == ("received", here.places.desk, None)
    assert clock.due_at == hours.add(here.tx.now, 8 * 60)
    (event,) = store.list_events(here.tx, dossier.dossier_id)
    assert (event.kind, event.to_stage, event.messages) == ("received", "received", 1)
    assert here.get(dossier) == dossier


def test_numbers_run_by_desk_and_vietnam_day(here: Work) -> None:
    here.go(vn(2, 23, 59))
    assert here.receive().code == "MC1-260302-0001"
    assert here.receive(here.places.second_clerk).code == "MC1-260302-0002"
    here.go(vn(3, 0, 1))  # still the second of March in UTC
    assert here.receive().code == "MC1-260303-0001"
    assert here.at_branch().code == "CN1-260303-0001"


def test_codes_have_no_gap_though_many_receive_at_once_and_some_fail(database: Database) -> None:
    with database.begin(SYSTEM) as tx:
        places = place(tx)
    workers, each = 6, 6
    barrier, codes = Barrier(workers), []

    def at_the_desk(number: int) -> None:
        barrier.wait()
        for turn in range(each):
            try:
                with database.begin(places.clerk if number % 2 else places.second_clerk) as tx:
                    done = receive(tx, KEYS, application())
                    if (number + turn) % 4 == 0:
                        raise RuntimeError("the line broke before the answer")
                codes.append(done.dossier.code)
            except RuntimeError:
                pass

    threads = [Thread(target=at_the_desk, args=(n,)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(int(code.rsplit("-", 1)[1]) for code in codes)
    assert 20 < len(numbers) < workers * each
    assert numbers == list(range(1, len(numbers) + 1))
    with database.begin(SYSTEM) as tx:
        assert tx.execute("SELECT last_no FROM dossier_number").scalar_one() == len(numbers)
        assert tx.execute("SELECT count(*) FROM dossier").scalar_one() == len(numbers)


def test_a_missing_paper_is_named_and_nothing_is_received(here: Work) -> None:
    with pytest.raises(PaperMissing) as refusal:
        here.receive(papers=(PaperGiven("GCN"),))
    assert refusal.value.params == {"papers": "Đơn đăng ký", "doc_types": ["DON"]}
    assert here.ask("SELECT 1 FROM dossier") == []


def test_an_incomplete_one_may_be_taken_and_asks_for_the_rest_first(here: Work) -> None:
    done = here.received(papers=(), accept_incomplete=True)
    assert [paper.doc_type for paper in done.missing_papers] == ["DON"]
    offered = actions_for(here.by(here.places.clerk), done.dossier)
    assert (offered[0].action, offered[0].allowed) == ("ask_supplement", True)
    complete = actions_for(here.by(here.places.clerk), here.receive())
    assert complete[0].action == "take_up"


def test_who_applies_is_kept_by_name_and_their_number_sealed(here: Work) -> None:
    dossier = here.receive(proxy=Person("Trần Văn Bình", "094 080 000 999"))
    applicant, proxy = store.list_people(here.tx, dossier.dossier_id)
    assert (applicant.role, applicant.name, applicant.has_identity) == ("applicant", NAME, True)
    assert (proxy.role, proxy.name) == ("proxy", "Trần Văn Bình")
    sealed = store.sealed_identity(here.tx, dossier.dossier_id, "applicant")
    assert sealed is not None
    assert identity.decrypt(KEYS, identity.CITIZEN, sealed) == NUMBER
    index = identity.blind_index(KEYS, identity.CITIZEN, NUMBER)
    assert here.ask("SELECT dossier_id FROM dossier_person WHERE identity_index = :i", i=index)
    raw = here.ask("SELECT name, phone, address, encode(identity_encrypted, 'escape') AS sealed FROM dossier_person")
    assert NUMBER not in repr(raw)


def test_no_name_and_no_number_leaves_in_history_messages_or_notices(here: Work) -> None:
    dossier = here.receive(proxy=Person("Trần Văn Bình", "094080000999"), summary="Cấp đổi")
    event = here.ask("SELECT payload::text FROM dossier_event WHERE dossier_id = :id", id=dossier.dossier_id)
    messages = here.ask("SELECT convert_from(body, 'UTF8') AS body FROM outbox")
    notices = here.ask("SELECT body FROM notice")
    assert messages
    assert notices
    told = repr((event, messages, notices, application()))
    for secret in (NUMBER, "094080000999", "Trần Văn Bình", "0912345678"):
        assert secret not in told
    assert NAME not in repr((event, messages, notices))


def test_the_portal_hears_the_first_status(here: Work) -> None:
    dossier = here.receive()
    (body,) = here.ask(
        """SELECT convert_from(o.body, 'UTF8') AS body FROM outbox o JOIN link l USING (link_id) WHERE l.name = 'portal'"""
    )
    said = json.loads(body["body"])
    assert (said["status"], said["dossier_code"]) == (2, dossier.code)


def test_an_online_one_was_received_by_nobody(here: Work) -> None:
    online = receive(
        here.by(PUBLIC), KEYS, application(channel=Channel.ONLINE), office_id=here.places.branch
    ).dossier  # fmt: skip
    assert (online.received_by, online.intake_office_id, online.channel) == (None, here.places.branch, 2)
    by_a_service = here.receive(channel=Channel.ONLINE)
    assert by_a_service.received_by is None
    assert here.receive(channel=Channel.POST).received_by == here.places.clerk.staff_id


def test_the_land_is_linked_and_the_commune_is_that_of_the_parcel(here: Work) -> None:
    parcel, commune = _parcel(here.tx)
    assert here.receive(parcel_id=parcel).commune_id == commune
    assert here.receive(parcel_id=parcel, commune_id=COMMUNE).commune_id == COMMUNE
    here.tx.execute("UPDATE parcel SET status = 'ended' WHERE parcel_id = :id", id=parcel)
    with pytest.raises(ParcelOutside):
        here.receive(parcel_id=parcel)


def test_each_odd_application_is_refused_by_name(here: Work) -> None:
    with pytest.raises(ApplicantMissing):
        here.receive(applicant=Person("  "))
    with pytest.raises(ApplicantMissing):
        here.receive(proxy=Person(""))
    with pytest.raises(ProcedureUnknown):
        here.receive(procedure_code="1.000000")
    with pytest.raises(TextMissing):
        here.receive(external_ids={"portal": " "})
    with pytest.raises(OfficeUnknown):
        receive(here.by(SYSTEM), KEYS, application())
    with pytest.raises(OfficeClosed):
        receive(here.by(SYSTEM), KEYS, application(), office_id=here.places.closed)


def test_ids_of_other_systems_are_kept_once(here: Work) -> None:
    dossier = here.receive(external_ids={"Portal": "H51 -1", "vbdlis": "SBN-7"})
    assert [(i.system, i.value) for i in store.list_external_ids(here.tx, dossier.dossier_id)] == [
        ("portal", "H51 -1"),
        ("vbdlis", "SBN-7"),
    ]
    with pytest.raises(ExternalIdTaken):
        here.receive(external_ids={"portal": "H51  -1"})


def test_scanned_papers_are_linked_as_the_dossier_is_received(here: Work, tmp_path: Path) -> None:
    files = file_store(tmp_path)
    scan = keep(files, "don.png", PNG)
    said = application(papers=(PaperGiven("DON", scan.sha256), PaperGiven("GCN")))
    dossier = receive(here.by(here.places.clerk), KEYS, said, files=files).dossier
    (document,) = store.list_documents(here.tx, dossier.dossier_id)
    assert (document.doc_type, document.name, document.media_type, document.version) == (
        "DON", "Đơn đăng ký", "image/png", 1,
    )  # fmt: skip
    assert [e.kind for e in store.list_events(here.tx, dossier.dossier_id)] == ["received", "document_added"]
    assert here.get(dossier) == dossier
    with pytest.raises(FileUnknown):
        receive(here.by(here.places.clerk), KEYS, replace(said, papers=(PaperGiven("DON", "0" * 64),)), files=files)


def test_a_year_without_holidays_makes_the_time_provisional_and_says_so(here: Work) -> None:
    here.go(vn(28, month=12, year=2027))
    assert here.received().warnings == ("calendar.year_missing",)
    here.go(vn(2))
    assert here.received().warnings == ()


def test_a_procedure_without_a_limit_has_no_due_time(here: Work) -> None:
    here.tx.execute("UPDATE procedure SET limit_working_hours = NULL, limit_source = NULL WHERE code = '9.999001'")
    reference.forget_procedures()
    done = here.received()
    assert (done.dossier.due_at, done.dossier.due_provisional, done.warnings) == (None, False, ())


def test_the_chain_of_a_new_dossier_holds(here: Work) -> None:
    dossier = here.receive()
    (event,) = store.list_events(here.tx, dossier.dossier_id)
    assert event.hash == dossier.event_hash
    assert event.prev_hash == bytes(32)
    assert record.sees(here.by(here.places.officer), dossier) is False


def test_the_code_is_the_nations_form(here: Work) -> None:
    here.tx.execute("UPDATE office SET code = 'H51.16.14' WHERE office_id = :id", id=here.places.desk)
    assert re.fullmatch(r"H\d{2}(\.\d{2}){2}-\d{6}-\d{4}", here.receive().code)


def _parcel(tx: Tx) -> tuple[UUID, int]:
    registration = tx.execute(
        """INSERT INTO registration (registration_id, kind, recorded_at) VALUES (gen_random_uuid(), 'import', :now)
           RETURNING registration_id""",
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    ).scalar_one()
    builder = Builder(tx, registration)
    parcel = builder.parcel(builder.sheet("12"), "45", (0, 0, 20, 20))
    return parcel, tx.execute("SELECT admin_unit_id FROM parcel WHERE parcel_id = :id", id=parcel).scalar_one()

"""Working: the table's actions to the right people only, reasons, desks and leave, what each step leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest

from landdb.access.cover_staff import cover_staff
from landdb.access.permissions import allows
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, Tx
from landdb.dossier import store, take_step
from landdb.dossier.assign import assign
from landdb.dossier.external_id import add_external_id
from landdb.dossier.fee import note_fee, note_paid
from landdb.dossier.model import (
    ActionRefused,
    AmountWrong,
    AssigneeUnknown,
    Dossier,
    DossierClosed,
    DossierNotHeld,
    DossierSealed,
    DossierUnknown,
    DutyMissing,
    ExternalIdTaken,
    FeeUnknown,
    PaperMissing,
    ReasonMissing,
    RegistrationMissing,
    SignatureMissing,
    StepReasonUnknown,
    TextMissing,
)
from landdb.dossier.note import add_note
from landdb.dossier.paper_place import move_paper
from landdb.errors import Stale
from landdb.reference import store as reference
from landdb.views.workload import box
from tests.dossier_make import KEYS, PROCEDURE_ID, STEPS, add_paper, add_procedure
from tests.landdb.dossier.desk import Work, work


@pytest.fixture
def here(tx: Tx) -> Work:
    return work(tx)


def statuses(here: Work) -> list[int]:
    """The national statuses that the portal has heard, in their order."""
    rows = here.ask(
        """SELECT convert_from(o.body, 'UTF8') AS body FROM outbox o JOIN link l USING (link_id)
           WHERE l.name = 'portal' ORDER BY o.seq"""
    )
    return [json.loads(row["body"])["status"] for row in rows]


def finish(here: Work, dossier: Dossier) -> Dossier:
    """From processing to the result in the citizen's hand, all within the branch."""
    here.step(dossier, "submit_for_signature")
    here.step(dossier, "sign", here.places.head)
    here.step(dossier, "prepare_result")
    returning = replace(here.places.officer, permissions=here.places.officer.permissions | {"dossier:return"})
    return here.step(dossier, "return_result", returning)


# ── what is offered ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_person_at_each_stage_is_offered_exactly_what_the_table_says(here: Work) -> None:
    """Stage by stage, for everybody in the office that holds it: allowed where duty and kind of office agree, nowhere else."""
    kinds = {row["office_id"]: row["kind"] for row in here.ask("SELECT office_id, kind FROM office")}
    places = here.places
    people = [places.clerk, places.officer, places.head, places.leader, places.tax_officer, places.province_officer]
    dossier = here.receive()
    seen = 0
    for stage in {row[0] for row in STEPS}:
        for person in people:
            here.tx.execute(
                "UPDATE dossier SET stage = :stage, holder_office_id = :office WHERE dossier_id = :id",
                stage=stage, office=person.office_id, id=dossier.dossier_id,
            )  # fmt: skip
            expected = {
                action: None if allows(person, duty) and kinds[person.office_id] in offices else "dossier.duty_missing"
                for source, action, _, _, duty, offices, *_ in STEPS
                if source == stage
            }
            assert here.offered(dossier, person) == expected, (stage, person.name)
            seen += len(expected)
    assert seen > 100


def test_whom_it_is_not_with_may_do_nothing_and_is_told_why(here: Work) -> None:
    dossier = here.at_branch()
    here.hand_over(dossier, here.places.other_branch, accepted=False)
    assert set(here.offered(dossier).values()) == {"dossier.sealed"}
    assert set(here.offered(dossier, here.places.other_officer).values()) == {"handover.dossier_not_held"}
    with pytest.raises(DossierSealed):
        here.step(dossier, "take_up")
    with pytest.raises(DossierNotHeld):
        here.step(dossier, "take_up", here.places.other_officer)
    with pytest.raises(DossierUnknown):
        here.step(dossier, "take_up", here.places.leader)


def test_what_the_table_does_not_offer_is_refused_with_what_it_does(here: Work) -> None:
    dossier = here.at_branch()
    with pytest.raises(ActionRefused) as refusal:
        here.step(dossier, "sign", here.places.head)
    assert refusal.value.params == {
        "action": "sign", "stage": "Tiếp nhận", "offered": "take_up, ask_supplement, refuse, withdraw",
    }  # fmt: skip
    with pytest.raises(DutyMissing):
        here.step(dossier, "refuse", reason="not_eligible")  # a land officer does not receive
    here.step(dossier, "take_up")
    here.step(dossier, "submit_for_signature")
    with pytest.raises(DutyMissing):
        here.step(dossier, "sign")


def test_a_kind_of_office_that_takes_no_part_may_not_though_it_has_the_duty(here: Work) -> None:
    dossier = here.receive()
    worker = replace(here.places.clerk, permissions=here.places.clerk.permissions | {"dossier:work"})
    with pytest.raises(DutyMissing):
        here.step(dossier, "take_up", worker)


def test_who_saw_an_older_version_does_nothing(here: Work) -> None:
    dossier = here.at_branch()
    add_note(here.by(here.places.colleague), dossier.dossier_id, "đang đo lại")
    with pytest.raises(Stale) as refusal:
        here.step(dossier, "take_up", expected_version=dossier.event_no)
    assert refusal.value.params["found"] == dossier.event_no + 1
    assert here.get(dossier).stage == "received"
    here.step(dossier, "take_up", expected_version=dossier.event_no + 1)


# ── reasons, papers, signatures, the register ───────────────────────────────────────────────────────────────────────


def test_back_and_away_take_a_reason_of_the_list_and_other_takes_words(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    with pytest.raises(ReasonMissing):
        here.step(dossier, "refuse")
    with pytest.raises(StepReasonUnknown):
        here.step(dossier, "refuse", reason="vì thế")
    with pytest.raises(TextMissing):
        here.step(dossier, "refuse", reason="other", note="  ")
    refused = here.step(dossier, "refuse", reason="in_dispute", note="đang có đơn")
    assert (refused.stage, refused.closed_at, refused.finished_at) == ("refused", here.tx.now, here.tx.now)
    event = store.list_events(here.tx, dossier.dossier_id)[-1]
    (note,) = store.list_notes(here.tx, dossier.dossier_id)
    assert event.payload == {"action": "refuse", "reason": "in_dispute", "note_id": str(note.note_id)}
    assert (event.from_stage, event.to_stage) == ("in_process", "refused")
    told = [notice.kind for notice in store.list_notices(here.tx, dossier.dossier_id)]
    assert told == ["received", "refused"]
    assert here.offered(dossier) == {}
    with pytest.raises(DossierClosed):
        here.step(dossier, "take_up")


def test_withdrawn_is_an_end_that_the_portal_does_not_count_as_finished(here: Work) -> None:
    dossier = here.receive()
    gone = here.step(dossier, "withdraw", here.places.clerk, reason="citizen_request")
    assert (gone.stage, gone.closed_at, gone.finished_at) == ("withdrawn", here.tx.now, None)
    assert statuses(here) == [2, 7]
    assert store.running_deadline(here.tx, dossier.dossier_id) is None


def test_a_head_sends_back_with_a_reason(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.step(dossier, "submit_for_signature")
    assert here.step(dossier, "send_back", here.places.head, reason="draft_wrong").stage == "in_process"


def test_papers_and_signatures_that_a_step_takes(here: Work) -> None:
    here.tx.execute(
        """UPDATE procedure_step SET needs_papers = '{RESULT}', needs_signature = true
           WHERE procedure_id = :id AND action = 'take_up'""",
        id=PROCEDURE_ID,
    )
    reference.forget_procedures()
    dossier = here.at_branch()
    with pytest.raises(PaperMissing) as refusal:
        here.step(dossier, "take_up")
    assert refusal.value.params["doc_types"] == ["RESULT"]
    paper = add_paper(here.tx, dossier.dossier_id, doc_type="RESULT")
    assert here.offered(dossier)["take_up"] == "dossier.signature_missing"
    with pytest.raises(SignatureMissing):
        here.step(dossier, "take_up")
    for found, allowed in (({"valid": False}, "dossier.signature_missing"), ({"valid": True}, None)):
        here.tx.execute(
            "UPDATE document SET signature = CAST(:s AS jsonb) WHERE document_id = :id", s=json.dumps(found), id=paper
        )
        assert here.offered(dossier)["take_up"] == allowed
    here.step(dossier, "take_up")


def test_closing_with_a_result_waits_for_its_registration_where_the_office_says_so(
    here: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seam for the acts to come: without the setting it passes, and the history says that nothing was required."""
    add_procedure(here.tx, 990_002, "9.999002", registers=True)
    first, second = (here.at_branch(procedure_code="9.999002") for _ in range(2))
    for dossier in (first, second):
        here.step(dossier, "take_up")
    assert finish(here, first).stage == "closed"
    assert store.list_events(here.tx, first.dossier_id)[-1].payload["registration"] == "not_required_yet"
    monkeypatch.setattr(take_step, "settings", lambda: Settings(registration_required=True))
    with pytest.raises(RegistrationMissing):
        finish(here, second)
    here.tx.execute(
        """WITH act AS (INSERT INTO registration (registration_id, kind, recorded_at)
                        VALUES (gen_random_uuid(), 'import', now()) RETURNING registration_id)
           INSERT INTO dossier_registration SELECT :id, registration_id FROM act""",
        id=second.dossier_id,
    )
    returning = replace(here.places.officer, permissions=here.places.officer.permissions | {"dossier:return"})
    assert here.step(second, "return_result", returning).stage == "closed"
    assert "registration" not in store.list_events(here.tx, second.dossier_id)[-1].payload


# ── what a step leaves ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_road_is_one_event_a_step_and_one_message_a_change_of_status(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.step(dossier, "start_posting")  # national status 4 stays 4
    here.step(dossier, "end_posting")
    here.step(dossier, "await_payment")
    here.step(dossier, "payment_confirmed")
    closed = finish(here, dossier)
    events = store.list_events(here.tx, dossier.dossier_id)
    assert [e.event_no for e in events] == list(range(1, len(events) + 1))
    assert [e.kind for e in events] == ["received"] + ["stepped"] * 9
    assert statuses(here) == [2, 4, 6, 4, 9, 10]
    assert sum(e.messages for e in events) == 6
    assert closed == here.get(dossier)
    assert all(e.staff_id is not None and e.office_id == here.places.branch for e in events)
    kinds = [notice.kind for notice in store.list_notices(here.tx, dossier.dossier_id)]
    assert kinds == ["received", "payment", "ready"]


def test_a_second_request_for_supplements_goes_through_and_is_late_by_the_rules(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.step(dossier, "ask_supplement", reason="papers_missing", note="bản sao CCCD")
    once = here.step(dossier, "supplement_received")
    assert once.supplement_count == 1
    assert "late_by" not in store.list_events(here.tx, dossier.dossier_id)[-2].payload
    twice = here.step(dossier, "ask_supplement", reason="papers_wrong")
    assert twice.supplement_count == 2
    assert store.list_events(here.tx, dossier.dossier_id)[-1].payload["late_by"] == "supplements"
    (row,) = box(here.by(here.places.officer), "waiting", here.places.branch, None).rows
    assert row.late == ("supplements",)
    notices = [n.body for n in store.list_notices(here.tx, dossier.dossier_id) if n.kind == "supplement"]
    assert "bản sao CCCD" in notices[0]
    assert "Giấy tờ không đúng" in notices[1]


def test_a_system_without_an_office_is_bound_by_the_table_too(here: Work) -> None:
    dossier = here.at_branch()
    assert take_step.take_step(here.by(SYSTEM), KEYS, dossier.dossier_id, "take_up").stage == "in_process"
    with pytest.raises(ActionRefused):
        take_step.take_step(here.by(SYSTEM), KEYS, dossier.dossier_id, "sign")


# ── desks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def mine(here: Work, staff_id: UUID | None) -> list[UUID]:
    return [r.dossier_id for r in box(here.by(here.places.officer), "mine", here.places.branch, staff_id).rows]


def test_who_takes_up_has_it_on_their_desk_and_leave_puts_it_on_another(here: Work) -> None:
    places = here.places
    dossier = here.at_branch()
    assert here.step(dossier, "take_up").assignee_id == places.officer.staff_id
    assert mine(here, places.officer.staff_id) == [dossier.dossier_id]
    assert mine(here, places.colleague.staff_id) == []
    assert places.officer.staff_id is not None
    assert places.colleague.staff_id is not None
    day = here.tx.today
    cover_staff(
        here.by(places.officer), places.officer.staff_id, places.colleague.staff_id, day, day.replace(day=day.day + 1)
    )
    assert mine(here, places.colleague.staff_id) == [dossier.dossier_id]


def test_a_head_assigns_an_officer_takes_and_gives_back_their_own_only(here: Work) -> None:
    places = here.places
    dossier = here.at_branch()
    assert places.officer.staff_id is not None
    taken = assign(here.by(places.officer), dossier.dossier_id, places.officer.staff_id)
    assert taken.assignee_id == places.officer.staff_id
    with pytest.raises(DutyMissing):
        assign(here.by(places.colleague), dossier.dossier_id, places.colleague.staff_id)
    with pytest.raises(DutyMissing):
        assign(here.by(places.officer), dossier.dossier_id, places.colleague.staff_id)
    given = assign(here.by(places.head), dossier.dossier_id, places.colleague.staff_id)
    assert given.assignee_id == places.colleague.staff_id
    assert assign(here.by(places.colleague), dossier.dossier_id, None).assignee_id is None
    again = assign(here.by(places.head), dossier.dossier_id, None)
    assert again.event_no == given.event_no + 1  # nothing changed, nothing is written
    event = store.list_events(here.tx, dossier.dossier_id)[-1]
    assert event.payload == {"from": str(places.colleague.staff_id), "to": None}
    with pytest.raises(AssigneeUnknown):
        assign(here.by(places.head), dossier.dossier_id, places.other_officer.staff_id)
    with pytest.raises(AssigneeUnknown):
        assign(here.by(places.head), dossier.dossier_id, UUID(int=1))
    with pytest.raises(Stale):
        assign(here.by(places.head), dossier.dossier_id, places.officer.staff_id, expected_version=1)


def test_a_desk_does_not_follow_the_dossier_to_another_office(here: Work) -> None:
    dossier = here.at_branch()
    here.step(dossier, "take_up")
    here.hand_over(dossier, here.places.other_branch)
    assert here.get(dossier).assignee_id is None


# ── notes, fees, other systems, the paper ───────────────────────────────────────────────────────────────────────────


def test_notes_fees_ids_and_the_place_of_the_paper_are_each_one_event(here: Work) -> None:
    officer = here.by(here.places.officer)
    dossier_id = here.at_branch().dossier_id
    note = add_note(officer, dossier_id, "  gọi lại cho công dân 094092001234 ")
    assert [n.body for n in store.list_notes(here.tx, dossier_id)] == [note.body]
    fee = note_fee(officer, dossier_id, "Lệ phí cấp giấy", 100_000)
    assert note_paid(officer, dossier_id, fee.fee_id).paid_at == here.tx.now
    with pytest.raises(FeeUnknown):
        note_paid(officer, dossier_id, fee.fee_id)
    with pytest.raises(AmountWrong):
        note_fee(officer, dossier_id, "Lệ phí", -1)
    with pytest.raises(TextMissing):
        add_note(officer, dossier_id, "   ")
    add_external_id(officer, dossier_id, "VBDLIS", " SBN 1 ")
    assert move_paper(officer, dossier_id, "Kệ 2").paper_place == "Kệ 2"
    assert move_paper(officer, dossier_id, " Kệ  2 ").event_no == here.get(dossier_id).event_no
    kinds = [e.kind for e in store.list_events(here.tx, dossier_id)]
    assert kinds == ["received", "noted", "fee_noted", "fee_paid", "external_id_added", "paper_moved"]
    assert "094092001234" not in repr([e.payload for e in store.list_events(here.tx, dossier_id)])
    with pytest.raises(ExternalIdTaken):
        add_external_id(officer, here.at_branch().dossier_id, "vbdlis", "SBN 1")


@pytest.mark.parametrize("act", ["note", "fee", "id", "place", "assign"])
def test_nothing_is_done_to_a_dossier_of_another_office(here: Work, act: str) -> None:
    stranger, dossier_id = here.by(here.places.other_officer), here.at_branch().dossier_id
    acts = {
        "note": lambda: add_note(stranger, dossier_id, "x"),
        "fee": lambda: note_fee(stranger, dossier_id, "x", 1),
        "id": lambda: add_external_id(stranger, dossier_id, "x", "1"),
        "place": lambda: move_paper(stranger, dossier_id, "x"),
        "assign": lambda: assign(stranger, dossier_id, None),
    }
    with pytest.raises(DossierUnknown):
        acts[act]()

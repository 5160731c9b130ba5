"""Custody as offices use it: offer, accept, refuse, recall, force; who sees what; and every way in which it is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from itertools import takewhile
from uuid import UUID

import pytest

from landdb.access.model import OfficeUnknown
from landdb.db.transaction import PUBLIC, SYSTEM, Actor, Database, Tx, new_id
from landdb.dossier import force_move, store
from landdb.dossier.accept import accept, accept_many
from landdb.dossier.issue_receipt import SURE_FOR, sealed
from landdb.dossier.model import (
    AlreadyHeld,
    AlreadyOffered,
    CustodyState,
    DocumentUnknown,
    Dossier,
    DossierClosed,
    DossierNotHeld,
    DossierSealed,
    DossierUnknown,
    EpochStale,
    ForceOpen,
    ForceSamePerson,
    ForceUnknown,
    HandoverClosed,
    HandoverState,
    HandoverToSelf,
    HandoverUnknown,
    NotTheReceiver,
    NotTheSender,
    PapersUnverified,
    ReasonUnknown,
    ReceiverClosed,
    RouteRefused,
)
from landdb.dossier.offer import Offered, offer
from landdb.dossier.record import draft, enter, knows, record, sees, visible, workable
from landdb.dossier.refuse import refuse
from landdb.errors import LandError, Stale
from landdb.exchange.store import list_waiting
from landdb.sealing import signing_keys
from landdb.sealing.model import SigningKeyOver
from landdb.sealing.seal import check, public_jwk
from tests.dossier_make import KEYS, Bench, Places, add_dossier, add_paper, body_of, place


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench.on(database)


@pytest.fixture
def places(tx: Tx) -> Places:
    """Offices in a transaction that is rolled back."""
    return place(tx)


def acting(tx: Tx, actor: Actor, *, later: dt.timedelta = dt.timedelta()) -> Tx:
    """The same transaction in somebody else's name."""
    return replace(tx, actor=actor, now=tx.now + later)


def offered(tx: Tx, places: Places, dossier: Dossier, to_office: int | None = None) -> UUID:
    (one,) = offer(
        acting(tx, places.at(dossier.holder_office_id)), KEYS, [dossier.dossier_id], to_office or places.branch
    )
    assert one.handover is not None
    return one.handover.handover_id


def receipts(tx: Tx, handover_id: UUID) -> set[tuple[str, int]]:
    return {(receipt.kind.value, receipt.party_office_id) for receipt in store.list_receipts(tx, handover_id)}


# ── the road there and back ─────────────────────────────────────────────────────────────────────────────────────────


def test_until_it_is_accepted_the_sender_holds_it_and_may_not_work_on_it(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    workable(acting(tx, places.clerk), dossier)
    handover_id = offered(tx, places, dossier)
    now = store.get_dossier(tx, dossier.dossier_id)
    assert (now.custody_state, now.holder_office_id, now.epoch) == (CustodyState.IN_TRANSIT, places.desk, 1)
    with pytest.raises(DossierSealed):
        workable(acting(tx, places.clerk), now)
    with pytest.raises(DossierNotHeld):
        workable(acting(tx, places.officer), now)
    accept(acting(tx, places.officer), KEYS, handover_id)
    now = store.get_dossier(tx, dossier.dossier_id)
    assert (now.custody_state, now.holder_office_id, now.epoch) == (CustodyState.HELD, places.branch, 2)
    workable(acting(tx, places.officer), now)
    assert [(c.epoch, c.office_id, c.ended_at is None) for c in store.list_custody(tx, dossier.dossier_id)] == [
        (1, places.desk, False),
        (2, places.branch, True),
    ]


def test_accepting_clears_the_desk_and_starts_the_receivers_clock(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    store.set_dossier(tx, dossier.dossier_id, assignee_id=places.clerk.staff_id)
    handover_id = offered(tx, places, dossier)
    assert store.get_dossier(tx, dossier.dossier_id).assignee_id == places.clerk.staff_id
    accept(acting(tx, places.officer), KEYS, handover_id)
    assert store.get_dossier(tx, dossier.dossier_id).assignee_id is None
    clocks = tx.execute(
        "SELECT office_id, met_at IS NULL AS runs FROM deadline WHERE dossier_id = :id ORDER BY deadline_id",
        id=dossier.dossier_id,
    ).all()
    assert [(clock.office_id, clock.runs) for clock in clocks] == [(places.desk, False), (places.branch, True)]


@pytest.mark.parametrize(
    ("end", "kinds"),
    [
        ("accept", {"released": "desk", "granted": "branch"}),
        ("refuse", {"returned": "desk", "refused": "branch"}),
        ("recall", {"returned": "desk", "closed": "branch"}),
    ],
)
def test_each_end_certifies_both_parties_and_tells_who_must_know(bench: Bench, end: str, kinds: dict[str, str]) -> None:
    dossier = bench.receive()
    handover = bench.offer(dossier)
    getattr(bench, end)(handover)
    expected = {"stored": "desk", "delivered": "branch", **kinds}
    with bench.database.begin(SYSTEM) as tx:
        found = store.list_receipts(tx, handover.handover_id)
        assert {r.kind.value: r.party_office_id for r in found} == {
            kind: getattr(bench.places, side) for kind, side in expected.items()
        }
        events = {event.event_no: event for event in store.list_events(tx, dossier.dossier_id)}
        told = {
            link: [m.kind for m in list_waiting(tx, f"office:{getattr(bench.places, link)}")]
            for link in ("desk", "branch")
        }
    for receipt in found:
        said = body_of(receipt.body)
        assert check(public_jwk(KEYS, None), receipt.jws, receipt.body)
        assert said["manifest_sha256"] == handover.manifest_sha256.hex()
        assert said["event_hash"] == events[said["event_no"]].hash.hex()
    done = {"accept": "accepted", "refuse": "refused", "recall": "recalled"}[end]
    assert told == {
        "desk": [] if end == "recall" else [f"handover.{done}"],
        "branch": ["handover.offered"] + ([] if end == "refuse" else [f"handover.{done}"]),
    }
    assert bench.broken() == {}


def test_the_manifest_lists_the_papers_and_is_sealed_by_the_sender(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    old = add_paper(tx, dossier.dossier_id, b"cu", name="cũ.pdf")
    new = add_paper(tx, dossier.dossier_id, b"moi", name="mới.pdf")
    gone = add_paper(tx, dossier.dossier_id, b"nham", name="nhầm.pdf")
    tx.execute("UPDATE document SET supersedes_id = :old WHERE document_id = :new", old=old, new=new)
    tx.execute("UPDATE document SET withdrawn_at = :now WHERE document_id = :id", now=tx.now, id=gone)
    head = store.get_dossier(tx, dossier.dossier_id).event_hash
    handover = store.get_handover(tx, offered(tx, places, dossier))
    said = body_of(handover.manifest)
    assert [(item["name"], item["sha256"], item["bytes"]) for item in said["items"]] == [
        ("mới.pdf", hashlib.sha256(b"moi").hexdigest(), "3")
    ]
    assert (said["from_office"], said["to_office"], said["epoch"], said["event_head"]) == (
        places.desk, places.branch, 1, head.hex(),
    )  # fmt: skip
    assert hashlib.sha256(handover.manifest).digest() == handover.manifest_sha256
    assert check(public_jwk(KEYS, places.desk), handover.seal_jws, handover.manifest)
    assert not check(public_jwk(KEYS, places.desk), handover.seal_jws, handover.manifest + b" ")


def test_an_answer_is_due_in_working_time(tx: Tx, places: Places) -> None:
    handover = store.get_handover(tx, offered(tx, places, add_dossier(tx, places.desk)))
    assert handover.due_at is not None
    assert handover.due_at > handover.offered_at


def test_the_note_is_for_the_parties_and_only_its_commitment_is_in_the_manifest(bench: Bench) -> None:
    handover = bench.offer(bench.receive(), note="hồ sơ gấp")
    assert bench.handover(handover).note == "hồ sơ gấp"
    assert "gấp" not in handover.manifest.decode()
    assert body_of(handover.manifest)["note_commitment"]
    assert "gấp" not in bench.one("SELECT string_agg(convert_from(body, 'UTF8'), '') FROM outbox")


def test_a_dossier_goes_round_and_comes_back(bench: Bench) -> None:
    dossier = bench.receive()
    for office in (bench.places.branch, bench.places.tax, bench.places.branch, bench.places.desk):
        bench.hand_over(dossier, office)
    assert bench.get(dossier).epoch == 5
    assert bench.get(dossier).holder_office_id == bench.places.desk
    assert bench.broken() == {}


def test_a_clock_set_back_does_not_tear_custody(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    handover_id = offered(tx, places, dossier)
    accept(acting(tx, places.officer, later=dt.timedelta(minutes=-30)), KEYS, handover_id)
    first, second = store.list_custody(tx, dossier.dossier_id)
    assert first.ended_at == second.started_at
    assert first.ended_at is not None
    assert first.started_at <= first.ended_at


# ── many at once ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_hundred_go_in_one_act(bench: Bench) -> None:
    with bench.database.begin(bench.places.clerk) as tx:
        ids = [add_dossier(tx, bench.places.desk).dossier_id for _ in range(200)]
    handovers = bench.offer_many(ids)
    assert {handover.dossier_id for handover in handovers} == set(ids)
    assert len({handover.batch_id for handover in handovers}) == 1
    with bench.database.begin(bench.places.officer) as tx:
        taken = accept_many(tx, KEYS, [handover.handover_id for handover in handovers])
    assert [each.refusal for each in taken] == [None] * 200
    assert bench.broken() == {}
    with bench.database.begin(SYSTEM) as tx:
        assert len(store.list_batch(tx, handovers[0].batch_id)) == 200


def verdicts(found: list[Offered]) -> list[str]:
    return [type(each.refusal).__name__ if each.refusal else "goes" for each in found]


def test_a_dry_run_judges_each_and_changes_nothing(tx: Tx, places: Places) -> None:
    good, sent, foreign = (add_dossier(tx, office) for office in (places.desk, places.desk, places.other_branch))
    offered(tx, places, sent)
    asked = [good.dossier_id, sent.dossier_id, foreign.dossier_id, new_id()]
    found = offer(acting(tx, places.clerk), KEYS, asked, places.branch, dry_run=True)
    assert verdicts(found) == ["goes", "AlreadyOffered", "DossierUnknown", "DossierUnknown"]
    assert [each.handover for each in found] == [None] * 4
    assert store.get_dossier(tx, good.dossier_id) == good


def test_those_that_can_go_go_where_that_is_wanted(tx: Tx, places: Places) -> None:
    good, sent = (add_dossier(tx, places.desk) for _ in range(2))
    offered(tx, places, sent)
    found = offer(acting(tx, places.clerk), KEYS, [sent.dossier_id, good.dossier_id], places.branch, partial=True)
    assert verdicts(found) == ["AlreadyOffered", "goes"]
    assert store.get_dossier(tx, good.dossier_id).custody_state is CustodyState.IN_TRANSIT


def test_otherwise_one_that_cannot_go_keeps_all_back(tx: Tx, places: Places) -> None:
    good, sent = (add_dossier(tx, places.desk) for _ in range(2))
    offered(tx, places, sent)
    with pytest.raises(AlreadyOffered):
        offer(acting(tx, places.clerk), KEYS, [good.dossier_id, sent.dossier_id], places.branch)
    assert store.get_dossier(tx, good.dossier_id) == good


def test_many_are_accepted_with_a_verdict_on_each(tx: Tx, places: Places) -> None:
    mine, other = (offered(tx, places, add_dossier(tx, places.desk), office) for office in (places.branch, places.tax))
    by = acting(tx, places.officer)
    found = accept_many(by, KEYS, [mine, other, new_id()], partial=True)
    assert [each.refusal and each.refusal.code for each in found] == [None, "handover.unknown", "handover.unknown"]
    with pytest.raises(AlreadyHeld):
        accept_many(by, KEYS, [mine])


def test_a_dossier_named_twice_goes_once(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    assert len(offer(acting(tx, places.clerk), KEYS, [dossier.dossier_id] * 2, places.branch)) == 1


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_acceptance_is_told_that_the_office_holds_it_already(bench: Bench) -> None:
    handover = bench.hand_over(bench.receive())
    with pytest.raises(AlreadyHeld) as refused:
        bench.accept(handover, by=bench.places.colleague)
    assert refused.value.params["by"] == "Chi nhánh khu vực 1"
    assert refused.value.params["closed_at"]


@pytest.mark.parametrize(
    ("first", "winner", "by"),
    [
        ("accept", "accepted", "Chi nhánh khu vực 1"),
        ("refuse", "refused", "Chi nhánh khu vực 1"),
        ("recall", "recalled", "Một cửa xã Thử Nghiệm"),
    ],
)
@pytest.mark.parametrize("late", ["accept", "refuse", "recall"])
def test_who_comes_late_is_told_who_was_quicker(bench: Bench, first: str, winner: str, by: str, late: str) -> None:
    handover = bench.offer(bench.receive())
    closed = getattr(bench, first)(handover)
    with pytest.raises((HandoverClosed, AlreadyHeld)) as refused:
        getattr(bench, late)(handover)
    assert isinstance(refused.value, AlreadyHeld) == (first == "accept" and late in {"accept", "refuse"})
    params = refused.value.params
    assert (params["winner"], params["by"]) == (winner, by)
    assert params["closed_at"].startswith(f"{closed.closed_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M}")


def test_a_late_answer_to_an_earlier_attempt_does_not_touch_the_present_one(bench: Bench) -> None:
    """R4: each command names its very attempt."""
    dossier = bench.receive()
    first = bench.offer(dossier)
    bench.recall(first)
    second = bench.offer(dossier)
    for act in (bench.accept, bench.refuse, bench.recall):
        with pytest.raises(HandoverClosed):
            act(first)
    assert bench.handover(second).state is HandoverState.OFFERED
    assert bench.get(dossier).custody_state is CustodyState.IN_TRANSIT


def test_a_wrong_epoch_is_refused(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    with pytest.raises(EpochStale) as refused:
        offer(acting(tx, places.clerk), KEYS, [dossier.dossier_id], places.branch, epochs={dossier.dossier_id: 2})
    assert refused.value.params == {"expected": 2, "found": 1}
    handover_id = offered(tx, places, dossier)
    with pytest.raises(EpochStale):
        accept(acting(tx, places.officer), KEYS, handover_id, epoch=2)
    accept(acting(tx, places.officer), KEYS, handover_id, epoch=1)


def test_a_dossier_of_another_office_is_unknown(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    for stranger in (places.other_officer, places.officer, PUBLIC):
        with pytest.raises(DossierUnknown) as refused:
            offer(acting(tx, stranger), KEYS, [dossier.dossier_id], places.province)
        assert refused.value.params == {"dossier": str(dossier.dossier_id)}  # as for one that does not exist
    with pytest.raises(DossierUnknown) as missing:
        offer(acting(tx, places.other_officer), KEYS, [missing_id := new_id()], places.province)
    assert missing.value.params == {"dossier": str(missing_id)}


def test_a_handover_of_others_is_unknown_and_parties_act_on_their_side(tx: Tx, places: Places) -> None:
    handover_id = offered(tx, places, add_dossier(tx, places.desk))
    for act in (accept, lambda *a: refuse(*a, "other")):
        with pytest.raises(HandoverUnknown):
            act(acting(tx, places.other_officer), KEYS, handover_id)
        with pytest.raises(NotTheReceiver):
            act(acting(tx, places.clerk), KEYS, handover_id)
    from landdb.dossier.recall import recall

    with pytest.raises(HandoverUnknown):
        recall(acting(tx, places.other_officer), KEYS, handover_id)
    with pytest.raises(NotTheSender):
        recall(acting(tx, places.officer), KEYS, handover_id)
    with pytest.raises(HandoverUnknown):
        accept(acting(tx, places.officer), KEYS, new_id())
    assert NotTheReceiver.code == NotTheSender.code == HandoverUnknown.code


def test_what_cannot_be_offered(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)

    def refusal(to_office: int) -> LandError | None:
        (found,) = offer(acting(tx, places.clerk), KEYS, [dossier.dossier_id], to_office, dry_run=True)
        return found.refusal

    assert isinstance(refusal(places.desk), HandoverToSelf)
    assert isinstance(refusal(places.department), RouteRefused)
    with pytest.raises(OfficeUnknown):
        refusal(987_654)
    add_paper(tx, dossier.dossier_id, b"virus", name="la.pdf", state="quarantined")
    unfit = refusal(places.branch)
    assert isinstance(unfit, PapersUnverified)
    assert unfit.params == {"papers": "la.pdf"}
    store.set_dossier(tx, dossier.dossier_id, closed_at=tx.now)
    assert isinstance(refusal(places.branch), DossierClosed)


def test_a_closed_receiver_is_refused_with_its_heirs(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    with pytest.raises(ReceiverClosed) as refused:
        offer(acting(tx, places.clerk), KEYS, [dossier.dossier_id], places.closed)
    assert refused.value.params == {
        "office": "Chi nhánh huyện cũ", "closed_on": dt.date(2025, 7, 1), "heirs": "Chi nhánh khu vực 1",
    }  # fmt: skip


def test_an_office_closed_by_law_in_the_middle_of_a_handover(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    handover_id = offered(tx, places, dossier)
    tx.execute(
        "UPDATE office SET valid = daterange(NULL, :today) WHERE office_id = :id", today=tx.today, id=places.branch
    )
    with pytest.raises(ReceiverClosed) as refused:
        accept(acting(tx, places.officer), KEYS, handover_id)
    assert refused.value.params["closed_on"] == tx.today
    refuse(acting(tx, places.officer), KEYS, handover_id, "other")  # it may still hand it back
    with pytest.raises(ReceiverClosed):
        offered(tx, places, store.get_dossier(tx, dossier.dossier_id))
    offered(tx, places, store.get_dossier(tx, dossier.dossier_id), places.province)


def test_a_reason_must_be_of_the_list(tx: Tx, places: Places) -> None:
    handover_id = offered(tx, places, add_dossier(tx, places.desk))
    with pytest.raises(ReasonUnknown):
        refuse(acting(tx, places.officer), KEYS, handover_id, "because")
    closed = refuse(acting(tx, places.officer), KEYS, handover_id, "papers_missing", "thiếu đơn")
    assert (closed.reason_code, closed.reason_note) == ("papers_missing", "thiếu đơn")


# ── who sees it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_sees_a_dossier_and_who_may_only_follow_it(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)

    def circle() -> tuple[set[str], set[str]]:
        now = store.get_dossier(tx, dossier.dossier_id)
        people = ("clerk", "officer", "tax_officer", "other_officer", "supervisor")
        see = {name for name in people if sees(acting(tx, getattr(places, name)), now)}
        return see, {name for name in people if knows(acting(tx, getattr(places, name)), now)} - see

    assert circle() == ({"clerk", "supervisor"}, set())
    handover_id = offered(tx, places, dossier)
    assert circle() == ({"clerk", "officer", "supervisor"}, set())
    accept(acting(tx, places.officer), KEYS, handover_id)
    assert circle() == ({"officer", "supervisor"}, {"clerk"})
    refuse(
        acting(tx, places.tax_officer), KEYS,
        offered(tx, places, store.get_dossier(tx, dossier.dossier_id), places.tax), "not_ours",
    )  # fmt: skip
    assert circle() == ({"officer", "supervisor"}, {"clerk", "tax_officer"})
    visible(acting(tx, SYSTEM), dossier)
    with pytest.raises(DossierUnknown):
        visible(acting(tx, PUBLIC), dossier)


# ── force ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def proposed(tx: Tx, places: Places, dossier: Dossier, to_office: int) -> UUID:
    order = add_paper(tx, dossier.dossier_id, b"lenh", doc_type="ORDER")
    by = acting(tx, places.supervisor)
    return force_move.propose(
        by, dossier.dossier_id, to_office, reason_code="office_closed", reason_note="theo quyết định", document_id=order
    ).force_move_id


def test_two_persons_move_a_dossier_that_is_held(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    move_id = proposed(tx, places, dossier, places.branch)
    with pytest.raises(ForceSamePerson):
        force_move.confirm(acting(tx, places.supervisor), KEYS, move_id)
    handover = force_move.confirm(acting(tx, places.second_supervisor), KEYS, move_id)
    now = store.get_dossier(tx, dossier.dossier_id)
    assert (now.holder_office_id, now.epoch, now.custody_state) == (places.branch, 2, CustodyState.HELD)
    assert receipts(tx, handover.handover_id) == {("released", places.desk), ("granted", places.branch)}
    with pytest.raises(ForceUnknown):
        force_move.confirm(acting(tx, places.second_supervisor), KEYS, move_id)


def test_force_without_a_custody_to_end_moves_nothing(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    move_id = proposed(tx, places, dossier, places.branch)
    tx.execute("SET LOCAL session_replication_role = replica")
    tx.execute("UPDATE custody SET ended_at = started_at WHERE dossier_id = :id", id=dossier.dossier_id)
    with pytest.raises(HandoverClosed):
        force_move.confirm(acting(tx, places.second_supervisor), KEYS, move_id)


def test_force_overtakes_an_open_offer(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    handover_id = offered(tx, places, dossier)
    move_id = proposed(tx, places, store.get_dossier(tx, dossier.dossier_id), places.other_branch)
    force_move.confirm(acting(tx, places.second_supervisor), KEYS, move_id)
    assert store.get_dossier(tx, dossier.dossier_id).holder_office_id == places.other_branch
    # The sender reads RELEASED, and never that the dossier is back.
    assert receipts(tx, handover_id) == {
        ("stored", places.desk),
        ("delivered", places.branch),
        ("closed", places.branch),
    }
    with pytest.raises(HandoverClosed) as refused:
        accept(acting(tx, places.officer), KEYS, handover_id)
    assert (refused.value.params["winner"], refused.value.params["by"]) == ("forced", "Văn phòng đăng ký")


def test_a_proposal_of_an_epoch_that_is_over_moves_nothing(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    move_id = proposed(tx, places, dossier, places.other_branch)
    handover_id = offered(tx, places, store.get_dossier(tx, dossier.dossier_id))
    accept(acting(tx, places.officer), KEYS, handover_id)
    with pytest.raises(EpochStale):
        force_move.confirm(acting(tx, places.second_supervisor), KEYS, move_id)


def test_what_cannot_be_proposed(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    order = add_paper(tx, dossier.dossier_id, b"lenh")
    foreign = add_paper(tx, add_dossier(tx, places.desk).dossier_id, b"khac")

    def propose(by: Actor, to_office: int, document: UUID = order, reason: str = "order") -> None:
        force_move.propose(
            acting(tx, by), dossier.dossier_id, to_office, reason_code=reason, reason_note="", document_id=document
        )

    with pytest.raises(ReasonUnknown):
        propose(places.supervisor, places.branch, reason="whim")
    with pytest.raises(DossierUnknown):
        propose(places.other_officer, places.branch)
    with pytest.raises(HandoverToSelf):
        propose(places.supervisor, places.desk)
    with pytest.raises(ReceiverClosed):
        propose(places.supervisor, places.closed)
    with pytest.raises(RouteRefused):
        propose(places.supervisor, places.department)
    with pytest.raises(OfficeUnknown):
        propose(places.supervisor, 987_654)
    with pytest.raises(DocumentUnknown):
        propose(places.supervisor, places.branch, foreign)
    with pytest.raises(ForceSamePerson):
        propose(SYSTEM, places.branch)
    propose(places.supervisor, places.branch)
    with pytest.raises(ForceOpen):
        propose(places.supervisor, places.branch)


def test_a_dropped_proposal_frees_the_dossier_for_another(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    move_id = proposed(tx, places, dossier, places.branch)
    assert force_move.drop(acting(tx, places.second_supervisor), move_id).dropped_at
    with pytest.raises(ForceUnknown):
        force_move.confirm(acting(tx, places.second_supervisor), KEYS, move_id)
    proposed(tx, places, store.get_dossier(tx, dossier.dossier_id), places.branch)
    told = [event.kind for event in store.list_events(tx, dossier.dossier_id)]
    assert [kind for kind in told if kind.startswith("force")] == ["force_proposed", "force_dropped", "force_proposed"]


# ── history, keys, lists ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_caller_with_an_old_dossier_cannot_tear_the_history(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    record(tx, dossier, "noted", {})
    with pytest.raises(Stale):
        record(tx, dossier, "noted", {})


def test_an_event_is_drafted_without_a_word_to_the_database(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    written = draft(tx, dossier, "stepped", {"action": "take_up"}, to_stage="in_process")
    assert store.get_dossier(tx, dossier.dossier_id) == dossier
    assert enter(tx, written) == store.get_dossier(tx, dossier.dossier_id) == written.after
    event = store.list_events(tx, dossier.dossier_id)[-1]
    assert (event.from_stage, event.to_stage, event.hash) == ("received", "in_process", written.event.hash)
    with pytest.raises(ValueError, match="no kind of event"):
        draft(tx, dossier, "gossip", {})


def test_custody_and_history_are_not_changed_by_hand(tx: Tx, places: Places) -> None:
    dossier = add_dossier(tx, places.desk)
    for column in ("holder_office_id", "epoch", "custody_state", "stage", "event_no", "event_hash"):
        with pytest.raises(ValueError, match=column):
            store.set_dossier(tx, dossier.dossier_id, **{column: 1})


def test_a_revoked_key_seals_no_more(bench: Bench) -> None:
    bench.hand_over(bench.receive())
    with bench.database.begin(SYSTEM) as tx:
        signing_keys.revoke(tx, "register-1")
    with bench.database.begin(SYSTEM) as tx, pytest.raises(SigningKeyOver):
        sealed(acting(tx, SYSTEM, later=SURE_FOR), KEYS, None, b"x")


def test_a_key_of_a_transaction_that_is_undone_is_published_by_the_next(database: Database) -> None:
    with database.begin(SYSTEM) as tx:
        sealed(tx, KEYS, None, b"x")
        sealed(tx, KEYS, None, b"x")
        tx.connection.get_transaction().rollback()  # type: ignore[union-attr]
    with database.begin(SYSTEM) as tx:
        sealed(tx, KEYS, None, b"x")
        assert tx.execute("SELECT kid FROM signing_key").scalars().all() == ["register-1"]


def test_lists_of_handovers_have_each_in_its_box_and_are_paged_by_key(bench: Bench) -> None:
    waiting = bench.offer_many([bench.receive(), bench.receive(), bench.receive()])
    done = bench.hand_over(bench.receive())

    def box(office: int | None, name: str, **page: object) -> list[UUID]:
        with bench.database.begin(SYSTEM) as tx:
            return [line.handover.handover_id for line in store.search_handovers(tx, office, name, **page)]  # type: ignore[arg-type]

    ids = sorted((handover.handover_id for handover in waiting), reverse=True)
    assert box(bench.places.branch, "incoming") == ids
    assert box(bench.places.desk, "sent") == ids
    assert box(bench.places.desk, "incoming") == box(bench.places.other_branch, "closed") == []
    assert box(bench.places.desk, "closed") == box(bench.places.branch, "closed") == [done.handover_id]
    assert box(bench.places.branch, "incoming", limit=2) == ids[:2]
    assert box(bench.places.branch, "incoming", after=ids[1], limit=2) == ids[2:]
    assert box(None, "incoming") == ids


@pytest.mark.parametrize("many", [1, 3])
def test_a_longer_list_takes_no_more_questions(bench: Bench, many: int) -> None:
    from sqlalchemy import event

    bench.offer_many([bench.receive() for _ in range(many)])
    asked: list[str] = []
    with bench.database.begin(SYSTEM) as tx:
        event.listen(tx.connection, "before_cursor_execute", lambda *a: asked.append(a[2]))
        assert len(store.search_handovers(tx, bench.places.branch)) == many
    assert len(asked) == 1


def test_an_acceptance_takes_few_statements(bench: Bench) -> None:
    """The lock with its limits, custody with receipts, the event, the outbox: four, before the clocks."""
    from sqlalchemy import event

    bench.hand_over(bench.receive())
    handover = bench.offer(bench.receive())
    asked: list[str] = []
    with bench.database.begin(bench.places.officer) as tx:
        event.listen(tx.connection, "before_cursor_execute", lambda *a: asked.append(a[2]))
        accept(tx, KEYS, handover.handover_id)
    assert len(list(takewhile(lambda statement: "deadline" not in statement, asked))) == 4, "\n".join(asked)


def test_limits_hold_for_transactions_that_move_a_dossier(bench: Bench) -> None:
    dossier = bench.receive()
    with bench.database.begin(bench.places.clerk) as tx:
        store.lock_dossier(tx, dossier.dossier_id)
        limits = {name: tx.execute(f"SHOW {name}").scalar_one() for name in
                  ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")}  # fmt: skip
    assert limits == {"lock_timeout": "5s", "statement_timeout": "15s", "idle_in_transaction_session_timeout": "30s"}
    with bench.database.begin(SYSTEM) as tx:
        assert tx.execute("SHOW lock_timeout").scalar_one() == "0"

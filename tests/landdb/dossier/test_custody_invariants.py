"""Every invariant of custody is broken once by hand, under the feet of triggers, and is named with its dossier."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from landdb.db.transaction import SYSTEM, Database, Tx, connect
from landdb.dossier import force_move, store
from landdb.dossier.model import RECEIPTS, HandoverState
from landdb.exchange.store import add_received
from landdb.files import FileStore
from landdb.messages import LANGUAGES, Language, catalogue
from landdb.sealing.checkpoint import make_checkpoint
from landdb.views import verify
from ops import embedded
from ops.verify import Verdict, verify_evidence, verify_files
from ops.verify import verify as verify_all
from tests.dossier_make import KEYS, Bench, add_paper

FREE = "SET LOCAL session_replication_role = replica"  # no trigger and no foreign key stands in the way


@dataclass(frozen=True)
class Past:
    """A register with one dossier of each kind of past. ``codes`` by what became of it."""

    bench: Bench
    codes: dict[str, str]
    ids: dict[str, UUID]


@pytest.fixture(scope="module")
def past(server: embedded.Server, template: str) -> Iterator[Past]:
    """Tests only read it, or break it and roll back."""
    server.create_database("custody_past", template)
    database = connect(server.url_of("custody_past"), application_name="landdb-test")
    yield _past(database)
    database.dispose()


def _past(database: Database) -> Past:
    bench = Bench.on(database)
    made = {kind: bench.receive() for kind in ("held", "moved", "offered", "refused", "recalled", "forced")}
    with database.begin(bench.places.clerk) as tx:
        add_paper(tx, made["moved"].dossier_id, b"mot")
        add_paper(tx, made["offered"].dossier_id, b"hai")
        order = add_paper(tx, made["forced"].dossier_id, b"lenh", doc_type="ORDER")
    bench.hand_over(made["moved"])
    bench.hand_over(made["moved"], bench.places.province)
    bench.offer(made["offered"])
    bench.refuse(bench.offer(made["refused"]))
    bench.recall(bench.offer(made["recalled"]))
    bench.offer(made["forced"])
    with database.begin(bench.places.supervisor) as tx:
        move = force_move.propose(
            tx,
            made["forced"].dossier_id,
            bench.places.other_branch,
            reason_code="order",
            reason_note="",
            document_id=order,
        )
    with database.begin(bench.places.second_supervisor) as tx:
        force_move.confirm(tx, KEYS, move.force_move_id)
    with database.begin(SYSTEM) as tx:
        assert add_received(tx, "office:2", 1, UUID(int=1), b"x" * 32)
        make_checkpoint(tx, KEYS)
    return Past(bench, {kind: d.code for kind, d in made.items()}, {kind: d.dossier_id for kind, d in made.items()})


# check, the dossier that must be named, damage. «held» is the id of that dossier; ‹held› that of its last hand-over.
BROKEN: list[tuple[str, str, tuple[str, ...]]] = [
    ("custody_open_one", "held", ("UPDATE custody SET ended_at = started_at WHERE dossier_id = «held»",)),
    ("custody_open_one", "held", ("DELETE FROM custody WHERE dossier_id = «held»",)),
    (
        "custody_open_one",
        "moved",
        ("DROP INDEX custody_open_key", "UPDATE custody SET ended_at = NULL WHERE dossier_id = «moved» AND epoch = 2"),
    ),
    ("custody_as_dossier", "held", ("UPDATE dossier SET epoch = 2 WHERE dossier_id = «held»",)),
    ("custody_as_dossier", "moved", ("UPDATE dossier SET holder_office_id = 2 WHERE dossier_id = «moved»",)),
    ("custody_unbroken", "moved", ("DELETE FROM custody WHERE dossier_id = «moved» AND epoch = 2",)),
    (
        "custody_unbroken",
        "moved",
        ("UPDATE custody SET started_at = started_at - interval '1 s' WHERE dossier_id = «moved» AND epoch = 2",),
    ),
    (
        "custody_unbroken",
        "moved",
        (
            "ALTER TABLE custody DROP CONSTRAINT custody_order_check",
            "UPDATE custody SET ended_at = started_at - interval '1 s' WHERE dossier_id = «moved» AND epoch = 1",
        ),
    ),
    ("custody_by_handover", "moved", ("UPDATE handover SET state = 'recalled' WHERE handover_id = ‹moved›",)),
    ("custody_by_handover", "moved", ("UPDATE handover SET to_office_id = 3 WHERE handover_id = ‹moved›",)),
    (
        "custody_by_handover",
        "refused",
        ("UPDATE handover SET state = 'accepted' WHERE handover_id = ‹refused›",),
    ),
    (
        "custody_by_handover",
        "moved",
        ("DROP INDEX handover_done_key", "UPDATE handover SET epoch = 2 WHERE dossier_id = «moved»"),
    ),
    ("handover_open_one", "offered", ("UPDATE dossier SET custody_state = 'held' WHERE dossier_id = «offered»",)),
    ("handover_open_one", "held", ("UPDATE dossier SET custody_state = 'in_transit' WHERE dossier_id = «held»",)),
    ("handover_open_one", "offered", ("UPDATE handover SET epoch = 2 WHERE handover_id = ‹offered›",)),
    (
        "handover_open_one",
        "recalled",
        ("UPDATE handover SET state = 'offered', closed_at = NULL WHERE handover_id = ‹recalled›",),
    ),
    ("handover_receipts", "moved", ("DELETE FROM receipt WHERE handover_id = ‹moved› AND kind = 'granted'",)),
    ("handover_receipts", "moved", ("UPDATE receipt SET party_office_id = 3 WHERE handover_id = ‹moved› AND kind = 'granted'",)),
    ("handover_receipts", "recalled", (
        "UPDATE handover SET state = 'refused', reason_code = 'other' WHERE handover_id = ‹recalled›",
    )),
    ("handover_receipts", "offered", (
        "UPDATE receipt SET kind = 'granted' WHERE handover_id = ‹offered› AND kind = 'delivered'",
    )),
    ("handover_as_sealed", "moved", ("UPDATE handover SET to_office_id = 3 WHERE handover_id = ‹moved›",)),
    ("handover_as_sealed", "moved", ("UPDATE handover SET manifest_sha256 = sha256('x') WHERE handover_id = ‹moved›",)),
    ("handover_as_sealed", "moved", ("DELETE FROM handover_item WHERE handover_id = ‹moved›",)),
    ("handover_as_sealed", "moved", ("UPDATE handover SET closed_at = offered_at - interval '1 s' WHERE handover_id = ‹moved›",)),
    ("handover_as_sealed", "held", ("UPDATE handover SET dossier_id = «held» WHERE handover_id = ‹refused›",)),
    ("outbox_numbered", "refused", (
        (
            "DELETE FROM outbox WHERE link_id = (SELECT link_id FROM link WHERE name = 'office:2') AND seq ="
            " (SELECT min(seq) - 1 FROM outbox JOIN link USING (link_id) WHERE name = 'office:2' AND dossier_id = «refused»)"
        ),
    )),
    ("outbox_numbered", "forced", ("UPDATE link SET next_seq = next_seq + 1 WHERE name = 'office:3'",)),
    (
        "outbox_numbered",
        "forced",
        ("ALTER TABLE link DROP CONSTRAINT link_order_check", "UPDATE link SET acked_seq = 1 WHERE name = 'office:3'"),
    ),
    ("outbox_linked", "moved", (
        "UPDATE outbox SET body = body || ' ' WHERE ctid = (SELECT ctid FROM outbox WHERE dossier_id = «moved» LIMIT 1)",
    )),
    ("outbox_linked", "moved", (
        "UPDATE outbox SET prev_hash = sha256('x') WHERE ctid = (SELECT ctid FROM outbox WHERE dossier_id = «moved» LIMIT 1)",
    )),
    ("outbox_linked", "forced", ("UPDATE link SET head_hash = sha256('x') WHERE name = 'office:3'",)),
    ("inbox_numbered", "office:2", ("UPDATE inbox SET seq = 2",)),
    ("inbox_numbered", "office:2", ("UPDATE link SET expected_seq = 3 WHERE name = 'office:2'",)),
    ("event_numbered", "moved", ("DELETE FROM dossier_event WHERE dossier_id = «moved» AND event_no = 2",)),
    ("event_numbered", "moved", ("UPDATE dossier SET event_no = event_no - 1 WHERE dossier_id = «moved»",)),
    ("event_of_change", "held", ("UPDATE dossier SET stage = 'in_process' WHERE dossier_id = «held»",)),
    ("event_of_change", "held", ("UPDATE dossier_event SET to_stage = 'ready' WHERE dossier_id = «held»",)),
    ("event_of_change", "held", ("UPDATE dossier_event SET from_stage = 'ready' WHERE dossier_id = «held»",)),
    ("event_of_change", "held", ("UPDATE dossier_event SET kind = 'noted' WHERE dossier_id = «held»",)),
    ("event_of_change", "moved", ("UPDATE dossier_event SET kind = 'noted' WHERE dossier_id = «moved» AND event_no = 2",)),
    ("event_of_change", "refused", ("UPDATE handover SET state = 'recalled' WHERE handover_id = ‹refused›",)),
    ("event_of_change", "moved", ("DELETE FROM document WHERE dossier_id = «moved»",)),
    ("event_of_change", "moved", ("UPDATE document SET withdrawn_at = added_at WHERE dossier_id = «moved»",)),
    ("event_of_change", "moved", (
        "INSERT INTO dossier_fee (fee_id, dossier_id, name, amount_vnd) VALUES (gen_random_uuid(), «moved», 'phí', 1)",
    )),
    ("event_of_change", "held", (
        "INSERT INTO dossier_note (note_id, dossier_id, body, at) VALUES (gen_random_uuid(), «held», 'x', now())",
    )),
    ("event_messages", "recalled", ("DELETE FROM outbox WHERE dossier_id = «recalled» AND event_no = 2",)),
    ("event_messages", "recalled", ("UPDATE outbox SET event_no = 9 WHERE dossier_id = «recalled» AND event_no = 2",)),
    ("event_messages", "held", ("UPDATE dossier_event SET messages = 1 WHERE dossier_id = «held»",)),
    ("event_linked", "moved", ("UPDATE dossier_event SET hash = sha256('x') WHERE dossier_id = «moved» AND event_no = 2",)),
    ("event_linked", "held", ("UPDATE dossier SET event_hash = sha256('x') WHERE dossier_id = «held»",)),
    ("papers_verified", "offered", ("UPDATE blob SET state = 'quarantined'",)),
    ("papers_verified", "moved", ("UPDATE blob SET size_bytes = size_bytes + 1",)),
    ("papers_verified", "moved", ("DELETE FROM blob",)),
    ("dossier_conserved", "moved", ("DELETE FROM dossier WHERE dossier_id = «moved»",)),
    ("dossier_booked", "held", ("DELETE FROM dossier WHERE dossier_id = «held»",)),
    ("dossier_booked", "held", ("DELETE FROM dossier_number",)),
    ("dossier_booked", "held", ("UPDATE dossier SET code = 'MC1-010101-0001' WHERE dossier_id = «held»",)),
    ("dossier_held_or_closed", "held", ("UPDATE dossier SET closed_at = received_at WHERE dossier_id = «held»",)),
    ("dossier_held_or_closed", "held", ("UPDATE dossier SET stage = 'closed' WHERE dossier_id = «held»",)),
    ("dossier_held_or_closed", "offered", (
        "UPDATE dossier SET stage = 'closed', closed_at = received_at WHERE dossier_id = «offered»",
    )),
]  # fmt: skip


def damaged(tx: Tx, past: Past, damage: tuple[str, ...]) -> None:
    tx.execute(FREE)
    for statement in damage:
        named = re.sub(r"«(\w+)»", lambda m: f"'{past.ids[m[1]]}'", statement)
        tx.execute(
            re.sub(
                r"‹(\w+)›",
                lambda m: (
                    "(SELECT handover_id FROM handover WHERE dossier_id ="
                    f" '{past.ids[m[1]]}' ORDER BY handover_id DESC LIMIT 1)"
                ),
                named,
            )
        )


def found(tx: Tx) -> dict[str, list[str]]:
    violations = [verify.broken(tx, check) for check in verify.DOSSIERS]
    return {each.check: [example.subject for example in each.examples] for each in violations if each}


@pytest.fixture
def open_tx(past: Past) -> Iterator[Tx]:
    with past.bench.database.begin(SYSTEM) as tx:
        yield tx
        tx.connection.get_transaction().rollback()  # type: ignore[union-attr]


def test_a_register_in_which_all_of_it_happened_is_clean(past: Past) -> None:
    verdict = verify_all(past.bench.database, chain=True, receipts=True)
    assert verdict.violations == []
    assert set(verify.DOSSIERS) <= set(verdict.checks)


@pytest.mark.parametrize(("check", "kind", "damage"), BROKEN, ids=[f"{c}-{i}" for i, (c, _, _) in enumerate(BROKEN)])
def test_a_broken_invariant_is_named_with_its_dossier(
    past: Past, open_tx: Tx, check: str, kind: str, damage: tuple[str, ...]
) -> None:
    assert found(open_tx) == {}
    damaged(open_tx, past, damage)
    assert past.codes.get(kind, kind) in found(open_tx)[check]


def test_every_check_of_custody_is_broken_here() -> None:
    assert {check for check, _, _ in BROKEN} == set(verify.DOSSIERS)


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_every_check_has_its_sentence(spoken: Language) -> None:
    assert [check for check in verify.DOSSIERS if f"verify.{check}" not in catalogue(spoken)] == []


def test_the_statement_on_receipts_has_the_rules_of_the_model() -> None:
    statement = (Path(verify.__file__).parent / "sql" / "verify_handover_receipts.sql").read_text("utf-8")
    rules = set(re.findall(r"\('(\w+)', '(\w+)', '(from|to)'\)", statement))
    assert rules == {(state.value, kind.value, side) for state in HandoverState for kind, side in RECEIPTS[state]}


# ── I9: what takes hashing (the statements of SEAL; here only that each dossier is named) ───────────────────────────


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE dossier_event SET at = at + interval '1 s' WHERE dossier_id = «moved» AND event_no = 2",
        "UPDATE dossier_event SET payload = '{\"to_office\": 3}' WHERE dossier_id = «moved» AND event_no = 2",
        "UPDATE dossier_event SET office_id = 3 WHERE dossier_id = «moved» AND event_no = 2",
    ],
)
def test_a_rewritten_event_is_found_by_its_hash(past: Past, open_tx: Tx, damage: str) -> None:
    damaged(open_tx, past, (damage,))
    verdict = Verdict()
    verify_evidence(open_tx, verdict, ["chain_unbroken"])
    assert [e.subject for v in verdict.violations for e in v.examples] == [f"{past.codes['moved']} #2"]


def test_an_event_that_left_its_checkpoint_is_found(past: Past, open_tx: Tx) -> None:
    damaged(open_tx, past, ("DELETE FROM checkpoint_event WHERE dossier_id = «moved» AND event_no = 2",))
    verdict = Verdict()
    verify_evidence(open_tx, verdict, ["chain_unbroken", "checkpoint_sound"])
    assert verdict.violations


# ── I10: what takes reading files ───────────────────────────────────────────────────────────────────────────────────


def kept(past: Past, folder: Path) -> FileStore:
    files = FileStore(folder)
    for content in (b"mot", b"hai", b"lenh"):
        files.add("giay.pdf", io.BytesIO(content), max_bytes=100)
    return files


def judged(tx: Tx, files: FileStore) -> dict[str, list[str]]:
    verdict = Verdict()
    verify_files(tx, files, verdict)
    return {each.check: [example.subject for example in each.examples] for each in verdict.violations}


def test_files_that_hold_what_was_handed_over_are_sound(past: Past, open_tx: Tx, tmp_path: Path) -> None:
    assert judged(open_tx, kept(past, tmp_path)) == {}


def test_a_lost_file_is_named_with_its_dossier(past: Past, open_tx: Tx, tmp_path: Path) -> None:
    files = kept(past, tmp_path)
    files.path(hashlib.sha256(b"mot").hexdigest()).unlink()
    assert judged(open_tx, files) == {"file_whole": [past.codes["moved"]]}


@pytest.mark.parametrize("content", [b"mos", b"mottt", b""])
def test_a_file_with_other_bytes_is_named_with_its_dossier(
    past: Past, open_tx: Tx, tmp_path: Path, content: bytes
) -> None:
    files = kept(past, tmp_path)
    files.path(hashlib.sha256(b"mot").hexdigest()).write_bytes(content)
    assert judged(open_tx, files) == {"file_whole": [past.codes["moved"]]}


def test_a_file_of_nobody_is_named_after_a_day(past: Past, open_tx: Tx, tmp_path: Path) -> None:
    files = kept(past, tmp_path)
    stray = files.add("la.pdf", io.BytesIO(b"la"), max_bytes=100).sha256
    assert judged(open_tx, files) == {}  # its transaction may still be under way
    yesterday = open_tx.now.timestamp() - 25 * 3600
    os.utime(files.path(stray), (yesterday, yesterday))
    assert judged(open_tx, files) == {"file_owned": [stray]}


def test_what_the_triggers_refuse(past: Past, open_tx: Tx) -> None:
    """I6: without the test's freedom none of these gets through."""
    handover = store.list_handovers(open_tx, past.ids["moved"])[-1]
    for statement in (
        "UPDATE handover SET state = 'recalled' WHERE handover_id = :id",
        "DELETE FROM handover WHERE handover_id = :id",
        "UPDATE receipt SET kind = 'closed' WHERE handover_id = :id",
        "DELETE FROM receipt WHERE handover_id = :id",
        "UPDATE custody SET office_id = 3 WHERE via_handover_id = :id",
        "DELETE FROM custody WHERE via_handover_id = :id",
        "UPDATE dossier_event SET kind = 'noted' WHERE dossier_id = (SELECT dossier_id FROM handover WHERE handover_id = :id)",
    ):
        point = open_tx.savepoint()
        with pytest.raises(Exception, match=r"append-only|never changes|open interval"):
            open_tx.execute(statement, id=handover.handover_id)
        point.rollback()

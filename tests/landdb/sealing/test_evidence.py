"""The evidence is broken by hand, as somebody with all rights on the database could, and each change is named where it is."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from etl.worker import Worker
from landdb.config import Settings, settings
from landdb.db.transaction import SYSTEM, Database, Tx
from landdb.sealing import store as sealing
from landdb.sealing.checkpoint import body, make_checkpoint, prove
from landdb.sealing.keys import Keys
from landdb.sealing.merkle import included, tree_hash
from landdb.sealing.model import OVERLAP
from landdb.sealing.seal import check, public_jwk, seal
from landdb.sealing.signing_keys import revoke
from landdb.views.evidence import FAULTS, Fault, chain_faults, checkpoint_faults, handover_faults, receipt_faults
from ops import cli
from tests.landdb.sealing.histories import KEYS, Province, unguarded

FLIPS = 200


def broken(tx: Tx) -> list[Fault]:
    """All faults of the register, each of a known kind."""
    found = [*chain_faults(tx), *checkpoint_faults(tx), *receipt_faults(tx), *handover_faults(tx)]
    assert {fault.what for fault in found} <= FAULTS
    return found


@pytest.fixture
def province(tx: Tx) -> Province:
    return Province(tx)


# ── checkpoints ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_checkpoint_covers_all_that_happened_and_the_next_only_what_is_new(tx: Tx, province: Province) -> None:
    assert make_checkpoint(tx, KEYS) is None
    first_dossier = province.dossier(tx, 3)
    first = make_checkpoint(tx, KEYS)
    assert first is not None
    assert (first.checkpoint_no, first.event_count, first.prev_root) == (1, 3, bytes(32))
    assert make_checkpoint(tx, KEYS) is None
    province.dossier(tx, 2)
    second = make_checkpoint(tx, KEYS)
    assert second is not None
    assert (second.checkpoint_no, second.event_count, second.prev_root) == (2, 2, first.root)
    assert sealing.list_checkpoints(tx) == [first, second]
    assert first.root == tree_hash([leaf.hash or b"" for leaf in sealing.list_leaves(tx, 1)])
    assert {leaf.dossier_id for leaf in sealing.list_leaves(tx, 1)} == {first_dossier}
    assert broken(tx) == []


def test_a_checkpoint_is_sealed_by_the_register(tx: Tx, province: Province) -> None:
    province.dossier(tx, 1)
    made = make_checkpoint(tx, KEYS)
    assert made is not None
    assert made.kid == "register-1"
    assert check(public_jwk(KEYS, None), made.jws, body(made))
    assert not check(public_jwk(KEYS, None), made.jws, body(replace(made, event_count=2)))


def test_more_than_fit_are_covered_by_several(tx: Tx, province: Province) -> None:
    for _ in range(4):
        province.dossier(tx, 3)
    sizes = []
    while (made := make_checkpoint(tx, KEYS, largest=5)) is not None:
        sizes.append(made.event_count)
    assert sizes == [5, 5, 2]
    assert broken(tx) == []


def test_every_event_is_proved_by_its_checkpoint(tx: Tx, province: Province) -> None:
    dossiers = [province.dossier(tx, 3) for _ in range(3)]
    make_checkpoint(tx, KEYS)
    for dossier in dossiers:
        for number in (1, 2, 3):
            proof = prove(tx, dossier, number)
            assert proof is not None
            event = tx.execute(
                "SELECT hash FROM dossier_event WHERE dossier_id = :id AND event_no = :no", id=dossier, no=number
            ).scalar_one()
            size, root = proof.checkpoint.event_count, proof.checkpoint.root
            assert included(bytes(event), proof.leaf_no, size, proof.path, root)
            assert not included(b"other", proof.leaf_no, size, proof.path, root)
    assert prove(tx, dossiers[0], 4) is None


def test_an_event_committed_late_is_in_the_next_checkpoint(database: Database) -> None:
    """The writer began before the checkpoint and commits after it: its event is older, and must not be passed over."""
    with database.begin(SYSTEM) as tx:
        province = Province(tx)
        dossier = province.dossier(tx, 1)
    with database.begin(SYSTEM) as slow:
        late = province.dossier(slow, 2)
        with database.begin(SYSTEM) as tx:
            first = make_checkpoint(tx, KEYS)
        assert first is not None
        assert first.event_count == 1
    with database.begin(SYSTEM) as tx:
        second = make_checkpoint(tx, KEYS)
        assert second is not None
        assert [(leaf.dossier_id, leaf.event_no) for leaf in sealing.list_leaves(tx, 2)] == [(late, 1), (late, 2)]
        assert dossier != late
        assert broken(tx) == []


def test_two_makers_at_once_make_one_chain(database: Database) -> None:
    with database.begin(SYSTEM) as tx:
        Province(tx).dossier(tx, 2)
    with database.begin(SYSTEM) as one:
        assert make_checkpoint(one, KEYS) is not None
        with database.begin(SYSTEM) as other:
            other.execute("SET LOCAL lock_timeout = '100ms'")
            with pytest.raises(Exception, match=r"database\.unavailable"):
                make_checkpoint(other, KEYS)
            other.connection.get_transaction().rollback()  # type: ignore[union-attr]
    with database.begin(SYSTEM) as tx:
        assert make_checkpoint(tx, KEYS) is None


def test_the_worker_covers_what_waits(database: Database, database_url: str, tmp_path: Any) -> None:
    with database.begin(SYSTEM) as tx:
        Province(tx).dossier(tx, 2)
    worker = Worker(Settings(data=tmp_path), database_url)
    assert [worker.make_checkpoints(), worker.make_checkpoints()] == [1, 0]
    worker.database.dispose()


# ── one changed byte, two hundred times ─────────────────────────────────────────────────────────────────────────────

TEXTS = ("kind", "from_stage", "to_stage")
BYTES = ("payload_salt", "payload_commit", "prev_hash", "hash")
COLUMNS = (*TEXTS, *BYTES, "at", "messages", "office_id", "staff_id", "payload", "event_no")


def flip_text(dice: random.Random, text: str) -> str:
    place = dice.randrange(len(text))
    other = dice.choice([letter for letter in "abcxyz019" if letter != text[place]])
    return text[:place] + other + text[place + 1 :]


def flip_byte(dice: random.Random, value: bytes) -> bytes:
    place = dice.randrange(len(value))
    return value[:place] + bytes((value[place] ^ (1 << dice.randrange(8)),)) + value[place + 1 :]


def flipped(dice: random.Random, column: str, row: Any) -> str:
    """An UPDATE's new value for one column, one byte or one digit away from the old one; empty: there is nothing to flip."""
    value = getattr(row, column)
    if column in BYTES:
        return f"'\\x{flip_byte(dice, bytes(value)).hex()}'"
    if column in TEXTS:
        return "" if value is None else f"'{flip_text(dice, value)}'"
    return {
        "at": "at + interval '1 microsecond'",
        "messages": f"{value} # 1",
        "office_id": f"{value} # {1 << dice.randrange(8)}",
        "staff_id": f"'{UUID(bytes=flip_byte(dice, value.bytes))}'" if column == "staff_id" else "",
        "payload": f"jsonb_set(payload, '{{note}}', to_jsonb('{flip_text(dice, 'ghi chú 12')}x'::text))",
        "event_no": f"{value} + 1000",
    }[column]


def tamper(tx: Tx, dice: random.Random, dossiers: list[UUID], events: int) -> tuple[str, int, str]:
    """Change one thing in one row of the history; the dossier's code, the event's number, and the column."""
    while True:
        dossier, number, column = dice.choice(dossiers), dice.randint(1, events), dice.choice(COLUMNS)
        row = tx.execute(
            """SELECT e.*, d.code FROM dossier_event e JOIN dossier d USING (dossier_id)
               WHERE dossier_id = :id AND e.event_no = :no""",
            id=dossier, no=number,
        ).one()  # fmt: skip
        if value := flipped(dice, column, row):
            done = tx.connection.exec_driver_sql(
                f"UPDATE dossier_event SET {column} = {value} WHERE dossier_id = '{dossier}' AND event_no = {number}"
            )
            assert done.rowcount == 1
            return row.code, number, column


def named(faults: Iterator[Fault]) -> set[tuple[str, int]]:
    return {(code, int(number)) for fault in faults for code, number in [fault.where.split(" #")]}


def test_one_flipped_byte_in_200_history_rows_is_located_200_times(tx: Tx, province: Province) -> None:
    dossiers, dice = [province.dossier(tx, 8) for _ in range(10)], random.Random(20261122)
    assert list(chain_faults(tx)) == []
    unguarded(tx)
    located: list[str] = []
    for _ in range(FLIPS):
        with tx.connection.begin_nested() as once:
            code, number, column = tamper(tx, dice, dossiers, 8)
            faults = named(chain_faults(tx))
            # The row is named, and nothing else; a row that was given another number is also named by that one.
            allowed = {(code, number), (code, number + 1000)} if column == "event_no" else {(code, number)}
            assert (code, number) in faults, column
            assert faults <= allowed or column == "event_no", (column, faults)
            located.append(column)
            once.rollback()
    assert len(located) == FLIPS
    assert set(located) == set(COLUMNS)
    assert list(chain_faults(tx)) == []


def test_two_hundred_changed_rows_at_once_are_all_named(tx: Tx, province: Province) -> None:
    dossiers, dice = [province.dossier(tx, 12) for _ in range(40)], random.Random(7)
    unguarded(tx)
    changed: set[tuple[str, int]] = set()
    while len(changed) < FLIPS:
        dossier, number = dice.choice(dossiers), dice.randint(1, 12)
        code = tx.execute(
            """UPDATE dossier_event e SET kind = 'x' || kind FROM dossier d
               WHERE d.dossier_id = e.dossier_id AND e.dossier_id = :id AND e.event_no = :no RETURNING d.code""",
            id=dossier,
            no=number,
        ).scalar_one()
        changed.add((code, number))
    assert named(chain_faults(tx)) == changed


# ── other ways to break the evidence ────────────────────────────────────────────────────────────────────────────────

OLDEST = "(SELECT dossier_id FROM dossier ORDER BY code LIMIT 1)"
ONE_RECEIPT = "(SELECT receipt_id FROM receipt ORDER BY receipt_id LIMIT 1)"
SWAPPED = r"convert_to(replace(convert_from(body, 'UTF8'), '\"epoch\":1', '\"epoch\":2'), 'UTF8')"
BREAKS: dict[str, tuple[list[str], set[tuple[str, str]]]] = {
    "an event taken out": (
        [f"DELETE FROM dossier_event WHERE event_no = 2 AND dossier_id = {OLDEST}"],
        {("T98-261122-0001 #2", "missing"), ("T98-261122-0001 #2 (checkpoint 1)", "event_missing")},
    ),
    "the last event taken out, and the dossier made to fit": (
        [
            f"DELETE FROM dossier_event WHERE event_no = 4 AND dossier_id = {OLDEST}",
            f"""UPDATE dossier d SET event_no = 3, event_hash = e.hash FROM dossier_event e
                WHERE e.dossier_id = d.dossier_id AND e.event_no = 3 AND d.dossier_id = {OLDEST}""",
        ],
        {("T98-261122-0001 #4 (checkpoint 1)", "event_missing"), ("receipts", "event")},
    ),
    "the dossier's own head": (
        [rf"UPDATE dossier SET event_hash = decode(repeat('00', 32), 'hex') WHERE dossier_id = {OLDEST}"],
        {("T98-261122-0001 #4", "head")},
    ),
    "the dossier's own count, up": (
        [f"UPDATE dossier SET event_no = event_no + 1 WHERE dossier_id = {OLDEST}"],
        {("T98-261122-0001 #5", "missing")},
    ),
    "the dossier's own count, down": (
        [f"UPDATE dossier SET event_no = event_no - 1 WHERE dossier_id = {OLDEST}"],
        {("T98-261122-0001 #3", "head")},
    ),
    "a payload without its salt": (
        [f"UPDATE dossier_event SET payload_salt = NULL WHERE event_no = 1 AND dossier_id = {OLDEST}"],
        {("T98-261122-0001 #1", "payload")},
    ),
    "a payload with a fraction": (
        [f"UPDATE dossier_event SET payload = '{{\"area\": 1.5}}' WHERE event_no = 1 AND dossier_id = {OLDEST}"],
        {("T98-261122-0001 #1", "payload")},
    ),
    "an event taken from its checkpoint": (
        [f"DELETE FROM checkpoint_event WHERE event_no = 2 AND dossier_id = {OLDEST}"],
        {("T98-261122-0001 #2", "uncovered"), ("checkpoint 1", "count"), ("checkpoint 1", "root")},
    ),
    "a checkpoint's root": (
        [r"UPDATE checkpoint SET root = decode(repeat('00', 32), 'hex') WHERE checkpoint_no = 1"],
        {("checkpoint 1", "root"), ("checkpoint 1", "seal"), ("checkpoint 2", "prev_root")},
    ),
    "a checkpoint taken out": (
        ["DELETE FROM checkpoint_event WHERE checkpoint_no = 1", "DELETE FROM checkpoint WHERE checkpoint_no = 1"],
        {("checkpoint 2", "prev_root"), ("checkpoint 2", "missing")},
    ),
    "a checkpoint of another day": (
        ["UPDATE checkpoint SET signed_at = signed_at - interval '1 day' WHERE checkpoint_no = 2"],
        {("checkpoint 2", "seal")},
    ),
    "a checkpoint with an office's key": (
        ["UPDATE checkpoint SET kid = (SELECT kid FROM signing_key WHERE office_id IS NOT NULL) WHERE checkpoint_no = 2"],
        {("checkpoint 2", "key")},
    ),
    "a receipt's body": (
        [f"UPDATE receipt SET body = {SWAPPED} WHERE receipt_id = {ONE_RECEIPT}"],
        {("receipt", "seal"), ("receipt", "body")},
    ),
    "a receipt that is no text": (
        [rf"UPDATE receipt SET body = '\xff00' WHERE receipt_id = {ONE_RECEIPT}"],
        {("receipt", "seal"), ("receipt", "body"), ("receipt", "manifest"), ("receipt", "event")},
    ),
    "a receipt's seal": (
        [f"UPDATE receipt SET jws = overlay(jws placing 'AAAA' from 110) WHERE receipt_id = {ONE_RECEIPT}"],
        {("receipt", "seal")},
    ),
    "a receipt of another kind": (
        [f"UPDATE receipt SET kind = 'closed' WHERE receipt_id = {ONE_RECEIPT}"],
        {("receipt", "body")},
    ),
    "a receipt by an unknown key": (
        [f"UPDATE receipt SET kid = 'register-7' WHERE receipt_id = {ONE_RECEIPT}"],
        {("receipt", "key")},
    ),
    "a receipt of a time when the key was not": (
        [f"UPDATE receipt SET issued_at = issued_at - interval '1 day' WHERE receipt_id = {ONE_RECEIPT}"],
        {("receipt", "key_over"), ("receipt", "body")},
    ),
    "a manifest": (
        [r"UPDATE handover SET manifest = convert_to(replace(convert_from(manifest, 'UTF8'), '.pdf', '.exe'), 'UTF8')"],
        {("handover", "seal"), ("handover", "manifest")},
    ),
    "a manifest and its hash": (
        [
            r"UPDATE handover SET manifest = convert_to(replace(convert_from(manifest, 'UTF8'), '.pdf', '.exe'), 'UTF8')",
            "UPDATE handover SET manifest_sha256 = sha256(manifest)",
        ],
        {("handover", "seal"), ("receipts", "manifest")},
    ),
    "a manifest sealed by another": (["UPDATE handover SET seal_kid = 'register-1'"], {("handover", "key")}),
    "a hand-over to somebody else": (["UPDATE handover SET to_office_id = to_office_id + 1000"], {("handover", "manifest")}),
    "a lost key": (["DELETE FROM signing_key WHERE office_id IS NOT NULL"], {("handover", "key")}),
}  # fmt: skip


@pytest.fixture
def sealed(tx: Tx, province: Province) -> Tx:
    """Two dossiers with a hand-over of the first, two checkpoints: sound."""
    first = province.dossier(tx, 4)
    province.dossier(tx, 3)
    make_checkpoint(tx, KEYS)
    province.dossier(tx, 2)
    make_checkpoint(tx, KEYS)
    province.handover(tx, first)
    assert broken(tx) == []
    unguarded(tx)
    return tx


def shortened(tx: Tx, fault: Fault) -> tuple[str, str]:
    """A fault as the table above has it: ids are not known there; four receipts with one fault are ``receipts``."""
    receipts = len(re.findall("stored|delivered|released|granted|closed", fault.where))
    if receipts:
        same = [other for other in receipt_faults(tx) if other.what == fault.what]
        return ("receipts" if len(same) == 4 else "receipt", fault.what)
    if re.search(r" [0-9a-f-]{36}$", fault.where):
        return ("handover", fault.what)
    return (fault.where, fault.what)


@pytest.mark.parametrize("how", BREAKS)
def test_whatever_is_broken_is_named(sealed: Tx, how: str) -> None:
    statements, expected = BREAKS[how]
    for statement in statements:
        sealed.connection.exec_driver_sql(statement.replace('\\"', '"'))
    found = broken(sealed)
    assert {shortened(sealed, fault) for fault in found} == expected
    assert all(re.search(r"T98-261122-\d{4}|^checkpoint \d", fault.where) for fault in found)


def test_a_rewritten_rest_of_a_chain_is_caught_by_the_checkpoint(sealed: Tx) -> None:
    """Somebody who rewrites event 2 and every hash after it leaves a sound chain; the checkpoint remembers the old one."""
    from landdb.dossier import store
    from landdb.sealing.chain import event_facts, link

    dossier = sealed.execute(f"SELECT {OLDEST}").scalar_one()
    prev = None
    for event in store.list_events(sealed, dossier):
        if event.event_no < 2:
            prev = event.hash
            continue
        assert prev is not None
        forged = link(prev, event_facts(replace(event, kind="refused" if event.event_no == 2 else event.kind)))
        sealed.execute(
            "UPDATE dossier_event SET kind = :kind, prev_hash = :prev, hash = :hash WHERE dossier_id = :id AND event_no = :no",
            kind="refused" if event.event_no == 2 else event.kind, prev=prev, hash=forged, id=dossier, no=event.event_no,
        )  # fmt: skip
        prev = forged
    sealed.execute("UPDATE dossier SET event_hash = :hash WHERE dossier_id = :id", hash=prev, id=dossier)
    assert list(chain_faults(sealed)) == []
    assert list(checkpoint_faults(sealed)) == [Fault("checkpoint 1", "root")]


def test_a_dossier_that_is_gone_does_not_hide_what_else_is_broken(sealed: Tx) -> None:
    middle, last = sealed.execute("SELECT dossier_id FROM dossier ORDER BY dossier_id OFFSET 1").scalars().all()[:2]
    sealed.execute("DELETE FROM dossier WHERE dossier_id = :id", id=middle)
    sealed.execute("UPDATE dossier_event SET kind = 'noted' WHERE dossier_id = :id AND event_no = 1", id=last)
    code = sealed.execute("SELECT code FROM dossier WHERE dossier_id = :id", id=last).scalar_one()
    assert list(chain_faults(sealed)) == [Fault(f"{code} #1", "facts")]


def test_a_row_rewritten_with_its_hash_is_named_by_the_one_that_does_not_follow(sealed: Tx) -> None:
    from landdb.dossier import store
    from landdb.sealing.chain import event_facts, link

    dossier = sealed.execute(f"SELECT {OLDEST}").scalar_one()
    event = store.list_events(sealed, dossier)[1]
    forged = link(event.prev_hash, event_facts(replace(event, kind="refused")))
    sealed.execute(
        "UPDATE dossier_event SET kind = 'refused', hash = :hash WHERE dossier_id = :id AND event_no = 2", hash=forged, id=dossier
    )  # fmt: skip
    assert list(chain_faults(sealed)) == [Fault("T98-261122-0001 #3", "not_after_the_one_before")]


def test_erased_personal_data_leaves_the_chain_whole(tx: Tx, province: Province) -> None:
    dossier = province.dossier(tx, 3)
    make_checkpoint(tx, KEYS)
    erase = "UPDATE dossier_event SET payload = '{}', payload_salt = NULL WHERE dossier_id = :id AND event_no = 2"
    tx.execute(erase, id=dossier)  # the guards allow it
    assert broken(tx) == []


def test_a_revoked_key_breaks_only_what_it_sealed_afterwards(tx: Tx, province: Province) -> None:
    first = province.dossier(tx, 2)
    province.handover(tx, first)
    later = replace(tx, now=tx.now + OVERLAP)
    revoke(later, "register-1")
    assert broken(tx) == []
    unguarded(tx)
    tx.execute("UPDATE signing_key SET revoked_at = :at WHERE kid = 'register-1'", at=tx.now)
    assert {fault.what for fault in broken(tx)} == {"key_over"}
    assert len(broken(tx)) == 4


def test_a_seal_by_a_key_of_somebody_else_is_caught(sealed: Tx) -> None:
    row = sealed.execute(f"SELECT body FROM receipt WHERE receipt_id = {ONE_RECEIPT}").one()
    forged = seal(Keys(((1, b"f" * 32),)), None, bytes(row.body))
    sealed.execute(f"UPDATE receipt SET jws = :jws WHERE receipt_id = {ONE_RECEIPT}", jws=forged.jws)
    assert [fault.what for fault in broken(sealed)] == ["seal"]


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def command(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``landdb`` on a database of its own."""
    monkeypatch.setenv("LANDDB_DATABASE_URL", database_url)
    settings.cache_clear()
    yield lambda *words: CliRunner().invoke(cli.app, list(words))
    settings.cache_clear()


def test_the_command_names_dossier_and_event_and_exits_4(database: Database, command: Callable[..., Any]) -> None:
    with database.begin(SYSTEM) as tx:
        province = Province(tx)
        province.handover(tx, province.dossier(tx, 3))
        make_checkpoint(tx, KEYS)
    sound = json.loads(command("verify", "--chain", "--receipts", "--json").stdout)
    kinds = {"chain_unbroken", "checkpoint_sound", "receipt_sealed", "handover_sealed"}
    assert not kinds & {violation["check"] for violation in sound["violations"]}
    with database.begin(SYSTEM) as tx:
        unguarded(tx)
        tx.execute("UPDATE dossier_event SET kind = 'refused' WHERE event_no = 2")
        tx.execute("UPDATE receipt SET jws = overlay(jws placing 'AAAA' from 110) WHERE kind = 'granted'")
    lines = command("verify", "--chain", "--receipts")
    assert lines.exit_code == 4
    assert "T98-261122-0001 #2  facts" in lines.stdout
    assert re.search(r"T98-261122-0001 #3 granted [0-9a-f-]{36}  seal", lines.stdout)
    told = json.loads(command("verify", "--chain", "--receipts", "--json").stdout)
    assert kinds & {violation["check"] for violation in told["violations"]} == {"chain_unbroken", "receipt_sealed"}
    assert all(violation["sentence"] for violation in told["violations"])
    quick = json.loads(command("verify", "--json").stdout)
    assert not kinds & {violation["check"] for violation in quick["violations"]}


def test_the_keys_are_published_and_revoked_by_command(
    database: Database, command: Callable[..., Any], tmp_path: Any
) -> None:
    with database.begin(SYSTEM) as tx:
        Province(tx).dossier(tx, 1)
        make_checkpoint(tx, KEYS)
    out = tmp_path / "keys.json"
    assert command("keys", "publish", str(out)).exit_code == 0
    (key,) = json.loads(out.read_text("utf-8"))["keys"]
    assert (key["kid"], key["x"], key["revoked_at"]) == ("register-1", public_jwk(KEYS, None)["x"], None)
    assert command("keys", "revoke", "register-1").exit_code == 0
    assert command("keys", "publish", str(out)).exit_code == 0
    (key,) = json.loads(out.read_text("utf-8"))["keys"]
    assert key["revoked_at"] is not None

"""The single-file verifier in an environment that has nothing but ``cryptography``: what it accepts, and every way to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from landdb.db.transaction import SYSTEM, Database, Tx
from landdb.dossier import force_move
from landdb.sealing.checkpoint import make_checkpoint
from landdb.sealing.model import OVERLAP
from landdb.sealing.signing_keys import key_set, published
from landdb.views.evidence import chain_faults, checkpoint_faults, handover_faults, receipt_faults
from tests.dossier_make import Bench, add_paper
from tests.landdb.sealing.histories import Province, given, write

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "client" / "verify_receipt.py"
PAPER = b"%PDF-1.7 the paper"
ALLOWED = ("cryptography", "cffi", "pycparser", "_cffi_backend", "typing_extensions")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A fresh venv without pip that sees ``cryptography`` and what that needs, by links, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "venv", with_pip=False, system_site_packages=False, symlinks=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for name in ALLOWED:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        source = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
        (site / source.name).symlink_to(source)
    interpreter = folder / "venv" / "bin" / "python"
    return [str(interpreter), "-I"]


@pytest.fixture
def home(tx: Tx, tmp_path: Path) -> dict[str, Path]:
    """What an office took home of one hand-over, with the published keys and the paper."""
    province = Province(tx)
    handover = province.handover(tx, province.dossier(tx, 3), paper=PAPER)
    return {
        "receipt": write(tmp_path / "receipt.json", json.dumps(given(tx, handover))),
        "keys": write(tmp_path / "keys.json", json.dumps(key_set(published(tx)))),
        "paper": write(tmp_path / "paper.pdf", PAPER),
    }


@pytest.fixture
def run(python: list[str], home: dict[str, Path]) -> Run:
    def once(*more: str | Path, receipt: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*python, str(SCRIPT), str(receipt or home["receipt"]), str(home["keys"]), *map(str, more)],
            capture_output=True, text=True, check=False, cwd="/", env={"PATH": os.environ["PATH"]}, timeout=60,
        )  # fmt: skip

    return once


def change(path: Path, how: Callable[[Any], None]) -> None:
    told = json.loads(path.read_text("utf-8"))
    how(told)
    path.write_text(json.dumps(told), "utf-8")


def test_the_environment_has_nothing_of_ours(python: list[str]) -> None:
    names = "landdb rfc8785 joserfc sqlalchemy pyhanko numpy pip pytest"
    look = f"import importlib.util as u, cryptography; print([n for n in '{names}'.split() if u.find_spec(n)])"
    seen = subprocess.run([*python, "-c", look], capture_output=True, text=True, check=True, cwd="/")
    assert seen.stdout.strip() == "[]"
    assert sys.executable != python[0]


def test_all_four_receipts_of_a_hand_over_verify_with_their_paper(run: Run, home: dict[str, Path]) -> None:
    done = run("--paper", home["paper"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        done.stdout.count("Chữ ký trên biên nhận đúng")
        == done.stdout.count("The signature on the receipt is right")
        == 4
    )
    assert "đơn vị nhận giữ hồ sơ từ lúc này / the receiver holds the dossier from this time on" in done.stdout
    assert "The file paper.pdf is in the manifest: đơn.pdf" in done.stdout
    assert done.stdout.endswith("HỢP LỆ.\nVALID.\n")
    assert "[SAI]" not in done.stdout


def test_one_receipt_alone_verifies_and_as_an_object_too(run: Run, home: dict[str, Path], tmp_path: Path) -> None:
    told = json.loads(home["receipt"].read_text("utf-8"))
    single = {"body": told["receipts"][3]["body"], "jws": told["receipts"][3]["jws"]}
    assert run(receipt=write(tmp_path / "one.json", json.dumps(single))).returncode == 0
    single["body"] = dict(reversed(json.loads(single["body"]).items()))
    whole = {**single, "manifest": json.loads(told["manifest"]), "seal": told["seal"]}
    done = run(receipt=write(tmp_path / "whole.json", "\ufeff" + json.dumps(whole, indent=4)))
    assert done.returncode == 0, done.stdout


def _body(text: str, other: str) -> Callable[[Any], None]:
    def how(told: Any) -> None:
        assert text in told["receipts"][0]["body"]
        told["receipts"][0]["body"] = told["receipts"][0]["body"].replace(text, other)

    return how


def _seal_of_another(told: Any) -> None:
    told["receipts"][0]["jws"] = told["receipts"][1]["jws"]


def _manifest(told: Any) -> None:
    told["manifest"] = told["manifest"].replace("đơn.pdf", "đơn.exe")


FORGED: dict[str, tuple[Callable[[Any], None], str]] = {
    "another epoch": (_body('"epoch":1', '"epoch":2'), "Chữ ký trên biên nhận"),
    "another time": (_body("Z", "z"), "Chữ ký trên biên nhận"),
    "one blank": (_body('{"', '{ "'), "Chữ ký trên biên nhận"),
    "the seal of another receipt": (_seal_of_another, "Chữ ký trên biên nhận"),
    "a seal cut short": (lambda told: told["receipts"][0].update(jws=told["receipts"][0]["jws"][:-4]), "biên nhận"),
    "no seal": (lambda told: told["receipts"][0].update(jws=None), "Con dấu của biên nhận đọc được"),
    "sealed by the office, not the register": (
        lambda told: told["receipts"][0].update(jws=told["seal"]), "Khóa office-",
    ),
    "another manifest": (_manifest, "Biên nhận nói về đúng bảng kê"),
    "no seal on the manifest": (lambda told: told.pop("seal"), "Con dấu của bảng kê đọc được"),
}  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_what_was_forged_is_said_in_both_languages(run: Run, home: dict[str, Path], how: str) -> None:
    change(home["receipt"], FORGED[how][0])
    done = run()
    assert done.returncode == 4, done.stdout + done.stderr
    assert any(line.startswith("[SAI]") and FORGED[how][1] in line for line in done.stdout.splitlines()), done.stdout
    assert "KHÔNG HỢP LỆ" in done.stdout
    assert "NOT VALID" in done.stdout


def test_a_paper_that_was_not_handed_over_is_said(run: Run, tmp_path: Path) -> None:
    done = run("--paper", write(tmp_path / "other.pdf", PAPER + b" "))
    assert done.returncode == 4
    assert "[SAI]  Tệp other.pdf không có trong bảng kê." in done.stdout


KEYS: dict[str, tuple[Callable[[Any], None], str]] = {
    "revoked before": (lambda told: told["keys"][0].update(revoked_at="2020-01-01T00:00:00.000000Z"), "Khóa có hiệu lực"),
    "over before": (lambda told: told["keys"][0].update(not_after="2020-01-01T00:00:00.000000Z"), "Khóa có hiệu lực"),
    "not yet": (lambda told: told["keys"][0].update(not_before="2999-01-01T00:00:00.000000Z"), "Khóa có hiệu lực"),
    "no validity": (lambda told: told["keys"][0].pop("not_before"), "Khóa có hiệu lực"),
    "another key": (lambda told: told["keys"][0].update(x=told["keys"][1]["x"]), "Chữ ký trên biên nhận"),
    "not published": (lambda told: told["keys"].pop(0), "Khóa register-1 đã được công bố"),
}  # fmt: skip


@pytest.mark.parametrize("how", KEYS)
def test_the_key_must_be_published_and_valid_then(run: Run, home: dict[str, Path], how: str) -> None:
    change(home["keys"], KEYS[how][0])
    done = run()
    assert done.returncode == 4, done.stdout + done.stderr
    assert any(line.startswith("[SAI]") and KEYS[how][1] in line for line in done.stdout.splitlines()), done.stdout


def test_a_key_revoked_later_leaves_the_receipt_good(tx: Tx, run: Run, home: dict[str, Path]) -> None:
    later = (tx.now + OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    change(home["keys"], lambda told: told["keys"][0].update(revoked_at=later))
    assert run().returncode == 0


def test_what_the_product_itself_hands_out_verifies(database: Database, python: list[str], tmp_path: Path) -> None:
    """Accepted, refused, recalled and forced, by the product's own verbs, as the route answers it."""
    bench = Bench.on(database)
    done = [
        bench.hand_over(bench.receive()),
        bench.refuse(bench.offer(bench.receive())),
        bench.recall(bench.offer(bench.receive())),
    ]
    moved = bench.receive()
    with database.begin(SYSTEM) as tx:
        order = add_paper(tx, moved.dossier_id, b"order", doc_type="ORDER")
    with database.begin(bench.places.supervisor) as tx:
        asked = force_move.propose(
            tx, moved.dossier_id, bench.places.branch, reason_code="order", reason_note="x", document_id=order
        )
    with database.begin(bench.places.second_supervisor) as tx:
        done.append(force_move.confirm(tx, bench.keys, asked.force_move_id))
    with database.begin(SYSTEM) as tx:
        make_checkpoint(tx, bench.keys)
        for handover in done:
            answer = given(tx, handover.handover_id)
            answer.update(key_set(published(tx)), seal={"kid": handover.seal_kid, "jws": handover.seal_jws})
            home = write(tmp_path / f"{handover.handover_id}.json", json.dumps(answer))
            said = subprocess.run(
                [*python, str(SCRIPT), str(home), str(home)], capture_output=True, text=True, check=False
            )
            assert said.returncode == 0, said.stdout + said.stderr
            assert "The keys came with the receipt" in said.stdout
        faults = [*chain_faults(tx), *checkpoint_faults(tx), *receipt_faults(tx), *handover_faults(tx)]
    assert faults == []


UNREADABLE = [
    "", "[]", "nothing", "{}", '{"receipts": []}', '{"receipts": [{"body": 1, "jws": ""}]}', '{"body": "[1]", "jws": ""}',
    '{"body": {"a": 1.5}, "jws": ""}', '{"body": "{\\"a\\":1,\\"a\\":2}", "jws": ""}', '{"body": "\\ud800", "jws": ""}',
    "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE, ids=[text[:40] for text in UNREADABLE])
def test_what_cannot_be_read_is_wrong_use(run: Run, tmp_path: Path, text: str) -> None:
    done = run(receipt=write(tmp_path / "bad.json", text))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Không đọc được" in done.stderr
    assert "Cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_files_and_keys_are_wrong_use(run: Run, home: dict[str, Path], tmp_path: Path) -> None:
    assert run(receipt=tmp_path / "none.json").returncode == 2
    assert run("--paper", tmp_path / "none.pdf").returncode == 2
    home["keys"].write_text('{"keys": [{"kid": "a"}, {"kid": "a"}]}')
    assert run().returncode == 2

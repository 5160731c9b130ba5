"""The promises of the tree, held by the build: who may speak to the database, where time comes from, what may import what."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("landdb", "api", "etl", "ops")
NOT_OURS = {".git", ".venv", ".landdb", ".node", ".hypothesis", "node_modules", "vendor", "build", "__pycache__"}

# One line that breaks each import contract of pyproject.toml, and the file that it is added to.
BREAKING = {
    "faces": ("api/workbook.py", "import etl.batch"),
    "domain": ("landdb/db/constraints.py", "import landdb.access.model"),
    "models": ("landdb/errors.py", "import sqlalchemy"),
    "tables": ("landdb/access/sign_in.py", "import landdb.access.tables"),
    "domain-libraries": ("landdb/files.py", "import pyogrio"),
    "faces-no-sql": ("etl/batch.py", "import sqlalchemy"),
    "async-driver": ("api/app.py", "import psycopg"),
    "etl": ("etl/batch.py", "import etl.worker"),
    "cycles": ("ops/output.py", "import ops.cli"),
}


def ours(pattern: str = "*") -> Iterator[Path]:
    """Every file of the tree that we wrote, relative to its root."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in NOT_OURS and not f.endswith(("_cache", ".egg-info"))]
        yield from (p.relative_to(ROOT) for name in names if (p := Path(folder, name)).match(pattern))


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """The parsed modules of packages of ours."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every call: ``tx.execute``, ``self._tx.copy``, ``dt.datetime.now``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def sql_calls(tree: ast.Module) -> list[int]:
    return [line for line, name in calls(tree) if re.search(r"(^|[._])tx\.(execute|copy)$", name)]


def clock_calls(tree: ast.Module) -> list[int]:
    read = r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.time)$"
    return [line for line, name in calls(tree) if re.search(read, name)]


def test_the_searches_find_what_they_look_for() -> None:
    assert sql_calls(ast.parse("def f(self, tx):\n    tx.execute('')\n    self._tx.copy('')\n    file.copy('')")) == [
        2,
        3,
    ]
    assert clock_calls(ast.parse("dt.datetime.now(UTC)\ndate.today()\ntx.today()\ntime.time()")) == [1, 2, 4]


def test_only_stores_views_and_the_machinery_speak_sql() -> None:
    outside = [
        f"{path}:{line}"
        for path, tree in modules(*PACKAGES)
        if Path(path).name != "store.py" and not path.startswith(("landdb/views/", "landdb/db/"))
        for line in sql_calls(tree)
    ]
    assert outside == []


def test_the_domain_asks_the_time_in_one_place() -> None:
    outside = [
        f"{path}:{line}"
        for path, tree in modules("landdb")
        if path != "landdb/db/transaction.py"
        for line in clock_calls(tree)
    ]
    assert outside == []


def test_no_file_is_named_for_what_nobody_can_look_up() -> None:
    assert [str(p) for p in ours("*.py") if re.search(r"(util|helper|common|manager)s?\b|^service$", p.stem)] == []


def contracts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    return found


def lint(tree: Path, *options: str) -> tuple[int, str]:
    """Exit code and words of the import linter over a tree, in one line."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", *options],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The tree's Python files and settings, free to be broken."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=lambda folder, names: [n for n in names if not _python(folder, n)],
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _python(folder: str, name: str) -> bool:
    return name.endswith(".py") or (Path(folder, name).is_dir() and name != "__pycache__")


def test_the_copy_keeps_every_contract(copied: Path) -> None:
    code, words = lint(copied)
    assert code == 0, words
    assert f"Contracts: {len(contracts())} kept, 0 broken." in words


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract["id"])
def test_each_contract_broken_on_purpose_fails_the_build(contract: dict[str, Any], copied: Path) -> None:
    file, line = BREAKING[contract["id"]]  # a new contract needs its example here
    with (copied / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    code, words = lint(copied, "--contract", contract["id"])
    assert code == 1
    assert f"{contract['name']} BROKEN" in words


def test_every_file_of_ours_says_why_it_exists() -> None:
    silent = [
        path for path, tree in modules(*PACKAGES, "tests", "migrations", "bench") if ast.get_docstring(tree) is None
    ]
    assert silent == []

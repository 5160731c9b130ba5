"""What the documents promise is there: links, accounts, commands, and a secret made as docker-compose.yml says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from landdb.access import store as access
from landdb.db.transaction import Database
from landdb.sealing.keys import read_secret
from ops.cli import app
from ops.demo import ACCOUNTS, PASSWORD

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text("utf-8"))
    assert listed == sorted(path.name for path in folder.glob("0*.md"))
    for name in listed:
        text = (folder / name).read_text("utf-8")
        assert text.startswith(f"# {name[:4]} ")
        assert re.findall(r"^\*\*([\w ]+)\.\*\*", text, re.MULTILINE) == [
            "Context",
            "Choice",
            "Consequence",
            "To overturn",
        ]


def test_the_readme_names_the_demo_accounts_and_a_small_picture() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert [login for login, *_ in ACCOUNTS if f"`{login}`" not in text] == []
    assert PASSWORD in text
    assert (ROOT / "docs" / "map.png").stat().st_size <= 300_000


def test_every_command_that_a_document_names_exists() -> None:
    known = {name for name in CliRunner().invoke(app, ["--help"]).output.split() if name.isalpha() or "-" in name}
    texts = [page.read_text("utf-8") for page in PAGES]
    named = {word for text in texts for word in re.findall(r"(?:`|bin/)landdb ([a-z-]+)", text)}
    assert {"check", "import", "job", "verify"} <= named
    assert named - known == set()


def test_compose_runs_commands_that_exist() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    for name in ("migrate", "api", "worker"):
        command, *options = services[name]["command"]
        answer = CliRunner().invoke(app, [command, "--help"])
        assert answer.exit_code == 0
        assert [word for word in options if word.startswith("--") and word not in answer.output] == []


def test_a_secret_made_as_the_compose_file_says_is_accepted(tmp_path: Path) -> None:
    line = re.search(r"printf '1 .*?> secrets/secret_key", COMPOSE)
    assert line is not None
    subprocess.run(["sh", "-euc", f"umask 077; mkdir secrets; {line.group()}"], cwd=tmp_path, check=True)
    assert read_secret(tmp_path / "secrets" / "secret_key").numbers == (1,)


def test_the_first_office_and_the_first_account_of_an_empty_register(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from landdb.config import settings

    monkeypatch.setenv(
        "LANDDB_DATABASE_URL", database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    )
    settings.cache_clear()
    try:
        run = CliRunner().invoke
        office = run(app, ["office", "add", "VP", "Văn phòng đăng ký đất đai", "--kind", "provincial_office"])
        assert office.exit_code == 0, office.output
        made = run(
            app, ["user", "add", "admin", "--name", "Quản trị", "--office", office.output.strip(), "--role", "sysadmin"]
        )
        assert made.exit_code == 0, made.output
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    with database.begin() as tx:
        found = access.find_staff(tx, "admin")
        assert found is not None
        assert tx.execute("SELECT role FROM staff_role WHERE staff_id = :id", id=found.staff_id).scalars().all() == [
            "sysadmin"
        ]

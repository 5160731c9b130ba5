"""What the two commands rest on: locks with hashes and without hosts, the browser's files, plain words on failure."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import assets

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {"node_modules", "vendor", "build", "__pycache__"}
# Written so that this file does not find itself.
HOST = re.compile(
    r"pypi[.]org|pythonhosted[.]|npmjs[.]|crates[.]io|proxy[.]golang|maven[.]org|deb[.]debian[.]|unpkg[.]|jsdelivr[.]"
)
MACHINE = re.compile(r"/work/(main|shared|[.]library)\b|/root/\w|/home/\w")


def our_files() -> Iterator[Path]:
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [
            name
            for name in subfolders
            if name not in NOT_OURS and not name.endswith(".egg-info") and (not name.startswith(".") or name == ".ci")
        ]
        yield from (Path(folder) / name for name in names)


def requirements() -> list[str]:
    """One string per locked package, its hashes included."""
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_no_file_of_ours_names_a_package_host_or_this_machine() -> None:
    found = []
    for path in our_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit.group()}" for rule in (HOST, MACHINE) if (hit := rule.search(text))]
    assert found == []


@pytest.mark.parametrize("parts", [("registry", "npmjs", "org"), ("files", "pythonhosted", "org")])
def test_the_search_for_hosts_would_find_one(parts: tuple[str, ...]) -> None:
    assert HOST.search("https://" + ".".join(parts))


def test_every_python_package_is_pinned_by_hash() -> None:
    locked = requirements()
    assert len(locked) > 50
    assert [line for line in locked if not re.match(r"^[\w.-]+==\S+.*--hash=sha256:[0-9a-f]{64}", line)] == []


def test_every_dependency_that_we_name_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    locked = {normal(line.split("==")[0]) for line in requirements()}
    assert [name for name in named if normal(re.split(r"[\[<>=~!; ]", name)[0]) not in locked] == []


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_browser_package_is_pinned_by_hash_and_by_no_address() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    third_party = {name: entry for name, entry in packages.items() if name}
    assert len(third_party) > 10
    assert [name for name, entry in third_party.items() if "resolved" in entry] == []
    assert [name for name, entry in third_party.items() if not entry.get("integrity", "").startswith("sha512-")] == []


@pytest.mark.parametrize("script", ["run", "test", "ops/setup.sh"])
def test_the_commands_are_posix_sh(script: str) -> None:
    checked = subprocess.run(["sh", "-n", ROOT / script], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_where_python_is_missing_and_nothing_can_be_installed_the_cure_is_named(tmp_path: Path) -> None:
    tree = tmp_path / "thư mục có dấu cách"
    (tree / "ops").mkdir(parents=True)
    for name in ("run", "requirements.lock", "pyproject.toml", "package-lock.json", "ops/setup.sh", "ops/assets.py"):
        shutil.copy(ROOT / name, tree / name)
    shutil.copy(ROOT / "ops/installer.lock", tree / "ops")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "cat", "sha256sum", "uname", "mktemp", "date", "id", "flock", "sed", "env"):
        (tools / tool).symlink_to(shutil.which(tool) or "/bin/false")
    # No apt-get, no sudo, no Python on this path. LANDDB_DATABASE_URL: no server is asked for either.
    environment = {"PATH": str(tools), "LANDDB_DATABASE_URL": "postgresql://elsewhere/landdb"}
    refused = subprocess.run(
        [tree / "run"], env=environment, capture_output=True, text=True, check=False, cwd="/", stdin=subprocess.DEVNULL
    )
    assert refused.returncode == 75, refused.stderr
    assert "Máy thiếu gói: python3 python3-venv" in refused.stderr
    assert "These packages are missing: python3 python3-venv" in refused.stderr
    assert "sudo apt-get install --no-install-recommends python3 python3-venv" in refused.stderr
    assert not (tree / ".venv").exists()


def make_modules(folder: Path) -> Path:
    """A ``node_modules`` with just the files that the pages need, each holding its own name."""
    for package, (_, files) in assets.COPIES.items():
        for file in (*files, "package.json"):
            path = folder / package / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"version": "1.2.3"}) if file == "package.json" else file)
    fonts = folder / assets.FONT
    (fonts / "files").mkdir()
    (fonts / "unicode.json").write_text(json.dumps({subset: f"U+{n}" for n, subset in enumerate(assets.SUBSETS)}))
    for weight, style in assets.FACES:
        for subset in assets.SUBSETS:
            (fonts / "files" / f"noto-sans-{subset}-{weight}-{style}.woff2").write_text(subset)
    return folder


def test_the_browser_files_stand_in_one_folder_and_each_font_rule_finds_its_file(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    count = assets.copy_all(make_modules(tmp_path / "modules"), vendor)
    assert count == sum(1 for path in vendor.rglob("*") if path.is_file())
    assert (vendor / "maplibre-gl" / "maplibre-gl-worker.mjs").exists()
    assert json.loads((vendor / "versions.json").read_text())["htmx.org"] == "1.2.3"
    named = re.findall(r"url\('([^']+)'\)", (vendor / "noto-sans" / "noto-sans.css").read_text())
    assert len(named) == len(assets.FACES) * len(assets.SUBSETS)
    assert [name for name in named if not (vendor / "noto-sans" / name).exists()] == []


def test_a_missing_file_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    modules = make_modules(tmp_path / "modules")
    assets.copy_all(modules, vendor)
    (modules / "htmx.org" / "dist" / "htmx.min.js").unlink()
    with pytest.raises(FileNotFoundError, match=r"htmx\.min\.js"):
        assets.copy_all(modules, vendor)
    assert (vendor / "htmx" / "htmx.min.js").exists()


@pytest.mark.skipif(not assets.VENDOR.exists(), reason="the browser's files are not set up: run ./test")
def test_what_is_set_up_is_what_the_lock_says() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    installed = json.loads((assets.VENDOR / "versions.json").read_text("utf-8"))
    assert installed == {name: packages[f"node_modules/{name}"]["version"] for name in assets.COPIES}

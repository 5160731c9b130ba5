"""Settings: the example file and the code say the same, and a wrong value is refused at the start."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from landdb.config import Settings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LANDDB_")]:
        monkeypatch.delenv(name)


def example() -> dict[str, str]:
    return dict(re.findall(r"^(LANDDB_\w+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_the_example_lists_each_setting_once_and_no_other() -> None:
    listed = re.findall(r"^(LANDDB_\w+)=", EXAMPLE, re.MULTILINE)
    assert sorted(listed) == sorted(f"LANDDB_{name.upper()}" for name in Settings.model_fields)


def test_the_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Settings()
    for name, value in example().items():
        if value:
            monkeypatch.setenv(name, value)
    assert Settings() == defaults


def test_each_setting_of_the_example_is_explained() -> None:
    paragraphs = [part for part in EXAMPLE.split("\n\n") if "LANDDB_" in part.splitlines()[-1]]
    assert [part for part in paragraphs if not part.startswith("# ") or len(part.splitlines()) < 2] == []
    assert len(paragraphs) == len(Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [("LANDDB_ENV", "staging"), ("LANDDB_STORAGE_SRID", "TM-3"), ("LANDDB_READ_DATABASE_URLS", "postgresql://replica")],
)
def test_a_wrong_value_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises((ValidationError, SettingsError)):
        Settings()


def test_settings_cannot_change_while_the_process_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().env = "production"  # type: ignore[misc]


def test_files_lie_in_the_data_folder_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDDB_DATA", "/srv/land")
    assert Settings().files_dir == Path("/srv/land/files")
    monkeypatch.setenv("LANDDB_FILES", "/mnt/uploads")
    assert Settings().files_dir == Path("/mnt/uploads")

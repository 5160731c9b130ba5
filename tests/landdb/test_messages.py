"""Whatever can be refused or complained of has its words, in both languages, about the same facts."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import string
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

import api
import etl
import landdb
import ops
from landdb.errors import LandError
from landdb.messages import LANGUAGES, Language, Message, catalogue, message

ROOT = Path(__file__).resolve().parents[2]
ISSUE = re.compile(r"(geometry|parcel|area|land_use|text|coverage|certificate|crs|file)\.[a-z0-9_]+")

# Rules that serve two fields build the code from a stem.
STEMS = {stem: [f"{stem}_missing", f"{stem}_malformed"] for stem in ("parcel.number", "parcel.sheet")}


def refusals() -> dict[str, str]:
    """Code of every error class of the tree, with the class that bears it."""
    for package in (landdb, api, etl, ops):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    return {
        cls.code: f"{cls.__module__}.{cls.__name__}"
        for cls in below(LandError)
        if cls.__module__.split(".")[0] != "tests"
    }


def below(cls: type[LandError]) -> Iterator[type[LandError]]:
    for child in cls.__subclasses__():
        yield child
        yield from below(child)


def issues() -> dict[str, str]:
    """Every issue code that the checks of files and of the register write down, with the file that does."""
    found = {}
    for path in [*(ROOT / "etl").rglob("*.py"), *(ROOT / "landdb" / "intake").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ISSUE.fullmatch(node.value):
                for code in STEMS.get(node.value, [node.value]):
                    found[code] = path.relative_to(ROOT).as_posix()
    return found


def wordless(codes: dict[str, str], language: Language) -> dict[str, str]:
    """Codes whose text lacks a part: what it is, what happened, what to do next."""
    texts = catalogue(language)
    return {
        c: by
        for c, by in codes.items()
        if c not in texts or not all((texts[c].title, texts[c].detail, texts[c].action))
    }


def facts(text: Message) -> set[str]:
    parts = (text.title, text.detail, text.action)
    return {name for part in parts for _, name, _, _ in string.Formatter().parse(part) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_has_its_words(language: Language) -> None:
    codes = refusals()
    assert len(codes) > 100
    assert wordless(codes, language) == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_issue_has_its_words(language: Language) -> None:
    codes = issues()
    assert {"geometry.self_intersection", "coverage.gap", "land_use.superseded"} <= codes.keys()
    assert wordless(codes, language) == {}


def test_a_code_without_words_would_be_found() -> None:
    assert wordless({"parcel.on_the_moon": "nobody"}, "vi") == {"parcel.on_the_moon": "nobody"}


def test_both_languages_hold_the_same_codes_and_name_the_same_facts() -> None:
    vi, en = catalogue("vi"), catalogue("en")
    assert vi.keys() == en.keys()
    assert {code: (facts(vi[code]), facts(en[code])) for code in vi if facts(vi[code]) != facts(en[code])} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_composed_letters_and_no_code_stands_in_two_files(language: Language) -> None:
    seen: dict[str, str] = {}
    for path in sorted((ROOT / "landdb" / "messages" / language).glob("*.toml")):
        text = path.read_text("utf-8")
        assert unicodedata.is_normalized("NFC", text), path.name
        for code in tomllib.loads(text):
            assert seen.setdefault(code, path.name) == path.name, code


def test_facts_are_filled_in_and_a_missing_one_does_not_hide_the_refusal() -> None:
    whole = message("import.not_in_state", {"state": "failed", "action": "approve", "job_id": "1"}, "en")
    assert "failed" in whole.detail
    assert "–" in message("import.not_in_state", {}, "en").detail


def test_an_unknown_code_answers_with_itself() -> None:
    assert message("no.such_code", {}, "vi").title == "no.such_code"


def test_a_fact_that_is_a_code_is_told_in_words() -> None:
    facts = {"by": "Chi nhánh", "winner": "recalled", "closed_when": "09:47"}
    assert "(đã thu hồi)" in message("handover.closed", facts, "vi").detail
    assert "(recalled)" in message("handover.closed", facts, "en").detail
    missing = message("dossier.paper_missing", {"papers": "Đơn, Giấy", "doc_types": ["DON", "GCN"]}, "vi")
    assert missing.detail == "Còn thiếu: Đơn, Giấy (DON, GCN)."
    assert "(unheard_of)" in message("handover.closed", facts | {"winner": "unheard_of"}, "vi").detail

"""Every word on the pages stands in the catalogue, in both languages, and no template says anything by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.pages.frame import WEB
from landdb.messages import catalogue

TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
SCRIPTS = sorted((WEB / "static" / "js").glob("*.js"))
NAMED = re.compile(r"""\bt\(\s*["']([a-z][\w.\-]*)["']\s*[,)]""")
# Jinja's statements, HTML's tags and entities; what is left is what a person reads.
MARKUP = re.compile(
    r"\{% block body_class %\}[\w-]*|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<svg.*?</svg>|<[^>]*>|&\w+;", re.DOTALL
)
# Names, units and keys that are the same in every language.
SAME_EVERYWHERE = {
    "LandDB", "· LandDB", "VI", "EN", "Excel", "XLSX", "GeoJSON", "VN-2000", "WGS84", "X (m)", "Y (m)", "X Y", "B", "Esc",
    "Enter", "Tiếng Việt",
    "+", "−", "/", "?", "g", "v", "m", "i", "h", "x", "j", "k", "·", "→", ":", "(", ")", "+1", "1:", "X – Y –", "–", "|",
}  # fmt: skip


def pages_of(language: str) -> dict[str, str]:
    return {
        code.removeprefix("pages."): text.title
        for code, text in catalogue(language).items()  # type: ignore[arg-type]
        if code.startswith("pages.")
    }


@pytest.mark.parametrize("path", [*TEMPLATES, *SCRIPTS], ids=lambda path: path.name)
def test_every_named_word_exists(path: Path) -> None:
    missing = set(NAMED.findall(path.read_text("utf-8"))) - set(pages_of("vi"))
    assert not missing


def test_both_languages_say_the_same_things() -> None:
    vi, en = pages_of("vi"), pages_of("en")
    assert set(vi) == set(en)
    places = re.compile(r"\{(\w+)\}")
    differing = [key for key in vi if set(places.findall(vi[key])) != set(places.findall(en[key]))]
    assert not differing


def test_no_sentence_shouts() -> None:
    assert not [key for text in (pages_of("vi"), pages_of("en")) for key, said in text.items() if "!" in said]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_words_of_their_own(path: Path) -> None:
    left = (line.strip() for line in MARKUP.sub("\n", path.read_text("utf-8")).splitlines())
    assert {line for line in left if line} - SAME_EVERYWHERE == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_run_and_style_nothing_inline(path: Path) -> None:
    """The Content-Security-Policy would silently switch it off."""
    text = path.read_text("utf-8")
    assert not re.findall(r"<style\b|\sstyle=|\son\w+=\"|javascript:", text)
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.findall(r"https?://", text)

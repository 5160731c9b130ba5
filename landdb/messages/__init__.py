"""What people read: one text per code, in Vietnamese and English, kept as TOML fragments beside this file.

Each code has ``title`` (the fault's name), ``detail`` (what happened to which thing), ``action`` (what to do next).
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = ("vi", "en")


@dataclass(frozen=True)
class Message:
    """A text for a person: what it is, what happened, what to do next."""

    title: str
    detail: str
    action: str


class _Lenient(string.Formatter):
    """Leaves a named place empty when the fact is missing: a message must not fail where it explains a refusal.

    ``{winner:handover.winner}`` puts the words of ``handover.winner.<winner>``, for facts that are codes; a list has commas.
    """

    def __init__(self, language: Language) -> None:
        self._texts = catalogue(language)

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "–")

    def format_field(self, value: Any, format_spec: str) -> str:
        words = self._texts.get(f"{format_spec}.{value}") if format_spec else None
        if words is not None:
            return words.title
        if isinstance(value, list | tuple):
            return ", ".join(self.format_field(each, format_spec) for each in value)
        try:
            return str(super().format_field(value, format_spec))
        except (TypeError, ValueError):
            return str(value)


@lru_cache(maxsize=4)
def catalogue(language: Language) -> dict[str, Message]:
    """All texts of one language by code."""
    texts: dict[str, Message] = {}
    for path in sorted((Path(__file__).parent / language).glob("*.toml")):
        for code, text in tomllib.loads(path.read_text("utf-8")).items():
            texts[code] = Message(text["title"], text.get("detail", ""), text.get("action", ""))
    return texts


def message(code: str, params: Mapping[str, Any], language: Language = "vi") -> Message:
    """The text of a code with its facts filled in; an unknown code answers with itself as the title."""
    text = catalogue(language).get(code)
    if text is None:
        return Message(code, "", "")
    fill = _Lenient(language).vformat
    return Message(*(fill(part, (), params) for part in (text.title, text.detail, text.action)))

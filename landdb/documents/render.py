"""A template of this package and its facts → PDF, the same bytes for the same facts.

Typst compiles in this process, from the templates beside this file, with the fonts that come with it (they have every Vietnamese
letter) and none of the machine's: a paper looks alike in every office. Facts reach a template as data and never as markup,
so a name cannot run anything.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from landdb.db.transaction import VIETNAM

TEMPLATES: Final = Path(__file__).parent / "templates"


def pdf(template: str, facts: Mapping[str, Any], at: dt.datetime) -> bytes:
    """The paper as PDF 1.7. ``at`` is written into it as the time of making; our facts decide it, not the clock."""
    made: bytes = _compile(template, facts, "pdf", at)
    return made


def png(template: str, facts: Mapping[str, Any]) -> list[bytes]:
    """The pages as pictures, for a preview and for the eyes of a reviewer."""
    made = _compile(template, facts, "png", None)
    return made if isinstance(made, list) else [made]


def _compile(template: str, facts: Mapping[str, Any], kind: Literal["pdf", "png"], at: dt.datetime | None) -> Any:
    import typst

    return typst.compile(
        str(TEMPLATES / f"{template}.typ"),
        root=str(TEMPLATES),
        font_paths=_fonts(),
        format=kind,
        ppi=110 if kind == "png" else None,
        sys_inputs={"facts": json.dumps(facts, ensure_ascii=False)},
        timestamp=None if at is None else int(at.timestamp()),
    )


@lru_cache(maxsize=1)
def _fonts() -> Any:
    """The fonts that come with Typst, read once."""
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def qr_code(content: str) -> str:
    """A QR code (ISO/IEC 18004) as SVG. A quarter of it may be soiled: level Q."""
    import segno

    drawn = io.BytesIO()
    segno.make(content, error="q", micro=False).save(drawn, kind="svg", border=2, xmldecl=False, dark="#000")
    return drawn.getvalue().decode()


def day(value: dt.datetime | None) -> str:
    """``22/11/2026`` as Vietnam counts days."""
    return value.astimezone(VIETNAM).strftime("%d/%m/%Y") if value else ""


def clock_and_day(value: dt.datetime | None) -> str:
    """``10:05 22/11/2026``, for a cell."""
    return value.astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y") if value else ""


def moment(value: dt.datetime | None) -> str:
    """``10 giờ 05 phút, ngày 22/11/2026``, the form that official papers use."""
    return value.astimezone(VIETNAM).strftime("%H giờ %M phút, ngày %d/%m/%Y") if value else ""


def long_day(value: dt.datetime) -> str:
    """``ngày 22 tháng 11 năm 2026``."""
    return value.astimezone(VIETNAM).strftime("ngày %d tháng %m năm %Y")

"""How pages say things: words of the catalogue, numbers and days as Vietnamese write them, outlines of parcels.

Nothing here knows a route or a request; ``frame`` hands these to the templates.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from landdb.db.transaction import VIETNAM
from landdb.messages import Language, catalogue, message

# Land-use colours widely used in practice [unverified: the circular's annex has not been read]; data, not CSS.
LAND_USE_COLOURS: Final[Mapping[str, str]] = {
    "LUC": "#fffc82", "LUK": "#fffc96", "HNK": "#fff0b4", "CLN": "#ffd2a0", "RSX": "#b4ffb4",
    "RPH": "#beff1e", "RDD": "#6eff64", "NTS": "#aaffff", "ONT": "#ffd0ff", "ODT": "#ffa0ff",
}  # fmt: skip
OTHER_COLOUR: Final = "#e4e1d8"
NBSP: Final = "\u00a0"
SKETCH_WIDTH, SKETCH_HEIGHT, SKETCH_MARGIN = 120.0, 88.0, 8.0


def word(key: str, language: Language, /, **params: Any) -> str:
    """The text ``pages.<key>``. A missing one shows its key, so that it is seen and a test finds it."""
    return message(f"pages.{key}", params, language).title


@lru_cache(maxsize=4)
def script_words(language: Language) -> dict[str, str]:
    """All words of the pages, unfilled, for the scripts."""
    return {
        code.removeprefix("pages."): text.title
        for code, text in catalogue(language).items()
        if code.startswith("pages.") and not code.startswith(("pages.admin.", "pages.home.", "pages.account."))
    }


def number(value: Any, decimals: int = 0, *, language: Language = "vi") -> str:
    """1234.5 → ``1.234,5`` (English ``1,234.5``); an en dash where there is no number."""
    if value is None or isinstance(value, str):
        return "–"
    text = f"{value:,.{decimals}f}"
    return text if language == "en" else text.replace(",", "\0").replace(".", ",").replace("\0", ".")


def area(value: Any, *, language: Language = "vi") -> str:
    """Square metres with the one decimal of the register; an en dash where not given."""
    return "–" if value is None else f"{number(value, 1, language=language)}{NBSP}m²"


def signed(value: Any, *, language: Language = "vi") -> str:
    """With its sign and one decimal: ``+2,3`` or ``−0,4``."""
    if value is None or isinstance(value, str):
        return "–"
    return f"{'+' if value >= 0 else '−'}{number(abs(value), 1, language=language)}"


def signed_area(value: Any, *, language: Language = "vi") -> str:
    """A difference of areas: ``+2,3 m²``."""
    return f"{signed(value, language=language)}{NBSP}m²"


def day(value: Any) -> str:
    """A calendar day, ``21/11/2026``; takes a date, an instant (its day in Vietnam) or ISO text."""
    if not value:
        return ""
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value) if "T" in value else dt.date.fromisoformat(value[:10])
    if isinstance(value, dt.datetime):
        value = value.astimezone(VIETNAM).date()
    return f"{value:%d/%m/%Y}"


def moment(value: Any) -> str:
    """An instant in Vietnam's time, ``21/11/2026 14:05``."""
    if not value:
        return ""
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    return f"{value.astimezone(VIETNAM):%d/%m/%Y %H:%M}"


def size(value: int, *, language: Language = "vi") -> str:
    """A file's size in kB or MB."""
    if value < 1_000_000:
        return f"{number(value / 1000, 1, language=language)}{NBSP}kB"
    return f"{number(value / 1_000_000, 1, language=language)}{NBSP}MB"


def land_use_colour(code: str | None) -> str:
    """The fill of a land-use code."""
    return LAND_USE_COLOURS.get((code or "").upper(), OTHER_COLOUR)


def sketch(geometry: Mapping[str, Any] | None) -> str:
    """SVG path data of a GeoJSON polygon (lon/lat), north up, fitted into 120 × 88 units; empty without one."""
    rings = _rings(geometry)
    if not rings:
        return ""
    longitudes = [x for ring in rings for x, _ in ring]
    latitudes = [y for ring in rings for _, y in ring]
    narrow = math.cos(math.radians(sum(latitudes) / len(latitudes)))
    width, height = (max(longitudes) - min(longitudes)) * narrow, max(latitudes) - min(latitudes)
    fits = [
        room / extent
        for room, extent in ((SKETCH_WIDTH - 2 * SKETCH_MARGIN, width), (SKETCH_HEIGHT - 2 * SKETCH_MARGIN, height))
        if extent > 0
    ]
    if not fits:
        return ""
    scale = min(fits)
    left, top = (SKETCH_WIDTH - width * scale) / 2, (SKETCH_HEIGHT - height * scale) / 2
    west, north = min(longitudes), max(latitudes)

    def place(x: float, y: float) -> str:
        return f"{left + (x - west) * narrow * scale:.1f} {top + (north - y) * scale:.1f}"

    return "".join("M" + "L".join(place(x, y) for x, y in ring) + "Z" for ring in rings)


def _rings(geometry: Mapping[str, Any] | None) -> list[Sequence[tuple[float, float]]]:
    if not geometry:
        return []
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [[(point[0], point[1]) for point in ring] for part in parts for ring in part]


def filters(language: Language) -> dict[str, Callable[..., str]]:
    """The templates' filters in one language."""
    by_language = {"number": number, "area": area, "signed": signed, "signed_area": signed_area, "size": size}
    named = {
        "role_name": lambda role: message(f"role.{role}", {}, language).title,
        "permission_name": lambda name: message(f"permission.{name}", {}, language).title,
    }
    return {name: partial(form, language=language) for name, form in by_language.items()} | {
        "date": day,
        "moment": moment,
        **named,
    }

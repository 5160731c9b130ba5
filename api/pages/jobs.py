"""How an import is said on a page: what was recognised with its evidence, how far it is, what stands in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from api.pages.wording import number, size, word
from landdb.messages import Language

FORMATS = {
    "shapefile": "Shapefile",
    "geopackage": "GeoPackage",
    "geojson": "GeoJSON",
    "flatgeobuf": "FlatGeobuf",
    "mapinfo": "MapInfo",
    "kml": "KML",
    "gml": "GML",
}


def sentence(job: Mapping[str, Any], speaks: Language) -> str:
    """One line on an import: what waits, what was done, or what went wrong."""
    counts = job["counts"] or {}
    if job["failure"]:
        return str(job["failure"]["title"])
    if job["state"] in {"checked", "applied"} and counts:
        ready = sum(counts.get(name, 0) for name in ("new", "changed", "retired"))
        return word(
            f"sentence.{job['state']}" + ("_clean" if not counts.get("quarantined") else ""),
            speaks,
            ready=number(ready, language=speaks),
            quarantined=number(counts.get("quarantined", 0), language=speaks),
        )
    return file_names(job)


def file_names(job: Mapping[str, Any]) -> str:
    """The first file's name and how many more there are."""
    names = [file["name"] for file in job["files"]]
    if not names:
        return ""
    return str(names[0]) if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def file_size(job: Mapping[str, Any], speaks: Language) -> str:
    """The size of all files together."""
    return size(sum(file["size_bytes"] for file in job["files"]), language=speaks)


def progress_sentence(progress: Mapping[str, Any], speaks: Language) -> str:
    """``132.000 / 1.000.000 dòng · 41.230 dòng/giây · còn 21 giây``, as far as it is known."""

    def shown(value: Any) -> str:
        return number(value, language=speaks)

    parts = []
    if progress["total"]:
        parts.append(word("progress.of", speaks, done=shown(progress["done"]), total=shown(progress["total"])))
    elif progress["done"]:
        parts.append(word("progress.done", speaks, done=shown(progress["done"])))
    if progress["rows_per_second"]:
        parts.append(word("progress.rate", speaks, rate=shown(progress["rows_per_second"])))
    left = progress["seconds_left"]
    if left is not None and left > 90:
        parts.append(word("progress.left_minutes", speaks, minutes=math.ceil(left / 60)))
    elif left is not None:
        parts.append(word("progress.left", speaks, seconds=left))
    return " · ".join(parts)


def found_lines(job: Mapping[str, Any], speaks: Language) -> list[dict[str, Any]]:
    """What was recognised, each with a word for the chip, the full value, and why it is believed."""
    recognised = job["recognised"] or {}
    lines: list[dict[str, Any]] = []
    if recognised.get("format"):
        lines.append(_line("format", FORMATS.get(recognised["format"], recognised["format"]), None))
    if recognised.get("layer") and len(recognised.get("layers") or []) > 1:
        lines.append(_line("layer", recognised["layer"], ", ".join(recognised["layers"])))
    if recognised.get("profile"):
        lines.append(_profile_line(recognised["profile"], speaks))
    lines += [_encoding_line(column, said, speaks) for column, said in (recognised.get("encoding") or {}).items()]
    if recognised.get("zone"):
        lines.append(_zone_line(recognised["zone"], speaks))
    if recognised.get("sheet"):
        lines.append(_line("sheet", str(recognised["sheet"]), None))
    seen: set[str] = set()
    for line in lines:  # three columns in TCVN3 are one chip
        line["short"] = "" if line["short"] in seen else line["short"]
        seen.add(line["short"])
    return lines


def _line(key: str, value: str, why: str | None, *, short: str | None = None, css: str = "") -> dict[str, Any]:
    return {"key": key, "value": value, "why": why, "short": value if short is None else short, "css": css}


def _profile_line(profile: Mapping[str, Any], speaks: Language) -> dict[str, Any]:
    title = _in(profile.get("title"), speaks) or str(profile["name"])
    mapped = ", ".join(f"{column} → {_field(field, speaks)}" for field, column in _pairs(profile.get("mapped"), speaks))
    score = profile.get("score")
    value = (
        title
        if score is None
        else f"{title} ({word('found.score', speaks, score=number(score * 100, language=speaks))})"
    )
    return _line("profile", value, mapped, short=title)


def _pairs(mapped: Any, _speaks: Language) -> list[tuple[str, str]]:
    return [(str(field), str(column)) for field, column in mapped.items()] if isinstance(mapped, Mapping) else []


def _field(name: str, speaks: Language) -> str:
    said = word(f"field.{name}", speaks)
    return name if said.startswith("pages.") else said


def _in(text: Any, speaks: Language) -> str:
    """A text that may be given by language."""
    if isinstance(text, Mapping):
        return str(text.get(speaks) or text.get("vi") or "")
    return str(text or "")


def _encoding_line(column: str, said: Mapping[str, Any], speaks: Language) -> dict[str, Any]:
    name = str(said["encoding"]).upper()
    evidence = said.get("evidence")
    samples = said.get("samples") or (evidence.get("samples") if isinstance(evidence, Mapping) else None) or []
    share = evidence.get("share") if isinstance(evidence, Mapping) else None
    why = word("found.encoding_share", speaks, share=number(share * 100, language=speaks)) if share is not None else ""
    line = _line("encoding", word("found.column", speaks, column=column, encoding=name), why, short=name)
    line["samples"] = [tuple(sample)[:2] for sample in samples[:3] if len(tuple(sample)) >= 2]
    return line


def _zone_line(zone: Mapping[str, Any], speaks: Language) -> dict[str, Any]:
    why = []
    if zone.get("fit") is not None:
        why.append(word("found.fit", speaks, fit=number(zone["fit"] * 100, 1, language=speaks)))
    if zone.get("swapped"):
        why.append(word("found.swapped", speaks))
    if zone.get("why") and speaks == "en":  # the reader says it in English only
        why.append(str(zone["why"]))
    name = str(zone.get("name") or f"EPSG:{zone['srid']}")
    css = "warn" if zone.get("swapped") else ""
    return _line("zone", f"{name} (EPSG:{zone['srid']})", " · ".join(why), short=name, css=css)

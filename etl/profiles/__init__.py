"""Maps the fields of one program's files to ours. Profiles are TOML data: tried, scored, and the winner is shown.

A profile has `title`, `hallmarks` (fields that only this program writes), `[columns]` (our column = the file's names,
the first one present wins), `base` (a profile whose names are tried after its own), `[templates]` ("{prefixe}{section}"
makes one column of several) and `[constants]`. Users bring their own as a file.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from etl.batch import Batch, binary_parts, combining
from etl.profiles.numbers import parse_date, parse_integer, parse_number
from landdb.errors import Invalid, NotFound

__all__ = ["Profile", "Scored", "apply", "built_in", "load", "mapping", "parse_number", "score"]

TEXT_COLUMNS = (
    "sheet_no",
    "parcel_no",
    "land_use",
    "holder_name",
    "holder_identity",
    "holder_class",
    "address",
    "former_sheet_no",
    "former_parcel_no",
    "temporary_no",
    "certificate_serial",
    "certificate_register_no",
    "commune_code",
    "remark",
    "source_key",
)
NUMBER_COLUMNS = ("declared_area_m2", "legal_area_m2")
WHOLE_COLUMNS = ("scale",)
DATE_COLUMNS = ("certificate_issued_on",)
CANONICAL = (*TEXT_COLUMNS, *NUMBER_COLUMNS, *WHOLE_COLUMNS, *DATE_COLUMNS)

_WEIGHTS = {"parcel_no": 4.0, "sheet_no": 3.0, "declared_area_m2": 2.0, "land_use": 2.0}
_PARCEL_LIKE = r"^\s*\d{1,6}[A-Za-z]?\s*$"
_FOLDER = Path(__file__).parent


class ProfileUnknown(NotFound):
    code = "profile.unknown"


class ProfileInvalid(Invalid):
    code = "profile.invalid"


class Decoder(Protocol):
    """What `apply` needs of a recognised encoding (`etl.encodings.Recognised` is one)."""

    @property
    def is_legacy(self) -> bool: ...

    def decode(self, values: pa.Array) -> Any: ...


@dataclass(frozen=True)
class Profile:
    """How one program's fields become ours. columns: our name → names in the file, the first one present wins."""

    name: str
    title: dict[str, str]
    columns: dict[str, tuple[str, ...]]
    templates: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    hallmarks: tuple[str, ...] = ()

    def fixed(self, constants: Mapping[str, str]) -> Profile:
        """The profile with these columns given from outside, such as the sheet number of a file that has one sheet.

        Raises: ProfileInvalid for a column that we do not have.
        """
        _known(self.name, constants)
        return replace(self, constants={**self.constants, **constants})


@dataclass(frozen=True)
class Scored:
    """How well a profile fits a file: 0..1, our columns found and under which names, fields left unread, and why."""

    profile: Profile
    score: float
    mapped: dict[str, str]
    unread: tuple[str, ...]
    why: tuple[str, ...]


def built_in() -> list[Profile]:
    """The profiles that come with the program."""
    return [load(path.stem) for path in sorted(_FOLDER.glob("*.toml"))]


def load(name: str | Path) -> Profile:
    """A profile by its name, or from a TOML file of the user's.

    Raises: ProfileUnknown; ProfileInvalid where the file is not a profile.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = _FOLDER / f"{name}.toml"
        if not re.fullmatch(r"[a-z0-9_-]+", str(name)) or not path.is_file():
            raise ProfileUnknown(profile=str(name), known=", ".join(p.stem for p in sorted(_FOLDER.glob("*.toml"))))
    elif not path.is_file():
        raise ProfileUnknown(profile=path.name, known=", ".join(p.stem for p in sorted(_FOLDER.glob("*.toml"))))
    return _parsed(path, path.stat().st_mtime_ns)


def score(
    fields: Sequence[str], sample: Batch | None = None, *, profiles: Iterable[Profile] | None = None
) -> list[Scored]:
    """All profiles against a layer's fields, best first. sample: a first batch, to see whether the contents agree."""
    tried = [_score(profile, fields, sample) for profile in (profiles if profiles is not None else built_in())]
    return sorted(tried, key=lambda one: (-one.score, bool(one.profile.hallmarks), one.profile.name))


def mapping(profile: Profile, fields: Iterable[str]) -> dict[str, str]:
    """Our columns → the file's field names that the profile finds for them."""
    present: dict[str, str] = {}
    for name in fields:
        present.setdefault(_folded(name), name)
    found = {}
    for column, aliases in profile.columns.items():
        hit = next((present[_folded(alias)] for alias in aliases if _folded(alias) in present), None)
        if hit is not None and column not in profile.constants and column not in profile.templates:
            found[column] = hit
    return found


def apply(batch: Batch, profile: Profile, encodings: Mapping[str, Decoder] | None = None) -> Batch:
    """The batch with our columns, all of them, typed; null where the file gives nothing.

    encodings: how each raw text column is to be read. Besides the columns: `<area>__raw`, `scale__raw`,
    `certificate_issued_on__raw` (text that was not a plain value), and for text that came in a legacy encoding or with
    combining marks `<column>__raw` with its bytes.
    """
    named = mapping(profile, batch.columns)
    known = encodings or {}
    columns: dict[str, pa.Array] = {}
    for column in CANONICAL:
        raw = named.get(column)
        given = _given(batch, profile, column, raw, known)
        columns |= _typed(column, given)
        if raw is not None and raw in known and column in TEXT_COLUMNS:
            values = batch.columns[raw]
            if known[raw].is_legacy or _has_combining(values):
                columns[f"{column}__raw"] = _bytes(values)
    return batch.with_columns(columns)


# --- columns --------------------------------------------------------------------------------------------------------


def _given(batch: Batch, profile: Profile, column: str, raw: str | None, known: Mapping[str, Decoder]) -> pa.Array:
    if column in profile.constants:
        return pa.repeat(pa.scalar(profile.constants[column], pa.string()), batch.rows)
    if column in profile.templates:
        return _templated(batch, profile.templates[column], known)
    return pa.nulls(batch.rows, pa.string()) if raw is None else _readable(batch.columns[raw], known.get(raw))


def _readable(values: pa.Array, decoder: Decoder | None) -> pa.Array:
    """Text as Unicode, everything else as it is."""
    binary = pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)
    if decoder is not None and (binary or pa.types.is_string(values.type)):
        decoded: pa.Array = decoder.decode(values).values
        return decoded
    if not binary:
        return values
    texts = [None if value is None else value.decode("utf-8", "replace") for value in values.to_pylist()]
    return pa.array(texts, pa.string())


def _templated(batch: Batch, template: str, known: Mapping[str, Decoder]) -> pa.Array:
    present = {_folded(name): name for name in batch.columns}
    pieces: list[Any] = []
    fields: list[pa.Array] = []
    for literal, name in re.findall(r"([^{}]*)(?:\{([^{}]*)\})?", template):
        if literal:
            pieces.append(pa.scalar(literal, pa.string()))
        if name:
            raw = present.get(_folded(name))
            value = pa.nulls(batch.rows, pa.string()) if raw is None else _readable(batch.columns[raw], known.get(raw))
            fields.append(_text(value))
            pieces.append(fields[-1])
    if not fields:
        return pa.repeat(pa.scalar(template, pa.string()), batch.rows)
    joined = pc.binary_join_element_wise(*pieces, "", null_handling="replace", null_replacement="")
    empty = fields[0].is_null()
    for column in fields[1:]:
        empty = pc.and_(empty, column.is_null())
    return pc.if_else(empty, None, joined)


def _typed(column: str, values: pa.Array) -> dict[str, pa.Array]:
    if column in TEXT_COLUMNS:
        return {column: _text(values)}
    parse = parse_number if column in NUMBER_COLUMNS else parse_integer if column in WHOLE_COLUMNS else parse_date
    value, raw = parse(values)
    return {column: value, f"{column}__raw": raw}


def _text(values: pa.Array) -> pa.Array:
    """Trimmed text, null where blank. Numbers lose a pointless ".0": sheet 12.0 is sheet 12."""
    if pa.types.is_floating(values.type):
        values = pc.replace_substring_regex(values.cast(pa.string()), r"\.0+$", "")
    elif not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _has_combining(values: pa.Array) -> bool:
    """Whether some text may be in another form than NFC, which decoding makes it: the form is worth a note."""
    return any(test(values.type) for test in (pa.types.is_string, pa.types.is_binary)) and bool(
        combining(binary_parts(values)[1]).any()
    )


def _bytes(values: pa.Array) -> pa.Array:
    return values if pa.types.is_binary(values.type) else values.cast(pa.binary())


# --- profiles -------------------------------------------------------------------------------------------------------


def _score(profile: Profile, fields: Sequence[str], sample: Batch | None) -> Scored:
    mapped = mapping(profile, fields)
    given = {*mapped, *profile.templates, *profile.constants}
    total = sum(_WEIGHTS.values())
    weight = sum(_WEIGHTS.get(column, 0.25) for column in given)
    marks = {_folded(mark) for mark in profile.hallmarks} & {_folded(name) for name in fields}
    why = [f"{raw} → {column}" for column, raw in mapped.items()]
    # Programs borrow one another's names; the file is whose hallmarks make up most of its fields.
    points = 0.75 * min(weight / total, 1.0) + 0.15 * min(len(marks) / 3, 1.0) + 0.1 * len(marks) / max(len(fields), 1)
    if sample is not None and "parcel_no" in mapped:
        share = _share_of_numbers(sample.columns[mapped["parcel_no"]])
        why.append(f"{mapped['parcel_no']}: {share:.0%} ~ 0-9")
        points *= 0.5 + 0.5 * share
    used = set(mapped.values())
    return Scored(profile, round(points, 3), mapped, tuple(name for name in fields if name not in used), tuple(why))


def _share_of_numbers(values: pa.Array) -> float:
    text = _text(_readable(values, None)).drop_null()
    if not len(text):
        return 0.0
    return (pc.sum(pc.match_substring_regex(text, _PARCEL_LIKE)).as_py() or 0) / len(text)


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    """A field name without case, accents and separators: "Số tờ", SO_TO and soTo are one."""
    plain = unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in plain.casefold() if letter.isalnum())


@lru_cache(maxsize=64)
def _parsed(path: Path, _changed: int) -> Profile:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        columns = {name: _aliases(value) for name, value in data.get("columns", {}).items()}
        templates = {name: str(value) for name, value in data.get("templates", {}).items()}
        constants = {name: str(value) for name, value in data.get("constants", {}).items()}
        title = data.get("title", path.stem)
        titles = title if isinstance(title, dict) else {"vi": str(title), "en": str(title)}
        hallmarks = tuple(str(mark) for mark in data.get("hallmarks", ()))
        if "base" in data:
            base = load(str(data["base"])).columns
            columns = {name: columns.get(name, ()) + base.get(name, ()) for name in {**columns, **base}}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise ProfileInvalid(profile=path.name, reason=str(error)) from error
    _known(path.name, {**columns, **templates, **constants})
    return Profile(path.stem, titles, columns, templates, constants, hallmarks)


def _aliases(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(alias) for alias in value)


def _known(profile: str, columns: Iterable[str]) -> None:
    strange = sorted(set(columns) - set(CANONICAL))
    if strange:
        raise ProfileInvalid(profile=profile, reason=f"{', '.join(strange)}?")

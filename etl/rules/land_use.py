"""Land-use text as people write it ("ONT+CLN", "ONT 100; CLN 50,5", "T") into codes and areas, of three generations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.batch import Batch, Floats, Ints, ranges
from etl.rules.context import GROUP, PRESENT, Findings, RuleContext, column, is_blank

_SEPARATOR = re.compile(r"[+;|&\n]|,(?!\d)|(?<!\d),|(?<=[^\W\d]{3})/(?=[^\W\d]{3})|\s+-\s+")
_ITEM = re.compile(
    r"\s*(?P<code>\d?[^\W\d_]+(?:/[^\W\d_]+)?\*?)"
    r"(?:\s*[:=(]?\s*(?P<area>\d[\d.,]*)\s*(?:m2|m²)?\s*\)?)?(?=$|\s|\d?[^\W\d_])",
    re.IGNORECASE,
)

_REGULAR = r"^[A-Z]{2,4} [0-9]+(,[0-9]+)?(; [A-Z]{2,4} [0-9]+(,[0-9]+)?)*$"
"""What programs write: nearly every text of a file with areas is one of its kind, so this form is worth a short way."""

_USES = pa.schema([("code", pa.string()), ("area_m2", pa.float64()), ("raw", pa.string())])

_GLUED = re.compile(r"\d?[^\W\d_]+\d")


@dataclass(frozen=True)
class LandUse:
    """One use of a parcel: its code as written, the area if one was given, and the piece of text it came from."""

    code: str
    area_m2: float | None
    raw: str


@dataclass(frozen=True, eq=False)
class LandUses:
    """All uses of a batch, in columns. row: index within the batch, ascending; ordinal counts from 1 in each row.

    code: as the code table writes it, or as the file does if the table lacks it. area_m2: NaN = not given.
    """

    row: Ints
    ordinal: Ints
    code: pa.Array
    area_m2: Floats
    raw: pa.Array


def parse_land_uses(text: str) -> tuple[LandUse, ...]:
    """The uses named in one text, in order; a piece that is no code and area comes back whole, as a code.

    A comma or point before digits is a decimal sign; between groups of three digits it separates thousands
    ("1.234,5"). Units m2 and m² are dropped.
    """
    pieces = (piece.strip() for piece in _SEPARATOR.split(text))
    return tuple(use for piece in pieces if piece for use in _items(piece))


def check_land_use(
    batch: Batch, declared_m2: Floats, measured_m2: Floats, context: RuleContext, findings: Findings
) -> LandUses:
    """An unknown code blocks the row; none at all, group codes and areas that do not add up are warnings.

    A code of 2014 or of the old maps is only noted, with today's; the file's own code is kept.
    """
    texts = column(batch, "land_use", pa.string())
    findings.add("land_use.missing", is_blank(texts), field="land_use")
    distinct = texts.dictionary_encode()
    table = _Table(distinct.dictionary, context.land_uses)
    values = np.asarray(distinct.indices.fill_null(len(distinct.dictionary))).astype(np.int64)
    if context.land_uses:
        _note_status(table, values, findings)
    uses, offsets = table.rows(values)
    row = np.repeat(np.arange(batch.rows), np.diff(offsets))
    ordinal = np.arange(len(uses)) - offsets[:-1][row] + 1
    area = table.area[uses]
    _check_sum(row, area, declared_m2, measured_m2, context, findings)
    code = table.code.take(pa.array(uses, pa.int64()))
    return LandUses(row, ordinal, code, area, table.raw.take(pa.array(uses, pa.int64())))


class _Table:
    """The distinct texts of a batch, parsed once: uses in flat columns, one range per text, an empty one for null.

    code_no: per use, its place among ``codes``, the distinct codes; status: of each of these, and its present code.
    """

    def __init__(self, texts: pa.Array, known: Mapping[str, tuple[str, str | None]]) -> None:
        by_fold = {code.casefold(): code for code in known}
        trimmed = pc.utf8_trim_whitespace(texts)
        regular = np.asarray(pc.match_substring_regex(trimmed, _REGULAR))
        uses, count = _regular(trimmed.filter(pa.array(regular)))
        others, other_count = _others(texts.filter(pa.array(~regular)), by_fold)
        counts = np.zeros(len(texts) + 1, np.int64)
        counts[:-1][regular], counts[:-1][~regular] = count, other_count
        self.start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        place = np.concatenate(
            [ranges(self.start[:-2][regular], count)[0], ranges(self.start[:-2][~regular], other_count)[0]]
        )
        flat = pa.concat_tables([uses, others]).take(pa.array(np.argsort(place)))
        self.raw = flat["raw"].combine_chunks()
        self.area = np.asarray(flat["area_m2"].fill_null(np.nan))
        written = flat["code"].combine_chunks().dictionary_encode()
        self.codes = [by_fold.get(code.casefold(), code) for code in written.dictionary.to_pylist()]
        self.code = pa.array(self.codes, pa.string()).take(written.indices)
        self.code_no = np.asarray(written.indices).astype(np.int64)
        self.status = [known.get(code, (None, None)) for code in self.codes]

    def rows(self, values: Ints) -> tuple[Ints, Ints]:
        """For rows with these texts: indices of their uses, and the offsets of the rows among them."""
        begin = self.start[values]
        return ranges(begin, self.start[values + 1] - begin)

    def texts_to_note(self) -> Ints:
        """Texts with a code that is not simply one of today's."""
        odd = np.array([status != PRESENT for status, _ in self.status], bool)
        uses = np.flatnonzero(odd[self.code_no]) if odd.any() else np.zeros(0, np.int64)
        return np.unique(np.searchsorted(self.start, uses, side="right") - 1)


def _regular(texts: pa.Array) -> tuple[pa.Table, Ints]:
    """The uses in texts as programs write them, and how many each text has."""
    listed = pc.split_pattern(texts, "; ")
    pieces = listed.flatten()
    parts = pc.extract_regex(pieces, r"^(?P<code>[A-Z]+) (?P<area>[0-9,]+)$")
    area = pc.replace_substring(pc.struct_field(parts, "area"), ",", ".").cast(pa.float64())
    columns = [pc.struct_field(parts, "code"), area, pieces]
    return pa.Table.from_arrays(columns, schema=_USES), np.asarray(pc.list_value_length(listed)).astype(np.int64)


def _others(texts: pa.Array, by_fold: Mapping[str, str]) -> tuple[pa.Table, Ints]:
    parsed = [_parse(text, by_fold) for text in texts.to_pylist()]
    flat = [(use.code, use.area_m2, use.raw) for uses in parsed for use in uses]
    columns = [pa.array([use[i] for use in flat], field.type) for i, field in enumerate(_USES)]
    return pa.Table.from_arrays(columns, schema=_USES), np.array([len(uses) for uses in parsed], np.int64)


def _parse(text: str, by_fold: Mapping[str, str]) -> tuple[LandUse, ...]:
    whole = text.strip()
    if whole.casefold() in by_fold and "+" not in whole:
        return (LandUse(whole, None, whole),)
    uses = parse_land_uses(text)
    # "ODT100" is a code and an area only where the code is known; "ZZ9" is a code that nobody knows.
    glued = any(
        use.area_m2 is not None and _GLUED.match(use.raw) and use.code.casefold() not in by_fold for use in uses
    )
    return (LandUse(whole, None, whole),) if glued else uses


def _items(piece: str) -> list[LandUse]:
    found, at = [], 0
    while at < len(piece):
        match = _ITEM.match(piece, at)
        if match is None:
            return [LandUse(piece, None, piece)]
        area = match["area"]
        found.append(LandUse(match["code"], None if area is None else _number(area), match[0].strip()))
        at = match.end()
        if not piece[at:].strip():
            break
    return found


def _number(text: str) -> float | None:
    bare = text.rstrip(".,")
    if re.fullmatch(r"\d{1,3}(\.\d{3})+(,\d+)?", bare):
        bare = bare.replace(".", "")
    elif re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", bare):
        bare = bare.replace(",", "")
    try:
        return float(bare.replace(",", "."))
    except ValueError:
        return None


def _note_status(table: _Table, values: Ints, findings: Findings) -> None:
    """One issue per row and kind, naming the codes concerned; worked out per distinct text."""
    kinds: dict[str, dict[int, tuple[str, str]]] = {}
    for text in table.texts_to_note().tolist():
        for code, codes in _by_issue(table, range(table.start[text], table.start[text + 1])).items():
            present = ", ".join(dict.fromkeys(now for _, now in codes))
            kinds.setdefault(code, {})[text] = (", ".join(dict.fromkeys(old for old, _ in codes)), present)
    for code, texts in kinds.items():
        rows = np.flatnonzero(np.isin(values, list(texts)))
        place = {text: i for i, text in enumerate(texts)}
        which = pa.array([place[value] for value in values[rows].tolist()], pa.int32())
        params = {
            "code": pa.DictionaryArray.from_arrays(which, pa.array([old for old, _ in texts.values()], pa.string())),
            "present": pa.DictionaryArray.from_arrays(which, pa.array([now for _, now in texts.values()], pa.string())),
        }
        findings.add(code, rows, field="land_use", params=params)


def _by_issue(table: _Table, uses: range) -> dict[str, list[tuple[str, str]]]:
    out: dict[str, list[tuple[str, str]]] = {}
    for i in uses:
        status, present = table.status[table.code_no[i]]
        if status == PRESENT:
            continue
        issue = {None: "land_use.unknown", GROUP: "land_use.group"}.get(status, "land_use.superseded")
        out.setdefault(issue, []).append((table.codes[table.code_no[i]], present or "–"))
    return out


def _check_sum(
    row: Ints, area: Floats, declared_m2: Floats, measured_m2: Floats, context: RuleContext, findings: Findings
) -> None:
    """The uses' areas must add up to the declared area; where some lack theirs, they must not exceed it."""
    rows = len(declared_m2)
    given = ~np.isnan(area)
    total = np.bincount(row[given], weights=area[given], minlength=rows)
    lacking: npt.NDArray[np.int64] = np.bincount(row[~given], minlength=rows)
    some = np.bincount(row[given], minlength=rows) > 0
    limit = context.tolerances
    against = np.where(np.isnan(declared_m2), measured_m2, declared_m2)
    loose = np.maximum(limit.area_floor_m2, limit.area_share * measured_m2)
    allowed = np.where(np.isnan(declared_m2), loose, limit.land_use_sum_m2) + 1e-9
    with np.errstate(invalid="ignore"):
        off = np.where(lacking > 0, total - against > allowed, np.abs(total - against) > allowed) & some
    index = np.flatnonzero(off)
    params = {"total": total[index].round(1), "declared": against[index].round(1)}
    findings.add("land_use.area_sum", index, field="land_use", params=params)

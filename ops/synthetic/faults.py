"""Puts known faults into finished files and writes the answer key, `answers.json`.

Works as a careless office would: it opens the file as it lies on disk, spoils rows, and saves. It knows nothing of the
checks that are to find them, so that maker and checker are not two halves of one thought. Kinds carry the issue codes
of the import rules.

One row has at most one fault, and no faulty row touches another, so every answer is exact. What a fault does to rows
around it stands in `others`; codes that the faulty row may rightly earn besides are in `also`.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from . import spoil
from .dbf import Dbf
from .files import STYLES, LayerFile, Progress, read_layer, vietnamese_number, write_layer
from .sheet import Sheet
from .spoil import Spoiled


@dataclass(frozen=True)
class Answer:
    """One fault: where it is and what is wrong. `row` is the 1-based place of the feature in its layer."""

    kind: str
    file: str
    layer: str
    row: int
    field: str | None
    """Canonical name of the column; None for geometry."""
    column: str | None
    """Name of the column in the file."""
    raw: str | None
    """The text now in the file, as Unicode would have it."""
    detail: str
    others: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """Rows touched as a consequence: row, kind, certain (False: a check may or may not say so)."""
    also: list[str] = dataclasses.field(default_factory=list)
    """Further codes that this row may rightly get."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault: its code, how to make it, and where it can be made."""

    code: str
    make: Callable[[Sheet, int, np.random.Generator], Spoiled | None]
    formats: frozenset[str] = frozenset({"shp", "gpkg", "geojson", "fgb"})
    encodings: frozenset[str] = frozenset({"tcvn3", "vni", "utf-8"})


def only(*names: str) -> frozenset[str]:
    return frozenset(names)


FAULTS = (
    Fault("geometry.self_intersection", spoil.self_intersection),
    Fault("geometry.zero_area", spoil.zero_area),
    # GDAL cannot read back a FlatGeobuf with a missing geometry by Arrow
    Fault("geometry.missing", spoil.missing, only("shp", "gpkg", "geojson")),
    Fault("geometry.too_few_points", spoil.too_few_points),
    # in a Shapefile a ring outside its shell is a second part, and no fault
    Fault("geometry.hole_outside", spoil.hole_outside, only("gpkg", "geojson", "fgb")),
    Fault("geometry.spike", spoil.spike),
    Fault("geometry.duplicate_vertex", spoil.duplicate_vertex),
    Fault("geometry.outside_commune", spoil.outside_commune),
    Fault("coverage.overlap", spoil.overlap),
    Fault("coverage.gap", spoil.gap),
    Fault("coverage.missing_node", spoil.missing_node),
    Fault("parcel.duplicate_reference", spoil.duplicate_reference),
    Fault("parcel.duplicate_geometry", spoil.duplicate_geometry),
    Fault("parcel.number_missing", spoil.number_missing),
    Fault("parcel.number_malformed", spoil.number_malformed),
    Fault("parcel.sheet_missing", spoil.sheet_missing),
    Fault("parcel.sheet_malformed", spoil.sheet_malformed),
    Fault("parcel.wrong_commune", spoil.wrong_commune),
    Fault("area.missing", spoil.area_missing),
    Fault("area.not_a_number", spoil.area_not_a_number),
    Fault("area.mismatch", spoil.area_mismatch),
    Fault("area.negative", spoil.area_negative),
    Fault("land_use.missing", spoil.land_use_missing),
    Fault("land_use.unknown", spoil.land_use_unknown),
    Fault("land_use.superseded", spoil.land_use_superseded),
    Fault("land_use.area_sum", spoil.land_use_area_sum, encodings=only("utf-8")),
    Fault("text.control_characters", spoil.control_characters),
    Fault("text.undecodable", spoil.undecodable, only("shp")),
    Fault("text.not_nfc", spoil.not_nfc, encodings=only("utf-8")),
    Fault("certificate.serial_malformed", spoil.serial_malformed),
    Fault("certificate.duplicate_serial", spoil.duplicate_serial),
)

TRIES = 400
DECOY_SHARE = 0.5
"""Rows with "1.234,5", per kind of fault: legal Vietnamese, and to be read without complaint."""


def put_faults(out: Path, rate: float, seed: int, progress: Progress) -> list[Answer]:
    """Spoil the share `rate` of the rows of every parcel file that `manifest.json` in `out` lists; write the key.

    Every format gets its own faults, so that each file can be imported by itself.
    """
    manifest = orjson.loads((out / "manifest.json").read_bytes())
    files = [LayerFile(**entry) for entry in manifest["files"]]
    codes = [c["code"] for c in manifest["communes"]]
    answers: list[Answer] = []
    decoys: list[dict[str, Any]] = []
    natural: list[dict[str, Any]] = []
    turn: dict[str, int] = {}
    for k, entry in enumerate(files):
        rng = np.random.default_rng([seed, 13, k])
        table = read_layer(out / entry.path, layer=entry.layer, file_format=entry.format, encoding=entry.encoding)
        sheet = Sheet(table, entry, codes)
        natural += parts_of(sheet, entry)
        found, tricks = spoil_file(sheet, entry, rate, turn, rng, seed)
        answers, decoys = answers + found, decoys + tricks
        save(sheet, out / entry.path, entry)
        progress("spoiling", k + 1, len(files))
    key = {"seed": seed, "rate": rate, "answers": [asdict(a) for a in answers], "decoys": decoys, "natural": natural}
    (out / "answers.json").write_bytes(orjson.dumps(key, option=orjson.OPT_INDENT_2))
    return answers


def spoil_file(
    sheet: Sheet, entry: LayerFile, rate: float, turn: dict[str, int], rng: np.random.Generator, seed: int
) -> tuple[list[Answer], list[dict[str, Any]]]:
    """Faults of all kinds in turn; the turn goes on from file to file so that small files miss no kind for good."""
    kinds = [f for f in FAULTS if entry.format in f.formats and entry.encoding in f.encodings]
    kinds = [kinds[k] for k in np.random.default_rng([seed, 17]).permutation(len(kinds))]
    wanted = max(1, round(rate * sheet.rows))
    waiting = iter(rng.permutation(sheet.rows).tolist())
    answers: list[Answer] = []
    for _ in range(wanted):
        at = turn.get(entry.format, 0)
        turn[entry.format] = at + 1
        answer = make_one(kinds[at % len(kinds)], sheet, entry, waiting, rng)
        if answer is None:
            waiting = iter(rng.permutation(sheet.rows).tolist())
            answer = make_one(kinds[at % len(kinds)], sheet, entry, waiting, rng)
        if answer is not None:
            answers.append(answer)
    decoys = list(place_decoys(sheet, entry, rng, max(1, round(DECOY_SHARE * wanted / len(kinds)))))
    return answers, decoys


def make_one(
    fault: Fault, sheet: Sheet, entry: LayerFile, waiting: Iterator[int], rng: np.random.Generator
) -> Answer | None:
    for _ in range(TRIES):
        row = next(waiting, None)
        if row is None:
            return None
        near = sheet.neighbours(row)
        if row in sheet.taken or sheet.spoiled & set(near):
            continue
        spoiled = fault.make(sheet, row, rng)
        if spoiled is not None:
            sheet.take(row, near, spoiled.partners)
            return describe(fault.code, sheet, entry, row, spoiled)
    return None


def describe(code: str, sheet: Sheet, entry: LayerFile, row: int, spoiled: Spoiled) -> Answer:
    others = [{"row": other + 1, "kind": kind, "certain": certain} for other, kind, certain in spoiled.others]
    at = spoiled.at if spoiled.at is not None else row
    column = STYLES[entry.style][spoiled.field] if spoiled.field else None
    raw = spoiled.raw
    return Answer(
        code, entry.path, entry.layer, at + 1, spoiled.field, column, raw, spoiled.detail, others, spoiled.also
    )


def place_decoys(sheet: Sheet, entry: LayerFile, rng: np.random.Generator, wanted: int) -> Iterator[dict[str, Any]]:
    """Areas as "1.234,5": nothing is wrong with these rows."""
    for row in rng.permutation(sheet.original_rows).tolist():
        if wanted == 0:
            return
        value = sheet.area(row)
        if row in sheet.taken or value is None or value < 1000:
            continue
        text = vietnamese_number(value)
        sheet.put(row, "declared_area_m2", text)
        sheet.take(row, [], [])
        wanted -= 1
        column = STYLES[entry.style]["declared_area_m2"]
        yield {"file": entry.path, "layer": entry.layer, "row": row + 1, "column": column, "raw": text, "value": value}


def parts_of(sheet: Sheet, entry: LayerFile) -> list[dict[str, Any]]:
    """Rows that have several parts by nature; a check may mention it (geometry.multipart)."""
    many = np.flatnonzero(shapely.get_num_geometries(sheet.geometry) > 1)
    return [
        {"file": entry.path, "layer": entry.layer, "row": int(row) + 1, "kind": "geometry.multipart"} for row in many
    ]


def save(sheet: Sheet, path: Path, entry: LayerFile) -> None:
    """Write the spoiled layer over the sound one; bytes that no library writes go in last."""
    write_layer(sheet.table(), path, layer=entry.layer, file_format=entry.format, encoding=entry.encoding)
    if sheet.raw_bytes:
        dbf = Dbf.open(path.with_suffix(".dbf"))
        for row, column, prefix in sheet.raw_bytes:
            whole = dbf.get(row + 1, column).rstrip()
            dbf.put(row + 1, column, prefix + whole[len(prefix) :])

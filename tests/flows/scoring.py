"""Precision and recall of an import's issues against an answer key; a script of its own that knows nothing of `etl`.

    python tests/flows/scoring.py FOLDER FOUND.json

FOLDER is what `landdb synthetic --faults` wrote, FOUND.json what the register says of the imports of its files:
{"issues": [{file, layer, row, code, severity, params}], "rows": [{file, layer, row, verdict}]}. Only the files that have
rows in FOUND are scored. Exit code 1 where a score is below 1 or a row has the wrong verdict.

A vertex that a row lacks and several neighbours have is one fault: it is enough that one of them is named.

A gap that the key knows nothing of is true if the file really has it: a face of that very area between the outlines of
the rows that it names, covered by none. (The made-up province leaves a few such wedges between plots and paths, as real ones do.)

The office calls an enclosed place a gap if it is narrower than 0.5 m or smaller than 50 m²; a fault that is both wider and
larger is outside that rule, may go untold, and is counted below the table.

An issue is *true* where the key says so of its row (and of the row that it names beside it): as an answer, as a certain or
possible consequence (`others`), as something that the row may rightly earn besides (`also`), or as natural. A fault is
*found* where an issue of its kind names its row, as its own, as the other one of a pair, or among a gap's neighbours.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyogrio.raw
import shapely

Row = tuple[str, int]
Sighting = tuple[str, Row]

BLOCKING = frozenset(
    [
        "geometry.self_intersection",
        "geometry.zero_area",
        "geometry.missing",
        "geometry.too_few_points",
        "geometry.hole_outside",
        "geometry.outside_commune",
        "coverage.overlap",
        "parcel.duplicate_reference",
        "parcel.duplicate_geometry",
        "parcel.number_missing",
        "parcel.number_malformed",
        "parcel.sheet_missing",
        "parcel.sheet_malformed",
        "parcel.wrong_commune",
        "area.not_a_number",
        "area.negative",
        "land_use.unknown",
        "text.undecodable",
    ]
)
"""Kinds of fault that must keep a row out of the register; said here once more, not taken from the rules."""
NUMBERS = {"vilis": ("SHBANDO", "SHTHUA"), "gcadas": ("SOTO", "SOTHUA"), "vbdlis": ("soHieuToBanDo", "soThuTuThua")}
GAP_WIDTH_M, GAP_M2 = 0.5, 50.0


@dataclass
class Kind:
    """Counts of one kind of fault."""

    faults: int = 0
    found: int = 0
    issues: int = 0
    true: int = 0

    @property
    def precision(self) -> float:
        return self.true / self.issues if self.issues else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.faults if self.faults else 1.0


@dataclass
class Score:
    """By kind, and the details of everything that is not as the key says."""

    kinds: dict[str, Kind]
    missed: list[Sighting] = field(default_factory=list)
    false: list[Sighting] = field(default_factory=list)
    wrong_verdict: list[tuple[Row, str]] = field(default_factory=list)
    answered: frozenset[str] = frozenset()
    quarantined: int = 0
    beyond: int = 0

    @property
    def perfect(self) -> bool:
        return not (self.missed or self.false or self.wrong_verdict)

    def table(self) -> str:
        lines = [f"{'kind':<30} {'faults':>6} {'found':>6} {'recall':>7} {'issues':>7} {'true':>6} {'precision':>9}"]
        for name, one in sorted(self.kinds.items()):
            lines.append(
                f"{name:<30} {one.faults:>6} {one.found:>6} {one.recall:>7.3f}"
                f" {one.issues:>7} {one.true:>6} {one.precision:>9.3f}"
            )
        faults = sum(one.faults for one in self.kinds.values())
        lines.append(f"{len(self.answered)} kinds, {faults} faults, {self.quarantined} rows quarantined")
        if self.beyond:
            lines.append(f"{self.beyond} rows beside a gap that is wider and larger than the rule's")
        return "\n".join(lines)


def score(folder: Path, found: dict[str, Any]) -> Score:
    """Hold the issues of one or more imports against the key of the folder that their files came from."""
    key = json.loads((folder / "answers.json").read_bytes())
    files = {row["file"] for row in found["rows"]}
    entries = json.loads((folder / "manifest.json").read_bytes())["files"]
    two_bytes = {entry["path"] for entry in entries if entry["encoding"] == "vni"}
    expected, either, allowed, answered = _promised(key, files, two_bytes)
    drawings = Drawings(folder, files)
    named, issues = _sightings(folder, found, files)
    beyond = {sighting for sighting in _wide_gaps(key, files, drawings) if sighting not in named}
    expected, allowed = expected - beyond, allowed | beyond
    kinds: dict[str, Kind] = defaultdict(Kind)
    out = Score(kinds, answered=frozenset(answered), beyond=len(beyond))
    for code, row in sorted(expected):
        kinds[code].faults += 1
        if (code, row) in named:
            kinds[code].found += 1
        else:
            out.missed.append((code, row))
    for sightings in either:
        code = sightings[0][0]
        kinds[code].faults += 1
        if named & set(sightings):
            kinds[code].found += 1
        else:
            out.missed += sightings
    for code, rows, params in issues:
        kinds[code].issues += 1
        wrong = [row for row in rows if (code, row) not in expected and (code, row) not in allowed]
        if wrong and code == "coverage.gap" and drawings.has_gap(rows[0], params):
            wrong = []
        kinds[code].true += not wrong
        out.false += [(code, row) for row in wrong]
    _judge_verdicts(found, expected, allowed, out)
    return out


def _promised(
    key: dict[str, Any], files: set[str], two_bytes: set[str]
) -> tuple[set[Sighting], list[list[Sighting]], set[Sighting], set[str]]:
    """What must be found, of what one is enough, what may be found, and the kinds that have answers."""
    expected: set[Sighting] = set()
    either: list[list[Sighting]] = []
    allowed: set[Sighting] = set()
    answered = set()
    for answer in key["answers"]:
        if answer["file"] not in files:
            continue
        row = (answer["file"], answer["row"])
        answered.add(answer["kind"])
        expected.add((answer["kind"], row))
        allowed |= {(code, row) for code in answer["also"]}
        if answer["kind"] == "coverage.missing_node":
            either.append([(other["kind"], (answer["file"], other["row"])) for other in answer["others"]])
        if answer["kind"] == "text.control_characters" and answer["file"] in two_bytes:
            # VNI writes a letter as two bytes; a character put between them leaves a mark without its letter.
            allowed.add(("text.undecodable", row))
        for other in answer["others"]:
            sighting = (other["kind"], (answer["file"], other["row"]))
            certain = other["certain"] and other["kind"] != "coverage.missing_node"
            (expected if certain else allowed).add(sighting)
            # What the faulty row earns besides it earns against the same neighbours.
            allowed |= {(code, sighting[1]) for code in answer["also"] if code.startswith("coverage.")}
    allowed |= {(one["kind"], (one["file"], one["row"])) for one in key["natural"]}
    allowed |= {("area.rewritten", (one["file"], one["row"])) for one in key["decoys"]}
    return expected, either, allowed, answered


def _wide_gaps(key: dict[str, Any], files: set[str], drawings: Drawings) -> set[Sighting]:
    out: set[Sighting] = set()
    for answer in key["answers"]:
        area = float(answer["detail"].split()[0]) if answer["kind"] == "coverage.gap" else 0.0
        if answer["file"] in files and area > GAP_M2:
            hole = drawings.hole((answer["file"], answer["row"]), area)
            if hole is not None and _width(hole) > GAP_WIDTH_M:
                rows = [answer["row"], *(other["row"] for other in answer["others"])]
                out |= {(answer["kind"], (answer["file"], row)) for row in rows}
    return out


def _sightings(
    folder: Path, found: dict[str, Any], files: set[str]
) -> tuple[set[Sighting], list[tuple[str, list[Row], dict[str, Any]]]]:
    """Every row that an issue names, and for each issue the rows that it accuses."""
    labels = _labels(folder, files)
    named: set[Sighting] = set()
    issues = []
    for issue in found["issues"]:
        if issue["row"] is None:
            continue
        code, file, params = issue["code"], issue["file"], issue["params"]
        rows = [(file, issue["row"])]
        if params.get("other_row"):
            rows.append((params["other_file"], params["other_row"]))
        issues.append((code, rows, params))
        named |= {(code, row) for row in rows}
        for name in filter(None, params.get("neighbours", "").split(", ")):
            named |= {(code, row) for row in labels[file].get(name, ())}
    return named, issues


def _labels(folder: Path, files: set[str]) -> dict[str, dict[str, list[Row]]]:
    """Rows of each file by what people call them: sheet/number."""
    out: dict[str, dict[str, list[Row]]] = {}
    for entry in json.loads((folder / "manifest.json").read_bytes())["files"]:
        if entry["path"] not in files:
            continue
        layer = None if entry["format"] == "shp" else entry["layer"]
        coding = "ISO-8859-1" if entry["format"] == "shp" else None
        columns = list(NUMBERS[entry["style"]])
        meta, _, _, values = pyogrio.raw.read(
            folder / entry["path"], layer=layer, encoding=coding, columns=columns, read_geometry=False
        )
        by_name = dict(zip(meta["fields"].tolist(), values, strict=True))
        here: dict[str, list[Row]] = {}
        pairs = zip(*(by_name[column].tolist() for column in columns), strict=True)
        for number, (sheet, parcel) in enumerate(pairs, start=1):
            here.setdefault(f"{_plain(sheet)}/{_plain(parcel)}", []).append((entry["path"], number))
        out[entry["path"]] = here
    return out


class Drawings:
    """The outlines in the files, read when one is asked for."""

    def __init__(self, folder: Path, files: set[str]) -> None:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        self._folder = folder
        self._entries = {entry["path"]: entry for entry in manifest["files"] if entry["path"] in files}
        self._read: dict[str, Any] = {}

    def has_gap(self, row: Row, params: dict[str, Any]) -> bool:
        """Whether the rows around this one enclose a hole of the area that the issue tells."""
        return self.hole(row, params["area"]) is not None

    def hole(self, row: Row, area: float) -> Any:
        """The hole of this area beside a row; null: there is none."""
        shapes = self._of(row[0])
        own = shapes[row[1] - 1]
        if own is None or not own.is_valid:
            return None
        near = shapes[
            [i for i, one in enumerate(shapes) if one is not None and one.is_valid and one.distance(own) < 60]
        ]
        # Faces between the outlines, not holes of a union: a wedge that parts two rows from end to end is a hole of nothing.
        lines = shapely.union_all(shapely.boundary(near), grid_size=1e-4)
        faces = shapely.get_parts(shapely.polygonize([lines]))
        wanted = faces[(abs(shapely.area(faces) - area) < 0.02) & (shapely.distance(faces, own) < 0.01)]
        ground = shapely.STRtree(near)
        return next((one for one in wanted if not len(ground.query(one.representative_point(), "within"))), None)

    def _of(self, file: str) -> Any:
        if file not in self._read:
            entry = self._entries[file]
            layer = None if entry["format"] == "shp" else entry["layer"]
            _, _, wkb, _ = pyogrio.raw.read(self._folder / file, layer=layer, columns=[])
            self._read[file] = shapely.from_wkb(wkb, on_invalid="ignore")
        return self._read[file]


def _width(hole: Any) -> float:
    """Short side of the rectangle with this area and perimeter."""
    half = hole.length / 2
    return float((half - max(half * half - 4 * hole.area, 0.0) ** 0.5) / 2)


def _plain(value: Any) -> str:
    text = "" if value is None or value != value else str(value).strip()  # noqa: PLR0124 - NaN is not itself
    return text.removesuffix(".0") or "–"


def _judge_verdicts(found: dict[str, Any], expected: set[Sighting], allowed: set[Sighting], out: Score) -> None:
    """Rows with a fault that blocks are quarantined and all others are not; possible consequences leave it open."""
    must = {row for code, row in expected if code in BLOCKING}
    may = {row for code, row in allowed if code in BLOCKING}
    for one in found["rows"]:
        row = (one["file"], one["row"])
        kept_out = one["verdict"] == "quarantined"
        out.quarantined += kept_out
        if kept_out != (row in must) and not (kept_out and row in may):
            out.wrong_verdict.append((row, one["verdict"]))


def main(folder: str, found: str) -> int:
    """Print the table; 0 where everything is as the key says."""
    result = score(Path(folder), json.loads(Path(found).read_bytes()))
    print(result.table())  # noqa: T201
    for code, row in result.missed:
        print("missed", code, *row)  # noqa: T201
    for code, row in result.false:
        print("false", code, *row)  # noqa: T201
    for row, verdict in result.wrong_verdict:
        print("verdict", verdict, *row)  # noqa: T201
    assert not any(name.split(".")[0] in {"etl", "landdb", "ops"} for name in sys.modules)
    return 0 if result.perfect else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

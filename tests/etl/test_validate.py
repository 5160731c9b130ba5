"""The judgement on a whole import: rows of several files and batches together, and rows that run again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from etl.batch import Batch, Origin, no_faults, rings_from_shapes
from etl.issues import Issue, IssueLog, Severity
from etl.rules.context import RuleContext
from etl.validate import Outcome, RowKeys, Validator, text_hash

E, N = 551_000.0, 1_061_000.0
Row = tuple[shapely.Geometry, str, str]


def square(x: float, y: float = 0, side: float = 20) -> shapely.Polygon:
    return shapely.box(E + x, N + y, E + x + side, N + y + side)


def batch(rows: list[Row], *, file: str = "a.shp", first: int = 1, **columns: list[str | None]) -> Batch:
    """Rows (shape, sheet, parcel) of a file, numbered from `first`."""
    shapes = np.array([shape for shape, _, _ in rows], object)
    texts: dict[str, pa.Array] = {
        "sheet_no": pa.array([sheet for _, sheet, _ in rows]),
        "parcel_no": pa.array([parcel for _, _, parcel in rows]),
        "land_use": pa.array(["LUC"] * len(rows)),
        "declared_area_m2": pa.array(shapely.area(shapes)),
    }
    texts |= {name: pa.array(values, pa.string()) for name, values in columns.items()}
    row_no = first + np.arange(len(rows), dtype=np.int64)
    return Batch(Origin(file, "thua"), row_no, texts, rings_from_shapes(shapes), 9209, no_faults(len(rows)))


def judged(*batches: Batch) -> Outcome:
    validator = Validator(RuleContext())
    for one in batches:
        validator.check(one)
    return validator.finish()


def told(outcome: Outcome, code: str) -> list[tuple[str, int | None, Any, Any]]:
    """(file, row, other file, other row) of each issue with this code, sorted."""
    found = [i for i in outcome.log if i.code == code]
    return sorted((i.file, i.row_no, i.params.get("other_file"), i.other_row_no) for i in found)


def quarantined(outcome: Outcome) -> list[tuple[str, int]]:
    return [(outcome.keys.origin(key).file, key & 0xFFFFFFFF) for key in outcome.quarantined.tolist()]


def test_a_reference_twice_in_two_files_blocks_both_rows() -> None:
    outcome = judged(
        batch([(square(0), "12", "45"), (square(20), "12", "46")]),
        batch([(square(40), "012", "45"), (square(60), "13", "45")], file="b.gpkg"),
    )
    code = "parcel.duplicate_reference"
    assert told(outcome, code) == [("a.shp", 1, "b.gpkg", 1), ("b.gpkg", 1, "a.shp", 1)]
    assert quarantined(outcome) == [("a.shp", 1), ("b.gpkg", 1)]


def test_the_same_number_in_two_communes_is_no_duplicate() -> None:
    rows: list[Row] = [(square(0), "12", "45"), (square(20), "12", "45")]
    assert told(judged(batch(rows, commune_code=["31507", "31183"])), "parcel.duplicate_reference") == []
    assert len(told(judged(batch(rows, commune_code=["31507", "31507"])), "parcel.duplicate_reference")) == 2


def test_five_of_one_reference_are_five_issues_in_a_ring() -> None:
    outcome = judged(*(batch([(square(20.0 * i), "1", "1")], first=i + 1) for i in range(5)))
    assert [(row, other) for _, row, _, other in told(outcome, "parcel.duplicate_reference")] == [
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 5),
        (5, 1),
    ]
    assert len(outcome.quarantined) == 5


def test_one_geometry_twice_is_told_once_and_not_as_an_overlap() -> None:
    other = shapely.reverse(square(0))
    outcome = judged(batch([(square(0), "1", "1")]), batch([(other, "1", "2")], first=2))
    assert dict(outcome.log.counts) == {"parcel.duplicate_geometry": 2, "geometry.outside_commune_untested": 1}
    assert len(outcome.quarantined) == 2


def test_an_overlap_blocks_both_and_names_each_to_the_other() -> None:
    outcome = judged(batch([(square(0), "1", "7")]), batch([(square(18), "1", "8")], file="b.shp"))
    assert told(outcome, "coverage.overlap") == [("a.shp", 1, "b.shp", 1), ("b.shp", 1, "a.shp", 1)]
    first = next(issue for issue in outcome.log if issue.code == "coverage.overlap")
    assert (first.params["parcel"], first.params["other_parcel"], first.params["area"]) == ("1/7", "1/8", 40.0)
    assert first.place is not None
    assert first.place.equals(shapely.box(E + 18, N, E + 20, N + 20))
    assert len(outcome.quarantined) == 2


def test_an_overlap_within_the_tolerance_blocks_nobody() -> None:
    outcome = judged(batch([(square(0), "1", "7"), (square(19.995), "1", "8")]))
    assert outcome.log.counts["coverage.overlap_tolerated"] == 2
    assert len(outcome.quarantined) == 0


def test_a_gap_is_told_once_with_its_neighbours() -> None:
    ring = square(0).difference(square(5, 5, 4))
    outcome = judged(batch([(ring, "1", "7"), (square(5, 5, 3), "1", "8")]))
    (gap,) = [issue for issue in outcome.log if issue.code == "coverage.gap"]
    assert (gap.row_no, gap.params["area"], gap.params["neighbours"]) == (1, 7.0, "1/7, 1/8")
    assert gap.severity is Severity.WARNING


def test_a_certificate_for_two_parcels_of_one_holder_is_in_order() -> None:
    rows: list[Row] = [(square(0), "1", "1"), (square(20), "1", "2")]
    serials: list[str | None] = ["CD 123456", "cd123456"]
    same = judged(batch(rows, certificate_serial=serials, holder_name=["Lê Thị Bình", "LÊ THỊ  BÌNH"]))
    assert told(same, "certificate.duplicate_serial") == []
    other = judged(batch(rows, certificate_serial=serials, holder_name=["Lê Thị Bình", "Trần An"]))
    assert len(told(other, "certificate.duplicate_serial")) == 2
    assert len(other.quarantined) == 0


def test_mended_rows_are_judged_with_the_staged_ones() -> None:
    validator = Validator(RuleContext())
    validator.remember(batch([(square(0), "1", "1"), (square(20), "1", "2")]))
    checked = validator.check(batch([(square(39), "1", "1")], first=9))
    outcome = validator.finish()
    assert told(outcome, "parcel.duplicate_reference") == [("a.shp", 1, "a.shp", 9), ("a.shp", 9, "a.shp", 1)]
    assert told(outcome, "coverage.overlap") == [("a.shp", 2, "a.shp", 9), ("a.shp", 9, "a.shp", 2)]
    assert outcome.is_quarantined(checked.keys).tolist() == [True]
    assert outcome.read == 1


def test_remembered_rows_are_not_judged_again() -> None:
    validator = Validator(RuleContext())
    validator.remember(batch([(square(0), "1", "x?")]))
    assert dict(validator.finish().log.counts) == {"geometry.outside_commune_untested": 1}


def test_parcels_of_the_register_are_ground_and_named() -> None:
    validator = Validator(RuleContext())
    validator.check(batch([(square(0), "1", "1")]))
    register = rings_from_shapes(np.array([square(19), square(20, 30)], object))
    validator.remember_register(register, pa.array(["3/14", "3/15"]))
    outcome = validator.finish()
    (found,) = [issue for issue in outcome.log if issue.code == "coverage.overlap"]
    assert (found.row_no, found.params["other_parcel"], found.params["other_file"]) == (1, "3/14", "")
    assert quarantined(outcome) == [("a.shp", 1)]


def test_an_empty_import() -> None:
    outcome = Validator(RuleContext()).finish()
    assert (outcome.read, len(outcome.quarantined)) == (0, 0)
    assert judged(batch([])).read == 0


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_size_of_the_batches_does_not_matter(size: int) -> None:
    rng = np.random.default_rng(5)
    rows: list[Row] = []
    for i in range(120):
        x, y = 20.0 * (i % 12), 20.0 * (i // 12)
        side = 20.0 if rng.random() > 0.1 else float(rng.choice([21, 19.6]))
        rows.append((square(x, y, side), str(1 + i // 40), str(int(rng.integers(1, 200)))))
    whole, pieces = judged(batch(rows)), [rows[low : low + size] for low in range(0, len(rows), size)]
    split = judged(*(batch(piece, first=1 + i * size) for i, piece in enumerate(pieces)))
    assert split.quarantined.tolist() == whole.quarantined.tolist()
    assert split.log.counts == whole.log.counts
    assert {"coverage.overlap", "coverage.gap", "parcel.duplicate_reference"} <= set(whole.log.counts)


def test_row_keys_lead_back_to_the_clients_line() -> None:
    keys = RowKeys()
    keys.of(Origin("a.shp", "x"), np.array([1]))
    (key,) = keys.of(Origin("b.gpkg", "thửa đất"), np.array([4_000_000_000])).tolist()
    assert keys.origin(key) == Origin("b.gpkg", "thửa đất")
    assert RowKeys.row_no(np.array([key])).tolist() == [4_000_000_000]


def test_text_hashes_tell_texts_apart() -> None:
    words = [f"{a}{b}" for a in "abcdefghij" for b in range(3000)] + ["", "ab", "ba", "Nguyễn", "x" * 9000]
    hashes = text_hash(pa.array([*words, None, "ab"]))
    assert len(set(hashes[:-2].tolist())) == len(words)
    assert hashes[-2] == 0
    assert hashes[-1] == hashes[words.index("ab")]
    sliced = pa.array(["x", "ab", "y"]).slice(1, 1)
    assert text_hash(sliced)[0] == hashes[-1]


def test_no_issue_is_dropped_and_all_go_to_arrow() -> None:
    log = IssueLog()
    log.add_file("file.empty", "a.shp", reason="0 byte")
    log.add(
        Issue("area.missing", Severity.WARNING, "a.shp", "x", 3, "area", "", {"parcel": "1/2"}, shapely.Point(1, 2))
    )
    outcome = judged(batch([(square(i * 20.0), "1", "1") for i in range(3000)]))
    log.extend(outcome.log)
    table = log.to_arrow()
    assert len(table) == len(log) == len(list(log)) == 3003
    assert log.by_severity() == {Severity.BLOCKING: 3001, Severity.WARNING: 1, Severity.INFO: 1}
    assert shapely.from_wkb(table["place"][1].as_py()) == shapely.Point(1, 2)
    assert table["params"][1].as_py() == '{"parcel": "1/2"}'
    assert len(IssueLog().to_arrow()) == 0


@pytest.mark.parametrize("srid", [4326, None])
def test_degrees_are_refused_and_not_measured(srid: int | None) -> None:
    shape = shapely.box(105.97, 9.6, 105.98, 9.61)
    lonlat = replace(batch([(shape, "1", "1")]), srid=srid)
    with pytest.raises(ValueError, match="metres"):
        Validator(RuleContext()).check(lonlat)

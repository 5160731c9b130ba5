"""Every code is raised by a row that is wrong, and not by the right row beside it."""

from __future__ import annotations

from collections.abc import Callable
from string import Formatter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import shapely

from etl.batch import Batch, Origin, no_faults, rings_from_shapes, without
from etl.issues import _SEVERITY, Issue, Severity, severity_of
from etl.rules.context import RuleContext, Tolerances
from etl.rules.land_use import LandUse, parse_land_uses
from etl.rules.reference import normal_number
from etl.validate import Outcome, Validator
from landdb.messages import catalogue

E, N = 551_000.0, 1_061_000.0
LAND_USES = {
    "LUC": ("present", None),
    "ONT": ("present", None),
    "CLN": ("present", None),
    "NNP": ("group", None),
    "BHK": ("superseded", "HNK"),
    "T": ("old_map", "ONT/ODT"),
    "2L": ("old_map", "LUC"),
    "Hg/b": ("old_map", "HNK"),
    "ONT+CLN": ("old_map", None),
}
CONTEXT = RuleContext(
    commune_codes=frozenset({"31507", "07954"}),
    boundary=shapely.box(E - 500, N - 500, E + 500, N + 500),
    zone_window=(300_000, 900_000, 700_000, 2_600_000),
    land_uses=LAND_USES,
)
TEXT = ("sheet_no", "parcel_no", "land_use", "holder_name", "commune_code", "certificate_serial")
TEXT += ("certificate_register_no", "declared_area_m2__raw", "holder_identity")


def square(x: float = 0, y: float = 0, side: float = 20) -> shapely.Polygon:
    return shapely.box(E + x, N + y, E + x + side, N + y + side)


def polygon(*points: tuple[float, float], holes: tuple[tuple[tuple[float, float], ...], ...] = ()) -> shapely.Polygon:
    return shapely.Polygon([(E + x, N + y) for x, y in points], [[(E + x, N + y) for x, y in h] for h in holes])


def row(**changes: Any) -> dict[str, Any]:
    """A parcel without any fault, 20 m × 20 m, changed in these respects."""
    good = {
        "shape": square(),
        "sheet_no": "12",
        "parcel_no": "45",
        "land_use": "LUC",
        "declared_area_m2": 400.0,
        "commune_code": "31507",
        "holder_name": "Nguyễn Văn An",
    }
    return good | changes


def batch(rows: list[dict[str, Any]], *, file: str = "xa.shp", first: int = 1) -> Batch:
    """Rows as a profile hands them over, numbered from `first`."""
    columns = {name: pa.array([r.get(name) for r in rows], pa.string()) for name in TEXT}
    columns["declared_area_m2"] = pa.array([r.get("declared_area_m2") for r in rows], pa.float64())
    faults = pa.array([r.get("fault") for r in rows], pa.string())
    rings = rings_from_shapes(np.array([r["shape"] for r in rows], object))
    return Batch(Origin(file, "thua"), first + np.arange(len(rows)), columns, rings, 9209, faults)


def judged(rows: list[dict[str, Any]], context: RuleContext = CONTEXT) -> Outcome:
    """The outcome on these rows, numbered from 1."""
    validator = Validator(context)
    validator.check(batch(rows))
    return validator.finish()


def issues(outcome: Outcome, code: str) -> list[Issue]:
    return [issue for issue in outcome.log if issue.code == code]


def bow_tie(x: float) -> shapely.Polygon:
    return polygon((x, 0), (x + 20, 20), (x + 20, 0), (x, 20))


AWAY = {"shape": square(40), "parcel_no": "46"}
WRONG_AND_RIGHT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "geometry.missing": ({"shape": None}, {}),
    "geometry.unreadable": ({"shape": None, "fault": "geometry.unreadable"}, {}),
    "geometry.not_polygon": ({"shape": None, "fault": "geometry.not_polygon"}, {}),
    "geometry.empty": ({"shape": None, "fault": "geometry.empty"}, {}),
    "geometry.self_intersection": ({"shape": bow_tie(0)}, {}),
    "geometry.ring_self_touch": (
        {"shape": polygon((0, 0), (20, 0), (20, 20), (10, 20), (5, 10), (15, 10), (10, 20), (0, 20))},
        {"shape": polygon((0, 0), (20, 0), (20, 20), (10, 20), (0, 20))},
    ),
    "geometry.hole_outside": (
        {"shape": polygon((0, 0), (20, 0), (20, 20), (0, 20), holes=(((30, 0), (35, 0), (35, 5)),))},
        {"shape": polygon((0, 0), (20, 0), (20, 20), (0, 20), holes=(((3, 0.5), (5, 0.5), (5, 5)),))},
    ),
    "geometry.nested_holes": (
        {
            "shape": polygon(
                (0, 0),
                (20, 0),
                (20, 20),
                (0, 20),
                holes=(((2, 2), (15, 2), (15, 15), (2, 15)), ((4, 4), (6, 4), (6, 6))),
            )
        },
        {
            "shape": polygon(
                (0, 0), (20, 0), (20, 20), (0, 20), holes=(((2, 2), (15, 2), (15, 15)), ((4, 12), (2, 12), (3, 15)))
            )
        },
    ),
    "geometry.nested_shells": (
        {"shape": shapely.multipolygons([square(), square(5, 5, 5)])},
        {"shape": shapely.multipolygons([square(), square(25, 5, 5)])},
    ),
    "geometry.interior_disconnected": (
        {"shape": polygon((0, 0), (20, 0), (20, 20), (0, 20), holes=(((0, 10), (10, 9), (20, 10), (10, 11)),))},
        {"shape": polygon((0, 0), (20, 0), (20, 20), (0, 20), holes=(((1, 10), (10, 9), (19, 10), (10, 11)),))},
    ),
    "geometry.zero_area": ({"shape": polygon((0, 0), (20, 20), (10, 10))}, {}),
    "geometry.duplicate_vertex": (
        {"shape": polygon((0, 0), (20, 0), (20, 0), (20, 20), (0, 20))},
        {"shape": polygon((0, 0), (20, 0), (20, 0.01), (20, 20), (0, 20))},
    ),
    "geometry.spike": (
        {"shape": polygon((0, 0), (20, 0), (20, 20), (10.04, 20), (10.02, 30), (10, 20), (0, 20))},
        {"shape": polygon((0, 0), (20, 0), (20, 20), (14, 20), (12, 30), (10, 20), (0, 20))},
    ),
    "geometry.sliver": ({"shape": polygon((0, 0), (40, 0), (40, 0.1), (0, 0.1))}, {}),
    "geometry.multipart": ({"shape": shapely.multipolygons([square(), square(0, 30)])}, {}),
    "geometry.outside_commune": ({"shape": square(600)}, {"shape": square(505)}),
    "geometry.crosses_commune": ({"shape": square(490, side=60)}, {"shape": square(480, side=30)}),
    "geometry.outside_zone": ({"shape": shapely.box(1_061_000, 551_000, 1_061_020, 551_020)}, {}),
    "parcel.number_missing": ({"parcel_no": " "}, {}),
    "parcel.number_malformed": ({"parcel_no": "x45?"}, {"parcel_no": "0045 a"}),
    "parcel.sheet_missing": ({"sheet_no": None}, {}),
    "parcel.sheet_malformed": ({"sheet_no": "tờ"}, {"sheet_no": "12.0"}),
    "parcel.wrong_commune": ({"commune_code": "31183"}, {"commune_code": "7954"}),
    "area.missing": ({"declared_area_m2": None}, {}),
    "area.not_a_number": ({"declared_area_m2": None, "declared_area_m2__raw": "*"}, {}),
    "area.rewritten": ({"declared_area_m2__raw": "400,0"}, {}),
    "area.negative": ({"declared_area_m2": -400.0}, {}),
    "area.mismatch": ({"declared_area_m2": 420.1}, {"declared_area_m2": 419.9}),
    "land_use.missing": ({"land_use": ""}, {}),
    "land_use.unknown": ({"land_use": "XYZ"}, {"land_use": "luc"}),
    "land_use.superseded": ({"land_use": "BHK"}, {}),
    "land_use.group": ({"land_use": "NNP"}, {}),
    "land_use.area_sum": ({"land_use": "ONT 100; CLN 250,5"}, {"land_use": "ONT: 149,5 + CLN: 250,5"}),
    "text.undecodable": ({"holder_name": "Nguy\ufffdn"}, {}),
    "text.control_characters": ({"holder_name": "Nguyễn\x00An"}, {}),
    "text.not_nfc": ({"holder_name": "Nguye\u0302\u0303n"}, {}),
    "certificate.serial_malformed": ({"certificate_serial": "CD 12345"}, {"certificate_serial": "CD 123456"}),
    "certificate.register_no_unusual": ({"certificate_register_no": "??"}, {"certificate_register_no": "CH 03730"}),
}


@pytest.mark.parametrize("code", WRONG_AND_RIGHT)
def test_a_row_that_is_wrong_and_one_that_is_right(code: str) -> None:
    wrong, right = WRONG_AND_RIGHT[code]
    outcome = judged([row(**wrong)])
    (found,) = issues(outcome, code)
    assert (found.file, found.layer, found.row_no) == ("xa.shp", "thua", 1)
    assert bool(len(outcome.quarantined)) == (severity_of(code) is Severity.BLOCKING)
    assert issues(judged([row(**right)]), code) == []


def test_a_row_without_fault_has_no_issue() -> None:
    assert dict(judged([row()]).log.counts) == {}


def test_two_points_are_too_few_and_nan_is_no_coordinate() -> None:
    good = batch([row(), row(**AWAY)])
    xy = good.rings.xy.copy()
    xy[2] = np.nan
    rings = type(good.rings)(
        np.concatenate([xy[:5], xy[5:7], xy[5:6]]), np.array([0, 5, 8]), *[np.array([0, 1, 2])] * 2
    )
    broken = Batch(good.origin, good.row_no, good.columns, rings, 9209, no_faults(2))
    validator = Validator(CONTEXT)
    validator.check(broken)
    counts = validator.finish().log.counts
    assert (counts["geometry.not_finite"], counts["geometry.too_few_points"]) == (1, 1)


def test_an_open_ring_is_told() -> None:
    good = batch([row()])
    rings = type(good.rings)(good.rings.xy[:4], np.array([0, 4]), *[np.array([0, 1])] * 2)
    validator = Validator(CONTEXT)
    validator.check(Batch(good.origin, good.row_no, good.columns, rings, 9209, no_faults(1)))
    assert validator.finish().log.counts["geometry.ring_not_closed"] == 1


def test_bytes_that_nobody_decoded_block_their_row() -> None:
    good = batch([row(), row(**AWAY)])
    raw = pa.array([b"Nguy\xd4n", b"An"], pa.binary())
    validator = Validator(CONTEXT)
    validator.check(good.with_columns({**good.columns, "holder_name": raw}))
    (found,) = issues(validator.finish(), "text.undecodable")
    assert (found.row_no, found.raw_value) == (1, "NguyÔn")


def test_a_fault_has_its_place() -> None:
    crossing = issues(judged([row(shape=bow_tie(0))]), "geometry.self_intersection")[0]
    assert crossing.place == shapely.Point(E + 10, N + 10)
    spike = issues(judged([row(**WRONG_AND_RIGHT["geometry.spike"][0])]), "geometry.spike")[0]
    assert spike.place == shapely.Point(E + 10.02, N + 30)
    first = polygon((10.02, 30), (10, 20), (0, 20), (0, 0), (20, 0), (20, 20), (10.04, 20))
    assert issues(judged([row(shape=first)]), "geometry.spike")[0].place == shapely.Point(E + 10.02, N + 30)


def test_without_a_boundary_the_answer_is_untested() -> None:
    outcome = judged([row(shape=square(4000))], RuleContext(land_uses=LAND_USES))
    assert dict(outcome.log.counts) == {"geometry.outside_commune_untested": 1}


def test_the_tolerance_of_an_area_is_a_table_not_a_constant() -> None:
    strict = RuleContext(land_uses=LAND_USES, tolerances=Tolerances(area_share=0.01, source="QĐ thử"))
    (found,) = issues(judged([row(declared_area_m2=405.0)], strict), "area.mismatch")
    assert found.params["source"] == "QĐ thử"
    assert found.params["allowed"] == 4.0


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("LUC", [("LUC", None)]),
        ("ONT+CLN", [("ONT", None), ("CLN", None)]),
        ("ONT 100; CLN 50,5", [("ONT", 100), ("CLN", 50.5)]),
        ("ONT: 100,0 + CLN: 50,5", [("ONT", 100), ("CLN", 50.5)]),
        ("ONT 100,0, CLN 50,5", [("ONT", 100), ("CLN", 50.5)]),
        ("ont100 m2/cln 1.234,5m²", [("ont100 m2/cln 1.234,5m²", None)]),
        ("ONT100+CLN1.234,5m²", [("ONT", 100), ("CLN", 1234.5)]),
        ("ONT(100) CLN(50)", [("ONT", 100), ("CLN", 50)]),
        ("ONT/CLN", [("ONT", None), ("CLN", None)]),
        ("ONT,CLN", [("ONT", None), ("CLN", None)]),
        ("T", [("T", None)]),
        ("2L", [("2L", None)]),
        ("1L654", [("1L", 654)]),
        ("2L 300 + T 50", [("2L", 300), ("T", 50)]),
        ("Hg/b", [("Hg/b", None)]),
        ("???", [("???", None)]),
        ("100", [("100", None)]),
        ("  ", []),
    ],
)
def test_land_use_text(text: str, uses: list[tuple[str, float | None]]) -> None:
    assert [(use.code, use.area_m2) for use in parse_land_uses(text)] == uses


def test_a_land_use_keeps_its_raw_text() -> None:
    assert parse_land_uses("ONT 100; CLN 50,5")[1] == LandUse("CLN", 50.5, "CLN 50,5")


def test_land_uses_in_columns() -> None:
    validator = Validator(CONTEXT)
    rows = [row(land_use="luc"), row(land_use=None), row(land_use="ONT 100 + hg/b 300"), row(land_use="ONT+CLN")]
    uses = validator.check(batch(rows)).land_uses
    assert uses.row.tolist() == [0, 2, 2, 3, 3]
    assert uses.ordinal.tolist() == [1, 1, 2, 1, 2]
    assert uses.code.to_pylist() == ["LUC", "ONT", "Hg/b", "ONT", "CLN"]
    assert uses.area_m2.tolist() == pytest.approx([np.nan, 100, 300, np.nan, np.nan], nan_ok=True)


def test_texts_as_programs_write_them_are_read_like_all_others() -> None:
    texts = ["ONT 300; CLN 938,1", "ONT", None, " ONT 5 ", "ONT 5+CLN", "ABCD 1,5; ONT 2", "ONT 1.234,5"]
    uses = Validator(CONTEXT).check(batch([row(land_use=text) for text in texts])).land_uses
    assert uses.row.tolist() == [0, 0, 1, 3, 4, 4, 5, 5, 6]
    assert uses.code.to_pylist() == ["ONT", "CLN", "ONT", "ONT", "ONT", "CLN", "ABCD", "ONT", "ONT"]
    areas = [300, 938.1, np.nan, 5, 5, np.nan, 1.5, 2, 1234.5]
    assert uses.area_m2.tolist() == pytest.approx(areas, nan_ok=True)
    assert uses.raw.to_pylist()[:2] == ["ONT 300", "CLN 938,1"]


def test_blanks_are_dropped_as_a_regular_expression_would() -> None:
    texts = pa.array(["DW 104 729", None, "", " . ", "Đ.ấ t\u00a0ở", "plain"])
    for part in (texts, texts.slice(1), texts.slice(2, 2)):
        bare = without(part, b" .")
        bare.validate(full=True)
        assert bare.equals(pc.replace_substring_regex(part, "[ .]+", ""))


def test_numbers_as_the_register_writes_them() -> None:
    texts = pa.array(["45", " 045 ", "45a", "12-1", "45.0", "0", "", "45b2", "-3", None, "12-01", "1 2"])
    assert normal_number(texts).to_pylist() == [
        "45",
        "45",
        "45a",
        "12-1",
        "45",
        None,
        None,
        None,
        None,
        None,
        "12-1",
        "12",
    ]


PAIRS: dict[str, Callable[[], Outcome]] = {
    "parcel.duplicate_reference": lambda: judged([row(), row(shape=square(40))]),
    "parcel.duplicate_geometry": lambda: judged([row(), row(parcel_no="46")]),
    "coverage.overlap": lambda: judged([row(), row(shape=square(15), parcel_no="46")]),
    "coverage.overlap_tolerated": lambda: judged([row(), row(shape=square(19.995), parcel_no="46")]),
    "coverage.gap": lambda: judged(
        [row(shape=square().difference(square(5, 5, 5))), row(shape=square(20), parcel_no="46")]
    ),
    "coverage.missing_node": lambda: judged(
        [row(), row(shape=square(0, 20, 8), parcel_no="46"), row(shape=square(8, 20, 8), parcel_no="47")]
    ),
    "coverage.untested": lambda: judged([row(), row(shape=square(300_000), parcel_no="46")], RuleContext()),
    "certificate.duplicate_serial": lambda: judged(
        [
            row(certificate_serial="CD 123456"),
            row(**AWAY, certificate_serial="cd123456", holder_name="Lê Thị Bình"),
        ]
    ),
}


@pytest.mark.parametrize("code", PAIRS)
def test_every_code_can_be_raised_and_has_its_words(code: str) -> None:
    assert issues(PAIRS[code](), code)


@pytest.mark.parametrize("code", sorted({*WRONG_AND_RIGHT, *PAIRS, *_SEVERITY, "geometry.ring_not_closed"}))
def test_every_code_has_its_words_in_both_languages(code: str) -> None:
    for language in ("vi", "en"):
        words = catalogue(language)[code]
        assert words.title
        assert words.detail.endswith(".")
        assert words.action


@pytest.mark.parametrize("code", sorted({*WRONG_AND_RIGHT, *PAIRS}))
def test_no_message_lacks_a_fact(code: str) -> None:
    outcome = PAIRS[code]() if code in PAIRS else judged([row(**WRONG_AND_RIGHT[code][0])])
    found = issues(outcome, code)[0]
    for language in ("vi", "en"):
        words = catalogue(language)[code]
        named = {
            name for text in (words.title, words.detail, words.action) for _, name, _, _ in Formatter().parse(text)
        }
        assert named - {None} <= set(found.facts)

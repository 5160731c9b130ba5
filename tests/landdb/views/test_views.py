"""Parcels on two clocks, neighbours, the past, the card and the search box, on a small register in real PostGIS."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import event

from landdb.db.transaction import Tx, new_id
from landdb.views import parcels_at, reading
from landdb.views.history import history, lineage
from landdb.views.neighbours import neighbours
from landdb.views.parcel_card import parcel_card
from landdb.views.parcel_query import (
    FIRST,
    AsOf,
    Box,
    BoxMalformed,
    DateInFuture,
    DateMalformed,
    ParcelEnded,
    ParcelUnknown,
    ZoneUnknown,
    read_as_of,
    read_box,
)
from landdb.views.search import search
from landdb.views.statistics import land_use_totals
from tests.landdb.views.builder import EAST, NORTH, begin, lonlat

PHUONG_MY_XUYEN = 2086


def now(tx: Tx) -> AsOf:
    return AsOf(tx.today, tx.now)


def officer(tx: Tx) -> Tx:
    return replace(tx, actor=replace(tx.actor, kind="staff", permissions=frozenset({"parcel:card"})))


def public(tx: Tx) -> Tx:
    return replace(tx, actor=replace(tx.actor, kind="public", permissions=frozenset()))


# ------------------------------------------------------------------ reading the question


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,2,3", "numbers"),
        ("a,b,c,d", "numbers"),
        ("1,2,nan,4", "numbers"),
        ("1,2,3,4,5", "numbers"),
        ("1,9,2,8", "order"),
        ("2,8,1,9", "order"),
        ("179,8,-179,9", "antimeridian"),
        ("1,2,3,95", "range"),
        ("", "numbers"),
    ],
)
def test_bad_boxes(text: str, reason: str) -> None:
    with pytest.raises(BoxMalformed) as refusal:
        read_box(text)
    assert refusal.value.params["reason"] == reason


def test_box_with_heights() -> None:
    assert read_box("105,9,0,106,10,50") == Box(105, 9, 106, 10)


def test_clocks_are_read_strictly() -> None:
    today, instant = dt.date(2026, 3, 1), dt.datetime(2026, 3, 1, 3, tzinfo=dt.UTC)
    assert read_as_of("2026-01-31", None, now=instant, today=today) == AsOf(dt.date(2026, 1, 31), instant)
    with pytest.raises(DateInFuture):
        read_as_of("2026-03-02", None, now=instant, today=today)
    for valid_at, known_at in (("31/01/2026", None), ("20260131", None), (None, "2026-01-31T08:00:00")):
        with pytest.raises(DateMalformed):
            read_as_of(valid_at, known_at, now=instant, today=today)


# ------------------------------------------------------------------ present and past


def test_point_box_and_number_find_the_same_parcel(tx: Tx) -> None:
    make = begin(tx)
    sheet = make.sheet("12")
    one = make.parcel(sheet, "45", (0, 0, 20, 30))
    make.parcel(sheet, "46", (20, 0, 40, 30))
    lon, lat = lonlat(tx, 10, 15)
    for page in (
        parcels_at.at_point(tx, lon, lat, now(tx), 4326, 10, FIRST),
        parcels_at.in_box(tx, Box(lon, lat, lon, lat), now(tx), 4326, 10, FIRST),
        parcels_at.by_number(tx, "31690", "12", "45", now(tx), 4326, 10, FIRST),
    ):
        assert [feature["id"] for feature in page.features] == [str(one)]
        assert page.last is None
    lane = reading.read_present(tx, reading.in_box(Box(lon, lat, lon, lat), 10, FIRST))
    assert lane is not None
    assert lane.count(b'"type" : "Feature"') == 1
    assert str(one).encode() in lane


def test_pages_by_key_hold_each_parcel_once(tx: Tx) -> None:
    make = begin(tx)
    sheet = make.sheet("12")
    made = {str(make.parcel(sheet, str(n), (n * 10, 0, n * 10 + 10, 10))) for n in range(5)}
    seen: list[str] = []
    after = FIRST
    for _ in range(3):
        page = parcels_at.by_number(tx, "31690", "12", None, now(tx), 4326, 2, after)
        seen += [feature["id"] for feature in page.features]
        after = page.last or after
    assert page.last is None
    assert sorted(seen) == sorted(made)
    assert len(seen) == 5


def test_two_clocks(tx: Tx) -> None:
    """Until 2020 it was small; that was learnt on 1 February 2026 only."""
    make = begin(tx)
    sheet = make.sheet("12")
    parcel = make.parcel(sheet, "45", (0, 0, 20, 30), version_no=3)
    tx.execute(
        "UPDATE parcel_version SET valid = '[2020-01-01,)', recorded = tstzrange('2026-02-01Z', NULL) WHERE version_no = 3"
    )
    learnt = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    make.once(parcel, sheet, "45", (0, 0, 20, 30), version_no=1, valid="(,)", known_from=start, known_to=learnt)
    make.once(parcel, sheet, "40", (0, 0, 5, 5), version_no=2, valid="(,2020-01-01)", known_from=learnt)

    def version(valid_at: dt.date, known_at: dt.datetime) -> int:
        return int(parcels_at.by_id(tx, parcel, AsOf(valid_at, known_at))["properties"]["version_no"])

    assert version(tx.today, tx.now) == 3
    assert version(dt.date(2019, 6, 1), tx.now) == 2
    assert version(dt.date(2019, 6, 1), start + dt.timedelta(days=1)) == 1
    with pytest.raises(ParcelUnknown):
        version(tx.today, start - dt.timedelta(days=1))
    lon, lat = lonlat(tx, 15, 25)
    assert parcels_at.at_point(tx, lon, lat, AsOf(dt.date(2019, 6, 1), tx.now), 4326, 10, FIRST).features == []
    assert [each.version_no for each in history(tx, parcel)] == [3, 2, 1]
    assert history(tx, parcel)[0].made.kind == "import"


def test_zone_of_the_answer(tx: Tx) -> None:
    make = begin(tx)
    parcel = make.parcel(make.sheet("12"), "45", (0, 0, 20, 30))
    feature = parcels_at.by_id(tx, parcel, now(tx), parcels_at.zone_of(tx, "EPSG:9209"))
    assert feature["geometry"]["coordinates"][0][0] == [EAST, NORTH]
    assert parcels_at.zone_of(tx, "http://www.opengis.net/def/crs/OGC/1.3/CRS84") == 4326
    for wrong in ("4269", "x", "EPSG:99999999"):
        with pytest.raises(ZoneUnknown):
            parcels_at.zone_of(tx, wrong)


def test_ended_and_unknown_are_told_apart(tx: Tx) -> None:
    make = begin(tx)
    sheet = make.sheet("12")
    parent, child = make.parcel(sheet, "1", (0, 0, 20, 30)), make.parcel(sheet, "2", (0, 0, 10, 30))
    tx.execute("UPDATE parcel SET status = 'ended' WHERE parcel_id = :id", id=parent)
    tx.execute("DELETE FROM parcel_face WHERE parcel_id = :id", id=parent)
    tx.execute(
        "INSERT INTO lineage (parent_id, child_id, registration_id, overlap_m2) VALUES (:p, :c, :r, 300)",
        p=parent, c=child, r=make.registration_id,
    )  # fmt: skip
    with pytest.raises(ParcelEnded) as refusal:
        parcels_at.refuse_missing(tx, parent)
    assert refusal.value.params["successors"] == [str(child)]
    with pytest.raises(ParcelUnknown):
        parcels_at.refuse_missing(tx, new_id())
    family = lineage(tx, child)
    assert {kin.parcel_id for kin in family.parcels} == {parent, child}
    assert [(step.parent_id, step.child_id, step.overlap_m2) for step in family.steps] == [(parent, child, 300.0)]
    assert parcel_card(tx, parent).neighbours == []


# ------------------------------------------------------------------ neighbours


def test_neighbours_share_metres(tx: Tx) -> None:
    make = begin(tx)
    sheet = make.sheet("12")
    one = make.parcel(sheet, "1", (0, 0, 20, 30))
    beside = make.parcel(sheet, "2", (20, 0, 40, 30))
    corner = make.parcel(sheet, "3", (20, 30, 40, 60))
    apart = make.parcel(sheet, "4", (0, 30.03, 20, 60))  # three centimetres off: another survey
    make.parcel(sheet, "5", (60, 0, 80, 30))
    found = {each.parcel_id: each for each in neighbours(tx, one)}
    assert set(found) == {beside, corner, apart}
    assert found[beside].shared_m == pytest.approx(30.0, abs=0.01)
    assert found[apart].shared_m == pytest.approx(20.0, abs=0.15)
    assert found[corner].shared_m == 0
    assert found[beside].direction_deg == pytest.approx(90.0, abs=0.1)


# ------------------------------------------------------------------ the card


def test_card_shows_holders_and_restrictions(tx: Tx) -> None:
    make = begin(tx)
    parcel = make.parcel(make.sheet("12"), "45", (0, 0, 20, 30))
    right, claim, certificate = new_id(), new_id(), new_id()
    for statement in (
        """INSERT INTO party_claim (party_claim_id, raw_name, registration_id)
           VALUES (:claim, 'Trần Thị Bưởi', :r)""",
        """INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
           VALUES (:right, 'land_use', :p, 'sole', '(,)', tstzrange(:now, NULL), :r)""",
        "INSERT INTO right_holder (right_id, ordinal, party_claim_id) VALUES (:right, 1, :claim)",
        """INSERT INTO restriction (restriction_id, kind, parcel_id, content, valid, recorded, registration_id)
           VALUES (:right, 'planning', :p, 'Hành lang lộ giới', '(,)', tstzrange(:now, NULL), :r)""",
        """INSERT INTO certificate (certificate_id, serial_no, serial_folded, register_no, state, recorded, registration_id)
           VALUES (:cert, 'BC 123456', 'BC123456', 'CH 03730', 'as_read', tstzrange(:now, NULL), :r)""",
        "INSERT INTO certificate_parcel (certificate_id, parcel_id) VALUES (:cert, :p)",
    ):
        tx.execute(statement, right=right, claim=claim, cert=certificate, p=parcel, now=tx.now, r=make.registration_id)
    card = parcel_card(tx, parcel)
    assert card.parcel["commune"] == "Xã Đại Tâm"
    assert [each["content"] for each in card.restrictions] == ["Hành lang lộ giới"]
    assert [(each["code"], each["area_m2"]) for each in card.land_uses] == [("ONT", 600.0)]
    assert card.rights[0]["holders"][0]["name"] == "Trần Thị Bưởi"
    assert card.rights[0]["holders"][0]["undecided"] is True
    assert [each["register_no"] for each in card.certificates] == ["CH 03730"]
    assert [each["kind"] for each in card.references] == ["current"]
    assert "Bưởi" not in (reading.read_present(tx, reading.parcel(parcel)) or b"").decode()

    for text in ("bc123456", "BC 123 456", "CH 03730", "ch03730"):
        answer = search(officer(tx), text)
        assert [each.parcel_id for each in answer.results] == [parcel], text
    hidden = search(public(tx), "BC 123456")
    assert hidden.results == []
    assert [notice.code for notice in hidden.notices] == ["search.certificate_sign_in"]


# ------------------------------------------------------------------ search


@pytest.mark.parametrize(
    "text",
    [
        "thửa 45 tờ 12 Đại Tâm",
        "thua 45 to 12 dai tam",
        "45/12 dai tam",
        "tờ 12 thửa 45 xã Đại Tâm",
        "Thửa 45, tờ 12, Đại Tâm, Mỹ Xuyên",
        "thửa 45 tờ 12 Phường Mỹ Xuyên",
        "31690.12.45",
        "12-45",
    ],
)
def test_search_finds_by_old_and_new_names(tx: Tx, text: str) -> None:
    make = begin(tx)
    sheet = make.sheet("12")
    parcel = make.parcel(sheet, "45", (0, 0, 20, 30), unit=PHUONG_MY_XUYEN)
    make.parcel(sheet, "46", (20, 0, 40, 30), unit=PHUONG_MY_XUYEN)
    answer = search(tx, text)
    assert [each.parcel_id for each in answer.results] == [parcel]
    assert answer.results[0].label == "Thửa 45, tờ 12, Xã Đại Tâm"
    assert "nay thuộc Phường Mỹ Xuyên" in answer.results[0].detail


def test_ambiguous_numbers_show_every_candidate(tx: Tx) -> None:
    make = begin(tx)
    one = make.parcel(make.sheet("12"), "45", (0, 0, 20, 30))
    other = make.parcel(make.sheet("12", unit=1220), "45", (100, 0, 120, 30), unit=1220)
    swapped = make.parcel(make.sheet("45"), "12", (200, 0, 220, 30))
    assert {each.parcel_id for each in search(tx, "thửa 45 tờ 12").results} == {one, other}
    answer = search(tx, "45/12")
    assert {each.parcel_id for each in answer.results} == {one, other, swapped}
    assert [notice.code for notice in answer.notices] == ["search.several"]
    assert [each.parcel_id for each in search(tx, "thửa 45 tờ 12 Đại Tâm").results] == [one]


def test_former_number(tx: Tx) -> None:
    make = begin(tx)
    parcel = make.parcel(make.sheet("12"), "45", (0, 0, 20, 30))
    tx.execute(
        """INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded, registration_id)
           VALUES (:p, 1222, '3', '7', 'former', '(,)', tstzrange(:now, NULL), :r)""",
        p=parcel, now=tx.now, r=make.registration_id,
    )  # fmt: skip
    (found,) = search(tx, "thửa 7 tờ 3 Đại Tâm").results
    assert found.parcel_id == parcel
    assert "7/3" in found.detail


@pytest.mark.parametrize(
    "text",
    [f"{EAST + 10} {NORTH + 15}", f"X={NORTH + 15}; Y={EAST + 10}"],
)
def test_plane_coordinates_find_their_zone(tx: Tx, text: str) -> None:
    make = begin(tx)
    parcel = make.parcel(make.sheet("12"), "45", (0, 0, 20, 30))
    answer = search(tx, text)
    assert answer.kind == "coordinate"
    assert [each.parcel_id for each in answer.results] == [parcel]
    assert "9209" in answer.results[0].detail


def test_plane_coordinates_without_a_register_show_every_zone(tx: Tx) -> None:
    answer = search(tx, "551587.665 1061541.377")
    assert len(answer.results) > 1
    point = next(each.point for each in answer.results if "9209" in each.detail)
    assert point == pytest.approx((105.97178146, 9.59898479), abs=2e-8)


def test_degrees_places_and_codes(tx: Tx) -> None:
    make = begin(tx)
    parcel = make.parcel(make.sheet("12"), "45", (0, 0, 20, 30))
    lon, lat = lonlat(tx, 10, 15)
    assert [each.parcel_id for each in search(tx, f"{lat:.7f}, {lon:.7f}").results] == [parcel]
    (former,) = search(tx, "dai tam my xuyen".replace(" my", ", my")).results
    assert former.label == "Xã Đại Tâm (cũ)"
    assert former.bbox is not None
    assert {each.label for each in search(tx, "31684").results} == {"Thị trấn Mỹ Xuyên (cũ)", "Phường Mỹ Xuyên"}
    nothing = search(tx, "xã Không Đâu Cả")
    assert nothing.results == []
    assert [notice.code for notice in nothing.notices] == ["search.nothing_found"]
    assert [notice.code for notice in search(tx, "3169011000123").notices] == ["search.number_not_stored"]


def test_search_asks_as_often_for_three_candidates_as_for_one(tx: Tx) -> None:
    make = begin(tx)
    asked = []
    for unit in (1222, 1220, 1164):
        make.parcel(make.sheet("12", unit=unit), "45", (unit * 50, 0, unit * 50 + 20, 30), unit=unit)
        statements: list[str] = []

        def note(*details: object, seen: list[str] = statements) -> None:
            seen.append(str(details[2]))

        event.listen(tx.connection, "before_cursor_execute", note)
        search(tx, "thửa 45 tờ 12")
        event.remove(tx.connection, "before_cursor_execute", note)
        asked.append(len(statements))
    assert asked == [asked[0]] * 3


def test_totals_by_land_use(tx: Tx) -> None:
    make = begin(tx)
    sheet = make.sheet("12")
    make.parcel(sheet, "1", (0, 0, 20, 30))
    make.parcel(sheet, "2", (20, 0, 40, 30))
    make.parcel(sheet, "3", (40, 0, 50, 30), land_use="LUC")
    totals = [(each.land_use, each.parcels, each.area_m2) for each in land_use_totals(tx, "31690")]
    assert totals == [("LUC", 1, 300.0), ("ONT", 2, 1200.0)]
    assert land_use_totals(tx, "00000") == []

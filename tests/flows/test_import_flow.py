"""An import from its file to the register and back: what each intent does, who may do what with it, and when it is refused.

Every job that ``Desk.job`` answers was first proved: read = new + changed + unchanged + quarantined. After each test the whole
register is verified.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import shapely

from landdb.db.transaction import SYSTEM
from landdb.errors import LandError
from landdb.intake.approve import Selection, approve
from landdb.intake.model import (
    DateInFuture,
    Intent,
    NothingToApply,
    NotInState,
    SameFile,
    SameName,
    SamePerson,
    State,
    UndoBlocked,
)
from landdb.intake.undo import ask_undo
from landdb.reference.load import BoundaryOptions, load_table
from ops.synthetic.command import write_province
from tests.make import UNIT, VALID_FROM, Desk, add_succession, add_unit, lattice, parts, plot

UPDATE, RESURVEY = Intent.UPDATE, Intent.RESURVEY
TODAY = "SELECT (now() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"


def counted(desk: Desk, job: Any) -> tuple[int, int, int, int]:
    """New, changed, unchanged, quarantined."""
    c = desk.job(job.job_id).counts
    return c["new"], c["changed"], c["unchanged"], c["quarantined"]


# ── first load ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_first_load_brings_all_that_the_file_says(office: Desk) -> None:
    plots = lattice(2, 1)
    plots[0] = plots[0].having(
        land_use="ONT 100; CLN 300", legal_area_m2=399.25, holder_name="Nguyễn Thị Hoa", holder_identity="079123456789",
        address="ấp Đại Chí", former_sheet_no="7", former_parcel_no="45", certificate_serial="BK 123456",
        certificate_issued_on="2012-05-04", scale=1000,
    )  # fmt: skip
    job = office.check(office.file(plots))
    assert (job.state, counted(office, job)) == (State.CHECKED, (2, 0, 0, 0))
    assert office.register()["parcel"] == []
    job = office.approve(job.job_id)
    assert (job.state, counted(office, job)) == (State.APPLIED, (2, 0, 0, 0))

    ids = office.parcels()
    assert set(ids) == {"1/1", "1/2"}
    held = office.register()
    areas = {row[0]: row[5:8] for row in held["parcel"]}
    assert areas[ids["1/1"]] == (Decimal("400.0"), Decimal("400.0"), Decimal("399.3"))
    assert areas[ids["1/2"]] == (Decimal("400.0"), Decimal("400.0"), None)
    uses = office.ask(
        "SELECT land_use_code, area_m2 FROM parcel_land_use WHERE parcel_id = :p ORDER BY ordinal", p=ids["1/1"]
    )
    assert [tuple(use.values()) for use in uses] == [("ONT", Decimal("100.0")), ("CLN", Decimal("300.0"))]
    assert {row[2:] for row in held["reference"] if row[0] == ids["1/1"]} == {
        ("1", "1", "current", "(,)"),
        ("7", "45", "former", "(,)"),
    }
    assert [row[8] for row in held["version"]] == ["(,)", "(,)"]
    ((parcel, kind, shared, valid, ordinal, name, index),) = held["right"]
    assert (parcel, kind, shared, valid, ordinal, name) == (
        ids["1/1"],
        "land_use",
        "unknown",
        "(,)",
        1,
        "Nguyễn Thị Hoa",
    )
    assert index is not None
    assert held["certificate"] == [("BK123456", None, dt.date(2012, 5, 4), "as_read", ids["1/1"])]
    face = json.loads(office.one("SELECT feature FROM parcel_face WHERE parcel_id = :p", p=ids["1/1"]))
    uses = [(use["code"], use["area_m2"]) for use in face["properties"]["land_use"]]
    assert uses == [("ONT", 100.0), ("CLN", 300.0)]
    assert "Hoa" not in json.dumps(face, ensure_ascii=False)
    assert office.one("SELECT scale FROM map_sheet") == 1000
    assert office.rows(job.job_id) == {}, "names must not stay behind in staging"


def test_identity_numbers_are_stored_sealed(office: Desk) -> None:
    office.load([plot("1", "1", 0, 0, holder_name="Lê Văn Sáu", holder_identity="079123456789")])
    sealed = bytes(office.one("SELECT number_encrypted FROM party_claim"))
    assert b"079123456789" not in sealed
    dump = office.ask("SELECT row_to_json(c)::text AS row FROM party_claim c")[0]["row"]
    assert "079123456789" not in dump


def test_one_certificate_over_two_parcels_is_one(office: Desk) -> None:
    serial = {"certificate_serial": "BK 777777", "holder_name": "Trần Văn Bảy"}
    office.load([plot("1", "1", 0, 0, **serial), plot("1", "2", 1, 0, **serial)])
    assert office.one("SELECT count(*) FROM certificate") == 1
    assert office.one("SELECT count(*) FROM certificate_parcel") == 2


def test_the_same_file_twice_is_told(office: Desk) -> None:
    path = office.file(lattice(2, 1))
    first = office.approve(office.check(path).job_id)
    with pytest.raises(SameFile) as refusal:
        office.submit(path)
    assert refusal.value.params["job_id"] == str(first.job_id)
    assert counted(office, office.check(path, UPDATE)) == (0, 0, 2, 0)


def test_the_same_file_may_come_again_after_an_undo(office: Desk) -> None:
    path = office.file(lattice(2, 1))
    job = office.approve(office.check(path).job_id)
    office.undo(job.job_id)
    assert office.approve(office.check(path).job_id).state is State.APPLIED


def test_first_load_onto_a_filled_sheet_is_refused(office: Desk) -> None:
    office.load(lattice(2, 1))
    job = office.check(office.file(lattice(1, 1, y=5)))
    assert (job.state, job.failure_code) == (State.FAILED, "import.sheet_not_empty")
    assert job.failure_params == {"sheets": "1", "count": 2}
    assert len(office.parcels()) == 2


def test_another_series_has_sheets_of_its_own(office: Desk) -> None:
    office.load(lattice(2, 1))
    assert office.load(lattice(2, 1, y=5), series="2020").state is State.APPLIED
    assert office.one("SELECT count(*) FROM map_sheet") == 2


def test_a_date_ahead_is_refused(office: Desk) -> None:
    with pytest.raises(DateInFuture):
        office.submit(office.file(lattice(1, 1)), valid_from=dt.date(2999, 1, 1))


# ── update ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_update_tells_unchanged_changed_and_new_apart(office: Desk) -> None:
    plots = lattice(3, 1, holder_name="Võ Văn Tám", address="ấp 1")
    office.load(plots)
    ids, before = office.parcels(), office.register()
    wider = replace(plots[2], size=(2, 1)).having(declared_area_m2=800.0)
    job = office.load([plots[0], plots[1].having(land_use="ONT"), wider, plot("1", "4", 0, 1)], UPDATE)
    assert counted(office, job) == (1, 2, 1, 0)
    assert {**office.parcels()} | ids == office.parcels()
    after = office.register()
    assert [row for row in after["parcel"] if row[0] == ids["1/1"]] == [
        r for r in before["parcel"] if r[0] == ids["1/1"]
    ]
    assert office.one("SELECT land_use FROM parcel_face WHERE parcel_id = :p", p=ids["1/2"]) == "ONT"
    assert office.one("SELECT measured_area_m2 FROM parcel WHERE parcel_id = :p", p=ids["1/3"]) == Decimal("800.0")
    assert office.one("SELECT count(*) FROM right_held WHERE upper_inf(recorded)") == 3, "same holder, same right"


def test_a_column_that_the_file_lacks_changes_nothing(office: Desk) -> None:
    full = lattice(2, 1, holder_name="Võ Văn Tám", address="ấp 1", legal_area_m2=399.0, certificate_serial="BK 111111")
    full = [p.having(certificate_serial=f"BK 11111{i}") for i, p in enumerate(full)]
    office.load(full)
    before = office.register()
    bare = [plot("1", str(i + 1), i, 0) for i in range(2)]
    bare = [replace(p, fields={k: v for k, v in p.fields.items() if k != "land_use"}) for p in bare]
    assert counted(office, office.load_checked(bare, UPDATE)) == (0, 0, 2, 0)
    moved = [bare[0], replace(bare[1], size=(2, 1))]
    job = office.load(moved, UPDATE)
    assert counted(office, job) == (0, 1, 1, 0)
    after = office.register()
    kept = {row[0]: row[6:9] + row[10:] for row in before["parcel"]}
    assert {row[0]: row[6:9] + row[10:] for row in after["parcel"]} == kept, "areas, address and land use stay"
    assert (after["right"], after["certificate"]) == (before["right"], before["certificate"])


def test_absent_parcels_are_left_alone(office: Desk) -> None:
    plots = lattice(3, 1)
    office.load(plots)
    job = office.check(office.file([plots[0].having(land_use="ONT")]), UPDATE)
    assert (counted(office, job), job.counts["retired"]) == ((0, 1, 0, 0), 0)
    office.approve(job.job_id)
    assert set(office.parcels()) == {"1/1", "1/2", "1/3"}


def test_another_holder_takes_the_place_of_the_one_read_before(office: Desk) -> None:
    plots = lattice(1, 1, holder_name="Võ Văn Tám")
    office.load(plots)
    office.load([plots[0].having(holder_name="Võ Thị Chín")], UPDATE)
    rights = office.register()["right"]
    assert [row[5] for row in rights] == ["Võ Thị Chín"]
    assert office.one("SELECT count(*) FROM right_held") == 2


def test_a_day_keeps_who_held_before(office: Desk) -> None:
    plots = lattice(1, 1, holder_name="Võ Văn Tám")
    office.load(plots)
    office.load([plots[0].having(holder_name="Võ Thị Chín")], UPDATE, valid_from=VALID_FROM)
    rights = [(row[3], row[5]) for row in office.register()["right"]]
    assert sorted(rights) == [("(,2026-03-01)", "Võ Văn Tám"), ("[2026-03-01,)", "Võ Thị Chín")]
    again = office.check(office.file([plots[0].having(holder_name="Võ Thị Chín")]), UPDATE)
    assert counted(office, again) == (0, 0, 1, 0)


KNOWN = """
SELECT ST_Area(v.geom)::integer AS area FROM parcel_version v
WHERE v.parcel_id = :p AND v.valid @> CAST(:day AS date) AND v.recorded @> CAST(:known AS timestamptz)"""


@pytest.mark.parametrize("valid_from", [None, VALID_FROM])
def test_both_clocks_after_an_update(office: Desk, valid_from: dt.date | None) -> None:
    """With a day the past stays as it was; without one it was believed wrongly, and is corrected throughout."""
    plots = lattice(1, 1)
    office.load(plots)
    parcel = office.parcels()["1/1"]
    between = office.one("SELECT clock_timestamp()")
    office.load([replace(plots[0], size=(2, 1)).having(declared_area_m2=800.0)], UPDATE, valid_from=valid_from)
    now = office.one("SELECT clock_timestamp()")

    def area(day: str, known: Any) -> int:
        return int(office.one(KNOWN, p=parcel, day=day, known=known))

    early, late = "2026-02-28", "2026-03-01"
    assert (area(early, between), area(late, between)) == (400, 400), "what was known then is still known to have been"
    assert area(late, now) == 800
    assert area(early, now) == (400 if valid_from else 800)


def test_a_renumbered_parcel_is_known_by_its_shape(office: Desk) -> None:
    plots = lattice(2, 1)
    office.load(plots)
    ids = office.parcels()
    job = office.load([plots[0], plots[1].having(parcel_no="99")], UPDATE)
    assert counted(office, job) == (0, 1, 1, 0)
    assert office.parcels() == {"1/1": ids["1/1"], "1/99": ids["1/2"]}
    called = {(row[3], row[4]) for row in office.register()["reference"] if row[0] == ids["1/2"]}
    assert called == {("99", "current"), ("2", "former")}


def test_two_parcels_may_exchange_their_numbers(office: Desk) -> None:
    plots = lattice(2, 1, holder_name="Hà")
    office.load(plots)
    ids = office.parcels()
    job = office.load([plots[0].having(parcel_no="2"), plots[1].having(parcel_no="1")], UPDATE)
    assert counted(office, job) == (0, 2, 0, 0)
    assert office.parcels() == {"1/2": ids["1/1"], "1/1": ids["1/2"]}, "the land keeps its identity, not the number"
    assert (
        office.one("SELECT count(DISTINCT geometry_hash) FROM parcel_version WHERE parcel_id = :p", p=ids["1/1"]) == 1
    )


def test_numbers_may_move_on_by_one(office: Desk) -> None:
    plots = lattice(4, 1)
    office.load(plots)
    ids = office.parcels()
    moved = [p.having(parcel_no=str(int(p.fields["parcel_no"]) + 1)) for p in plots]
    job = office.load([*moved, plot("1", "1", 0, 1)], UPDATE)
    assert counted(office, job) == (1, 4, 0, 0)
    assert {name: office.parcels()[name] for name in ("1/2", "1/5")} == {"1/2": ids["1/1"], "1/5": ids["1/4"]}


def test_a_number_that_another_parcel_bears_is_set_aside(office: Desk) -> None:
    """Parcel 2 is called 1 in the file, but parcel 1 is not in the file and keeps its number."""
    plots = lattice(2, 1)
    office.load(plots)
    job = office.check(office.file([plots[1].having(parcel_no="1")]), UPDATE)
    assert counted(office, job) == (0, 0, 0, 1)
    assert office.issues(job.job_id) == [("parcel.number_in_register", 1)]


# ── overlaps and clashes ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_row_over_a_parcel_in_force_is_set_aside(office: Desk) -> None:
    office.load(lattice(2, 1))
    job = office.check(office.file([plot("2", "1", 1.5, 0), plot("2", "2", 4, 0)]))
    assert counted(office, job) == (1, 0, 0, 1)
    assert office.issues(job.job_id) == [("coverage.overlap_register", 1)]
    office.approve(job.job_id)
    assert set(office.parcels()) == {"1/1", "1/2", "2/2"}


def test_two_files_checked_beside_one_another_cannot_both_lie_on_one_ground(office: Desk) -> None:
    first = office.check(office.file(lattice(2, 1)))
    second = office.check(office.file([plot("2", "1", 1.5, 0), plot("2", "2", 4, 0)]))
    assert (counted(office, first), counted(office, second)) == ((2, 0, 0, 0), (2, 0, 0, 0))
    office.approve(first.job_id)
    refused = office.approve(second.job_id)
    assert (refused.state, refused.failure_code) == (State.CHECKED, "import.overlapping")
    assert counted(office, refused) == (1, 0, 0, 1), "the row in the way is set aside, the other may go in"
    assert office.issues(second.job_id) == [("coverage.overlap_register", 1)]
    done = office.approve(second.job_id)
    assert (done.state, done.failure_code) == (State.APPLIED, None)
    assert set(office.parcels()) == {"1/1", "1/2", "2/2"}


def test_what_was_approved_must_still_be_what_happens(office: Desk) -> None:
    plots = lattice(2, 1)
    office.load(plots)
    waiting = office.check(office.file([plots[0].having(land_use="ONT"), plots[1]]), UPDATE)
    office.load([plots[0].having(land_use="ONT"), plots[1]], UPDATE)
    job = office.approve(waiting.job_id)
    assert (job.state, job.failure_code) == (State.CHECKED, "import.register_changed")
    assert counted(office, job) == (0, 0, 2, 0)
    with pytest.raises(NothingToApply):
        office.approve(job.job_id)


def test_a_comparison_is_made_anew_with_parcels_that_came_since(office: Desk) -> None:
    """The parcel matched at the check has ended when the import is applied: the row must not wake it."""
    plots = lattice(2, 1)
    first = office.load(plots)
    waiting = office.check(office.file([plots[0].having(land_use="ONT")]), UPDATE)
    office.undo(first.job_id)
    job = office.approve(waiting.job_id)
    assert (job.failure_code, counted(office, job)) == ("import.register_changed", (1, 0, 0, 0))
    job = office.approve(waiting.job_id)
    assert job.state is State.APPLIED
    assert office.one("SELECT count(*) FROM parcel WHERE status = 'in_force'") == 1


def test_two_approvals_of_one_import(office: Desk) -> None:
    job = office.check(office.file(lattice(2, 1)))
    outcomes = at_once(*[lambda: approve_only(office, job.job_id)] * 2)
    assert sorted(type(o).__name__ for o in outcomes) == ["NoneType", "NotInState"]
    outcomes = at_once(*[lambda: office.worker.apply_import(job.job_id)] * 2)
    assert outcomes == [None, None]
    assert office.job(job.job_id).state is State.APPLIED
    assert office.one("SELECT count(*) FROM registration") == 1


def test_two_imports_of_neighbouring_sheets_at_once(office: Desk) -> None:
    jobs = [
        office.submit(office.file(lattice(20, 20))),
        office.submit(office.file(lattice(20, 20, sheet="2", x=20))),
    ]
    assert at_once(*[lambda j=j: office.worker.read_import(j) for j in jobs]) == [None, None]
    for job in jobs:
        approve_only(office, job)
    assert at_once(*[lambda j=j: office.worker.apply_import(j) for j in jobs]) == [None, None]
    assert [office.job(job).state for job in jobs] == [State.APPLIED] * 2
    assert len(office.parcels()) == 800


def test_two_imports_of_one_ground_at_once(office: Desk) -> None:
    """Both were in order when they were checked; whichever is second is refused and says why."""
    jobs = [
        office.check(office.file(lattice(5, 5))).job_id,
        office.check(office.file(lattice(5, 5, sheet="2", x=0.5))).job_id,
    ]
    for job in jobs:
        approve_only(office, job)
    assert at_once(*[lambda j=j: office.worker.apply_import(j) for j in jobs]) == [None, None]
    assert sorted(office.job(job).state for job in jobs) == [State.APPLIED, State.CHECKED]
    assert sorted(office.job(job).failure_code or "" for job in jobs) == ["", "import.overlapping"]
    assert len(office.parcels()) == 25


def approve_only(desk: Desk, job_id: Any) -> None:
    with desk.database.begin(desk.judge) as tx:
        approve(tx, job_id)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each act answered or raised, all begun at one moment."""
    gate, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def run(at: int) -> None:
        gate.wait()
        try:
            answers[at] = acts[at]()
        except LandError as refusal:
            answers[at] = refusal  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


# ── resurvey ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_resurvey_replaces_a_sheet(office: Desk) -> None:
    """Parcels 1 and 2 were merged into 7, 3 stays, 4 changed its use, 5 and 6 became a canal that is no parcel."""
    plots = lattice(3, 2)
    office.load(plots)
    ids = office.parcels()
    merged = replace(plot("1", "7", 0, 0, declared_area_m2=800.0), size=(2, 1))
    job = office.check(
        office.file([merged, plots[2], plots[3].having(land_use="ONT")]), RESURVEY, valid_from=VALID_FROM
    )
    assert (counted(office, job), job.counts["retired"]) == ((1, 1, 1, 0), 4)
    job = office.approve(job.job_id)
    assert (job.state, job.counts["retired"]) == (State.APPLIED, 4)
    now = office.parcels()
    assert now == {"1/3": ids["1/3"], "1/4": ids["1/4"], "1/7": now["1/7"]}
    lineage = office.ask("SELECT parent_id, child_id, overlap_m2 FROM lineage")
    assert {(r["parent_id"], r["child_id"], r["overlap_m2"]) for r in lineage} == {
        (ids["1/1"], now["1/7"], Decimal("400.0")),
        (ids["1/2"], now["1/7"], Decimal("400.0")),
    }
    assert {(r[3], r[4], r[5]) for r in office.register()["reference"] if r[0] == ids["1/5"]} == {
        ("5", "former", "(,2026-03-01)")
    }
    past = office.ask(
        "SELECT valid::text FROM parcel_version WHERE parcel_id = :p AND upper_inf(recorded)", p=ids["1/5"]
    )
    assert past == [{"valid": "(,2026-03-01)"}]
    assert office.one("SELECT count(*) FROM parcel_face") == 3


def test_a_faulty_row_keeps_its_parcel_from_being_retired(office: Desk) -> None:
    plots = lattice(3, 1)
    office.load(plots)
    without_number = plots[1].having(parcel_no=None)
    bow = shapely.Polygon([(551620, 1061540), (551640, 1061560), (551640, 1061540), (551620, 1061560)])
    crossed = replace(plots[2], shape=bow)
    job = office.check(office.file([plots[0], without_number, crossed]), RESURVEY)
    assert (counted(office, job), job.counts["retired"]) == ((0, 0, 1, 2), 0)


def test_resurvey_leaves_other_sheets_alone(office: Desk) -> None:
    office.load([*lattice(2, 1), *lattice(2, 1, sheet="2", y=1)])
    job = office.load([plot("1", "1", 0, 0)], RESURVEY)
    assert (counted(office, job), job.counts["retired"]) == ((0, 0, 1, 0), 1)
    assert set(office.parcels()) == {"1/1", "2/1", "2/2"}


def test_the_second_round_of_a_resurvey_ends_nothing_more(office: Desk) -> None:
    """What the first round applied or found unchanged is no longer staged, and yet the file speaks of it."""
    plots = lattice(4, 1)
    office.load(plots)
    before = office.register()
    faulty = plot("1", "?", 0, 1)
    job = office.load([plots[0], plots[1].having(land_use="ONT"), plots[2], faulty], RESURVEY)
    assert (counted(office, job), job.counts["retired"]) == ((0, 1, 2, 1), 1)
    office.mend(job.job_id, 4, parcel_no="9")
    job = office.approve(job.job_id)
    assert (counted(office, job), job.counts["retired"]) == ((1, 1, 2, 0), 1)
    assert set(office.parcels()) == {"1/1", "1/2", "1/3", "1/9"}
    office.undo(job.job_id)
    assert office.register() == before


def test_resurvey_that_only_retires(office: Desk) -> None:
    """Nothing is new or changed, and still there is something to approve."""
    plots = lattice(3, 1)
    office.load(plots)
    job = office.check(office.file(plots[:2]), RESURVEY)
    assert (counted(office, job), job.counts["retired"]) == ((0, 0, 2, 0), 1)
    job = office.approve(job.job_id)
    assert job.state is State.APPLIED
    assert set(office.parcels()) == {"1/1", "1/2"}


def test_a_later_survey_of_the_made_up_province(office: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "province"
    write_province(folder, 400, 7, ("gpkg",), encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text())
    commune = manifest["communes"][0]
    with office.database.begin(SYSTEM) as tx:
        unit = add_unit(tx, 800_002, commune["code"], commune["name"].split(" ", 1)[1])
        add_unit(tx, 800_003, manifest["communes"][1]["code"], manifest["communes"][1]["name"].split(" ", 1)[1])
        load_table(
            tx,
            "admin_unit_boundary",
            folder / manifest["boundaries"],
            BoundaryOptions(code_property="code", source="test"),
        )
    now = next(f for f in manifest["files"] if f["commune"] == commune["code"])
    later = next(f for f in manifest["later"] if f["commune"] == commune["code"])
    job = office.check(folder / now["path"], layer=now["layer"], admin_unit_id=unit)
    assert job.counts["quarantined"] == 0, office.issues(job.job_id)
    office.approve(job.job_id)
    before = office.register()
    day = dt.date.fromisoformat(later["dated"])
    job = office.check(folder / later["path"], RESURVEY, layer=later["layer"], admin_unit_id=unit, valid_from=day)
    changes = [
        c for c in json.loads((folder / "later" / "changes.json").read_text()) if c["commune"] == commune["code"]
    ]
    was, became = (
        {(p["sheet_no"], p["parcel_no"]) for change in changes for p in change[side]} for side in ("before", "after")
    )
    assert (job.counts["retired"], job.counts["new"]) == (len(was - became), len(became - was))
    assert job.counts["changed"] == sum(change["kind"] == "transfer" for change in changes)
    assert job.counts["quarantined"] == 0, office.issues(job.job_id)
    job = office.approve(job.job_id)
    assert job.state is State.APPLIED, job.failure_code
    assert len(office.parcels()) == job.counts["read"]
    assert office.one("SELECT count(*) FROM lineage") > 0
    office.undo(job.job_id)
    assert office.register() == before


# ── partial approval, rejection ─────────────────────────────────────────────────────────────────────────────────────


def test_some_rows_first_the_rest_later(office: Desk) -> None:
    job = office.check(office.file(lattice(3, 1, holder_name="Hà")))
    job = office.approve(job.job_id, Selection(rows=[(1, "thua_dat", 2)]))
    assert (job.state, job.waiting, counted(office, job)) == (State.APPLIED, 2, (3, 0, 0, 0))
    assert set(office.parcels()) == {"1/2"}
    job = office.approve(job.job_id)
    assert (job.state, job.waiting, counted(office, job)) == (State.APPLIED, 0, (3, 0, 0, 0))
    assert set(office.parcels()) == {"1/1", "1/2", "1/3"}
    with pytest.raises(NothingToApply):
        office.approve(job.job_id)
    office.undo(job.job_id)
    assert office.register()["parcel"] == []


def test_some_rows_of_an_update(office: Desk) -> None:
    plots = lattice(3, 1)
    office.load(plots)
    before = office.register()
    job = office.check(office.file([*(p.having(land_use="ONT") for p in plots[:2]), plots[2]]), UPDATE)
    job = office.approve(job.job_id, Selection(rows=[(1, "thua_dat", 1)]))
    assert (job.waiting, counted(office, job)) == (1, (0, 2, 1, 0))
    job = office.approve(job.job_id)
    assert (job.state, job.waiting, counted(office, job)) == (State.APPLIED, 0, (0, 2, 1, 0))
    job = office.undo(job.job_id)
    assert office.register() == before


def test_rows_with_a_warning_may_be_left_out(office: Desk) -> None:
    plots = lattice(3, 1)
    job = office.check(office.file([plots[0], plots[1].having(declared_area_m2=900.0), plots[2]]))
    job = office.approve(job.job_id, Selection(without_codes=["area.mismatch"]))
    assert set(office.parcels()) == {"1/1", "1/3"}
    assert job.waiting == 1


def test_nothing_chosen_is_nothing_to_apply(office: Desk) -> None:
    job = office.check(office.file(lattice(2, 1)))
    with pytest.raises(NothingToApply):
        office.approve(job.job_id, Selection(rows=[]))
    assert office.job(job.job_id).state is State.CHECKED


def test_who_submitted_may_not_approve(office: Desk) -> None:
    job = office.check(office.file(lattice(1, 1)))
    with office.database.begin(office.clerk) as tx, pytest.raises(SamePerson):
        approve(tx, job.job_id)
    assert office.job(job.job_id).state is State.CHECKED


def test_rejection_forgets_the_rows(office: Desk) -> None:
    job = office.check(office.file(lattice(2, 1, holder_name="Hà")))
    job = office.reject(job.job_id, "sai tờ")
    assert (job.state, job.options["reason"], office.rows(job.job_id)) == (State.REJECTED, "sai tờ", {})
    with pytest.raises(NotInState):
        office.approve(job.job_id)
    assert office.parcels() == {}


# ── undo ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("intent", list(Intent))
@pytest.mark.parametrize("valid_from", [None, VALID_FROM])
def test_undo_brings_back_an_equal_register(office: Desk, intent: Intent, valid_from: dt.date | None) -> None:
    people = [p.having(holder_name=f"Người {i}", certificate_serial=f"BK 10000{i}", land_use="ONT 100; CLN 300")
              for i, p in enumerate(lattice(3, 2))]  # fmt: skip
    office.load(people)
    before, sizes = office.register(), office.history_size()
    changed = [
        people[0].having(holder_name="Chủ mới", land_use="LUC"),
        people[1].having(parcel_no="20", certificate_serial="BK 200000"),
        replace(people[2], size=(2, 1)),
        people[3],
        plot("1", "30", 0, 3, holder_name="Người mới"),
    ]
    if intent is Intent.FIRST_LOAD:
        changed = lattice(2, 2, sheet="2", y=5, holder_name="Người khác", certificate_serial=None)
    job = office.load(changed, intent, valid_from=valid_from)
    assert job.state is State.APPLIED
    assert office.register() != before
    during = office.history_size()
    job = office.undo(job.job_id)
    assert job.state is State.UNDONE
    assert office.register() == before
    assert all(office.history_size()[table] >= during[table] >= sizes[table] for table in sizes), "nothing is deleted"


def test_undo_twice_over_brings_back_the_first_state(office: Desk) -> None:
    plots = lattice(2, 1)
    first = office.load(plots)
    start = office.register()
    second = office.load([plots[0].having(land_use="ONT"), plots[1]], UPDATE)
    with pytest.raises(UndoBlocked) as refusal:
        office.undo(first.job_id)
    assert [(p["sheet_no"], p["parcel_no"], p["kind"]) for p in refusal.value.params["parcels"]] == [
        ("1", "1", "import")
    ]
    office.undo(second.job_id)
    assert office.register() == start
    office.load([plots[0].having(land_use="CLN"), plots[1]], UPDATE)


def test_undo_is_refused_with_the_list_after_a_later_act(office: Desk) -> None:
    job = office.load(lattice(3, 1))
    office.change_by_hand("1", "2")
    with pytest.raises(UndoBlocked) as refusal:
        office.undo(job.job_id)
    assert refusal.value.params["count"] == 1
    (blocker,) = refusal.value.params["parcels"]
    assert (blocker["sheet_no"], blocker["parcel_no"], blocker["kind"]) == ("1", "2", "correct_boundary")
    assert office.job(job.job_id).state is State.APPLIED
    assert len(office.parcels()) == 3


def test_undo_refused_between_asking_and_doing_leaves_the_import_applied(office: Desk) -> None:
    job = office.load(lattice(2, 1))
    with office.database.begin(office.judge) as tx:
        ask_undo(tx, job.job_id)
    office.change_by_hand("1", "2")
    office.worker.undo_import(job.job_id)
    job = office.job(job.job_id)
    assert (job.state, job.failure_code) == (State.APPLIED, "import.undo_blocked")


def test_undo_does_not_put_old_parcels_over_new_ones(office: Desk) -> None:
    """A resurvey gave up a corner; another import filled it; undoing the resurvey would lay the old parcel over the new one."""
    plots = lattice(3, 1)
    office.load(plots)
    resurvey = office.load([plots[0].having(land_use="ONT"), plots[1]], RESURVEY)
    office.load([plot("2", "1", 2, 0)])
    undone = office.undo(resurvey.job_id)
    assert (undone.state, undone.failure_code) == (State.APPLIED, "import.undo_blocked")
    (blocker,) = (undone.failure_params or {})["parcels"]
    assert (blocker["sheet_no"], blocker["parcel_no"]) == ("2", "1")
    assert set(office.parcels()) == {"1/1", "1/2", "2/1"}


def test_undo_of_two_rounds(office: Desk) -> None:
    plots = lattice(2, 1)
    office.load(plots)
    before = office.register()
    job = office.check(office.file([plots[0].having(land_use="ONT"), plots[1].having(land_use="XXX")]), UPDATE)
    assert counted(office, job) == (0, 1, 0, 1)
    office.approve(job.job_id)
    office.mend(job.job_id, 2, land_use="CLN")
    office.approve(job.job_id)
    assert office.one("SELECT count(*) FROM registration WHERE import_job_id = :j", j=job.job_id) == 2
    office.undo(job.job_id)
    assert office.register() == before
    assert office.one("SELECT count(*) FROM registration WHERE import_job_id = :j AND undone_by IS NULL AND kind = 'import'",
                      j=job.job_id) == 0  # fmt: skip


# ── units, files ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_parcels_of_a_merged_commune_lie_in_the_new_one(office: Desk) -> None:
    with office.database.begin(SYSTEM) as tx:
        old = add_unit(tx, 800_010, "98010", "Cũ", valid="(,2025-07-01)")
        new = add_unit(tx, 800_011, "98011", "Mới", valid="[2025-07-01,)")
        add_succession(tx, old, new)
    office.load(lattice(1, 1), admin_unit_id=old)
    assert office.one("SELECT admin_unit_id FROM parcel") == new
    assert office.one("SELECT admin_unit_id FROM map_sheet") == old
    assert office.one("SELECT admin_unit_id FROM parcel_reference") == old
    assert office.one("SELECT feature::jsonb #>> '{properties,commune_code}' FROM parcel_face") == "98011"
    assert counted(office, office.check(office.file(lattice(1, 1, scale=500)), UPDATE, admin_unit_id=old)) == (
        0,
        0,
        1,
        0,
    )


def test_parcels_of_a_split_commune_keep_the_old_name(office: Desk) -> None:
    with office.database.begin(SYSTEM) as tx:
        old = add_unit(tx, 800_010, "98010", "Cũ", valid="(,2025-07-01)")
        for unit_id, code in ((800_011, "98011"), (800_012, "98012")):
            add_succession(tx, old, add_unit(tx, unit_id, code, f"Mới {code}", valid="[2025-07-01,)"), partial=True)
    office.load(lattice(1, 1), admin_unit_id=old)
    assert office.one("SELECT admin_unit_id FROM parcel") == old


def test_the_parts_of_a_shapefile_come_in_any_order(office: Desk) -> None:
    shp = office.file(lattice(2, 1), "thua.shp")
    every = parts(shp)
    assert len(every) >= 4
    assert office.check(list(reversed(every))).counts["new"] == 2
    assert office.check(sorted(every, key=lambda p: p.suffix != ".dbf")).counts["new"] == 2


def test_two_files_in_one_import(office: Desk) -> None:
    paths = [office.file(lattice(2, 1), "to1.gpkg"), office.file(lattice(2, 1, sheet="2", y=1), "to2.gpkg")]
    job = office.approve(office.check(paths).job_id)
    assert counted(office, job) == (4, 0, 0, 0)
    assert set(office.parcels()) == {"1/1", "1/2", "2/1", "2/2"}


def test_rows_of_two_files_are_held_against_one_another(office: Desk) -> None:
    paths = [office.file(lattice(2, 1), "to1.gpkg"), office.file([plot("1", "2", 5, 5)], "to2.gpkg")]
    job = office.check(paths)
    assert counted(office, job) == (1, 0, 0, 2)
    assert {code for code, _ in office.issues(job.job_id)} == {"parcel.duplicate_reference"}


def test_two_files_of_one_name_are_refused(office: Desk) -> None:
    paths = [office.file(lattice(2, 1)), office.file(lattice(2, 1, sheet="2"))]
    with pytest.raises(SameName):
        office.submit(paths)


def test_the_unit_stands_for_the_import(office: Desk) -> None:
    assert office.check(office.file(lattice(1, 1))).admin_unit_id == UNIT

"""Rows that were set aside: mended over their fields or by a second file, and judged again, they alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import shapely

from landdb.db.transaction import SYSTEM
from landdb.intake import store
from landdb.intake.mend import Mending, mend_rows
from landdb.intake.model import Intent, NotInState, RowNotQuarantined, RowUnknown, State, UnknownField
from tests.make import Desk, lattice, plot


def row(desk: Desk, job_id: Any, row_no: int) -> dict[str, Any]:
    with desk.database.begin(SYSTEM) as tx:
        return store.get_row(tx, job_id, 1, "thua_dat", row_no)


def counts(job: Any) -> tuple[int, int, int, int]:
    return tuple(job.counts[name] for name in ("new", "changed", "unchanged", "quarantined"))  # type: ignore[return-value]


def test_a_row_is_mended_over_its_fields(office: Desk) -> None:
    plots = lattice(3, 1)
    job = office.check(office.file([plots[0], plots[1].having(parcel_no="??", land_use="XXX"), plots[2]]))
    assert counts(job) == (2, 0, 0, 1)
    job = office.mend(job.job_id, 2, parcel_no="2")
    assert (counts(job), office.issues(job.job_id)) == ((2, 0, 0, 1), [("land_use.unknown", 2)])
    job = office.mend(job.job_id, 2, land_use="ONT")
    assert (job.state, counts(job), office.issues(job.job_id)) == (State.CHECKED, (3, 0, 0, 0), [])
    office.approve(job.job_id)
    assert set(office.parcels()) == {"1/1", "1/2", "1/3"}
    assert office.one("SELECT fields FROM mended_row") == {"parcel_no": "2", "land_use": "ONT"}


def test_the_files_own_text_is_shown_where_it_is_no_number(office: Desk) -> None:
    plots = [p.having(declared_area_m2=text) for p, text in zip(lattice(3, 1), ("400", "*", "bốn trăm"), strict=True)]
    job = office.check(office.file(plots))
    aside = [no for no, verdict in office.rows(job.job_id).items() if verdict == "quarantined"]
    assert aside == [2, 3]
    assert [row(office, job.job_id, no)["raw"]["declared_area_m2"] for no in aside] == ["*", "bốn trăm"]
    office.mend(job.job_id, 2, declared_area_m2="400,5")
    job = office.mend(job.job_id, 3, declared_area_m2=None)
    assert counts(job) == (3, 0, 0, 0)
    assert [str(row(office, job.job_id, no)["declared_area_m2"]) for no in aside] == ["400.5", "None"]


def test_only_rows_set_aside_run_again(office: Desk) -> None:
    plots = lattice(3, 1)
    job = office.check(
        office.file([plots[0].having(declared_area_m2=900.0), plots[1].having(parcel_no=None), plots[2]])
    )
    before = {r["row_no"]: r["row_id"] for r in office.ask("SELECT row_no, row_id FROM staged_parcel")}
    warned = office.ask("SELECT import_issue_id FROM import_issue WHERE row_no = 1")
    office.mend(job.job_id, 2, parcel_no="2")
    after = {r["row_no"]: r["row_id"] for r in office.ask("SELECT row_no, row_id FROM staged_parcel")}
    assert (after[1], after[3]) == (before[1], before[3])
    assert after[2] != before[2]
    assert office.ask("SELECT import_issue_id FROM import_issue WHERE row_no = 1") == warned != []


def test_a_mended_row_may_clash_with_one_in_order(office: Desk) -> None:
    plots = lattice(3, 1)
    job = office.check(office.file([plots[0], plots[1].having(parcel_no=None), plots[2]]))
    job = office.mend(job.job_id, 2, parcel_no="3")
    assert ("parcel.duplicate_reference", 2) in office.issues(job.job_id)
    assert job.counts["quarantined"] >= 1
    job = office.mend(job.job_id, 2, parcel_no="2")
    office.approve(job.job_id)
    assert "1/2" in office.parcels()


def test_who_may_be_mended(office: Desk) -> None:
    job = office.check(office.file([lattice(1, 1)[0], plot("1", "?", 1, 0)]))
    with office.database.begin(office.clerk) as tx, pytest.raises(RowNotQuarantined):
        mend_rows(tx, job.job_id, [Mending(1, "thua_dat", 1, {"parcel_no": "9"})])
    with office.database.begin(office.clerk) as tx, pytest.raises(RowUnknown):
        mend_rows(tx, job.job_id, [Mending(1, "thua_dat", 77, {"parcel_no": "9"})])
    with office.database.begin(office.clerk) as tx, pytest.raises(UnknownField):
        mend_rows(tx, job.job_id, [Mending(1, "thua_dat", 2, {"holder_identity": "079123456789"})])
    office.reject(job.job_id)
    with pytest.raises(NotInState):
        office.mend(job.job_id, 2, parcel_no="2")


def test_identity_numbers_stay_sealed_through_a_mending(office: Desk) -> None:
    broken = plot("1", "?", 0, 0, holder_name="Lê Văn Sáu", holder_identity="079123456789")
    job = office.check(office.file([broken, plot("1", "2", 1, 0, holder_name="Ai", holder_identity="079000000001")]))
    staged = office.ask("SELECT row_to_json(s)::text AS t FROM staged_parcel s WHERE row_no = 1")[0]["t"]
    assert "079123456789" not in staged
    index = bytes(office.one("SELECT holder_identity_index FROM staged_parcel WHERE row_no = 1"))
    office.mend(job.job_id, 1, parcel_no="1")
    office.approve(job.job_id)
    claim = office.ask("SELECT number_encrypted, number_index FROM party_claim WHERE raw_name = 'Lê Văn Sáu'")[0]
    assert bytes(claim["number_index"]) == index
    assert claim["number_encrypted"] is not None


def test_names_do_not_stand_in_issues(office: Desk) -> None:
    job = office.check(office.file([plot("1", "?", 0, 0, holder_name="Lê\x07 Văn Sáu", address="ấp\x07 7")]))
    told = json.dumps(office.ask("SELECT raw_value, params FROM import_issue"), ensure_ascii=False)
    assert "Sáu" not in told
    office.reject(job.job_id)


BOW = shapely.Polygon([(551600, 1061540), (551620, 1061560), (551620, 1061540), (551600, 1061560)])


@pytest.mark.parametrize("name", ["thua.gpkg", "thua-sua.gpkg"])
def test_a_second_file_mends_the_drawing(office: Desk, name: str) -> None:
    """Also under the first file's own name: rows keep the number of the file that they came in."""
    plots = lattice(3, 1, holder_name="Hà")
    job = office.check(office.file([plots[0], replace(plots[1], shape=BOW), plots[2]]))
    assert office.issues(job.job_id) == [("geometry.self_intersection", 2)]
    job = office.mend_by(job.job_id, office.file([plots[1].having(land_use="ONT"), plot("1", "77", 9, 9)], name))
    assert (job.state, counts(job)) == (State.CHECKED, (3, 0, 0, 0))
    assert row(office, job.job_id, 2)["land_uses"][0]["code"] == "ONT"
    unmatched = office.ask("SELECT params FROM import_issue WHERE code = 'mend.row_unmatched'")
    assert [u["params"]["parcel"] for u in unmatched] == ["1/77"]
    office.approve(job.job_id)
    assert set(office.parcels()) == {"1/1", "1/2", "1/3"}
    assert office.one("SELECT count(*) FROM right_held") == 3


def test_a_second_file_that_cannot_be_read_costs_nothing(office: Desk) -> None:
    plots = lattice(2, 1)
    job = office.check(office.file([plots[0], replace(plots[1], shape=BOW)]))
    empty = office.folder / "rỗng.gpkg"
    empty.write_bytes(b"")
    job = office.mend_by(job.job_id, empty)
    assert (job.state, job.failure_code) == (State.CHECKED, "file.empty")
    assert counts(job) == (1, 0, 0, 1)
    assert office.rows(job.job_id) == {1: "new", 2: "quarantined"}
    job = office.mend_by(job.job_id, office.file([plots[1]], "tot.gpkg"))
    assert (job.state, job.failure_code, counts(job)) == (State.CHECKED, None, (2, 0, 0, 0))


def test_rows_mended_after_the_rest_was_applied(office: Desk) -> None:
    plots = lattice(3, 1)
    job = office.check(office.file([plots[0], plots[1].having(parcel_no="?"), plots[2]]))
    job = office.approve(job.job_id)
    assert (job.state, counts(job), job.waiting) == (State.APPLIED, (2, 0, 0, 1), 0)
    job = office.mend(job.job_id, 2, parcel_no="3")
    assert (job.state, counts(job)) == (State.APPLIED, (2, 0, 0, 1))
    assert office.issues(job.job_id) == [("parcel.number_in_register", 2)]
    job = office.mend(job.job_id, 2, parcel_no="2")
    assert (job.state, counts(job), job.waiting) == (State.APPLIED, (3, 0, 0, 0), 1)
    job = office.approve(job.job_id)
    assert (job.state, counts(job), job.waiting) == (State.APPLIED, (3, 0, 0, 0), 0)
    assert set(office.parcels()) == {"1/1", "1/2", "1/3"}
    office.undo(job.job_id)
    assert office.parcels() == {}


def test_a_second_file_that_cannot_be_read_leaves_an_applied_import_applied(office: Desk) -> None:
    plots = lattice(2, 1)
    job = office.approve(office.check(office.file([plots[0], plots[1].having(parcel_no="?")])).job_id)
    bad = office.folder / "hỏng.zip"
    bad.write_bytes(b"PK\x03\x04 nothing more")
    job = office.mend_by(job.job_id, bad)
    assert job.state is State.APPLIED
    assert job.failure_code is not None
    assert office.undo(job.job_id).state is State.UNDONE


def test_mended_rows_of_an_update(office: Desk) -> None:
    plots = lattice(2, 1)
    office.load(plots)
    job = office.check(office.file([plots[0], plots[1].having(land_use="XXX")]), Intent.UPDATE)
    assert counts(job) == (0, 0, 1, 1)
    job = office.mend(job.job_id, 2, land_use="LUC")
    assert counts(job) == (0, 0, 2, 0)

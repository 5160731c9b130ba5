"""One transaction, opened at the edge: all of it or nothing, one moment, and refusals in the domain's own words."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from landdb.db import constraints
from landdb.db.transaction import PUBLIC, SYSTEM, Actor, Database, Tx, connect, new_id, statement_file
from landdb.errors import Conflict, Invalid, Unavailable
from landdb.intake.model import NumberTaken

SHEET = "INSERT INTO data_version (layer, version) VALUES (:layer, 1)"


def layers(database: Database) -> list[str]:
    with database.begin() as tx:
        return list(tx.execute("SELECT layer FROM data_version WHERE layer LIKE 'test%' ORDER BY layer").scalars())


def test_a_block_that_ends_is_kept_and_one_that_raises_is_not(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(SHEET, layer="test kept")
    with pytest.raises(ZeroDivisionError), database.begin() as tx:
        _ = tx.execute(SHEET, layer="test lost").rowcount / 0
    assert layers(database) == ["test kept"]


def test_a_list_of_mappings_runs_the_statement_for_each(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(SHEET, [{"layer": "test a"}, {"layer": "test b"}])
    assert layers(database) == ["test a", "test b"]


def test_a_value_is_never_part_of_the_statement(tx: Tx) -> None:
    sly = "'; DROP TABLE parcel; --"
    assert tx.execute("SELECT CAST(:given AS text)", given=sly).scalar_one() == sly


def test_binary_copy_in_small_pieces_arrives_whole(tx: Tx) -> None:
    row = struct.pack(">hi4si", 2, 4, b"test", 4) + struct.pack(">i", 7)
    stream = b"PGCOPY\n\xff\r\n\0" + bytes(8) + row + struct.pack(">h", -1)
    pieces = [stream[at : at + 3] for at in range(0, len(stream), 3)]
    assert tx.copy("COPY data_version (layer, version) FROM STDIN (FORMAT binary)", pieces) == 1
    assert tx.execute("SELECT version FROM data_version WHERE layer = 'test'").scalar_one() == 7


def test_a_violated_name_is_raised_as_what_it_protects(tx: Tx) -> None:
    class LayerTwice(Conflict):
        code = "test.layer_twice"

    constraints.register("data_version_pkey", LayerTwice)
    try:
        with pytest.raises(LayerTwice):
            tx.execute(SHEET, [{"layer": "test"}, {"layer": "test"}])
    finally:
        del constraints._MEANING["data_version_pkey"]


def test_a_name_without_meaning_stays_our_bug(tx: Tx) -> None:
    with pytest.raises(IntegrityError):
        tx.execute(SHEET, [{"layer": "test"}, {"layer": "test"}])


def test_a_violation_in_copied_rows_is_translated_too(tx: Tx) -> None:
    row = struct.pack(">hi4sii", 2, 4, b"test", 4, 7)
    stream = b"PGCOPY\n\xff\r\n\0" + bytes(8) + row + row + struct.pack(">h", -1)
    constraints.register("data_version_pkey", NumberTaken)
    try:
        with pytest.raises(NumberTaken):
            tx.copy("COPY data_version (layer, version) FROM STDIN (FORMAT binary)", [stream])
    finally:
        del constraints._MEANING["data_version_pkey"]


def test_what_a_deferred_constraint_says_at_commit_is_a_refusal(database: Database) -> None:
    with database.begin() as tx:
        right, claim = _one_right(tx)
    with pytest.raises(Invalid) as refusal, database.begin() as tx:
        tx.execute(
            "INSERT INTO right_holder (right_id, ordinal, party_claim_id, share_numerator, share_denominator)"
            " VALUES (:right, 1, :claim, 1, 3)",
            right=right,
            claim=claim,
        )
    assert refusal.value.code == "right.shares_do_not_sum"
    with database.begin() as tx:
        assert tx.execute("SELECT count(*) FROM right_holder").scalar_one() == 0


def _one_right(tx: Tx) -> tuple[UUID, UUID]:
    import landdb.administrative.store  # noqa: F401 - gives the constraint its meaning

    act, sheet, parcel, right, claim = (new_id() for _ in range(5))
    unit = tx.execute("SELECT admin_unit_id FROM admin_unit WHERE kind = 'commune' LIMIT 1").scalar_one()
    named = {"act": act, "sheet": sheet, "parcel": parcel, "right": right, "claim": claim, "unit": unit}
    for statement in (
        "INSERT INTO registration (registration_id, kind, recorded_at) VALUES (:act, 'import', now())",
        """INSERT INTO map_sheet (map_sheet_id, admin_unit_id, series, sheet_no, srid, registration_id)
           VALUES (:sheet, :unit, '', '1', 9209, :act)""",
        """INSERT INTO parcel (parcel_id, version_no, status, map_sheet_id, parcel_no, admin_unit_id, geom, measured_area_m2,
                               geometry_hash, registration_id)
           VALUES (:parcel, 1, 'in_force', :sheet, '1', :unit, 'SRID=9209;POLYGON((0 0, 1 0, 1 1, 0 0))', 1, 1, :act)""",
        """INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
           VALUES (:right, 'land_use', :parcel, 'shares', '(,)', tstzrange(now(), NULL), :act)""",
        "INSERT INTO party_claim (party_claim_id, raw_name, registration_id) VALUES (:claim, 'Lê Thử', :act)",
    ):
        tx.execute(statement, named)
    return right, claim


@pytest.mark.parametrize("suffix", ["", "_102013"])
def test_a_sharded_cluster_names_the_same_constraint(suffix: str) -> None:
    assert constraints._SHARD_SUFFIX.sub("", f"custody_open{suffix}") == "custody_open"


def test_a_lock_that_is_not_free_means_try_later(database: Database) -> None:
    with database.begin() as first:
        first.execute("LOCK TABLE data_version IN ACCESS EXCLUSIVE MODE")
        with database.begin() as second:
            second.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(Unavailable) as refusal:
                second.execute("SELECT 1 FROM data_version")
    assert refusal.value.code == "database.unavailable"


def test_a_server_that_is_not_there_means_try_later() -> None:
    nobody = connect("postgresql://127.0.0.1:1/nothing")
    with pytest.raises(Unavailable), nobody.begin():
        pass


def test_a_statement_that_is_wrong_is_not_taken_for_a_refusal(tx: Tx) -> None:
    with pytest.raises(DBAPIError):
        tx.execute("SELECT no_such_column FROM parcel")


def test_the_day_is_the_day_in_vietnam(tx: Tx) -> None:
    late = Tx(tx.connection, SYSTEM, dt.datetime(2026, 1, 1, 17, 30, tzinfo=dt.UTC))
    assert late.today == dt.date(2026, 1, 2)


def test_identifiers_grow_with_time_and_callers_are_not_named() -> None:
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}
    staff_id = uuid4()
    assert Actor("staff", staff_id, name="Lê Thị Nhập").caller == f"staff:{staff_id}"
    assert PUBLIC.caller == "public:-"


def test_an_address_shows_no_password() -> None:
    database = connect("postgresql://land:secret@127.0.0.1/register")
    assert "secret" not in repr(database)
    assert "secret" in database.conninfo


def test_statements_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "count.sql").write_text("SELECT 1", "utf-8")
    assert statement_file(tmp_path, "count") == "SELECT 1"

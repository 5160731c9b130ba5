"""Every invariant is seen to fail once: the register is broken by hand, and that very violation is named, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from landdb.db.transaction import Tx
from landdb.messages import catalogue
from landdb.views.verify import CHECKS, LAND
from ops import cli
from ops.verify import Verdict, as_data, as_lines, judge, verify, verify_shapes
from tests.ops.conftest import Filled

IN_FORCE = "(SELECT parcel_id FROM parcel WHERE status = 'in_force' ORDER BY parcel_id LIMIT 1)"
ONE_RIGHT = "(SELECT right_id FROM right_held WHERE upper_inf(recorded) ORDER BY right_id LIMIT 1)"
CLOSED = "(SELECT parcel_id, version_no FROM parcel_version WHERE NOT upper_inf(recorded) ORDER BY 1 LIMIT 1)"
TWINS = """
WITH pair AS (
    SELECT (array_agg(parcel_id ORDER BY parcel_id))[1:2] AS two, map_sheet_id FROM parcel
    WHERE status = 'in_force' GROUP BY map_sheet_id HAVING count(*) > 1 LIMIT 1
)
SELECT two[2] AS twin, p.parcel_no, o.parcel_no AS old INTO TEMP twin
FROM pair JOIN parcel p ON p.parcel_id = two[1] JOIN parcel o ON o.parcel_id = two[2]
"""

BROKEN: list[tuple[str, list[str]]] = [
    ("zones_pinned", ["UPDATE spatial_ref_sys SET proj4text = proj4text || ' +units=m' WHERE srid = 9211"]),
    ("data_version_present", ["DELETE FROM data_version"]),
    (
        "version_in_force_one",
        [
            (
                "UPDATE parcel_version SET valid = daterange(lower(valid), '2026-01-02')"
                f" WHERE upper_inf(recorded) AND upper_inf(valid) AND parcel_id = {IN_FORCE}"
            )
        ],
    ),
    (
        "version_in_force_ended",
        [
            (
                "UPDATE parcel_version SET valid = daterange(lower(valid), NULL) WHERE upper_inf(recorded) AND parcel_id ="
                " (SELECT parcel_id FROM parcel JOIN parcel_version v USING (parcel_id)"
                "  WHERE status = 'ended' AND upper_inf(v.recorded) LIMIT 1)"
            )
        ],
    ),
    ("parcel_as_version", [f"UPDATE parcel SET address = 'elsewhere' WHERE parcel_id = {IN_FORCE}"]),
    (
        "parcel_as_version",
        [f"UPDATE parcel SET geometry_hash = geometry_hash + 1 WHERE parcel_id = {IN_FORCE}"],
    ),
    (
        "clocks_apart",
        [
            "ALTER TABLE parcel_version DROP CONSTRAINT parcel_version_clocks_excl",
            (
                "UPDATE parcel_version SET valid = daterange(lower(valid), upper(valid) + 1) WHERE (parcel_id, version_no) ="
                " (SELECT parcel_id, v.version_no FROM parcel_version v JOIN parcel p USING (parcel_id)"
                "  WHERE p.status = 'in_force' AND upper_inf(v.recorded) AND NOT upper_inf(v.valid) LIMIT 1)"
            ),
        ],
    ),
    (
        "recorded_by_registration",
        [
            (
                "UPDATE right_held SET recorded = tstzrange(lower(recorded) - interval '1 second', upper(recorded))"
                f" WHERE right_id = {ONE_RIGHT}"
            )
        ],
    ),
    (
        "not_in_future",
        [f"UPDATE right_held SET valid = daterange(current_date + 9, NULL) WHERE right_id = {ONE_RIGHT}"],
    ),
    ("face_of_parcel", [f"DELETE FROM parcel_face WHERE parcel_id = {IN_FORCE}"]),
    ("face_as_parcel", [f"UPDATE parcel_face SET area_m2 = area_m2 + 1 WHERE parcel_id = {IN_FORCE}"]),
    (
        "face_as_parcel",
        [
            (
                "UPDATE parcel_face SET feature = replace(feature, '\"version_no\":', '\"version_no\":9')"
                f" WHERE parcel_id = {IN_FORCE}"
            )
        ],
    ),
    (
        "face_shape",
        [f"UPDATE parcel_face SET geom_4326 = ST_Translate(geom_4326, 3e-7, 0) WHERE parcel_id = {IN_FORCE}"],
    ),
    (
        "face_shape",
        [f"UPDATE parcel_face SET geom_3857 = ST_Translate(geom_3857, 0, 0.05) WHERE parcel_id = {IN_FORCE}"],
    ),
    (
        "face_keys",
        [
            (
                'UPDATE parcel_face SET feature = replace(feature, \'"srid":\', \'"holder_name":"A","srid":\')'
                f" WHERE parcel_id = {IN_FORCE}"
            )
        ],
    ),
    (
        "sheet_number_unique",
        [
            "DROP INDEX parcel_sheet_number_key",
            TWINS,
            "UPDATE parcel p SET parcel_no = t.parcel_no FROM twin t WHERE p.parcel_id = t.twin",
            "UPDATE parcel_version v SET parcel_no = t.parcel_no FROM twin t WHERE v.parcel_id = t.twin",
            (
                "UPDATE parcel_reference r SET parcel_no = t.parcel_no FROM twin t"
                " WHERE r.parcel_id = t.twin AND r.kind = 'current'"
            ),
            (
                "UPDATE parcel_face f SET parcel_no = t.parcel_no, feature = replace(feature,"
                " '\"parcel_no\":\"' || t.old || '\"', '\"parcel_no\":\"' || t.parcel_no || '\"')"
                " FROM twin t WHERE f.parcel_id = t.twin"
            ),
        ],
    ),
    (
        "nothing_dangles",
        [f"UPDATE parcel_version SET map_sheet_id = gen_random_uuid() WHERE (parcel_id, version_no) = {CLOSED}"],
    ),
    (
        "nothing_dangles",
        [
            (
                "UPDATE parcel_reference SET registration_id = gen_random_uuid() WHERE ctid ="
                " (SELECT ctid FROM parcel_reference WHERE kind = 'former' LIMIT 1)"
            )
        ],
    ),
    (
        "nothing_dangles",
        [
            (
                "UPDATE parcel_reference SET admin_unit_id = -1 WHERE ctid ="
                " (SELECT ctid FROM parcel_reference WHERE kind = 'former' LIMIT 1)"
            )
        ],
    ),
    (
        "land_use_sound",
        ["UPDATE parcel_land_use SET area_m2 = -1 WHERE ctid = (SELECT ctid FROM parcel_land_use LIMIT 1)"],
    ),
    (
        "land_use_sound",
        [f"UPDATE parcel_land_use SET land_use_code = 'ZZZ' WHERE (parcel_id, version_no) = {CLOSED} AND ordinal = 1"],
    ),
    (
        "measured_area",
        [f"UPDATE parcel_version SET measured_area_m2 = measured_area_m2 + 1 WHERE (parcel_id, version_no) = {CLOSED}"],
    ),
    ("right_has_holder", [f"DELETE FROM right_holder WHERE right_id = {ONE_RIGHT}"]),
    (
        "shares_sum",
        [f"UPDATE right_holder SET share_numerator = 1, share_denominator = 2 WHERE right_id = {ONE_RIGHT}"],
    ),
    (
        "reference_current",
        [
            (
                "UPDATE parcel_reference SET kind = 'on_certificate'"
                f" WHERE kind = 'current' AND upper_inf(recorded) AND parcel_id = {IN_FORCE}"
            )
        ],
    ),
    (
        "certificate_folded",
        ["UPDATE certificate SET serial_folded = 'x' WHERE ctid = (SELECT ctid FROM certificate LIMIT 1)"],
    ),
    (
        "undone_closed",
        [
            (
                "UPDATE parcel_reference r SET recorded = tstzrange(lower(r.recorded), NULL), closed_by = NULL WHERE r.ctid ="
                " (SELECT o.ctid FROM parcel_reference o JOIN registration g USING (registration_id)"
                "  WHERE g.undone_by IS NOT NULL AND o.kind = 'former' LIMIT 1)"
            )
        ],
    ),
    (
        "undone_closed",
        [
            (
                "UPDATE registration SET undone_by = (SELECT registration_id FROM registration WHERE kind = 'import' LIMIT 1)"
                " WHERE undone_by IS NOT NULL"
            )
        ],
    ),
    (
        "import_balanced",
        ["UPDATE import_job SET counts = jsonb_set(counts, '{read}', to_jsonb((counts ->> 'read')::int + 1))"],
    ),
    (
        "import_whole",
        [
            (
                "UPDATE import_job SET counts = jsonb_set(counts, '{applied_new}', to_jsonb((counts ->> 'applied_new')::int - 1))"
                " WHERE intent = 'first-load'"
            )
        ],
    ),
    ("import_whole", ["UPDATE import_job SET state = 'applied' WHERE state = 'undone'"]),
    ("staging_owned", ["CREATE TABLE staged_parcel_0123456789abcdef0123456789abcdef (nothing integer)"]),
    (
        "staging_purged",
        [
            (
                "INSERT INTO staged_parcel (import_job_id, row_id, file_no, layer, row_no, verdict, holder_name)"
                " SELECT import_job_id, gen_random_uuid(), 1, 'x', 1, 'new', 'A' FROM import_job WHERE state = 'applied' LIMIT 1"
            )
        ],
    ),
]


@pytest.fixture
def broken_tx(filled: Filled) -> Iterator[Tx]:
    """A transaction in which the register may be broken; nothing of it stays."""
    with filled.database.begin() as tx:
        yield tx
        tx.connection.get_transaction().rollback()  # type: ignore[union-attr]


def test_a_register_with_a_past_is_clean(filled: Filled) -> None:
    verdict = verify(filled.database, geometry=True)
    assert [(v.check, v.count, v.examples[:3]) for v in verdict.violations] == []
    assert len(verdict.checks) == len(CHECKS) + 3
    assert verdict.parcels > 500
    with filled.database.begin() as tx:  # each check had something to look at
        for table in ("parcel", "parcel_version", "parcel_reference", "right_holder", "certificate_parcel", "lineage"):
            assert tx.execute(f"SELECT count(*) FROM {table}").scalar_one() > 0, table
        assert tx.execute("SELECT count(*) FROM registration WHERE undone_by IS NOT NULL").scalar_one() == 1
        assert tx.execute("SELECT count(*) FROM parcel WHERE status = 'ended'").scalar_one() > 0


@pytest.mark.parametrize(("check", "damage"), BROKEN, ids=[f"{check}-{i}" for i, (check, _) in enumerate(BROKEN)])
def test_a_broken_invariant_is_named_and_no_other(broken_tx: Tx, check: str, damage: list[str]) -> None:
    touched = [broken_tx.connection.execute(text(statement.replace(":", "\\:"))).rowcount for statement in damage]
    assert 0 not in touched, "the damage must do something"
    verdict = judge(broken_tx)
    assert [violation.check for violation in verdict.violations] == [check]
    assert verdict.violations[0].count >= 1
    assert verdict.violations[0].examples[0].subject
    assert any(check in line for line in as_lines(verdict, "en"))


def test_every_check_of_the_list_is_broken_here() -> None:
    # Those of dossiers are broken in tests/landdb/dossier/test_custody_invariants.py.
    assert {check for check, _ in BROKEN} == set(LAND)


@pytest.mark.parametrize("spoken", ["vi", "en"])
def test_every_check_has_its_sentence(spoken: str) -> None:
    known = catalogue("vi" if spoken == "vi" else "en")
    others = ("geometry_valid", "geometry_far", "geometry_overlap", "file_whole", "file_owned", "clean", "broken")
    named = [*CHECKS, *others]
    assert [check for check in named if f"verify.{check}" not in known] == []


def test_a_face_within_a_centimetre_is_no_violation(broken_tx: Tx) -> None:
    broken_tx.execute("UPDATE parcel_face SET geom_4326 = ST_Translate(geom_4326, 5e-8, 5e-8)")
    assert judge(broken_tx).clean


def test_examples_end_at_twenty_and_the_count_does_not(broken_tx: Tx) -> None:
    broken_tx.execute("DELETE FROM parcel_face")
    verdict = judge(broken_tx)
    assert verdict.violations[0].count == verdict.parcels
    assert len(verdict.violations[0].examples) == 20
    assert as_data(verdict, "en")["violations"][0]["sentence"].startswith("The reading table lacks")


def shapes(tx: Tx) -> Verdict:
    verdict = Verdict()
    verify_shapes(tx, verdict)
    return verdict


def test_a_shape_that_crosses_itself_is_named(broken_tx: Tx) -> None:
    broken_tx.execute(
        "UPDATE parcel SET geom = ST_SetSRID(ST_GeomFromText('POLYGON((0 0, 9 9, 9 0, 0 9, 0 0))'), ST_SRID(geom))"
        f" WHERE parcel_id = {IN_FORCE}"
    )
    assert [violation.check for violation in shapes(broken_tx).violations] == ["geometry_valid"]


def test_a_shape_at_the_other_end_of_the_country_is_named(broken_tx: Tx) -> None:
    last = "(SELECT parcel_id FROM parcel WHERE status = 'in_force' ORDER BY parcel_id DESC LIMIT 1)"
    broken_tx.execute(f"UPDATE parcel SET geom = ST_Translate(geom, 0, 900000) WHERE parcel_id = {last}")
    assert [violation.check for violation in shapes(broken_tx).violations] == ["geometry_far"]


def test_an_overlap_is_named_until_somebody_accepts_it(broken_tx: Tx) -> None:
    broken_tx.execute(f"UPDATE parcel SET geom = ST_Translate(geom, 3, 3) WHERE parcel_id = {IN_FORCE}")
    (found,) = shapes(broken_tx).violations
    assert found.check == "geometry_overlap"
    expected = broken_tx.execute(
        f"""SELECT least(a.parcel_id, b.parcel_id) || ' ' || greatest(a.parcel_id, b.parcel_id)
            FROM parcel a JOIN parcel b ON a.parcel_id = {IN_FORCE} AND b.parcel_id <> a.parcel_id
             AND b.status = 'in_force' AND ST_Area(ST_Intersection(a.geom, b.geom)) > 1"""
    ).scalars()
    assert {example.subject for example in found.examples} == set(expected)
    broken_tx.execute(
        f"""INSERT INTO accepted_overlap (parcel_a_id, parcel_b_id, area_m2, reason, registration_id, recorded_at)
            SELECT least(a.parcel_id, b.parcel_id), greatest(a.parcel_id, b.parcel_id), 1, 'old map', a.registration_id, now()
            FROM parcel a JOIN parcel b ON a.parcel_id = {IN_FORCE} AND b.parcel_id <> a.parcel_id
             AND b.status = 'in_force' AND ST_Intersects(a.geom, b.geom)"""
    )
    assert shapes(broken_tx).clean


def test_the_command_answers_json_and_exit_codes(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr("ops.verify.open_database", lambda: nullcontext(filled.database))
    good = CliRunner().invoke(cli.app, ["verify", "--json"])
    assert good.exit_code == 0
    assert '"clean":true' in good.stdout
    with filled.database.begin() as tx:
        tx.execute("UPDATE data_version SET layer = 'lost' WHERE layer = 'parcels'")
    try:
        bad = CliRunner().invoke(cli.app, ["verify"])
    finally:
        with filled.database.begin() as tx:
            tx.execute("UPDATE data_version SET layer = 'parcels' WHERE layer = 'lost'")
    assert bad.exit_code == 4
    assert "data_version_present" in bad.stdout

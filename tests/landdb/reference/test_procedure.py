"""Procedures: the bundled ones reach an end from every stage and name their sources; one that would not is refused at load."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import landdb.reference
from landdb.access import permissions
from landdb.access.tables import office
from landdb.db.transaction import Tx
from landdb.errors import LandError
from landdb.reference import procedure as words
from landdb.reference import store
from landdb.reference.load import load_table
from landdb.reference.model import FileMalformed, ValidityOverlaps
from landdb.reference.procedure import (
    FirstStageWrong,
    IdentifierTaken,
    Procedure,
    ProcedureIncomplete,
    ProcedureUnknown,
    StageLeadsNowhere,
    StageUnreached,
    StepAfterEnd,
    check,
)
from landdb.reference.tables import procedure_stage
from landdb.reference.working_time import VIETNAM

DATA = Path(landdb.reference.__file__).parent / "data"
DAY = dt.date(2026, 11, 22)
TABLES = ("procedure", "procedure_stage", "procedure_step", "procedure_paper")
OURS = "100"  # the id of a procedure that a test makes up from the bundled one of subdivision

Row = dict[str, str]
Change = Callable[[list[Row]], list[Row]]


def rows(name: str) -> list[Row]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


STAGES, STEPS, PAPERS = rows("procedure_stage"), rows("procedure_step"), rows("procedure_paper")
PROCEDURES = rows("procedure")
BUNDLED = {row["code"]: row["procedure_id"] for row in PROCEDURES}


# ------------------------------------------------------------------ the bundled rows


def ends_from(stage: str, steps: Sequence[Row], lasts: set[str], passed: frozenset[str] = frozenset()) -> bool:
    """Whether some way leads to an end, by walking every one of them."""
    return stage in lasts or any(
        ends_from(step["to_stage"], steps, lasts, passed | {stage})
        for step in steps
        if step["from_stage"] == stage and step["to_stage"] not in passed
    )


@pytest.mark.parametrize("code", BUNDLED)
def test_every_stage_of_a_bundled_procedure_reaches_an_end_and_is_reached(code: str) -> None:
    stages = [row for row in STAGES if row["procedure_id"] == BUNDLED[code]]
    steps = [row for row in STEPS if row["procedure_id"] == BUNDLED[code]]
    lasts = {row["stage"] for row in stages if row["is_last"] == "true"}
    assert {"closed", "refused", "withdrawn"} == lasts
    assert [row["stage"] for row in stages if row["is_first"] == "true"] == ["received"]
    for row in stages:
        assert ends_from(row["stage"], steps, lasts)
        assert row["stage"] == "received" or ends_from("received", steps, {row["stage"]})
    assert not [step for step in steps if step["from_stage"] in lasts]
    # The result can be given to the applicant, not only refused or withdrawn.
    assert all(ends_from(row["stage"], steps, {"closed"}) for row in stages if row["stage"] not in lasts)


def test_the_walk_sees_a_dead_end() -> None:
    steps = [{"from_stage": "a", "to_stage": "b"}, {"from_stage": "b", "to_stage": "a"}]
    assert not ends_from("a", steps, {"c"})
    assert ends_from("a", [*steps, {"from_stage": "b", "to_stage": "c"}], {"c"})


def test_the_ten_procedures_of_the_office_are_there() -> None:
    assert set(BUNDLED) == {
        "1.013978", "1.012753", "1.012782", "1.012783", "1.012784", "1.012786",
        "local.change", "local.transfer", "local.mortgage", "local.mortgage_cancel", "local.correction",
    }  # fmt: skip
    national = {row["code"] for row in rows("code_value") if row["code_list"] == "procedure"}
    assert {code for code in BUNDLED if not code.startswith("local.")} <= national


def test_a_limit_has_its_law_and_one_without_is_set_by_the_office() -> None:
    for row in PROCEDURES:
        assert bool(row["limit_working_hours"]) is bool(row["limit_source"])
        if row["limit_source"]:
            assert row["limit_source"].startswith("NĐ 101/2024/NĐ-CP Đ22 k")
        if row["code"].startswith("local."):
            assert row["source"].startswith("set by the office")
            assert row["confirmed"] == "false"
    assert [row["code"] for row in PROCEDURES if not row["limit_source"]] == ["local.mortgage", "local.mortgage_cancel"]
    for stage in STAGES:
        assert ("limit set by the office" in stage["source"]) is (not stage["limit_working_hours"])


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("1.013978", ["k1.1", "k1.2"]),
        ("1.012753", ["k1.1", "k1.2"]),
        ("local.transfer", ["k2a"]),
        ("local.change", ["k2đ.1"]),
        ("1.012783", ["k3a"]),
        ("1.012784", ["k4"]),
        ("1.012786", ["k5"]),
        ("1.012782", ["k7"]),
        ("local.correction", ["k8"]),
    ],
)
def test_limits_are_the_working_days_of_the_decree(code: str, limits: list[str]) -> None:
    days = {
        row["code"]: json.loads(row["attributes"])["working_days"]
        for row in rows("code_value")
        if row["code_list"] == "time_limit" and row["code"] in limits
    }
    procedure = next(row for row in PROCEDURES if row["code"] == code)
    assert int(procedure["limit_working_hours"]) == 8 * sum(days[limit] for limit in limits)
    assert f"Đ22 {limits[0].split('.')[0]}:" in procedure["limit_source"]


def test_a_stage_or_a_button_is_called_the_same_everywhere() -> None:
    for table, key in ((STAGES, ("stage",)), (STEPS, ("action",)), (PAPERS, ("doc_type",))):
        names: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        for row in table:
            names.setdefault(tuple(row[column] for column in key), set()).add((row["name_vi"], row["name_en"]))
        assert [key for key, found in names.items() if len(found) > 1] == []


def test_the_words_are_those_of_the_roles_the_offices_and_the_tables() -> None:
    assert set(words.STEP_DUTIES) == permissions.DUTIES
    kinds = next(str(c.sqltext) for c in office.constraints if str(c.name).endswith("kind_check"))  # type: ignore[attr-defined]
    reasons = next(str(c.sqltext) for c in procedure_stage.constraints if "pause_reason" in str(c.name))  # type: ignore[attr-defined]
    assert kinds == f"kind IN ({', '.join(map(repr, words.OFFICE_KINDS))})"
    assert reasons == f"pause_reason IN ({', '.join(map(repr, words.PAUSE_REASONS))})"
    assert {row["stage"] for row in STAGES} == set(words.STAGES)
    assert {row["action"] for row in STEPS} == set(words.ACTIONS)


def test_somebody_can_take_every_step() -> None:
    """Each duty belongs to a role, and no work of the branch is open to the desk, whose officers hold its duty too."""
    for step in STEPS:
        assert [role for role, held in permissions.ROLES.items() if step["duty"] in held]
        if "commune_desk" in step["office_kinds"]:
            assert step["from_stage"] in {"received", "wait_citizen", "ready"}
    assert {"dossier:receive", "dossier:work", "dossier:return"} <= permissions.ROLES["desk_officer"]


def test_the_clock_stands_still_where_the_decree_says_so_and_nowhere_else() -> None:
    stopped = {row["stage"]: row["pause_reason"] for row in STAGES if row["pause_reason"]}
    assert stopped == {
        "wait_citizen": "supplement",
        "at_tax": "tax",
        "wait_payment": "payment",
        "posting": "posting",
        "inspection": "inspection",
    }


def test_the_limits_between_offices_stand_once(tx: Tx) -> None:
    hours = {
        value.code: (value.attributes["working_hours"], value.confirmed)
        for value in store.code_values(tx, "office_limit")
    }
    assert hours == {"forward": (4, False), "objection": (16, False), "commune_opinion": (24, False)}
    of = store.get_procedure(tx, "1.013978", DAY).stages
    assert of["received"].limit_working_hours == 4
    assert of["inspection"].limit_working_hours == 24


# ------------------------------------------------------------------ reading


def test_every_loaded_procedure_passes_the_check(tx: Tx) -> None:
    found = store.list_procedures(tx, DAY)
    assert [procedure.code for procedure in found] == sorted(BUNDLED)
    for procedure in found:
        check(procedure)
        assert store.procedure_by_id(tx, procedure.procedure_id) == procedure


def test_a_procedure_answers_what_may_be_done(tx: Tx) -> None:
    found = store.get_procedure(tx, "local.transfer", DAY)
    assert found.first_stage == "received"
    assert [step.action for step in found.steps_from("received")] == ["take_up", "ask_supplement", "refuse", "withdraw"]
    assert found.steps_from("closed") == ()
    assert found.step("closed", "sign") is None
    sign = found.step("to_sign", "sign")
    assert sign is not None
    assert (sign.to_stage, sign.duty, sign.office_kinds) == ("signed", "dossier:sign", ("branch", "provincial_office"))
    result = found.step("signed", "prepare_result")
    assert result is not None
    assert result.needs_papers == ("RESULT",)
    assert found.office_kinds == {"branch", "provincial_office", "commune_desk", "tax"}
    assert [paper.doc_type for paper in found.required_papers] == ["DDKBD", "GCN"]
    assert not any(paper.confirmed for paper in found.papers)
    assert (found.limit_working_hours, found.has_local_code, found.confirmed) == (80, True, False)
    assert [found.stages[stage].national_status for stage in ("received", "ready", "closed")] == [2, 9, 10]


def test_a_procedure_that_nobody_knows(tx: Tx) -> None:
    with pytest.raises(ProcedureUnknown) as refusal:
        store.get_procedure(tx, "9.999999", DAY)
    assert refusal.value.params == {"procedure": "9.999999", "on": "2026-11-22"}
    with pytest.raises(ProcedureUnknown):
        store.procedure_by_id(tx, 999_999)


def test_one_procedure_or_all_take_as_many_queries(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    execute = type(tx).execute

    def counted(self: Tx, statement: Any, *params: Any, **named: Any) -> Any:
        asked.append(statement)
        return execute(self, statement, *params, **named)

    monkeypatch.setattr(type(tx), "execute", counted)
    store.loaded_procedures(tx, [1])
    one = len(asked)
    store.loaded_procedures(tx, [1, 2, 3])
    assert (one, len(asked)) == (4, 8)
    store.procedure_by_id(tx, 1)
    store.procedure_by_id(tx, 1)
    assert len(asked) == 12


def test_a_change_shows_within_a_minute_or_at_once_when_asked(tx: Tx) -> None:
    assert not _signs(store.procedure_by_id(tx, 1))
    tx.execute("UPDATE procedure_step SET needs_signature = true WHERE procedure_id = 1 AND action = 'sign'")
    assert not _signs(store.procedure_by_id(tx, 1))
    later = replace(tx, now=tx.now + dt.timedelta(seconds=61))
    assert _signs(store.procedure_by_id(later, 1))
    tx.execute("UPDATE procedure_step SET needs_signature = false WHERE procedure_id = 1 AND action = 'sign'")
    store.forget_procedures()
    assert not _signs(store.procedure_by_id(tx, 1))


def _signs(procedure: Procedure) -> bool:
    step = procedure.step("to_sign", "sign")
    return step is not None and step.needs_signature


def test_the_working_calendar_of_the_register(tx: Tx) -> None:
    calendar = store.working_calendar(tx, dt.date(2026, 11, 20), dt.date(2026, 12, 31))
    friday = dt.datetime(2026, 11, 20, 15, 30, tzinfo=VIETNAM)
    assert calendar.add(friday, 240) == dt.datetime(2026, 11, 23, 9, 30, tzinfo=VIETNAM)
    assert calendar.add(dt.datetime(2026, 12, 31, 15, 30, tzinfo=VIETNAM), 240) == dt.datetime(
        2027, 1, 4, 9, 30, tzinfo=VIETNAM
    )
    assert calendar.covers(dt.date(2027, 12, 31))
    assert not store.working_calendar(tx, dt.date(2027, 11, 1), dt.date(2027, 12, 31)).covers(dt.date(2028, 1, 3))


def test_hours_that_change_hold_from_their_day_on(tx: Tx, write: Any) -> None:
    heading = "weekday,opens_at,closes_at,valid_from,valid_to,confirmed,source\n"
    old = "".join(
        f"{d},{hours},,2027-01-01,true,test\n" for d in range(1, 6) for hours in ("07:30,11:30", "13:30,17:30")
    )
    new = "".join(f"{d},07:00,15:00,2027-01-01,,true,test\n" for d in range(1, 6))
    report = load_table(tx, "working_hours", write(heading + old + new))
    assert (report.added, report.changed) == (5, 10)
    calendar = store.working_calendar(tx, dt.date(2026, 12, 31), dt.date(2027, 1, 31))
    afternoon = dt.datetime(2026, 12, 31, 17, 0, tzinfo=VIETNAM)
    assert calendar.add(afternoon, 60) == dt.datetime(2027, 1, 4, 7, 30, tzinfo=VIETNAM)


# ------------------------------------------------------------------ loading


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(content: str) -> Path:
        path = tmp_path / "file.csv"
        path.write_text(content, "utf-8")
        return path

    return write


def as_file(table: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]))
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def made_up(name: str) -> list[Row]:
    """The rows of subdivision under an id and a code of a province's own."""
    table = [row | {"procedure_id": OURS} for row in rows(name) if row["procedure_id"] == BUNDLED["1.012784"]]
    return [row | {"province_code": "92"} for row in table] if name == "procedure" else table


def load_made_up(tx: Tx, write: Any, changes: dict[str, Change]) -> None:
    for name in TABLES:
        load_table(tx, name, write(as_file(changes.get(name, list)(made_up(name)))))


def without(**facts: str) -> Change:
    return lambda table: [row for row in table if any(row[column] != value for column, value in facts.items())]


def setting(change: Row, **facts: str) -> Change:
    return lambda table: [
        row | change if all(row[column] == value for column, value in facts.items()) else row for row in table
    ]


def test_a_province_has_its_own_and_all_others_the_common_one(tx: Tx, write: Any) -> None:
    shorter = setting(
        {"limit_working_hours": "56", "limit_source": "decision of the province", "valid_from": "2026-07-01"}
    )
    load_made_up(tx, write, {"procedure": shorter})
    assert store.get_procedure(tx, "1.012784", DAY, "92").limit_working_hours == 56
    assert store.get_procedure(tx, "1.012784", DAY, "01").limit_working_hours == 120
    assert store.get_procedure(tx, "1.012784", dt.date(2026, 6, 30), "92").limit_working_hours == 120
    assert len(store.list_procedures(tx, DAY)) == len(BUNDLED) + 1


@pytest.mark.parametrize(
    ("changes", "error", "params"),
    [
        (
            {"procedure_step": without(from_stage="at_tax")},
            StageLeadsNowhere,
            {"stage": "at_tax"},
        ),
        (
            # Two stages that lead to each other only.
            {
                "procedure_step": lambda table: setting({"to_stage": "inspection"}, from_stage="at_tax")(
                    setting({"to_stage": "at_tax"}, from_stage="inspection")(table)
                )
            },
            StageLeadsNowhere,
            {"stage": "at_tax"},
        ),
        ({"procedure_step": without(to_stage="to_sign")}, StageUnreached, {"stage": "to_sign"}),
        (
            {"procedure_step": setting({"from_stage": "refused"}, from_stage="at_tax", action="withdraw")},
            StepAfterEnd,
            {"stage": "refused", "action": "withdraw"},
        ),
        (
            {"procedure_stage": setting({"is_first": "true"}, stage="in_process")},
            FirstStageWrong,
            {"count": 2, "stages": "received, in_process"},
        ),
        ({"procedure_stage": setting({"is_first": "false"})}, FirstStageWrong, {"count": 0, "stages": "–"}),
    ],
)
def test_a_procedure_in_which_a_dossier_gets_stuck_is_refused_and_the_stage_named(
    tx: Tx, write: Any, changes: dict[str, Change], error: type[LandError], params: dict[str, Any]
) -> None:
    with pytest.raises(error) as refusal:
        load_made_up(tx, write, changes)
    assert refusal.value.params == {"procedure": "1.012784 (100)", **params}


def test_a_stage_changed_under_its_steps_is_checked_and_a_new_one_may_wait_for_them(tx: Tx, write: Any) -> None:
    load_made_up(tx, write, {})
    stages = [row for row in made_up("procedure_stage") if row["stage"] == "in_process"]
    with pytest.raises(StepAfterEnd):
        load_table(tx, "procedure_stage", write(as_file([stages[0] | {"is_last": "true"}])))
    posting = stages[0] | {"stage": "posting", "name_vi": "Niêm yết", "name_en": "Posting", "pause_reason": "posting"}
    tx.execute("UPDATE procedure_stage SET is_last = false WHERE procedure_id = 100 AND stage = 'in_process'")
    assert load_table(tx, "procedure_stage", write(as_file([posting]))).added == 1


def test_a_procedure_without_steps_is_not_offered(tx: Tx, write: Any) -> None:
    for name in TABLES[:2]:
        load_table(tx, name, write(as_file(made_up(name))))
    assert len(store.list_procedures(tx, DAY)) == len(BUNDLED)
    with pytest.raises(ProcedureIncomplete):
        store.get_procedure(tx, "1.012784", DAY, "92")


def test_an_id_that_dossiers_point_at_does_not_become_another_procedure(tx: Tx, write: Any) -> None:
    with pytest.raises(IdentifierTaken) as refusal:
        load_table(tx, "procedure", write(as_file([made_up("procedure")[0] | {"procedure_id": "1"}])))
    assert refusal.value.params == {"procedure_id": 1, "procedure": "1.013978"}


@pytest.mark.parametrize("start", [{}, {"valid_from": "2026-07-01"}])
def test_two_of_one_province_in_force_at_once_are_refused(tx: Tx, write: Any, start: Row) -> None:
    load_made_up(tx, write, {})
    with pytest.raises(ValidityOverlaps):
        load_table(tx, "procedure", write(as_file([made_up("procedure")[0] | {"procedure_id": "101"} | start])))


@pytest.mark.parametrize(
    ("table", "change", "column", "value"),
    [
        ("procedure", {"limit_source": ""}, "limit_source", ""),
        ("procedure", {"limit_working_hours": ""}, "limit_source", None),
        ("procedure", {"limit_working_hours": "0"}, "limit_working_hours", "0"),
        ("procedure", {"change_code": "ZZ"}, "change_code", "ZZ"),
        ("procedure_stage", {"stage": "on_the_moon"}, "stage", "on_the_moon"),
        ("procedure_stage", {"national_status": "11"}, "national_status", "11"),
        ("procedure_stage", {"procedure_id": "777"}, "procedure_id", "777"),
        ("procedure_stage", {"is_first": "true", "is_last": "true"}, "is_last", "true"),
        ("procedure_step", {"action": "sleep"}, "action", "sleep"),
        ("procedure_step", {"duty": "dossier:read"}, "duty", "dossier:read"),
        ("procedure_step", {"office_kinds": "branch;district"}, "office_kinds", "branch;district"),
        ("procedure_step", {"office_kinds": "branch;branch"}, "office_kinds", "branch;branch"),
        ("procedure_step", {"to_stage": "posting"}, "to_stage", "posting"),
        ("procedure_step", {"needs_papers": "GCN;ZZ"}, "needs_papers", "ZZ"),
        ("procedure_step", {"source": ""}, "source", ""),
        ("procedure_paper", {"doc_type": "ZZ"}, "doc_type", "ZZ"),
        ("procedure_paper", {"copies": "0"}, "copies", "0"),
    ],
)
def test_a_bad_row_is_named(tx: Tx, write: Any, table: str, change: Row, column: str, value: str | None) -> None:
    for name in TABLES[: TABLES.index(table)]:
        load_table(tx, name, write(as_file(made_up(name))))
    with pytest.raises(FileMalformed) as refusal:
        load_table(tx, table, write(as_file([made_up(table)[0] | change])))
    assert (refusal.value.params["row"], refusal.value.params["column"]) == (2, column)
    assert value is None or refusal.value.params["value"] == value


@pytest.mark.parametrize(
    ("change", "column"),
    [({"weekday": "8"}, "weekday"), ({"closes_at": "07:00"}, "closes_at"), ({"opens_at": "7h30"}, "opens_at")],
)
def test_hours_that_cannot_be_are_refused(tx: Tx, write: Any, change: Row, column: str) -> None:
    with pytest.raises(FileMalformed) as refusal:
        load_table(tx, "working_hours", write(as_file([rows("working_hours")[0] | change])))
    assert refusal.value.params["column"] == column

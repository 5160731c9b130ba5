"""What may follow what in an import, over every state and act; no database."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from landdb.intake.model import STEPS, Action, ImportJob, Intent, JobFailed, NotInState, State, actions_for, demand

EVERYTHING = frozenset(step.permission for step in STEPS)
LAWFUL = {
    Action.APPROVE: {State.CHECKED, State.APPLIED},
    Action.REJECT: {State.CHECKED, State.FAILED},
    Action.MEND: {State.CHECKED, State.APPLIED},
    Action.CORRECT: {State.CHECKED, State.FAILED},
    Action.UNDO: {State.APPLIED},
}
"""Written out once more, so that a slip in the table is seen."""


def job(state: State, *, stands: bool = False, **counts: int) -> ImportJob:
    return ImportJob(
        job_id=UUID(int=1), state=state, intent=Intent.UPDATE, admin_unit_id=1, commune_code="98001", commune_name="Xã",
        office_id=None, submitted_by=None, submitted_by_name=None, submitted_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        approved_by=None, layer=None, profile=None, srid=None, swapped_axes=False, sheet_no=None, series="",
        dossier_id=None, valid_from=None, options={}, recognised={}, counts=counts, stage=None, progress_done=0,
        progress_total=None, heartbeat_at=None, started_at=None, finished_at=None, failure_code=None, failure_params=None,
        registration_id=UUID(int=2) if stands else None,
    )  # fmt: skip


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("state", list(State))
def test_each_act_in_each_state(state: State, action: Action) -> None:
    if state in LAWFUL[action]:
        assert demand(job(state), action).action is action
        return
    with pytest.raises(NotInState) as refusal:
        demand(job(state), action)
    assert refusal.value.params == {"job_id": str(UUID(int=1)), "action": action.value, "state": state.value}


@pytest.mark.parametrize("state", list(State))
def test_who_may_nothing_is_offered_nothing(state: State) -> None:
    assert actions_for(job(state, new=1), frozenset()) == []


def test_offered_acts_are_lawful_ones() -> None:
    for state in State:
        offered = {Action(name) for name in actions_for(job(state, new=1, read=1), EVERYTHING)}
        assert offered == {action for action, states in LAWFUL.items() if state in states}


def test_nothing_to_approve_is_not_offered() -> None:
    done = job(State.APPLIED, stands=True, read=3, new=2, applied_new=2, quarantined=1)
    assert done.waiting == 0
    assert "approve" not in actions_for(done, EVERYTHING)
    waiting = job(State.APPLIED, stands=True, read=3, new=3, applied_new=2)
    assert waiting.waiting == 1
    assert "approve" in actions_for(waiting, EVERYTHING)


def test_a_resurvey_that_only_ends_parcels_may_be_approved() -> None:
    assert "approve" in actions_for(job(State.CHECKED, read=2, unchanged=2, retired=1), EVERYTHING)


@pytest.mark.parametrize(("counts", "balanced"), [
    ({"read": 10, "new": 4, "changed": 3, "unchanged": 2, "quarantined": 1}, True),
    ({"read": 10, "new": 4, "changed": 3, "unchanged": 2}, False),
    ({}, True),
])  # fmt: skip
def test_every_row_is_accounted_for(counts: dict[str, int], balanced: bool) -> None:
    assert job(State.CHECKED, **counts).balanced is balanced


def test_an_undone_import_stands_no_more() -> None:
    assert job(State.APPLIED, stands=True).stands
    assert not job(State.UNDONE, stands=True).stands
    assert not job(State.CHECKED).stands


def test_a_failed_import_speaks_with_its_own_code() -> None:
    params: dict[str, Any] = {"file": "thua.shp"}
    refusal = JobFailed.of("file.empty", params)
    assert (refusal.code, refusal.params) == ("file.empty", params)
    assert JobFailed.of("file.damaged", {}).code == "file.damaged"
    assert refusal.code == "file.empty"

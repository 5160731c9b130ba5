"""What is asked for one dossier is found by an index: a register holds a million of them, and these run at every act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from landdb.db.transaction import Tx
from landdb.dossier import store
from landdb.views.workload import boxes, on_same_land
from tests.landdb.dossier.desk import Work, work

ASKED: dict[str, Callable[[Tx, UUID], object]] = {
    "clocks": store.get_clocks,
    "deadlines": store.list_deadlines,
    "hand-overs": store.list_handovers,
    "took part": lambda tx, dossier_id: store.took_part(tx, dossier_id, 1),
    "papers": store.list_documents,
    "papers to hand over": lambda tx, dossier_id: store.papers_to_hand_over(tx, [dossier_id]),
    "same certificate": lambda tx, dossier_id: on_same_land(tx, parcel_id=dossier_id, certificate_serial="AA 1"),
    "provisional": lambda tx, _: store.list_provisional(tx),
    "boxes": lambda tx, _: boxes(tx, 1, None),
}
BIG = ("dossier", "custody", "handover", "document", "dossier_event", "deadline", "pause", "blob")


@pytest.mark.parametrize("name", ASKED)
def test_one_dossier_is_found_without_reading_a_whole_table(tx: Tx, name: str) -> None:
    here = work(tx)
    dossier = here.receive()
    plans = _plans(here, lambda: ASKED[name](here.tx, dossier.dossier_id))
    assert plans
    scanned = [line.strip() for plan in plans for line in plan if any(f"Seq Scan on {table} " in line for table in BIG)]
    assert not scanned


def _plans(here: Work, ask: Callable[[], object]) -> list[list[str]]:
    """The plans of all that is asked, where reading a whole table is the last resort."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    event.listen(here.tx.connection, "before_cursor_execute", note)
    ask()
    event.remove(here.tx.connection, "before_cursor_execute", note)
    here.tx.execute("SET LOCAL enable_seqscan = off")
    return [
        [row[0] for row in here.tx.connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
        for statement, parameters in asked
    ]

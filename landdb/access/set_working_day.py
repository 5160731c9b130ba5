"""Enter a day off, or a day worked in exchange, into the working calendar (ngày nghỉ, ngày làm bù)."""

from __future__ import annotations

import datetime as dt
from typing import Final

from landdb.access import store
from landdb.db.transaction import Tx
from landdb.errors import Invalid
from landdb.reference import store as reference

KINDS: Final = ("holiday", "in_lieu", "working_day")


class WorkingDayKindUnknown(Invalid):
    """Params: ``kind``."""

    code = "access.working_day_kind_unknown"


def set_working_day(
    tx: Tx, on_date: dt.date, *, kind: str, name_vi: str, name_en: str, source: str, confirmed: bool = True
) -> None:
    """Say what a day is. A day entered by mistake is corrected to what it is (``working_day``), never removed.

    ``source``: the decision that says so. Raises: ``WorkingDayKindUnknown``.
    """
    if kind not in KINDS:
        raise WorkingDayKindUnknown(kind=kind)
    row = {
        "on_date": on_date,
        "kind": kind,
        "name_vi": name_vi.strip(),
        "name_en": name_en.strip(),
        "confirmed": confirmed,
        "source": source.strip(),
    }
    reference.upsert(tx, "working_day_exception", [row])
    store.add_event(tx, "working_day_set", note=f"{on_date} {kind}")

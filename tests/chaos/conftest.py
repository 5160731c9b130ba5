"""One office at work, on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from landdb.db.transaction import Database
from tests.make import Desk, desk


@pytest.fixture
def office(database: Database, database_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = desk(database, database_url, tmp_path)
    yield made
    made.worker.database.dispose()

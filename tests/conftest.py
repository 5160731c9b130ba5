"""What every test may ask for: a private PostGIS, a database of its own, a transaction that is rolled back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from landdb.db.transaction import SYSTEM, Database, Tx, connect
from ops import embedded
from ops.migrate import migrate


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what a run says of itself (``record_property("told", …)``: seed, kills), from whatever process it ran in."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, text in report.user_properties:
                    if name == "told":
                        terminalreporter.write_line(str(text))


@pytest.fixture(scope="session")
def server() -> Iterator[embedded.Server]:
    """One private cluster for this test process, gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="landdb-test-"))
    # Root hands the server to another user, who must be able to pass through.
    folder.chmod(0o755)
    with embedded.start(folder / "data", durable=False) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server: embedded.Server) -> str:
    """Name of a migrated, otherwise empty database; tests copy it, which takes a fifth of a second."""
    server.create_database("template_register")
    migrate(server.url_of("template_register"))
    return "template_register"


@pytest.fixture(scope="session")
def shared_url(server: embedded.Server, template: str) -> str:
    """A database that all rolled-back tests of this process share; nothing is ever committed in it."""
    server.create_database("shared", template)
    return server.url_of("shared")


@pytest.fixture(scope="session")
def shared_database(shared_url: str) -> Iterator[Database]:
    database = connect(shared_url, pool_size=2, application_name="landdb-test")
    yield database
    database.dispose()


@pytest.fixture
def tx(shared_database: Database) -> Iterator[Tx]:
    """A transaction of the system that ends in a rollback."""
    with shared_database.begin(SYSTEM) as open_tx:
        yield open_tx
        open_tx.connection.get_transaction().rollback()  # type: ignore[union-attr]


@pytest.fixture
def database_url(server: embedded.Server, template: str) -> Iterator[str]:
    """The address of a migrated database for this test alone."""
    name = f"test_{uuid4().hex[:12]}"
    server.create_database(name, template)
    yield server.url_of(name)
    server.drop_database(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A pool on a database for this test alone: what it commits stays until the test ends."""
    pool = connect(database_url, application_name="landdb-test")
    yield pool
    pool.dispose()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of foreign files; the test is skipped, with the reason, where none is given."""
    folder = os.environ.get("LANDDB_REAL_DATA")
    if not folder:
        pytest.skip("LANDDB_REAL_DATA is not set: no foreign files at hand")
    return Path(folder)

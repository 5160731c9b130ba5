"""How a command reaches the register: the embedded server of LANDDB_DATA, or the one that LANDDB_DATABASE_URL names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from landdb.config import settings
from landdb.db.transaction import Database, connect
from landdb.messages import message
from ops import embedded
from ops.output import language, say


@contextmanager
def database_url() -> Iterator[str]:
    """The address of the register; an embedded server that we had to start for it is stopped afterwards."""
    configured = settings().database_url
    if configured:
        yield configured
        return
    with embedded.start(settings().data) as server:
        for note in server.notes:
            text = message(note.code, note.params, language())
            say(" ".join(part for part in (text.title, text.detail, text.action) if part))
        yield server.url


@contextmanager
def open_database(application_name: str = "landdb-cli") -> Iterator[Database]:
    """A pool on the register, migrated or not."""
    with database_url() as url:
        database = connect(url, application_name=application_name)
        try:
            yield database
        finally:
            database.dispose()

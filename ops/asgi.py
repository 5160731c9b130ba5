"""The application that the web server runs: the HTTP face, with the reading lane in front of it."""

from __future__ import annotations

from starlette.types import ASGIApp

from api.app import create_app
from api.reading import ReadingLane
from landdb.config import settings
from landdb.db.transaction import connect
from landdb.files import FileStore
from ops import embedded


def make() -> ASGIApp:
    """Made once in each process of the server."""
    configured = settings()
    url = configured.database_url or embedded.start(configured.data).url
    database = connect(url, pool_size=8, application_name="landdb-api")
    application = create_app(database, FileStore(configured.files_dir))
    return ReadingLane(application, database.conninfo, cache_mb=configured.body_cache_mb)

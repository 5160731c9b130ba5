"""Liveness, readiness and measures, for supervisors and dashboards; nothing of the register is among them."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Literal

from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api.deps import permission
from landdb.db.transaction import Database
from landdb.errors import LandError
from landdb.files import FileStore
from landdb.views.readiness import readiness

router = APIRouter(tags=["service"])

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


class Alive(BaseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"


class Part(BaseModel):
    """One part of the system: whether it works, and a word on it."""

    ok: bool
    detail: str


class Ready(BaseModel):
    """``ready`` is false when a fatal part fails; a missing worker delays imports but stops no query."""

    ready: bool
    database: Part
    migrations: Part
    files: Part
    worker: Part


@router.get("/healthz", openapi_extra=permission("service:status"), summary="Is this process alive")
def healthz() -> Alive:
    """Answers without asking anything else."""
    return Alive()


@router.get(
    "/readyz", openapi_extra=permission("service:status"), summary="Can this service answer", response_model=Ready
)
def readyz(request: Request, response: Response) -> Ready:
    """200 when the database, its migrations and the files are there; else 503 with the part that is not."""
    found = _ready(request.app.state.database, request.app.state.files)
    if not found.ready:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return found


@router.get("/metrics", openapi_extra=permission("service:status"), summary="Measures for Prometheus")
def metrics(request: Request) -> Response:
    """Requests by route and status of this process, in the text format of Prometheus."""
    return Response(generate_latest(request.app.state.measures.registry), media_type=CONTENT_TYPE_LATEST)


def _ready(database: Database, files: FileStore) -> Ready:
    stored = _writable(files.root)
    try:
        with database.begin() as tx:
            found = readiness(tx)
    except LandError as error:
        away = Part(ok=False, detail=error.code)
        unknown = Part(ok=False, detail="unknown")
        return Ready(ready=False, database=away, migrations=unknown, files=stored, worker=unknown)
    migrated = Part(ok=found.revision == head(), detail=f"{found.revision} of {head()}")
    worker = Part(ok=found.workers > 0, detail=f"{found.workers} seen, {found.waiting_jobs} jobs waiting")
    return Ready(
        ready=migrated.ok and stored.ok,
        database=Part(ok=True, detail="answers"),
        migrations=migrated,
        files=stored,
        worker=worker,
    )


def _writable(folder: Path) -> Part:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"ready")
    except OSError as error:
        return Part(ok=False, detail=type(error).__name__)
    return Part(ok=True, detail="writable")


@lru_cache(maxsize=1)
def head() -> str | None:
    """The newest migration that this release knows."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()

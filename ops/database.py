"""Commands of the database: the embedded server, and migrations."""

from __future__ import annotations

import shutil
import signal
import subprocess
from typing import Annotated

import typer

from landdb.config import settings
from ops import embedded
from ops.migrate import head
from ops.migrate import migrate as bring
from ops.output import Json, emit
from ops.session import database_url, open_database

db_app = typer.Typer(no_args_is_help=True, help="The embedded database.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(db_app, name="db")
    app.command()(migrate)


def migrate() -> None:
    """Bring the database to this release."""
    with open_database() as database:
        bring(database.url.render_as_string(hide_password=False))
    emit(False, {}, [head()])


@db_app.command("start")
def db_start() -> None:
    """Start the embedded server and hold it until Ctrl-C."""

    with database_url() as url:
        emit(False, {}, [url])
        signal.pause()


@db_app.command("stop")
def db_stop() -> None:
    """Stop the embedded server, whoever started it."""
    emit(False, {}, ["stopped" if embedded.stop(settings().data) else "not running"])


@db_app.command("status")
def db_status(json_mode: Json = False) -> None:
    """Whether the embedded server runs, and where."""
    status = embedded.status(settings().data)
    emit(json_mode, dict(vars(status)), [str(status)])


@db_app.command("psql")
def db_psql() -> None:
    """A psql session on the register."""
    with open_database() as database:
        subprocess.run(["psql", database.conninfo], check=False)


@db_app.command("reset")
def db_reset(yes: Annotated[bool, typer.Option("--yes", help="really")] = False) -> None:
    """Throw the embedded database away."""

    if not yes or settings().env == "production" or settings().database_url:
        raise typer.BadParameter("--yes")
    embedded.stop(settings().data)
    for name in ("pg", "files", "demo"):
        shutil.rmtree(settings().data / name, ignore_errors=True)

"""The command line ``landdb``: what an operator does, each command a thin face over a verb.

Exit codes: 0 done, 2 wrong use, 3 refused, 4 checked and found wanting, 75 try later, 1 our own fault.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from landdb.config import settings
from landdb.errors import LandError
from ops import accounts, check, database, export, imports, reference, signing, verify
from ops.output import refuse
from ops.session import open_database

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command("up")
def up_command(
    port: Annotated[int, typer.Option(help="port on this machine")] = 8000,
    data: Annotated[Path | None, typer.Option(help="folder of the embedded database and the files")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="without the demo province")] = False,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="imports are read by a worker elsewhere")] = False,
) -> None:
    """Start everything on this machine (what ./run does)."""
    from ops.up import up

    up(port=port, data=data, empty=empty, with_worker=not no_worker)


@app.command()
def serve(
    host: str = "127.0.0.1", port: int = 8000, workers: Annotated[int, typer.Option(help="processes")] = 1
) -> None:
    """Serve the API and the pages."""
    import uvicorn

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvicorn.run(
        "ops.asgi:make", factory=True, host=host, port=port, workers=workers, log_level="warning", access_log=False
    )


@app.command()
def worker(queues: Annotated[str, typer.Option(help="names, with commas")] = "imports", concurrency: int = 1) -> None:
    """Read, apply and undo imports, on this machine or another."""
    from etl.worker import run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with open_database("landdb-worker") as database:
        run(
            settings(),
            database.url.render_as_string(hide_password=False),
            queues=queues.split(","),
            concurrency=concurrency,
        )


for commands in (imports, check, export, reference, accounts, verify, signing, database):
    commands.register(app)


def main() -> NoReturn:
    """Run a command; a refusal becomes sentences and an exit code."""
    json_mode = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except LandError as refusal:
        sys.exit(refuse(refusal, json_mode=json_mode))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


if __name__ == "__main__":
    main()

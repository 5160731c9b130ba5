"""How commands speak: lines for people, one JSON object for scripts, a moving bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from landdb.errors import Conflict, Forbidden, Invalid, LandError, Malformed, NotFound, TooLarge, Unavailable
from landdb.intake.model import Progress as Tell
from landdb.messages import Language, message

Json = Annotated[bool, typer.Option("--json", help="one JSON object instead of lines")]

EXIT_OF: Final[tuple[tuple[type[LandError], int], ...]] = (
    (Unavailable, 75),
    (Malformed, 3),
    (Invalid, 3),
    (NotFound, 3),
    (Forbidden, 3),
    (Conflict, 3),
    (TooLarge, 3),
    (LandError, 3),
)
EXIT_VIOLATED: Final = 4
_PLAIN_EVERY_S: Final = 5.0


def language() -> Language:
    """The terminal's language: Vietnamese unless the locale says English."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "en" if spoken.startswith("en") else "vi"


def emit(json_mode: bool, data: dict[str, Any], lines: Iterable[str]) -> None:
    """The outcome of a command: one JSON object, or lines."""
    if json_mode:
        sys.stdout.write(orjson.dumps(data, default=str).decode() + "\n")
    else:
        for line in lines:
            sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """A line for the person who waits; not part of the outcome."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def refuse(refusal: LandError, *, json_mode: bool) -> int:
    """Say why something was refused; the exit code that goes with it."""
    text = message(refusal.code, refusal.params, language())
    data = {
        "code": refusal.code,
        "title": text.title,
        "detail": text.detail,
        "action": text.action,
        "params": {name: str(value) for name, value in refusal.params.items()},
    }
    if json_mode:
        emit(True, {"error": data}, ())
    else:
        for line in (f"{text.title} [{refusal.code}]", text.detail, text.action):
            if line:
                say(line)
    return next(code for kind, code in EXIT_OF if isinstance(refusal, kind))


@contextmanager
def progress(title: str) -> Iterator[Tell]:
    """A bar with count and time left on a terminal, a plain line every few seconds elsewhere."""
    if not sys.stderr.isatty():
        yield _plain(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def tell(stage: str, done: int, total: int | None) -> None:
            bar.update(task, description=f"{title}: {stage}", completed=done, total=total)

        yield tell


def _plain(title: str) -> Tell:
    last = [time.monotonic()]

    def tell(stage: str, done: int, total: int | None) -> None:
        if time.monotonic() - last[0] >= _PLAIN_EVERY_S:
            last[0] = time.monotonic()
            say(f"{title}: {stage} {done:,}" + (f" / {total:,}" if total else ""))

    return tell

"""A register with a past: a commune loaded, surveyed again, that survey undone, and applied once more."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.roundtrip import apply_job, import_file, load_units
from etl.worker import Worker
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, Database
from landdb.intake.model import Intent
from landdb.intake.undo import ask_undo
from ops import embedded
from ops.synthetic.command import write_province

RESURVEYED = dt.date(2025, 7, 2)


@dataclass
class Filled:
    """A register for reading only: tests that write roll back. ``folder`` holds the files that it came from."""

    worker: Worker
    folder: Path
    manifest: dict[str, Any]

    @property
    def database(self) -> Database:
        return self.worker.database

    @property
    def settings(self) -> Settings:
        return self.worker.settings


def worker_on(server: embedded.Server, template: str, name: str, folder: Path) -> Worker:
    """A worker on a fresh register with its own files and key."""
    server.create_database(name, template)
    return Worker(Settings(data=folder), server.url_of(name))


@pytest.fixture(scope="session")
def province(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The files of a small made-up province without faults, and their manifest."""
    folder = tmp_path_factory.mktemp("province")
    write_province(folder, 600, 5, ("gpkg", "shp"), later=1)
    return folder, json.loads((folder / "manifest.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def filled(
    server: embedded.Server,
    template: str,
    province: tuple[Path, dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Filled]:
    folder, manifest = province
    worker = worker_on(server, template, "filled", tmp_path_factory.mktemp("office"))
    with worker.database.begin(SYSTEM) as tx:
        load_units(tx, folder, manifest)
    for file in manifest["files"]:
        if file["format"] == "gpkg":
            import_file(worker, folder / file["path"], file["commune"], layer=file["layer"], profile=file["style"])
    later = next(file for file in manifest["later"] if file["format"] == "gpkg")
    again = {"intent": Intent.RESURVEY, "valid_from": RESURVEYED, "layer": later["layer"], "profile": later["style"]}
    first = import_file(worker, folder / later["path"], later["commune"], **again)
    with worker.database.begin(SYSTEM) as tx:
        ask_undo(tx, first)
    worker.undo_import(first)
    second = import_file(worker, folder / later["path"], later["commune"], **again)
    apply_job(worker, second)
    yield Filled(worker, folder, manifest)
    worker.database.dispose()

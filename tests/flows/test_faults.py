"""Faults put into finished files are found in the real import, all of them and nothing else; wrong checks are caught."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etl import pipeline
from etl.validate import Validator
from landdb.db.transaction import SYSTEM, Database
from landdb.intake.model import ImportJob, State
from ops.synthetic.command import write_province
from tests.etl.detectors import Blind, Wolf
from tests.flows.road import Road, load_province
from tests.flows.scoring import Score, score

MIX = (("shp", "tcvn3"), ("shp", "vni"), ("shp", "utf-8"), ("gpkg", "utf-8"), ("geojson", "utf-8"), ("fgb", "utf-8"))
SCORER = Path(__file__).parent / "scoring.py"


@pytest.fixture
def road(database: Database, tmp_path: Path) -> Iterator[Road]:
    walked = Road.on(database, tmp_path)
    yield walked
    walked.close()


def imported(road: Road, folder: Path) -> list[ImportJob]:
    """Every file of a written province, through the whole import."""
    manifest = load_province(road.worker.database, folder)
    jobs = []
    for entry in manifest["files"]:
        job = road.check([folder / entry["path"]], entry["commune"], layer=entry["layer"])
        assert job.state is State.CHECKED, (job.failure_code, job.failure_params)
        jobs.append(road.apply(job))
    return jobs


def show(score: Score, title: str, record: Callable[[str, object], None]) -> None:
    """For people: with `pytest -s`, and in the report."""
    text = f"{title}\n{score.table()}"
    print(f"\n{text}")  # noqa: T201
    record("faults", text)


def demand_everything(road: Road, folder: Path, jobs: list[ImportJob], result: Score) -> None:
    assert result.missed == []
    assert result.false == []
    assert result.wrong_verdict == []
    assert len(result.answered) >= 15
    assert all(one.precision == one.recall == 1.0 for one in result.kinds.values())
    read = sum(job.counts["read"] for job in jobs)
    assert all(job.state is State.APPLIED and job.balanced for job in jobs)
    with road.worker.database.begin(SYSTEM) as tx:
        in_force = tx.execute("SELECT count(*) FROM parcel WHERE status = 'in_force'").scalar()
    assert in_force == read - result.quarantined
    found = folder / "found.json"
    found.write_text(json.dumps(road.found), "utf-8")
    command = [sys.executable, str(SCORER), str(folder), str(found)]
    alone = subprocess.run(command, capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert result.table() in alone.stdout


@pytest.mark.parametrize(("file_format", "encoding"), MIX, ids=lambda value: value)
def test_every_fault_is_found_and_nothing_else(
    road: Road, tmp_path: Path, record_property: Callable[[str, object], None], file_format: str, encoding: str
) -> None:
    folder, seed = tmp_path / "province", 31 + MIX.index((file_format, encoding))
    write_province(folder, 3_000, seed, (file_format,), 0.04, encoding, later=0)
    jobs = imported(road, folder)
    result = score(folder, road.found)
    show(result, f"{file_format} {encoding}, 3,000 parcels, seed {seed}", record_property)
    demand_everything(road, folder, jobs, result)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize(("file_format", "encoding"), MIX[:2] + MIX[3:4], ids=lambda value: value)
def test_twenty_thousand_parcels(
    road: Road,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    file_format: str,
    encoding: str,
    seed: int,
) -> None:
    folder = tmp_path / "province"
    command = ["synthetic", "--out", str(folder), "--parcels", "20000", "--seed", str(seed), "--faults", "0.01"]
    command += ["--formats", file_format, "--encoding", encoding]
    subprocess.run([sys.executable, "-m", "ops.cli", *command], check=True, capture_output=True)
    jobs = imported(road, folder)
    result = score(folder, road.found)
    show(result, f"{file_format} {encoding}, 20,000 parcels, seed {seed}", record_property)
    demand_everything(road, folder, jobs, result)


@pytest.mark.parametrize(
    ("wrong", "kind", "side"),
    [(Blind, "coverage.overlap", "recall"), (Wolf, "area.mismatch", "precision")],
    ids=["blind", "wolf"],
)
def test_a_wrong_check_is_caught(
    road: Road,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    wrong: type[Validator],
    kind: str,
    side: str,
) -> None:
    folder = tmp_path / "province"
    write_province(folder, 3_000, 31, ("shp",), 0.04, "tcvn3", later=0)
    monkeypatch.setattr(pipeline, "Validator", wrong)
    imported(road, folder)
    result = score(folder, road.found)
    show(result, f"{wrong.__name__}: {wrong.__doc__}", record_property)
    assert getattr(result.kinds[kind], side) < 1.0
    assert not result.perfect
    untouched = {name: one for name, one in result.kinds.items() if name not in (kind, "coverage.overlap_tolerated")}
    assert all(one.recall == 1.0 for one in untouched.values())

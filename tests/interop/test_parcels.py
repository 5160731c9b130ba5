"""Real parcels of two other countries through `landdb import`, each into a register with a storage zone of its own.

What must be applied is worked out beforehand by `independent.py`, and every row that is set aside must be wrong by its
lights too. Needs LANDDB_REAL_DATA.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etl.coordinates import identify
from ops import embedded
from tests.flows.road import write_units

INDEPENDENT = Path(__file__).parent / "independent.py"

FRENCH_PROFILE = """
title = { vi = "Địa chính Pháp", en = "French cadastre" }
[columns]
parcel_no = ["numero"]
declared_area_m2 = ["contenance"]
commune_code = ["commune"]
source_key = ["id"]
[templates]
sheet_no = "{prefixe}{section}"
"""
NEW_ZEALAND_PROFILE = """
title = { vi = "Địa chính Niu Di-lân", en = "New Zealand primary parcels" }
[columns]
parcel_no = ["ID"]
declared_area_m2 = ["CALC_AREA"]
remark = ["APPELLATIO"]
[constants]
sheet_no = "1"
"""


@dataclass(frozen=True)
class Foreign:
    """A file, how to read it, and how the independent script is to read it."""

    path: str
    commune: str
    profile: str
    srid: int
    storage_srid: int
    rows: int
    columns: tuple[str, ...]


FRANCE = Foreign(
    path="parcels/cvi_geometry/cadastre-91216-parcelles.json",
    commune="91216",
    profile=FRENCH_PROFILE,
    srid=4326,
    storage_srid=2154,
    rows=4241,
    columns=("--number", "numero", "--sheet", "prefixe", "--sheet", "section", "--area", "contenance"),
)
NEW_ZEALAND = Foreign(
    path="parcels/database/systematicRegn/parcel/nz-primary-parcels_region.shp",
    commune="00076",
    profile=NEW_ZEALAND_PROFILE,
    srid=2193,
    storage_srid=2193,
    rows=2993,
    columns=("--number", "ID", "--area", "CALC_AREA"),
)


class Register:
    """A database whose geometry columns were made for another zone, and the command line on it."""

    def __init__(self, server: embedded.Server, folder: Path, storage_srid: int) -> None:
        name = f"interop_{storage_srid}"
        server.create_database(name)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LANDDB_")},
            "LANDDB_DATABASE_URL": server.url_of(name),
            "LANDDB_STORAGE_SRID": str(storage_srid),
            "LANDDB_DATA": str(folder),
            "LANDDB_ONE_PERSON": "true",
        }
        # A process of its own: settings are read once, and the columns take their zone from them.
        self._run("-m", "ops.cli", "migrate")

    def command(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._run("-m", "ops.cli", *arguments, "--json"))
        return found

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def independent(path: Path, file: Foreign) -> dict[str, Any]:
    crs = ("--from-crs", str(file.srid), "--to-crs", str(file.storage_srid))
    command = [sys.executable, str(INDEPENDENT), str(path), *file.columns, *crs]
    verdict: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return verdict


@pytest.mark.parametrize("file", [FRANCE, NEW_ZEALAND], ids=["france", "new-zealand"])
def test_the_good_rows_are_applied_and_only_wrong_ones_set_aside(
    server: embedded.Server, real_data: Path, tmp_path: Path, file: Foreign
) -> None:
    path = real_data / file.path
    verdict = independent(path, file)
    assert verdict["rows"] == file.rows
    profile = tmp_path / "profile.toml"
    profile.write_text(file.profile, "utf-8")
    register = Register(server, tmp_path / "data", file.storage_srid)
    units = write_units(tmp_path / "units.csv", [(file.commune, "Xã Thử")])
    register.command("reference", "load", "admin_unit", str(units))
    said = ["--commune", file.commune, "--profile", str(profile), "--srid", str(file.srid)]
    summary = register.command("import", str(path), *said, "--approve")
    found = register.command("job", summary["job_id"], "issues")["issues"]
    blocking = {issue["row"]: issue["code"] for issue in found if issue["severity"] == "blocking"}
    print(f"\n{path.name}: {summary['issues']}, independent: {verdict['wrong']}")  # noqa: T201
    assert {str(row) for row in blocking} <= set(verdict["wrong"]), blocking
    assert summary["state"] == "applied"
    assert summary["read"] == file.rows == summary["applied"] + summary["quarantined"]
    assert (summary["applied"], summary["quarantined"]) == (verdict["fit"], len(verdict["wrong"]))
    assert len(blocking) == summary["quarantined"]


def test_an_unnamed_zone_is_not_guessed(real_data: Path) -> None:
    """The .prj of the New Zealand file has no name and says WGS84; EPSG:2193 has another datum, so it must be declared."""
    projection = (real_data / NEW_ZEALAND.path).with_suffix(".prj").read_text()
    assert "_MI_0" in projection
    assert identify(projection) is None

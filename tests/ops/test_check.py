"""Files judged without a database: the same rows are set aside that an import would set aside, and the report says where."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from pathlib import Path

import pyogrio
import pytest
from typer.testing import CliRunner

from etl.coordinates import CrsUnknown, CrsWrongDeclared
from etl.readers.faults import SeveralLayers
from ops import cli
from ops.check import as_data, as_lines, check, write_report
from ops.synthetic.command import write_province


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A commune's shapefile in TCVN3 with seeded faults."""
    folder = tmp_path_factory.mktemp("faulty")
    write_province(folder, 1500, 11, ("shp",), faults=0.02)
    return next(folder.glob("*_thua.shp"))


def test_a_clean_file_passes(province: tuple[Path, dict[str, object]]) -> None:
    folder, _manifest = province
    path = next(folder.glob("*_thua.shp"))
    found = check([path])
    assert found.passed
    assert found.read == pyogrio.read_info(path)["features"]
    assert not [code for code in found.codes if code.startswith(("geometry.self", "parcel.", "coverage.overlap"))]
    assert found.recognised[0]["profile"]["mapped"]["parcel_no"] == "SHTHUA"
    assert found.srid == 9209


def test_the_seeded_faults_are_named_in_both_languages(faulty: Path) -> None:
    found = check([faulty])
    assert not found.passed
    assert found.quarantined > 5
    vi, en = ("\n".join(as_lines(found, spoken)) for spoken in ("vi", "en"))  # type: ignore[arg-type]
    assert "Chưa đạt" in vi
    assert "Not passed" in en
    for code in found.codes:
        assert f"[{code}]" in vi
    blocking = {code for code, severity in found.codes.items() if severity == "blocking"}
    assert blocking
    assert all(as_data(found, "en")["examples"][code][0]["detail"] for code in blocking)


def test_the_report_folder(faulty: Path, tmp_path: Path) -> None:
    found = check([faulty])
    write_report(found, tmp_path / "report", "vi", today=dt.date(2026, 1, 2))
    with (tmp_path / "report" / "issues.csv").open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(found.log)
    assert {row["raw_value"] for row in rows if row["field"] in ("holder_name", "address")} <= {""}
    info = pyogrio.read_info(tmp_path / "report" / "issues.gpkg", layer="issues")
    assert info["features"] == len(found.log)
    assert "VN-2000" in info["crs"] or "9209" in info["crs"]
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert page.startswith('<!doctype html><html lang="vi">')
    assert not re.search(r'(src|href)="(?!#)', page), "nothing is fetched from elsewhere"
    for code in found.codes:
        assert f'id="{code}"' in page
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["issues.csv", "issues.gpkg", "report.html"]


def test_text_of_the_file_cannot_break_the_page(province: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    ring = [[550000, 1060000], [550010, 1060000], [550010, 1060010], [550000, 1060010], [550000, 1060000]]
    feature = {
        "type": "Feature",
        "properties": {"SHBANDO": "<script>alert(1)</script>", "SHTHUA": "1", "DIENTICH": 100, "KHLOAIDAT": "ONT"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }  # fmt: skip
    path = tmp_path / "evil.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    found = check([path], srid=9209)
    write_report(found, tmp_path / "report", "en", today=dt.date(2026, 1, 2))
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_rows_of_another_commune(province: tuple[Path, dict[str, object]]) -> None:
    folder, _ = province
    path = next(folder.glob("*_thua.shp"))
    own = path.name.split("_")[0]
    assert "parcel.wrong_commune" not in check([path], commune=own).codes
    wrong = check([path], commune="31690")
    assert wrong.log.counts["parcel.wrong_commune"] == wrong.read


def test_refusals_of_the_file_as_a_whole(province: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    folder, _ = province
    with pytest.raises(SeveralLayers):
        check([next(folder.glob("*_thua.gpkg"))])
    bare = tmp_path / "bare.shp"
    for part in folder.glob(f"{next(folder.glob('*_thua.shp')).stem}.*"):
        if part.suffix != ".prj":
            bare.with_suffix(part.suffix).write_bytes(part.read_bytes())
    with pytest.raises(CrsUnknown):
        check([bare])
    assert check([bare], srid=9209).codes["file.no_prj"] == "warning"
    with pytest.raises(CrsWrongDeclared):
        check([bare], srid=4326)


def test_the_command_and_its_exit_codes(faulty: Path, province: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    clean = next(province[0].glob("*_thua.shp"))
    assert CliRunner().invoke(cli.app, ["check", str(clean)]).exit_code == 0
    bad = CliRunner().invoke(cli.app, ["check", str(faulty), "--json", "--report", str(tmp_path / "r")])
    assert bad.exit_code == 4
    told = json.loads(bad.stdout)
    assert told["passed"] is False
    assert sum(told["issues"].values()) > 0
    assert (tmp_path / "r" / "report.html").is_file()


def test_real_files_of_other_hands(real_data: Path) -> None:
    zone = {"cadastre-91216-parcelles.json": 2154, "nz-primary-parcels_region.shp": 2193}
    expected = {"cadastre-91216-parcelles.json": 4241, "nz-primary-parcels_region.shp": 2993}
    for name, rows in expected.items():
        path = next(real_data.rglob(name))
        found = check([path], srid=zone[name] if name.endswith(".shp") else 4326, sheet="1")
        assert found.read == rows

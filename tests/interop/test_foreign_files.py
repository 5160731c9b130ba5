"""Files of other hands, good, strange and broken, through the reader and the rules: a refusal or rows, never an accident.

Every main file of `parcels`, `broken` and `formats` below LANDDB_REAL_DATA: a sample by default, all of them with --full.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest

from etl.batch import Batch, Rings
from etl.coordinates import between, identify
from etl.encodings import recognise_columns
from etl.issues import Severity
from etl.profiles import apply, load
from etl.readers import inspect, read
from etl.readers.faults import ReaderDied, SeveralLayers
from etl.rules.context import RuleContext
from etl.validate import Outcome, Validator
from landdb.errors import LandError
from landdb.messages import Language, message

MAIN = (
    ".shp",
    ".gpkg",
    ".geojson",
    ".json",
    ".fgb",
    ".tab",
    ".mif",
    ".kml",
    ".gml",
    ".xml",
    ".zip",
    ".vrt",
    ".itf",
    ".gdb",
)
LANGUAGES: tuple[Language, ...] = ("vi", "en")
MOST_BYTES = 30 << 20
CODE = re.compile(r"[a-z_]+\.[a-z_]+")


def main_files(real_data: Path, folder: str) -> list[Path]:
    found = sorted(path for path in (real_data / folder).rglob("*") if path.suffix.lower() in MAIN and path.is_file())
    return [path for path in found if path.stat().st_size <= MOST_BYTES and not path.name.endswith(".shp.xml")]


def laid_out(path: Path, folder: Path) -> Path:
    """A copy with the parts that lie beside it: GDAL writes a .gfs beside every GML that it opens."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in path.parent.glob(f"{re.sub(r'[][*?]', '?', path.stem)}.*"):
        if part.is_file():
            shutil.copy(part, folder / part.name)
    return folder / path.name


def in_metres(batch: Batch, srid: int | None) -> Batch:
    """The rows in UTM of wherever they lie, if in degrees; small numbers of an unknown zone are taken for WGS84."""
    xy = batch.rings.xy[np.isfinite(batch.rings.xy).all(axis=1)]
    small = bool(len(xy)) and bool((np.abs(xy) <= (180, 90)).all())
    if srid is None:
        srid = 4326 if small else 3405
    if not pyproj.CRS.from_epsg(srid).is_geographic:
        return replace(batch, srid=srid)
    lon, lat = np.median(xy, axis=0) if len(xy) else (0.0, 0.0)
    zone = (32600 if lat >= 0 else 32700) + int(np.clip((lon + 180) // 6 + 1, 1, 60))
    rings = batch.rings.transformed(lambda points: between(points, srid, zone))
    return replace(batch, rings=rings, srid=zone)


def judged(path: Path, layer: str | None = None) -> Outcome:
    """Read, map and judge a layer as the pipeline does, without a register. Raises: LandError."""
    validator = Validator(RuleContext())
    profile = load("general")
    with read(path, layer) as reading:
        wkt = {layer.name: layer.crs_wkt for layer in reading.source.layers}
        for batch in reading:
            declared = wkt.get(batch.origin.layer)
            srid = batch.srid or (identify(declared) if declared else None)
            ours = apply(batch, profile, recognise_columns(batch.columns))
            validator.check(in_metres(ours, srid))
    return validator.finish()


def judged_or_refused(path: Path, layer: str | None = None) -> list[Outcome | LandError]:
    """The fate of a file, or of each of its layers where it has several."""
    try:
        return [judged(path, layer)]
    except SeveralLayers:
        return [fate for one in inspect(path).layers for fate in judged_or_refused(path, one.name)]
    except LandError as refusal:
        return [refusal]


def refused(refusal: LandError) -> str:
    assert not isinstance(refusal, ReaderDied), refusal.params
    for language in LANGUAGES:
        assert message(refusal.code, refusal.params, language).title != refusal.code, refusal.code
    return refusal.code


def accepted(outcome: Outcome) -> str:
    codes = dict(outcome.log.counts)
    assert all(CODE.fullmatch(code) for code in codes), codes
    blocking = any(issue.row_no and issue.severity is Severity.BLOCKING for issue in outcome.log)
    assert blocking == (len(outcome.quarantined) > 0)
    return f"{outcome.read} rows, {len(outcome.quarantined)} aside, {codes}"


def walk(files: list[Path], real_data: Path, folder: Path) -> Counter[str]:
    """What became of each file; no file may end in anything but rows or a refusal in words."""
    fates: Counter[str] = Counter()
    for number, path in enumerate(files):
        outcomes = judged_or_refused(laid_out(path, folder / str(number)))
        shutil.rmtree(folder / str(number), ignore_errors=True)
        for outcome in outcomes:
            told = refused(outcome) if isinstance(outcome, LandError) else accepted(outcome)
            fates[outcome.code if isinstance(outcome, LandError) else "read"] += 1
            print(f"{path.relative_to(real_data)}: {told}")  # noqa: T201
    return fates


def test_parcels_of_seven_countries(real_data: Path, tmp_path: Path) -> None:
    files = main_files(real_data, "parcels")
    assert len(files) >= 25
    fates = walk(files, real_data, tmp_path)
    print(fates)  # noqa: T201
    assert fates["read"] >= 12


def test_broken_files(real_data: Path, tmp_path: Path) -> None:
    files = main_files(real_data, "broken")
    assert len(files) >= 30
    fates = walk(files, real_data, tmp_path)
    print(fates)  # noqa: T201
    assert fates["read"] <= 5


def test_a_sample_of_every_format(real_data: Path, tmp_path: Path) -> None:
    files = main_files(real_data, "formats")[::8]
    fates = walk(files, real_data, tmp_path)
    print(fates)  # noqa: T201
    assert sum(fates.values()) >= len(files) >= 25


@pytest.mark.full
def test_every_file_of_every_format(real_data: Path, tmp_path: Path) -> None:
    files = main_files(real_data, "formats")
    fates = walk(files, real_data, tmp_path)
    print(fates)  # noqa: T201
    assert sum(fates.values()) >= len(files) >= 200


def test_the_rules_see_degrees_for_what_they_are(real_data: Path) -> None:
    path = real_data / "parcels/cvi_geometry/cadastre-91216-parcelles.json"
    with read(path) as reading:
        batch = apply(next(reading), load("general"))
    with pytest.raises(ValueError, match="metres"):
        Validator(RuleContext()).check(replace(batch, srid=4326))
    assert isinstance(batch.rings, Rings)

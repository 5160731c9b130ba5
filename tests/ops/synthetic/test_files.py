"""Files of the province: bytes, names and counts, read back by GDAL and by hand."""

import hashlib
from pathlib import Path

import orjson
import pyogrio
import pytest
import shapely

from ops.synthetic.command import write_province
from ops.synthetic.dbf import Dbf
from ops.synthetic.letters import as_carrier
from ops.synthetic.province import make_province

FORMATS = ("gpkg", "shp", "geojson", "fgb")


def digest(folder: Path) -> dict[str, str]:
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


@pytest.mark.parametrize("faults", [0.0, 0.02])
def test_same_seed_same_bytes(tmp_path: Path, faults: float) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_province(tmp_path / name, 1_000, seed, FORMATS, faults)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


def test_counts_and_geometry_survive_every_format(tmp_path: Path) -> None:
    manifest = write_province(tmp_path, 1_500, 1, FORMATS)
    province = make_province(1_500, 1)
    assert sum(c["parcels"] for c in manifest.communes) == 1_500
    assert len(manifest.files) == len(FORMATS) * len(manifest.communes)
    for entry in manifest.files:
        _, _, wkb, _ = pyogrio.raw.read(tmp_path / entry.path, layer=entry.layer)
        own = province.parcels.geometry[province.parcels.rows(province.communes.code.index(str(entry.commune)))]
        assert len(wkb) == entry.rows == len(own)
        assert shapely.equals(shapely.from_wkb(wkb), own).all()
        assert pyogrio.read_info(tmp_path / entry.path, layer=entry.layer)["crs"] == "EPSG:9209"


def test_geopackage_has_three_layers(tmp_path: Path) -> None:
    write_province(tmp_path, 500, 1, ("gpkg",))
    layers = {str(name) for name, _ in pyogrio.list_layers(tmp_path / "90101_thua.gpkg")}
    assert layers == {"thua_dat", "dia_phan_xa", "doi_tuong_tuyen"}


@pytest.mark.parametrize("encoding", ["tcvn3", "vni"])
def test_old_shapefile_holds_raw_bytes_and_no_code_page(tmp_path: Path, encoding: str) -> None:
    write_province(tmp_path, 800, 2, ("shp",), encoding=encoding)
    assert not list(tmp_path.rglob("*.cpg"))
    province = make_province(800, 2)
    names = province.parcels.columns["holder_name"].to_pylist()
    dbf = Dbf.open(tmp_path / "90101_thua.dbf")
    assert max(len(name) for name in dbf.fields) <= 10
    for row in range(1, 101):
        expected = as_carrier(names[row - 1], encoding).encode("latin-1")
        assert dbf.get(row, "TENCHU").rstrip() == expected
    area = province.parcels.columns["declared_area_m2"][0].as_py()
    assert dbf.get(1, "DIENTICH").strip() == f"{area:.1f}".encode()


def test_utf8_shapefile_says_so(tmp_path: Path) -> None:
    write_province(tmp_path, 500, 2, ("shp",), encoding="utf-8")
    assert (tmp_path / "90101_thua.cpg").read_text().strip() == "UTF-8"
    meta, _, _, fields = pyogrio.raw.read(tmp_path / "90101_thua.shp")
    names = make_province(500, 2).parcels.columns["holder_name"].to_pylist()
    assert fields[list(meta["fields"]).index("HOTEN")].tolist() == names[: len(fields[0])]


def test_manifest_names_communes_with_boundaries(tmp_path: Path) -> None:
    write_province(tmp_path, 500, 2, ("fgb",))
    manifest = orjson.loads((tmp_path / "manifest.json").read_bytes())
    boundaries = orjson.loads((tmp_path / manifest["boundaries"]).read_bytes())
    assert [f["properties"]["code"] for f in boundaries["features"]] == [c["code"] for c in manifest["communes"]]
    limit = shapely.from_geojson(orjson.dumps(manifest["communes"][0]["boundary"]))
    assert limit.is_valid
    assert shapely.box(105.5, 9.2, 106.3, 9.95).contains(limit)
    assert manifest["srid"] == 9209


def test_one_big_file(tmp_path: Path) -> None:
    manifest = write_province(tmp_path, 700, 2, ("fgb",), single_file=True)
    assert [(f.path, f.rows, f.commune) for f in manifest.files] == [("tinh_thua.fgb", 700, None)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"formats": ("dxf",)}, "dxf"),
        ({"encoding": "koi8"}, "koi8"),
        ({"faults": 0.5}, "faults"),
        ({"parcels": 5}, "80"),
    ],
)
def test_wrong_wishes_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    wish: dict[str, object] = {"parcels": 500, "seed": 1} | change
    with pytest.raises(ValueError, match=message):
        write_province(tmp_path, **wish)  # type: ignore[arg-type]

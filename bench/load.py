"""How fast a file becomes parcels, against `ogr2ogr` of the same file, in one run.

    .venv/bin/python bench/load.py --parcels 200000

(a) read, validated and staged with indexes, against ogr2ogr into a bare table with a spatial index and one on the number;
(b) the whole job applied, against ogr2ogr followed by plain SQL that fills the same tables with the same indexes.

Prints rows per second of each, the ratios, and the peak memory of our own processes (PostgreSQL left out). Needs gdal-bin.
Machines are noisy: read ratios, not seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from etl.worker import Worker
from landdb.config import Settings, settings
from landdb.db.transaction import SYSTEM, Database, connect
from landdb.files import FileStore
from landdb.intake import store
from landdb.intake.approve import approve
from landdb.intake.model import State
from landdb.intake.submit import Request, submit
from landdb.reference.load import load_table
from ops import embedded
from ops.migrate import migrate
from ops.synthetic.command import write_province

UNIT_ID = 990_001
# All communes of the file go into one, so its sheet numbers carry the commune's code.
PROFILE = """
title = { vi = "Đo", en = "Bench" }
[columns]
parcel_no = ["soThuTuThua"]
land_use = ["mucDichSuDung"]
declared_area_m2 = ["dienTich"]
legal_area_m2 = ["dienTichPhapLy"]
holder_name = ["tenChu"]
holder_class = ["loaiDoiTuong"]
address = ["diaChi"]
former_sheet_no = ["soHieuToBanDoCu"]
former_parcel_no = ["soThuTuThuaCu"]
certificate_serial = ["soPhatHanh"]
certificate_register_no = ["soVaoSo"]
scale = ["tyLe"]
[templates]
sheet_no = "{maXa}-{soHieuToBanDo}"
"""
WARM_UP_S = 4.0
"""A worker is up long before an import comes; its reader has loaded its libraries by then."""
PEER_SQL = Path(__file__).with_name("load_peer.sql")


class Memory:
    """Peak memory of this process and its children, sampled; PostgreSQL is nobody's child here.

    Proportional set size: a page of a library that two processes share counts once.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.peak_mb = max(self.peak_mb, sum(_pss_mb(pid) for pid in (os.getpid(), *_children(os.getpid()))))


def _children(pid: int) -> list[int]:
    out = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            with suppress(OSError):  # it may have ended meanwhile
                if Path(f"/proc/{child}/comm").read_text().strip() != "postgres":
                    out += [int(child), *_children(int(child))]
    return out


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


def unit(database: Database, folder: Path, boundary: Path) -> None:
    """One commune for the whole file: a bench measures rows, not offices."""
    table = folder / "admin_unit.csv"
    table.write_text(
        "admin_unit_id,kind,code,name,full_name,other_names,parent_id,valid_from,valid_to,source\n"
        "990000,province,00,Đo,Tỉnh Đo,,,,,bench\n"
        f"{UNIT_ID},commune,99999,Đo,Xã Đo,,990000,,,bench\n",
        "utf-8",
    )
    with database.begin(SYSTEM) as tx:
        load_table(tx, "admin_unit", table)


def ours(database: Database, url: str, configured: Settings, path: Path) -> dict[str, float]:
    """The import through its own verbs; seconds of staging and of the whole."""
    files = FileStore(configured.files_dir)
    with path.open("rb") as stream:
        kept = [files.add(path.name, stream, max_bytes=1 << 40)]
    profile = configured.data / "bench.toml"
    profile.write_text(PROFILE, "utf-8")
    worker = Worker(configured, url)
    worker.stand_by()
    time.sleep(WARM_UP_S)
    started = time.perf_counter()
    with Memory() as memory:
        with database.begin(SYSTEM) as tx:
            said = {"zone_confirmed": True, "profile_path": str(profile)}
            asked = Request(UNIT_ID, srid=9209, layer="thua_dat", options=said)
            job_id = submit(tx, asked, kept).job_id
        worker.read_import(job_id)
        staged = time.perf_counter()
        with database.begin(SYSTEM) as tx:
            job = store.get_job(tx, job_id)
            assert job.state is State.CHECKED, (job.failure_code, job.failure_params)
            approve(tx, job_id)
        worker.apply_import(job_id)
    ended = time.perf_counter()
    with database.begin(SYSTEM) as tx:
        job = store.get_job(tx, job_id)
    assert job.state is State.APPLIED, (job.failure_code, job.failure_params)
    worker.database.dispose()
    return {"rows": job.counts["read"], "quarantined": job.counts["quarantined"], "staged_s": staged - started,
            "whole_s": ended - started, "peak_mb": memory.peak_mb}  # fmt: skip


def peer(server: embedded.Server, name: str, path: Path) -> dict[str, float]:
    """ogr2ogr into a bare indexed table, then plain SQL into the register's tables."""
    dsn = server.libpq_dsn(name)
    started = time.perf_counter()
    subprocess.run(
        ["ogr2ogr", "-f", "PostgreSQL", f"PG:{dsn}", str(path), "thua_dat", "-nln", "peer_parcel", "-a_srs", "EPSG:9209",
         "-lco", "GEOMETRY_NAME=geom", "-lco", "SPATIAL_INDEX=GIST", "-nlt", "GEOMETRY", "--config", "PG_USE_COPY", "YES"],
        check=True, capture_output=True, env={**os.environ, "PGUSER": ""} | {"PGCLIENTENCODING": "UTF8"},
    )  # fmt: skip
    database = connect(server.url_of(name))
    with database.begin(SYSTEM) as tx:
        tx.connection.exec_driver_sql("CREATE INDEX ON peer_parcel (sohieutobando, sothututhua)")
        tx.connection.exec_driver_sql("ANALYZE peer_parcel")
    bare = time.perf_counter()
    with database.begin(SYSTEM) as tx:
        for statement in PEER_SQL.read_text("utf-8").split(";\n"):
            if statement.strip():
                tx.connection.exec_driver_sql(statement.replace("%", "%%"))
    ended = time.perf_counter()
    database.dispose()
    return {"bare_s": bare - started, "whole_s": ended - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parcels", type=int, default=200_000)
    parser.add_argument("--only", choices=("ours", "peer"))
    parser.add_argument("--keep", type=Path, help="folder of the written province, kept for the next run")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="landdb-bench-"))
    folder.chmod(0o755)
    province = asked.keep or folder / "province"
    if not (province / "manifest.json").exists():
        write_province(province, asked.parcels, 1, formats=("gpkg",), single_file=True, later=0)
    path = next(province.glob("*.gpkg"))
    os.environ["LANDDB_DATA"] = str(folder)
    settings.cache_clear()
    out: dict[str, object] = {"parcels": asked.parcels}
    with embedded.start(folder, durable=True) as server:
        for who in ("ours", "peer"):
            if asked.only in (None, who):
                server.create_database(f"bench_{who}")
                migrate(server.url_of(f"bench_{who}"))
                database = connect(server.url_of(f"bench_{who}"))
                unit(database, folder, province)
                out[who] = (
                    ours(database, server.url_of("bench_ours"), settings(), path)
                    if who == "ours"
                    else peer(server, "bench_peer", path)
                )
                database.dispose()
    if "ours" in out and "peer" in out:
        mine, theirs = out["ours"], out["peer"]
        out["ratio_staged"] = round(theirs["bare_s"] / mine["staged_s"], 2)  # type: ignore[index]
        out["ratio_whole"] = round(theirs["whole_s"] / mine["whole_s"], 2)  # type: ignore[index]
    print(json.dumps(out, indent=1))
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

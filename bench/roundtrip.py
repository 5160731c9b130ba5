"""Does a register survive its own export? A made-up province is imported, exported, imported elsewhere, exported again.

    .venv/bin/python bench/roundtrip.py --parcels 20000

The two exports are compared by what people call parcels, never by our ids: geometry bit by bit, every column, every land use,
reference, certificate and holder. Both registers are verified, shapes included. Prints the
seconds of each step; exits 4 and names the first differences if there are any.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from etl.worker import Worker
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, Database, Tx, connect
from landdb.intake import store
from landdb.intake.approve import approve
from landdb.intake.model import Intent, State
from landdb.intake.submit import Request, submit
from landdb.reference.load import BoundaryOptions, load_table
from landdb.reference.store import resolve_commune
from landdb.sealing.keys import load_keys
from ops import embedded
from ops.export import Wish, export
from ops.migrate import migrate
from ops.synthetic.command import write_province
from ops.verify import verify

FIRST_UNIT = 900_000
OURS = frozenset({"fid", "parcel_id", "version_no", "right_no"})
"""Columns that are this register's own: ids and counters, not facts of the land."""


def load_units(tx: Tx, folder: Path, manifest: dict[str, Any]) -> None:
    """Let the register know the made-up communes and their boundaries."""
    units = folder / "admin_unit.csv"
    head = ["admin_unit_id", "kind", "code", "name", "full_name", "other_names", "parent_id", "valid_from", "valid_to"]
    head.append("source")
    rows: list[list[Any]] = [[FIRST_UNIT, "province", "00", "Giả Định", "Tỉnh Giả Định", "", "", "", "", "made up"]]
    for number, one in enumerate(manifest["communes"], start=1):
        name = one["name"].split(" ", 1)[1]
        rows.append([FIRST_UNIT + number, "commune", one["code"], name, one["name"], "", FIRST_UNIT, "", "", "made up"])
    with units.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([head, *rows])
    load_table(tx, "admin_unit", units)
    options = BoundaryOptions(code_property="code", accuracy_m=0.1, source="made up")
    load_table(tx, "admin_unit_boundary", folder / manifest["boundaries"], options)


def import_file(worker: Worker, path: Path, commune: str, **asked: Any) -> UUID:
    """One file through submit, check, approval and apply; the job's id. Extra words go into the request."""
    with path.open("rb") as stream:
        kept = worker.files.add(path.name, stream, max_bytes=1 << 40)
    with worker.database.begin(SYSTEM) as tx:
        unit = resolve_commune(tx, commune).admin_unit_id
        job_id = submit(tx, Request(unit, **{"intent": Intent.FIRST_LOAD, **asked}), [kept]).job_id
    worker.read_import(job_id)
    apply_job(worker, job_id)
    return job_id


def apply_job(worker: Worker, job_id: UUID) -> None:
    """Approve what was checked, and apply it. Raises: RuntimeError where it did not end applied."""
    with worker.database.begin(SYSTEM) as tx:
        if store.get_job(tx, job_id).state is State.CHECKED:
            approve(tx, job_id)
    worker.apply_import(job_id)
    with worker.database.begin(SYSTEM) as tx:
        job = store.get_job(tx, job_id)
    if job.state is not State.APPLIED:
        raise RuntimeError(f"{job.state}: {job.failure_code} {job.failure_params}")


def layers_of(path: Path) -> list[str]:
    """The layers and tables of an export."""
    import pyogrio

    return [str(name) for name, _ in pyogrio.list_layers(path)]


def rows_of(path: Path, layer: str) -> list[dict[str, Any]]:
    """The rows of a layer as any program reads them; geometry as WKB under ``geom``."""
    import pyogrio

    meta, table = pyogrio.read_arrow(path, layer=layer)
    geometry = meta["geometry_name"] or "wkb_geometry"
    names = ["geom" if name == geometry else name for name in table.column_names]
    return table.rename_columns(names).to_pylist()  # type: ignore[no-any-return]


def facts_of(path: Path) -> dict[str, Counter[str]]:
    """Every fact of an export under the parcel's number instead of its id, by layer or table."""
    layers = layers_of(path)
    shapes = [name for name in layers if name.startswith("parcels")]
    called: dict[str, str] = {}
    out: dict[str, Counter[str]] = {}
    for layer in [*shapes, *(name for name in layers if name not in shapes)]:
        rows = rows_of(path, layer)
        if layer in shapes:
            called |= {row["parcel_id"]: _number(row) for row in rows}
        out[layer] = Counter(_fact(row, called) for row in rows)
    return out


def _number(row: dict[str, Any]) -> str:
    return f"{row['commune_code']} {row['series']} {row['sheet_no']}/{row['parcel_no']}"


def _fact(row: dict[str, Any], called: dict[str, str]) -> str:
    kept = {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items() if name not in OURS}
    parcel = called[row["parcel_id"]] if "parcel_id" in row else ""
    return json.dumps([parcel, kept], ensure_ascii=False, sort_keys=True, default=str)


def differences(first: Path, second: Path) -> list[str]:
    """What one export says and the other does not; empty: they are equal."""
    a, b = facts_of(first), facts_of(second)
    out = [f"layer {name} in one only" for name in sorted(a.keys() ^ b.keys())]
    for layer in sorted(a.keys() & b.keys()):
        lost, gained = a[layer] - b[layer], b[layer] - a[layer]
        out += [f"{layer}: lost {fact[:400]}" for fact in lost]
        out += [f"{layer}: gained {fact[:400]}" for fact in gained]
    return out


def communes_of(path: Path) -> Iterator[tuple[str, str, str]]:
    """Layer, commune code and series of each part of an export."""
    for layer in layers_of(path):
        if layer.startswith("parcels"):
            first = rows_of(path, layer)[0]
            yield layer, first["commune_code"], first["series"] or ""


def import_export(worker: Worker, path: Path) -> None:
    """An export into an empty register, part by part, as an officer would."""
    for layer, commune, series in communes_of(path):
        import_file(worker, path, commune, layer=layer, series=series)


@contextmanager
def _timed(step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{step:<12} {time.monotonic() - started:8.1f} s", flush=True)


def _register(server: embedded.Server, name: str) -> str:
    server.create_database(name)
    migrate(server.url_of(name))
    return server.url_of(name)


def _worker(folder: Path, url: str) -> tuple[Worker, Database]:
    return Worker(Settings(data=folder), url), connect(url, application_name="landdb-bench")


def main() -> int:
    """Run the round trip in a temporary cluster."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--parcels", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="landdb-roundtrip-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server runs as another user when we are root
        with _timed("write"):
            write_province(folder / "province", asked.parcels, asked.seed, ("gpkg",))
        manifest = json.loads((folder / "province" / "manifest.json").read_text("utf-8"))
        with embedded.start(folder / "db", durable=False) as server:
            found = _round(server, folder, manifest)
    for line in found[:20]:
        print(line)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{asked.parcels:,} parcels: {len(found)} differences, {peak} MB at most in this process")
    return 4 if found else 0


def _round(server: embedded.Server, folder: Path, manifest: dict[str, Any]) -> list[str]:
    exports: list[Path] = []
    found: list[str] = []
    for name in ("first", "second"):
        worker, database = _worker(folder, _register(server, name))
        with database.begin(SYSTEM) as tx:
            load_units(tx, folder / "province", manifest)
        with _timed(f"import {name[0]}"):
            if exports:
                import_export(worker, exports[0])
            else:
                for file in manifest["files"]:
                    path = folder / "province" / file["path"]
                    import_file(worker, path, file["commune"], layer=file["layer"], profile=file["style"])
        exports.append(folder / f"{name}.gpkg")
        with _timed(f"export {name[0]}"):
            export(database, exports[-1], Wish(identities=True), keys=load_keys(Settings(data=folder)))
        with _timed(f"verify {name[0]}"):
            found += [f"{name}: {violation}" for violation in verify(database, geometry=True).violations]
        worker.database.dispose()
        database.dispose()
    with _timed("compare"):
        return found + differences(*exports)


if __name__ == "__main__":
    sys.exit(main())

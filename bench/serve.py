"""How many questions a second our reading lane answers, and how many tipg does, from one database in one run.

    python bench/serve.py --parcels 200000

Both serve the same parcels (equal attributes, lon/lat) with equal workers and connections, the same 2,000 questions of each
kind in the same order, a sign-in header on each request, access logs on; our own body cache is off. Before any load is given,
the ids in both servers' answers are compared with those that plain SQL gives. tipg reads ``peer.parcel``: id, the attributes of
our features as columns, geometry in EPSG:4326 with a GiST index; its pins stand in ``serve_peers.txt``. Load by wrk (a Debian
package). Absolute figures belong to the machine; the ratios are the result. Nothing here is asserted on time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

KINDS = ("id", "point", "box50", "box1000")
CELL_M = 24.0
WEST, SOUTH = 540_000.0, 1_050_000.0
OURS, PEER = 18310, 18311


@dataclass(frozen=True)
class Server:
    name: str
    port: int
    paths: dict[str, list[str]]


@dataclass(frozen=True)
class Measured:
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


# ------------------------------------------------------------------ the land

# A lattice whose inner nodes are moved by up to a third of a cell: quads that meet exactly, none alike.
_NODE = """ST_MakePoint({west} + {cell} * ({i} + 0.33 * sin({i} * 12.9898 + {j} * 78.233)),
    {south} + {cell} * ({j} + 0.33 * sin({i} * 39.346 + {j} * 11.135)))"""


def _node(i: str, j: str) -> str:
    return _NODE.format(west=WEST, south=SOUTH, cell=CELL_M, i=f"({i})", j=f"({j})")


def fill(database: Any, parcels: int) -> int:
    """A register of that many parcels, by plain SQL; returns the cells along one side."""
    from landdb.db.transaction import new_id

    side = round(parcels**0.5)
    sheet, registration = new_id(), new_id()
    ring = ", ".join(_node(i, j) for i, j in (("i", "j"), ("i+1", "j"), ("i+1", "j+1"), ("i", "j+1"), ("i", "j")))
    statements = [
        "INSERT INTO registration (registration_id, kind, recorded_at) VALUES (:registration, 'import', now())",
        """INSERT INTO map_sheet (map_sheet_id, admin_unit_id, series, sheet_no, scale, srid, registration_id)
           VALUES (:sheet, 1222, '', '12', 1000, 9209, :registration)""",
        f"""INSERT INTO parcel (parcel_id, version_no, status, map_sheet_id, parcel_no, admin_unit_id, geom,
                measured_area_m2, declared_area_m2, geometry_hash, registration_id)
            SELECT CAST(lpad(to_hex(1700000000000 + n / 50), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '9'
                    || substr(md5(n::text), 4, 15) AS uuid),
                1, 'in_force', :sheet, n::text, 1222, geom, ST_Area(geom), round(ST_Area(geom)), 0, :registration
            FROM (
                SELECT i * {side} + j AS n,
                    ST_SetSRID(ST_MakePolygon(ST_MakeLine(ARRAY[{ring}])), 9209) AS geom
                FROM generate_series(0, {side - 1}) AS i, generate_series(0, {side - 1}) AS j
            ) AS cell""",
        """INSERT INTO parcel_face (parcel_id, admin_unit_id, sheet_no, parcel_no, land_use, area_m2, geom_4326, geom_3857,
                feature)
           SELECT parcel_id, 1222, '12', parcel_no, 'ONT', declared_area_m2, g,
               ST_Transform(ST_ForcePolygonCW(g), 3857),
               '{"type":"Feature","id":"' || parcel_id || '","geometry":' || ST_AsGeoJSON(g, 7)
               || ',"properties":{"parcel_id":"' || parcel_id || '","commune_code":"31690","commune":"Xã Đại Tâm"'
               || ',"sheet_no":"12","parcel_no":' || to_json(parcel_no)
               || ',"land_use":[{"code":"ONT","area_m2":' || declared_area_m2 || '}]'
               || ',"declared_area_m2":' || declared_area_m2 || ',"measured_area_m2":' || measured_area_m2
               || ',"legal_area_m2":null,"version_no":1,"srid":9209}}'
           FROM (SELECT *, ST_ForcePolygonCCW(ST_Transform(geom, 4326)) AS g FROM parcel) AS p""",
        "INSERT INTO data_version (layer, version) VALUES ('parcels', 1)",
        "CREATE SCHEMA peer",
        """CREATE TABLE peer.parcel AS
           SELECT CAST(parcel_id AS text) AS id, CAST('31690' AS text) AS commune_code,
               CAST('Xã Đại Tâm' AS text) AS commune, CAST('12' AS text) AS sheet_no, parcel_no,
               CAST('ONT' AS text) AS land_use, CAST(declared_area_m2 AS float8) AS declared_area_m2,
               CAST(measured_area_m2 AS float8) AS measured_area_m2, CAST(NULL AS float8) AS legal_area_m2,
               1 AS version_no, 9209 AS srid, CAST(geom_4326 AS geometry(Polygon, 4326)) AS geom
           FROM parcel_face JOIN parcel USING (parcel_id, parcel_no)""",
        "ALTER TABLE peer.parcel ADD PRIMARY KEY (id)",
        "CREATE INDEX parcel_geom_idx ON peer.parcel USING gist (geom)",
    ]
    for statement in statements:
        with database.begin() as tx:
            tx.execute(
                statement.replace(":null", "\\:null").replace(":1,", "\\:1,").replace(":9209", "\\:9209"),
                sheet=sheet, registration=registration,
            )  # fmt: skip
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE) parcel_face, peer.parcel, parcel")
    return side


# ------------------------------------------------------------------ the questions


def questions(database: Any, side: int, count: int) -> dict[str, list[Any]]:
    """The same for both: ids, points inside parcels, and boxes that touch about 50 and about 1,000 parcels."""
    chance = random.Random(7)
    with database.begin() as tx:
        rows = tx.execute("SELECT parcel_id FROM parcel ORDER BY md5(parcel_id::text) LIMIT :n", n=count)
        ids = [str(parcel_id) for parcel_id in rows.scalars()]
        points = [
            (row.x, row.y)
            for row in tx.execute(
                """SELECT ST_X(p) AS x, ST_Y(p) AS y FROM (SELECT ST_PointOnSurface(geom_4326) AS p FROM parcel_face
                   WHERE parcel_id = ANY(CAST(:ids AS uuid[])) ORDER BY md5(parcel_id::text)) AS at""",
                ids=ids,
            )
        ]
        boxes = {
            kind: [_box(tx, chance, side, cells) for _ in range(count)]
            for kind, cells in (("box50", 6.07), ("box1000", 29.8))
        }
    return {"id": ids, "point": points, **boxes}


def _box(tx: Any, chance: random.Random, side: int, cells: float) -> tuple[float, float, float, float]:
    i, j = (chance.uniform(0, side - cells) for _ in range(2))
    row = tx.execute(
        """SELECT ST_XMin(b) AS w, ST_YMin(b) AS s, ST_XMax(b) AS e, ST_YMax(b) AS n
           FROM (SELECT ST_Transform(ST_MakeEnvelope(:w, :s, :e, :n, 9209), 4326) AS b) AS box""",
        w=WEST + CELL_M * i, s=SOUTH + CELL_M * j, e=WEST + CELL_M * (i + cells), n=SOUTH + CELL_M * (j + cells),
    ).one()  # fmt: skip
    return tuple(round(value, 7) for value in row)  # type: ignore[return-value]


def _text(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:.7f}" for value in values)


def our_paths(asked: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {
        "id": [f"/v1/parcels/{each}" for each in asked["id"]],
        "point": [f"/v1/parcels?at={_text(each)}" for each in asked["point"]],
        "box50": [f"/v1/parcels?bbox={_text(each)}&limit=1000" for each in asked["box50"]],
        "box1000": [f"/v1/parcels?bbox={_text(each)}&limit=1000" for each in asked["box1000"]],
    }


def peer_paths(asked: dict[str, list[Any]]) -> dict[str, list[str]]:
    base = "/collections/peer.parcel/items"
    # tipg answers nothing to a box without area: a box of a millimetre stands for the point.
    points = [(x - 1e-8, y - 1e-8, x + 1e-8, y + 1e-8) for x, y in asked["point"]]
    return {
        "id": [f"{base}/{each}?f=geojson" for each in asked["id"]],
        "point": [f"{base}?f=geojson&limit=10&bbox={','.join(f'{v:.9f}' for v in each)}" for each in points],
        "box50": [f"{base}?f=geojson&limit=1000&bbox={_text(each)}" for each in asked["box50"]],
        "box1000": [f"{base}?f=geojson&limit=1000&bbox={_text(each)}" for each in asked["box1000"]],
    }


# ------------------------------------------------------------------ the servers


def application() -> Any:
    """Our application as ``landdb serve`` makes it, but without kept bodies (called by uvicorn in each worker)."""
    from api.app import create_app
    from api.reading import ReadingLane
    from landdb.config import settings
    from landdb.db.transaction import connect
    from landdb.files import FileStore

    database = connect(settings().database_url, pool_size=4)
    return ReadingLane(
        create_app(database, FileStore(settings().files_dir)), database.conninfo, connections=8, cache_mb=0
    )


def peer_python(folder: Path) -> Path:
    """The interpreter of tipg's own venv, made the first time."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pins = str(HERE / "serve_peers.txt")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", pins], check=True)
    return python


@contextmanager
def running(command: list[str], environment: dict[str, str], port: int, path: str, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=HERE.parent)
    try:
        _await(f"http://127.0.0.1:{port}{path}", process, log)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if process.poll() is not None:
            raise SystemExit(f"server ended: {log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise SystemExit(f"no answer from {url}: {log.read_text()[-2000:]}")


# ------------------------------------------------------------------ verifying and measuring


def verify(
    server: Server, database: Any, asked: dict[str, list[Any]], header: str, samples: int = 40
) -> dict[str, float]:
    """Ids of some answers against plain SQL; the mean number of features by kind. Raises: SystemExit at a difference."""
    means = {}
    for kind in KINDS:
        counts = []
        for question, path in list(zip(asked[kind], server.paths[kind], strict=True))[:samples]:
            request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers={"Authorization": header})
            body = json.load(urllib.request.urlopen(request, timeout=30))
            got = {str(each["id"]) for each in body.get("features", [body])}
            if got != (expected := _truth(database, kind, question)):
                raise SystemExit(f"{server.name} {kind} {path}: {len(got)} features, expected {len(expected)}")
            counts.append(len(got))
        means[kind] = sum(counts) / len(counts)
    return means


def _truth(database: Any, kind: str, question: Any) -> set[str]:
    if kind == "id":
        return {question}
    west, south, east, north = question if kind != "point" else (*question, *question)
    with database.begin() as tx:
        rows = tx.execute(
            """SELECT id FROM peer.parcel
               WHERE ST_Intersects(geom, ST_SetSRID(ST_Envelope(
                   ST_MakeLine(ST_MakePoint(:w, :s), ST_MakePoint(:e, :n))), 4326))""",
            w=west, s=south, e=east, n=north,
        )  # fmt: skip
        return set(rows.scalars())


_LUA = """
local paths = {}
for line in io.lines(os.getenv("BENCH_PATHS")) do paths[#paths + 1] = line end
local at = 0
local headers = { Authorization = os.getenv("BENCH_HEADER") }
request = function()
  at = at % #paths + 1
  return wrk.format("GET", paths[at], headers)
end
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %.1f %.2f %.2f %d\\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
end
"""


def load(server: Server, kind: str, seconds: int, connections: int, header: str, folder: Path) -> Measured:
    (folder / "wrk.lua").write_text(_LUA)
    (folder / "paths").write_text("\n".join(server.paths[kind]))
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(folder / "wrk.lua"),
        f"http://127.0.0.1:{server.port}",
    ]  # fmt: skip
    environment = os.environ | {"BENCH_PATHS": str(folder / "paths"), "BENCH_HEADER": header}
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    rate, p50, p99, errors = next(line for line in out.splitlines() if line.startswith("RESULT")).split()[1:]
    return Measured(float(rate), float(p50), float(p99), int(errors))


def measure(
    servers: list[Server], arguments: argparse.Namespace, header: str, folder: Path
) -> dict[str, dict[str, Measured]]:
    """Each kind by each server in turn, ``rounds`` times; the best round counts, since strangers only ever slow one down."""
    best: dict[str, dict[str, Measured]] = {kind: {} for kind in KINDS}
    for kind in KINDS:
        for _ in range(arguments.rounds):
            for server in servers:
                load(server, kind, 1, arguments.connections, header, folder)
                got = load(server, kind, arguments.seconds, arguments.connections, header, folder)
                kept = best[kind].get(server.name)
                if kept is None or got.requests_per_s > kept.requests_per_s:
                    best[kind][server.name] = got
    return best


def report(best: dict[str, dict[str, Measured]], means: dict[str, float], arguments: argparse.Namespace) -> None:
    each = f"{arguments.workers} workers and {arguments.connections} connections each"
    print(f"\n{arguments.parcels:,} parcels, {each}, req/s (p50/p99 ms)")
    print(f"{'kind':8} {'features':>8} {'landdb':>24} {'tipg':>24} {'ratio':>6}")
    for kind in KINDS:
        ours, peer = best[kind]["landdb"], best[kind]["tipg"]
        cells = [f"{m.requests_per_s:,.0f} ({m.p50_ms:.1f}/{m.p99_ms:.0f})" for m in (ours, peer)]
        failed = f"  failed: {ours.errors}/{peer.errors}" if ours.errors or peer.errors else ""
        ratio = ours.requests_per_s / peer.requests_per_s
        print(f"{kind:8} {means[kind]:8.0f} {cells[0]:>24} {cells[1]:>24} {ratio:6.1f}{failed}")


def sign_in(database: Any) -> str:
    """A service key, as a program would send it."""
    from landdb.access.add_api_key import add_api_key
    from landdb.access.add_office import add_office

    with database.begin() as tx:
        office = add_office(tx, code="bench", name="Bench", kind="department")
        office_id = getattr(office, "office_id", office)
        _, key = add_api_key(tx, name="bench", permissions=["parcel:card"], office_id=office_id)
    return f"Bearer {key}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parcels", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--data", type=Path, help="folder of the database, kept and reused; not given: a temporary one")
    parser.add_argument("--peer-venv", type=Path, help="venv of tipg, kept; not given: a temporary one")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="landdb-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _run(arguments, folder)


def _run(arguments: argparse.Namespace, folder: Path) -> None:
    from landdb.db.transaction import connect
    from ops import embedded
    from ops.migrate import migrate

    python = peer_python(arguments.peer_venv or folder / "peer")
    with embedded.start(arguments.data or folder / "data", durable=False) as cluster:
        register = f"bench_{arguments.parcels}"
        fresh = not _exists(cluster, register)
        url = cluster.url_of(register)
        if fresh:
            cluster.create_database(register)
            migrate(url)
        database = connect(url)
        started = time.monotonic()
        side = fill(database, arguments.parcels) if fresh else round(arguments.parcels**0.5)
        print(f"filled {side * side:,} parcels in {time.monotonic() - started:.0f} s", flush=True)
        header = sign_in(database) if fresh else _new_key(database)
        asked = questions(database, side, arguments.questions)
        common = os.environ | {"PYTHONPATH": str(HERE.parent)}
        ours = common | {"LANDDB_DATABASE_URL": url, "LANDDB_DATA": str(folder / "ours"), "LANDDB_ENV": "demo"}
        peer = common | {"DATABASE_URL": _peer_url(cluster, register), "TIPG_DB_SCHEMAS": '["peer"]'}
        peer |= {"DB_MIN_CONN_SIZE": "1", "DB_MAX_CONN_SIZE": "8"}
        serve = ["-m", "uvicorn", "--host", "127.0.0.1", "--workers", str(arguments.workers)]
        servers = [Server("landdb", OURS, our_paths(asked)), Server("tipg", PEER, peer_paths(asked))]
        with (
            running(
                [sys.executable, *serve, "--port", str(OURS), "--factory", "bench.serve:application"],
                ours, OURS, servers[0].paths["id"][0], folder / "ours.log",
            ),
            running(
                [str(python), *serve, "--port", str(PEER), "tipg.main:app"],
                peer, PEER, servers[1].paths["id"][0], folder / "tipg.log",
            ),
        ):  # fmt: skip
            means, _ = (verify(server, database, asked, header) for server in servers)
            print("both servers' answers equal those of plain SQL", flush=True)
            report(measure(servers, arguments, header, folder), means, arguments)
        database.dispose()


def _exists(cluster: Any, name: str) -> bool:
    import psycopg2

    with psycopg2.connect(cluster.libpq_dsn()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None


def _new_key(database: Any) -> str:
    from landdb.access.add_api_key import add_api_key

    with database.begin() as tx:
        office_id = tx.execute("SELECT office_id FROM office WHERE code = 'bench'").scalar_one()
        return f"Bearer {add_api_key(tx, name='bench', permissions=['parcel:card'], office_id=office_id)[1]}"


def _peer_url(cluster: Any, name: str) -> str:
    """tipg wants the socket's folder as the address's host."""
    from urllib.parse import quote

    import psycopg2.extensions

    parts = psycopg2.extensions.parse_dsn(cluster.libpq_dsn(name))
    return f"postgresql://{parts['user']}@{quote(parts['host'], safe='')}:{parts['port']}/{name}"


if __name__ == "__main__":
    main()

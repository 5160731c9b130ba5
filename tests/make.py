"""Small builders for tests of imports: plots on a lattice as files, a commune, an office with a clerk and a judge, one import.

Shapes are squares in metres of the storage zone (VN-2000 105°30') near the published point of Sóc Trăng, on steps of twenty
metres, so that neighbours share their vertices exactly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyogrio
import shapely

from etl.worker import Worker
from landdb.access import store as access
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.config import Settings
from landdb.db.transaction import SYSTEM, Actor, Database, Tx
from landdb.files import FileStore, StoredFile
from landdb.intake import store
from landdb.intake.approve import ALL, Selection, approve, reject
from landdb.intake.mend import Mending, mend_by_files, mend_rows
from landdb.intake.model import ImportJob, Intent
from landdb.intake.submit import Request, submit
from landdb.intake.undo import ask_undo
from landdb.reference.model import fold

STEP_M = 20.0
EAST, NORTH = 551_580.0, 1_061_540.0
SRID = 9209
UNIT = 800_001
COLUMNS = (
    "sheet_no",
    "parcel_no",
    "land_use",
    "declared_area_m2",
    "legal_area_m2",
    "holder_name",
    "holder_identity",
    "address",
    "former_sheet_no",
    "former_parcel_no",
    "certificate_serial",
    "certificate_issued_on",
    "commune_code",
    "scale",
)


@dataclass(frozen=True)
class Plot:
    """One row of a file. ``at`` is the lower left corner in steps; ``size`` in steps. Fields are texts as a file has them."""

    at: tuple[float, float] = (0, 0)
    size: tuple[float, float] = (1, 1)
    shape: shapely.Geometry | None = None
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def geometry(self) -> shapely.Geometry:
        if self.shape is not None:
            return self.shape
        (x, y), (w, h) = self.at, self.size
        return shapely.box(
            EAST + x * STEP_M, NORTH + y * STEP_M, EAST + (x + w) * STEP_M, NORTH + (y + h) * STEP_M, ccw=False
        )

    def having(self, **fields: Any) -> Plot:
        """The same plot with other fields."""
        return replace(self, fields={**self.fields, **fields})


def plot(sheet: str, number: str, x: float, y: float, **fields: Any) -> Plot:
    """A square of 400 m² for rice, with its sheet and number."""
    return Plot((x, y), fields={"sheet_no": sheet, "parcel_no": number, "land_use": "LUC", **fields})


def lattice(
    columns: int = 3, rows: int = 2, *, sheet: str = "1", x: float = 0, y: float = 0, **fields: Any
) -> list[Plot]:
    """Plots side by side, numbered from 1."""
    return [
        plot(sheet, str(j * columns + i + 1), x + i, y + j, declared_area_m2=400.0, **fields)
        for j in range(rows)
        for i in range(columns)
    ]


def write(
    path: Path, plots: Sequence[Plot], *, srid: int | None = SRID, layer: str | None = None, **options: Any
) -> Path:
    """The plots as a file of the kind that its suffix names; only the columns that some plot has."""
    names = [name for name in COLUMNS if any(name in p.fields for p in plots)]
    names += sorted({name for p in plots for name in p.fields} - set(names))
    columns = []
    for name in names:
        values = [p.fields.get(name) for p in plots]
        numeric = all(v is None or isinstance(v, int | float) for v in values)
        columns.append(
            np.array([np.nan if v is None else v for v in values], float) if numeric else np.array(values, object)
        )
    drivers = {".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf"}
    pyogrio.raw.write(
        path,
        np.array([None if p.shape is None and p.size == (0, 0) else shapely.to_wkb(p.geometry) for p in plots], object),
        columns,
        names,
        geometry_type=options.pop("geometry_type", "Polygon"),
        crs=None if srid is None else f"EPSG:{srid}",
        driver=drivers[path.suffix],
        layer=layer or ("thua_dat" if path.suffix == ".gpkg" else None),
        promote_to_multi=False,
        **options,
    )
    return path


def parts(path: Path) -> list[Path]:
    """A shapefile with the files that lie beside it."""
    return sorted(path.parent.glob(f"{path.stem}.*"))


def add_unit(
    tx: Tx, unit_id: int = UNIT, code: str = "98001", name: str = "Thử Nghiệm", *, valid: str = "(,)",
    boundary: shapely.Geometry | None = None,
) -> int:  # fmt: skip
    """A commune of a made-up province; ``boundary`` in lon/lat."""
    tx.execute(
        """INSERT INTO admin_unit (admin_unit_id, kind, code, name, full_name, valid, name_folded, search_folded, source)
           SELECT 800000, 'province', '98', 'Thử', 'Tỉnh Thử', '(,)', 'thu', 'thu', 'test'
           WHERE NOT EXISTS (SELECT 1 FROM admin_unit WHERE admin_unit_id = 800000)"""
    )
    tx.execute(
        """INSERT INTO admin_unit (admin_unit_id, kind, code, name, full_name, parent_id, valid, name_folded, search_folded,
                                   source)
           VALUES (:id, 'commune', :code, :name, :full_name, 800000, CAST(:valid AS daterange), :folded, :folded, 'test')""",
        id=unit_id, code=code, name=name, full_name=f"Xã {name}", valid=valid, folded=fold(name),
    )  # fmt: skip
    if boundary is not None:
        tx.execute(
            """INSERT INTO admin_unit_boundary (admin_unit_id, geom, accuracy_m, source)
               VALUES (:id, ST_Multi(ST_GeomFromWKB(:wkb, 4326)), 1, 'test')""",
            id=unit_id, wkb=shapely.to_wkb(boundary),
        )  # fmt: skip
    return unit_id


def add_succession(tx: Tx, old: int, new: int, *, partial: bool = False) -> None:
    """``new`` takes over ``old``, whole or in part."""
    tx.execute(
        """INSERT INTO admin_unit_succession (old_unit_id, new_unit_id, partial, same_territory, effective_on,
                                              decree_confirmed, source)
           VALUES (:old, :new, :partial, false, '2025-07-01', false, 'test')""",
        old=old, new=new, partial=partial,
    )  # fmt: skip


@dataclass
class Desk:
    """An office at work: what tests of imports do, each act in a transaction of its own, as the edges do it."""

    database: Database
    worker: Worker
    folder: Path
    clerk: Actor
    judge: Actor

    @property
    def files(self) -> FileStore:
        return self.worker.files

    def keep(self, paths: Sequence[Path]) -> list[StoredFile]:
        kept = []
        for path in paths:
            with path.open("rb") as stream:
                kept.append(self.files.add(path.name, stream, max_bytes=1 << 30))
        return kept

    def file(self, plots: Sequence[Plot], name: str = "thua.gpkg", **options: Any) -> Path:
        """A file of the plots under ``name``, in a folder of its own."""
        folder = self.folder / f"file{len(list(self.folder.glob('file*')))}"
        folder.mkdir(parents=True)
        return write(folder / name, plots, **options)

    def submit(self, paths: Sequence[Path] | Path, intent: Intent = Intent.FIRST_LOAD, **said: Any) -> UUID:
        asked = Request(**{"admin_unit_id": UNIT, "intent": intent, **said})
        kept = self.keep([paths] if isinstance(paths, Path) else paths)
        with self.database.begin(self.clerk) as tx:
            return submit(tx, asked, kept).job_id

    def check(self, paths: Sequence[Path] | Path, intent: Intent = Intent.FIRST_LOAD, **said: Any) -> ImportJob:
        """Submit and read; the job as it then stands, its count proved."""
        job_id = self.submit(paths, intent, **said)
        self.worker.read_import(job_id)
        return self.job(job_id)

    def approve(self, job_id: UUID, selection: Selection = ALL) -> ImportJob:
        """Approve by the second person and apply."""
        with self.database.begin(self.judge) as tx:
            approve(tx, job_id, selection)
        self.worker.apply_import(job_id)
        return self.job(job_id)

    def load_checked(self, plots: Sequence[Plot], intent: Intent = Intent.FIRST_LOAD, **said: Any) -> ImportJob:
        """Write, submit and read."""
        return self.check(self.file(plots), intent, **said)

    def load(self, plots: Sequence[Plot], intent: Intent = Intent.FIRST_LOAD, **said: Any) -> ImportJob:
        """The whole road: write, submit, read, approve, apply."""
        return self.approve(self.load_checked(plots, intent, **said).job_id)

    def reject(self, job_id: UUID, reason: str = "sai tờ") -> ImportJob:
        with self.database.begin(self.judge) as tx:
            reject(tx, job_id, reason)
        return self.job(job_id)

    def undo(self, job_id: UUID) -> ImportJob:
        with self.database.begin(self.judge) as tx:
            ask_undo(tx, job_id)
        self.worker.undo_import(job_id)
        return self.job(job_id)

    def mend(
        self, job_id: UUID, row: int, file_no: int = 1, layer: str = "thua_dat", **fields: str | None
    ) -> ImportJob:
        with self.database.begin(self.clerk) as tx:
            mend_rows(tx, job_id, [Mending(file_no, layer, row, fields)])
        self.worker.read_import(job_id)
        return self.job(job_id)

    def mend_by(self, job_id: UUID, paths: Sequence[Path] | Path) -> ImportJob:
        kept = self.keep([paths] if isinstance(paths, Path) else paths)
        with self.database.begin(self.clerk) as tx:
            mend_by_files(tx, job_id, kept)
        self.worker.read_import(job_id)
        return self.job(job_id)

    def job(self, job_id: UUID) -> ImportJob:
        """The import, after proving that its rows are all accounted for."""
        with self.database.begin(SYSTEM) as tx:
            job = store.get_job(tx, job_id)
        assert job.balanced, job.counts
        return job

    def issues(self, job_id: UUID) -> list[tuple[str, int | None]]:
        """Code and row of each issue, blocking ones only."""
        with self.database.begin(SYSTEM) as tx:
            return [
                (i["code"], i["row"])
                for i in store.search_issues(tx, job_id, limit=1000)
                if i["severity"] == "blocking"
            ]

    def rows(self, job_id: UUID) -> dict[int, str]:
        """Verdict of each staged row."""
        return {
            r["row_no"]: r["verdict"]
            for r in self.ask("SELECT row_no, verdict FROM staged_parcel WHERE import_job_id = :id", id=job_id)
        }

    def ask(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of a question to the register."""
        with self.database.begin(SYSTEM) as tx:
            return [dict(row) for row in tx.execute(sql, params).mappings()]

    def one(self, sql: str, **params: Any) -> Any:
        """The only value of a question."""
        (row,) = self.ask(sql, **params)
        (value,) = row.values()
        return value

    def change_by_hand(self, sheet: str, parcel_no: str) -> None:
        """A later act of another kind touches a parcel, as a boundary correction would."""
        with self.database.begin(SYSTEM) as tx:
            tx.execute(
                """WITH act AS (INSERT INTO registration (registration_id, kind, recorded_at)
                               VALUES (gen_random_uuid(), 'correct_boundary', clock_timestamp())
                               RETURNING registration_id)
                   UPDATE parcel p SET registration_id = act.registration_id FROM act, map_sheet m
                   WHERE m.map_sheet_id = p.map_sheet_id AND m.sheet_no = :sheet AND p.parcel_no = :no
                     AND p.status = 'in_force'""",
                sheet=sheet, no=parcel_no,
            )  # fmt: skip
            store.raise_register_version(tx)

    def parcels(self) -> dict[str, UUID]:
        """Ids of the parcels in force by ``sheet/number``."""
        rows = self.ask(
            """SELECT m.sheet_no || '/' || p.parcel_no AS called, p.parcel_id
               FROM parcel p JOIN map_sheet m USING (map_sheet_id) WHERE p.status = 'in_force'"""
        )
        return {row["called"]: row["parcel_id"] for row in rows}

    def register(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that the register believes now, apart from version numbers and the acts that brought it."""
        with self.database.begin(SYSTEM) as tx:
            return {name: sorted((tuple(row) for row in tx.execute(sql)), key=repr) for name, sql in BELIEVED.items()}

    def history_size(self) -> dict[str, int]:
        """Rows of every table that may only grow."""
        tables = ("parcel", "parcel_version", "parcel_land_use", "parcel_reference", "right_held", "right_holder",
                  "party_claim", "certificate", "certificate_parcel", "lineage", "registration")  # fmt: skip
        return {table: self.one(f"SELECT count(*) FROM {table}") for table in tables}


BELIEVED = {
    "parcel": """
SELECT p.parcel_id, m.sheet_no, p.parcel_no, p.admin_unit_id, ST_AsText(p.geom), p.measured_area_m2, p.declared_area_m2,
       p.legal_area_m2, p.address, p.geometry_hash,
       (SELECT string_agg(concat_ws(' ', l.land_use_code, l.code_list, l.area_m2), '; ' ORDER BY l.ordinal)
        FROM parcel_land_use l WHERE l.parcel_id = p.parcel_id AND l.version_no = p.version_no)
FROM parcel p JOIN map_sheet m USING (map_sheet_id) WHERE p.status = 'in_force'""",
    "version": """
SELECT v.parcel_id, v.map_sheet_id, v.parcel_no, v.admin_unit_id, ST_AsText(v.geom), v.declared_area_m2, v.legal_area_m2,
       v.address, v.valid::text, v.survey_geom_srid,
       (SELECT string_agg(concat_ws(' ', l.land_use_code, l.code_list, l.area_m2), '; ' ORDER BY l.ordinal)
        FROM parcel_land_use l WHERE l.parcel_id = v.parcel_id AND l.version_no = v.version_no)
FROM parcel_version v WHERE upper_inf(v.recorded)""",
    "reference": """
SELECT parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid::text FROM parcel_reference WHERE upper_inf(recorded)""",
    "right": """
SELECT r.parcel_id, r.kind, r.shared, r.valid::text, h.ordinal, c.raw_name, encode(c.number_index, 'hex')
FROM right_held r JOIN right_holder h USING (right_id) JOIN party_claim c USING (party_claim_id) WHERE upper_inf(r.recorded)""",
    "certificate": """
SELECT c.serial_no, c.register_no, c.issued_on, c.state, cp.parcel_id
FROM certificate c JOIN certificate_parcel cp USING (certificate_id) WHERE upper_inf(c.recorded)""",
    "face": """
SELECT parcel_id, admin_unit_id, sheet_no, parcel_no, land_use, area_m2, ST_AsText(geom_4326, 9),
       jsonb_set(feature::jsonb, '{properties,version_no}', '0')
FROM parcel_face""",
}
"""What stands in force, table by table: equal before an import and after its undo."""


def desk(database: Database, url: str, folder: Path) -> Desk:
    """An office of one commune, whose clerk submits and whose judge approves."""
    with database.begin(SYSTEM) as tx:
        known = access.find_office(tx, "CN-TEST", tx.today)
        office = known.office_id if known else add_office(tx, code="CN-TEST", name="Chi nhánh thử", kind="branch")
        people = [add_staff(tx, login=login, full_name=login.title(), office_id=office) for login in ("nhap", "duyet")]
        add_unit(tx)
    clerk, judge = (
        Actor("staff", person, office_id=office, permissions=frozenset({permission}))
        for person, permission in zip(people, ("import:submit", "import:approve"), strict=True)
    )
    worker = Worker(Settings(data=folder / "data"), url)
    return Desk(database, worker, folder, clerk, judge)


VALID_FROM = dt.date(2026, 3, 1)

"""All SQL of imports: jobs, files, staged rows, issues. Long set-based statements stand in ``sql/``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from landdb.db.constraints import register
from landdb.db.transaction import Tx, statement_file
from landdb.intake.model import (
    BUSY,
    ClocksOverlap,
    ImportFile,
    ImportJob,
    Intent,
    JobUnknown,
    NumberTaken,
    ReferenceBroken,
    RowUnknown,
    SharesDoNotSum,
    State,
)

register("parcel_sheet_number_key", NumberTaken)
register("parcel_version_clocks_excl", ClocksOverlap)
register("parcel_version_in_force_key", ClocksOverlap)
register("right_holder_shares_sum", SharesDoNotSum)

HERE = Path(__file__).parent
BULK_FROM_ROWS = 50_000
ANALYSE_FROM_ROWS = 1_000

STAGED_COLUMNS: tuple[str, ...] = (
    "import_job_id",
    "row_id",
    "file_no",
    "layer",
    "row_no",
    "verdict",
    "sheet_no",
    "parcel_no",
    "land_uses",
    "declared_area_m2",
    "legal_area_m2",
    "measured_area_m2",
    "holder_name",
    "holder_identity",
    "holder_identity_index",
    "holder_class",
    "address",
    "former_sheet_no",
    "former_parcel_no",
    "temporary_no",
    "certificate_serial",
    "certificate_register_no",
    "certificate_issued_on",
    "scale",
    "geometry_hash",
    "raw",
    "geom",
)
"""Columns of a staged row in the order in which ``etl.stage`` encodes them."""

ISSUE_COLUMNS: tuple[str, ...] = (
    "import_job_id",
    "code",
    "severity",
    "file_no",
    "layer",
    "row_no",
    "field",
    "raw_value",
    "params",
    "geom_4326",
)

_JOB = """
SELECT j.import_job_id AS job_id, j.state, j.intent, j.admin_unit_id, u.code AS commune_code, u.full_name AS commune_name,
       j.office_id, j.submitted_by, s.full_name AS submitted_by_name, j.submitted_at, j.approved_by, j.layer, j.profile,
       j.srid, j.swapped_axes, j.sheet_no, j.series, j.dossier_id, j.valid_from, j.options, j.recognised, j.counts, j.stage,
       j.progress_done, j.progress_total, j.heartbeat_at, j.started_at, j.finished_at, j.failure_code, j.failure_params,
       j.registration_id,
       (SELECT json_agg(json_build_object('ordinal', f.ordinal, 'name', f.name, 'sha256', f.sha256,
                                          'size_bytes', f.size_bytes, 'role', f.role) ORDER BY f.ordinal)
        FROM import_file f WHERE f.import_job_id = j.import_job_id) AS files
FROM import_job j
JOIN admin_unit u USING (admin_unit_id)
LEFT JOIN staff s ON s.staff_id = j.submitted_by
"""


def _job(row: Mapping[Any, Any]) -> ImportJob:
    values = dict(row)
    files = tuple(ImportFile(**file) for file in values.pop("files") or ())
    return ImportJob(**{**values, "state": State(values["state"]), "intent": Intent(values["intent"])}, files=files)


def get_job(tx: Tx, job_id: UUID) -> ImportJob:
    """One import. Raises: ``import.unknown``."""
    row = tx.execute(_JOB + "WHERE j.import_job_id = :job_id", job_id=job_id).mappings().one_or_none()
    if row is None:
        raise JobUnknown(job_id=str(job_id))
    return _job(row)


def lock_job(tx: Tx, job_id: UUID) -> ImportJob:
    """The same, held until the transaction ends, so that two acts on one import follow one another."""
    tx.execute("SELECT 1 FROM import_job WHERE import_job_id = :job_id FOR UPDATE", job_id=job_id)
    return get_job(tx, job_id)


def search_jobs(tx: Tx, *, states: Sequence[State] = (), after: UUID | None = None, limit: int = 50) -> list[ImportJob]:
    """Imports, newest first; ``after`` is the last id of the page before."""
    rows = tx.execute(
        _JOB
        + """
WHERE (CAST(:states AS text[]) = '{}' OR j.state = ANY (:states))
  AND (CAST(:after AS uuid) IS NULL OR j.import_job_id < :after)
ORDER BY j.import_job_id DESC
LIMIT :limit
""",
        states=[state.value for state in states],
        after=after,
        limit=limit,
    )
    return [_job(row) for row in rows.mappings()]


def add_job(tx: Tx, job_id: UUID, values: Mapping[str, Any]) -> None:
    """A new import in state submitted."""
    tx.execute(
        text("""
INSERT INTO import_job (import_job_id, state, intent, admin_unit_id, office_id, submitted_by, submitted_at, layer, profile,
                        srid, sheet_no, series, dossier_id, valid_from, options)
VALUES (:job_id, 'submitted', :intent, :admin_unit_id, :office_id, :submitted_by, :submitted_at, :layer, :profile,
        :srid, :sheet_no, :series, :dossier_id, :valid_from, :options)
""").bindparams(bindparam("options", type_=JSONB)),
        {"job_id": job_id, **values},
    )


def add_files(tx: Tx, job_id: UUID, files: Sequence[ImportFile]) -> None:
    """The files of an import, in the client's order."""
    for file in files:
        tx.execute(
            """
INSERT INTO import_file (import_job_id, ordinal, name, sha256, size_bytes, role)
VALUES (:job_id, :ordinal, :name, :sha256, :size_bytes, :role)
""",
            job_id=job_id,
            ordinal=file.ordinal,
            name=file.name,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            role=file.role,
        )


def find_applied_twin(tx: Tx, admin_unit_id: int, digests: Sequence[str]) -> tuple[UUID, dt.datetime] | None:
    """The import that already put these very bytes into the register for this unit, and when; null: none."""
    row = tx.execute(
        """
SELECT j.import_job_id, j.finished_at
FROM import_job j
WHERE j.admin_unit_id = :admin_unit_id AND j.state = 'applied'
  AND (SELECT array_agg(f.sha256 ORDER BY f.sha256) FROM import_file f
       WHERE f.import_job_id = j.import_job_id AND f.role = 'source') = CAST(:digests AS text[])
ORDER BY j.finished_at DESC
LIMIT 1
""",
        admin_unit_id=admin_unit_id,
        digests=sorted(digests),
    ).one_or_none()
    return None if row is None else (row.import_job_id, row.finished_at)


def set_state(tx: Tx, job_id: UUID, state: State, **values: Any) -> None:
    """Move an import to a state, with whatever else the step writes down."""
    columns = {"state": state.value, **values}
    for name in ("recognised", "counts", "options", "failure_params"):
        if columns.get(name) is not None:
            columns[name] = json.dumps(columns[name], ensure_ascii=False, default=str)
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    tx.execute(f"UPDATE import_job SET {assignments} WHERE import_job_id = :job_id", job_id=job_id, **columns)  # noqa: S608 - our own names


def set_progress(tx: Tx, job_id: UUID, stage: str, done: int, total: int | None) -> None:
    """What the worker does now, for the page that watches."""
    tx.execute(
        """
UPDATE import_job SET stage = :stage, progress_done = :done, progress_total = :total, heartbeat_at = :now
WHERE import_job_id = :job_id
""",
        job_id=job_id,
        stage=stage,
        done=done,
        total=total,
        now=tx.now,
    )


def find_abandoned(tx: Tx, silent_for: dt.timedelta) -> list[tuple[UUID, State]]:
    """Busy imports whose worker has been silent for so long that it must be dead."""
    rows = tx.execute(
        """
SELECT import_job_id, state FROM import_job
WHERE state = ANY (:busy) AND coalesce(heartbeat_at, submitted_at) < :before
""",
        busy=[state.value for state in BUSY],
        before=tx.now - silent_for,
    )
    return [(row.import_job_id, State(row.state)) for row in rows]


# ── staged rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


def partition_of(job_id: UUID) -> str:
    """Name of the partition that holds a job's staged rows."""
    return f"staged_parcel_{job_id.hex}"


def open_staging(tx: Tx, job_id: UUID) -> None:
    """A fresh, empty, unindexed table for a job's rows; whatever an earlier attempt left is dropped with its issues."""
    close_staging(tx, job_id)
    tx.execute("DELETE FROM import_issue WHERE import_job_id = :job_id", job_id=job_id)
    tx.execute(f"CREATE TABLE {partition_of(job_id)} (LIKE staged_parcel INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")


def index_staging(tx: Tx, job_id: UUID) -> None:
    """Index a filled staging table."""
    name = partition_of(job_id)
    tx.execute(f"CREATE INDEX {name}_geom_idx ON {name} USING gist (geom)")
    tx.execute(f"CREATE INDEX {name}_number_idx ON {name} (sheet_no, parcel_no)")
    tx.execute(f"ALTER TABLE {name} ADD CONSTRAINT {name}_pkey PRIMARY KEY (import_job_id, row_id)")


def attach_staging(tx: Tx, job_id: UUID) -> None:
    """Let an indexed staging table be seen as a part of ``staged_parcel``."""
    name = partition_of(job_id)
    tx.execute(f"ALTER TABLE {name} ADD CONSTRAINT {name}_job_check CHECK (import_job_id = '{job_id}')")
    tx.execute(f"ALTER TABLE staged_parcel ATTACH PARTITION {name} FOR VALUES IN ('{job_id}')")
    tx.execute(f"ALTER TABLE {name} DROP CONSTRAINT {name}_job_check")


def analyse_staging(tx: Tx, job_id: UUID) -> None:
    """Let the planner know the verdicts: to one who saw only nulls, "new" is no row at all, and is joined one by one.

    A sample of six thousand rows says as much of a file as the usual thirty thousand, in a sixth of the time.
    """
    tx.execute("SET LOCAL default_statistics_target = 20")
    tx.execute(f"ANALYZE {partition_of(job_id)}")
    tx.execute("SET LOCAL default_statistics_target TO DEFAULT")


def close_staging(tx: Tx, job_id: UUID) -> None:
    """Drop a job's staged rows, and with them every name they held."""
    tx.execute(f"DROP TABLE IF EXISTS {partition_of(job_id)}")


def copy_staged(tx: Tx, job_id: UUID, chunks: Iterable[bytes]) -> int:
    """Rows in binary COPY form, straight into the job's staging table; rows copied."""
    return tx.copy(f"COPY {partition_of(job_id)} ({', '.join(STAGED_COLUMNS)}) FROM STDIN (FORMAT binary)", chunks)


def copy_issues(tx: Tx, chunks: Iterable[bytes]) -> int:
    """Issues in binary COPY form; rows copied."""
    return tx.copy(f"COPY import_issue ({', '.join(ISSUE_COLUMNS)}) FROM STDIN (FORMAT binary)", chunks)


def quarantine_rows(tx: Tx, job_id: UUID, rows: Sequence[tuple[int, str, int]]) -> None:
    """Set staged rows aside, by file number, layer and row number."""
    if not rows:
        return
    files, layers, numbers = (list(column) for column in zip(*rows, strict=True))
    tx.execute(
        f"""
UPDATE {partition_of(job_id)} s SET verdict = 'quarantined'
FROM unnest(CAST(:files AS smallint[]), CAST(:layers AS text[]), CAST(:numbers AS bigint[])) AS q (file_no, layer, row_no)
WHERE s.file_no = q.file_no AND s.layer = q.layer AND s.row_no = q.row_no AND s.verdict IS DISTINCT FROM 'quarantined'
""",  # noqa: S608 - the name is made from a UUID
        files=files,
        layers=layers,
        numbers=numbers,
    )


def add_overlap_issues(tx: Tx, job_id: UUID, overlaps: Sequence[Mapping[str, Any]]) -> None:
    """Say of staged rows that they lie over parcels of the register; places are WKB in lon/lat."""
    for overlap in overlaps:
        params = {
            "parcel": f"{overlap['sheet_no']}/{overlap['parcel_no']}",
            "other_parcel": f"{overlap['other_sheet']}/{overlap['other_parcel']}",
            "other_id": str(overlap["other_id"]),
            "area": float(overlap["area_m2"]),
        }
        tx.execute(
            """
INSERT INTO import_issue (import_job_id, code, severity, file_no, layer, row_no, params, geom_4326)
VALUES (:job_id, 'coverage.overlap_register', 'blocking', :file_no, :layer, :row_no, CAST(:params AS jsonb),
        ST_GeomFromWKB(:place, 4326))
""",
            job_id=job_id,
            file_no=overlap["file_no"],
            layer=overlap["layer"],
            row_no=overlap["row_no"],
            params=json.dumps(params),
            place=bytes(overlap["place"]),
        )


def add_taken_issues(tx: Tx, job_id: UUID, taken: Sequence[Mapping[str, Any]]) -> None:
    """Say of staged rows that another parcel in force bears their number."""
    for row in taken:
        params = {"parcel": f"{row['sheet_no']}/{row['parcel_no']}", "other_id": str(row["other_id"])}
        tx.execute(
            """
INSERT INTO import_issue (import_job_id, code, severity, file_no, layer, row_no, field, raw_value, params)
VALUES (:job_id, 'parcel.number_in_register', 'blocking', :file_no, :layer, :row_no, 'parcel_no', :parcel_no,
        CAST(:params AS jsonb))
""",
            job_id=job_id,
            file_no=row["file_no"],
            layer=row["layer"],
            row_no=row["row_no"],
            parcel_no=row["parcel_no"],
            params=json.dumps(params),
        )


def count_verdicts(tx: Tx, job_id: UUID) -> dict[str, int]:
    """How many staged rows have each verdict."""
    rows = tx.execute(
        "SELECT verdict, count(*) AS rows FROM staged_parcel WHERE import_job_id = :job_id GROUP BY verdict",
        job_id=job_id,
    )
    return {row.verdict: row.rows for row in rows}


def get_row(tx: Tx, job_id: UUID, file_no: int, layer: str, row_no: int) -> dict[str, Any]:
    """One staged row, its shape as lon/lat GeoJSON. Raises: ``import.row_unknown``."""
    row = (
        tx.execute(
            """
SELECT file_no, layer, row_no, verdict, parcel_id, sheet_no, parcel_no, land_uses, declared_area_m2, legal_area_m2,
       measured_area_m2, holder_name, holder_class, address, former_sheet_no, former_parcel_no, temporary_no,
       certificate_serial, certificate_register_no, certificate_issued_on, scale, raw,
       ST_AsGeoJSON(ST_Transform(geom, 4326), 7)::json AS geometry
FROM staged_parcel
WHERE import_job_id = :job_id AND file_no = :file_no AND layer = :layer AND row_no = :row_no
""",
            job_id=job_id,
            file_no=file_no,
            layer=layer,
            row_no=row_no,
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise RowUnknown(job_id=str(job_id), file=file_no, layer=layer, row=row_no)
    return dict(row)


def set_mended(
    tx: Tx, job_id: UUID, *, file_no: int, layer: str, row_no: int, fields: Mapping[str, str | None]
) -> None:
    """What a person wrote over a row; a second mending adds to the first."""
    tx.execute(
        text("""
INSERT INTO mended_row (import_job_id, file_no, layer, row_no, fields, mended_by, mended_at)
VALUES (:job_id, :file_no, :layer, :row_no, :fields, :mended_by, :now)
ON CONFLICT (import_job_id, file_no, layer, row_no)
DO UPDATE SET fields = mended_row.fields || EXCLUDED.fields, mended_by = EXCLUDED.mended_by, mended_at = EXCLUDED.mended_at
""").bindparams(bindparam("fields", type_=JSONB)),
        {
            "job_id": job_id,
            "file_no": file_no,
            "layer": layer,
            "row_no": row_no,
            "fields": dict(fields),
            "mended_by": tx.actor.staff_id,
            "now": tx.now,
        },
    )


def rows_to_recheck(tx: Tx, job_id: UUID) -> list[dict[str, Any]]:
    """Every row set aside: staged columns, the file's own text, what a person wrote over it, and its shape (WKB, storage zone).

    ``geometry_fault`` is the code of the issue for a row without a shape; null where there is one.
    """
    return fetch(tx, "rows_to_recheck", job_id=job_id)


def rows_beside(tx: Tx, job_id: UUID, shapes: Sequence[bytes], serials: Sequence[str]) -> list[dict[str, Any]]:
    """Staged rows in order that those judged again may clash with: near these shapes (WKB), of the same numbers or serials."""
    return fetch(tx, "rows_beside", job_id=job_id, shapes=list(shapes), serials=list(serials))


def forget_rows(tx: Tx, job_id: UUID) -> None:
    """Make way for rows judged again: the staged rows set aside go, with all that was said of them."""
    run(tx, "forget_issues", job_id=job_id)
    tx.execute("DELETE FROM staged_parcel WHERE import_job_id = :job_id AND verdict = 'quarantined'", job_id=job_id)


def forget_repeated_issues(tx: Tx, job_id: UUID) -> None:
    """What concerns the file as a whole is said once, however often its rows are judged again."""
    tx.execute(
        """
DELETE FROM import_issue again USING import_issue first
WHERE again.import_job_id = :job_id AND first.import_job_id = :job_id AND again.import_issue_id > first.import_issue_id
  AND again.row_no IS NULL AND first.row_no IS NULL AND again.code = first.code
  AND (again.file_no, again.layer, again.params) IS NOT DISTINCT FROM (first.file_no, first.layer, first.params)
""",
        job_id=job_id,
    )


def count_issues(tx: Tx, job_id: UUID) -> list[dict[str, Any]]:
    """Issues by code, blocking ones first, then the most frequent."""
    rows = tx.execute(
        """
SELECT code, severity, count(*) AS count
FROM import_issue WHERE import_job_id = :job_id
GROUP BY code, severity
ORDER BY array_position(ARRAY['blocking', 'warning', 'info'], severity), count(*) DESC, code
""",
        job_id=job_id,
    )
    return [dict(row) for row in rows.mappings()]


def search_issues(
    tx: Tx,
    job_id: UUID,
    *,
    code: str | None = None,
    severity: str | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Issues in the order of the file; ``after`` is the last id of the page before. Geometry is lon/lat GeoJSON or null."""
    rows = tx.execute(
        """
SELECT i.import_issue_id AS issue_id, i.code, i.severity, i.file_no, f.name AS file, i.layer, i.row_no AS row, i.field,
       i.raw_value, i.params, ST_AsGeoJSON(i.geom_4326, 7)::json AS geometry, i.waived_reason
FROM import_issue i
LEFT JOIN import_file f ON f.import_job_id = i.import_job_id AND f.ordinal = i.file_no
WHERE i.import_job_id = :job_id
  AND (CAST(:code AS text) IS NULL OR i.code = :code)
  AND (CAST(:severity AS text) IS NULL OR i.severity = :severity)
  AND (CAST(:after AS bigint) IS NULL OR i.import_issue_id > :after)
ORDER BY i.import_issue_id
LIMIT :limit
""",
        job_id=job_id,
        code=code,
        severity=severity,
        after=after,
        limit=limit,
    )
    return [dict(row) for row in rows.mappings()]


def preview_features(tx: Tx, job_id: UUID, *, limit: int) -> Iterator[str]:
    """Staged rows as GeoJSON Features (lon/lat) without any person's data, quarantined ones first."""
    rows = tx.execute(
        """
SELECT json_build_object(
    'type', 'Feature', 'id', row_id, 'geometry', ST_AsGeoJSON(ST_Transform(geom, 4326), 7)::json,
    'properties', json_build_object('file_no', file_no, 'layer', layer, 'row', row_no, 'verdict', verdict,
                                    'sheet_no', sheet_no, 'parcel_no', parcel_no, 'land_use', land_uses,
                                    'declared_area_m2', declared_area_m2, 'measured_area_m2', measured_area_m2))::text
FROM staged_parcel
WHERE import_job_id = :job_id AND geom IS NOT NULL
ORDER BY verdict = 'quarantined' DESC, row_id
LIMIT :limit
""",
        job_id=job_id,
        limit=limit,
    )
    return (row[0] for row in rows)


def preview_tile(tx: Tx, job_id: UUID, z: int, x: int, y: int) -> bytes:
    """Staged rows of one tile as a vector tile with the layer ``staged``."""
    return bytes(tx.execute(statement_file(HERE, "preview_tile"), job_id=job_id, z=z, x=x, y=y).scalar_one())


def staged_extent(tx: Tx, job_id: UUID) -> list[float] | None:
    """West, south, east, north of the staged rows in degrees; null: nothing is staged."""
    row = tx.execute(
        """
SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)
FROM (SELECT ST_Transform(ST_SetSRID(ST_Extent(geom)::geometry, (SELECT ST_SRID(geom) FROM staged_parcel
          WHERE import_job_id = :job_id AND geom IS NOT NULL LIMIT 1)), 4326) AS e
      FROM staged_parcel WHERE import_job_id = :job_id) t
""",
        job_id=job_id,
    ).one()
    return None if row[0] is None else [float(value) for value in row]


# ── the register, as an import sees it ──────────────────────────────────────────────────────────────────────────────


def run(tx: Tx, verb: str, **params: Any) -> int:
    """Run the set-based statement ``sql/<verb>.sql``; rows it touched."""
    return int(tx.execute(statement_file(HERE, verb), params).rowcount)


def fetch(tx: Tx, verb: str, **params: Any) -> list[dict[str, Any]]:
    """Run the question ``sql/<verb>.sql``; its rows."""
    return [dict(row) for row in tx.execute(statement_file(HERE, verb), params).mappings()]


def lock_register(tx: Tx) -> dt.datetime:
    """Let bulk changes follow one another; the moment at which this one may begin to write.

    The moment is read after the wait: a version must not begin before the one that it follows was recorded.
    """
    tx.execute("SELECT pg_advisory_xact_lock(7461002)")
    moment = tx.execute("SELECT clock_timestamp()").scalar_one()
    assert isinstance(moment, dt.datetime)
    return moment


@contextmanager
def bulk_writing(tx: Tx, registration_id: UUID, rows: int) -> Iterator[None]:
    """While a large import writes, foreign keys are proved set by set at its end, in the same transaction, not row by row.

    A million parcels make some fourteen million single look-ups otherwise, a third of the whole time. Where the role may not put
    them off (it takes the right to set ``session_replication_role``), or for a small import, they are made as always.
    Raises: ``database.reference_broken``.
    """
    put_off = rows >= BULK_FROM_ROWS and _may_put_off_row_checks(tx)
    if put_off:
        tx.execute("SET LOCAL session_replication_role = replica")
    yield
    if rows >= ANALYSE_FROM_ROWS:
        take_statistics(tx)
    if put_off:
        tx.execute("SET LOCAL session_replication_role = origin")
        broken = fetch(tx, "prove_references", registration_id=registration_id)
        if broken:
            raise ReferenceBroken(keys=", ".join(sorted({row["key"] for row in broken})))


def _may_put_off_row_checks(tx: Tx) -> bool:
    return bool(
        tx.execute("SELECT has_parameter_privilege(current_user, 'session_replication_role', 'SET')").scalar_one()
    )


def take_statistics(tx: Tx) -> None:
    """Let the planner know what a bulk change did: an unanalysed table is taken for an empty one, and joined row by row."""
    tx.execute(
        "ANALYZE parcel, parcel_version, parcel_land_use, parcel_reference, parcel_face, right_held, right_holder,"
        " party_claim, certificate, certificate_parcel, map_sheet"
    )


def register_version(tx: Tx) -> int:
    """A number that grows with every change of the register's parcels."""
    return int(tx.execute("SELECT coalesce(max(version), 0) FROM data_version WHERE layer = 'parcels'").scalar_one())


def raise_register_version(tx: Tx) -> None:
    """Tell readers and caches that the register's parcels changed."""
    tx.execute(
        """
INSERT INTO data_version (layer, version) VALUES ('parcels', 1)
ON CONFLICT (layer) DO UPDATE SET version = data_version.version + 1
"""
    )


# ── approval and afterwards ─────────────────────────────────────────────────────────────────────────────────────────


def hold_all_but(
    tx: Tx, job_id: UUID, rows: Sequence[tuple[int, str, int]] | None, without_codes: Sequence[str]
) -> int:
    """Mark the rows that an approval leaves out; how many rows with something to apply remain."""
    tx.execute("UPDATE staged_parcel SET held = false WHERE import_job_id = :job_id AND held", job_id=job_id)
    if rows is not None:
        files, layers, numbers = ([row[i] for row in rows] for i in range(3))
        tx.execute(
            """
UPDATE staged_parcel s SET held = true
WHERE s.import_job_id = :job_id AND NOT EXISTS (
    SELECT 1 FROM unnest(CAST(:files AS smallint[]), CAST(:layers AS text[]), CAST(:numbers AS bigint[])) AS q (f, l, n)
    WHERE s.file_no = q.f AND s.layer = q.l AND s.row_no = q.n)
""",
            job_id=job_id,
            files=files,
            layers=layers,
            numbers=numbers,
        )
    if without_codes:
        tx.execute(
            """
UPDATE staged_parcel s SET held = true
FROM import_issue i
WHERE s.import_job_id = :job_id AND i.import_job_id = :job_id AND i.code = ANY (:codes)
  AND s.file_no = i.file_no AND s.layer = i.layer AND s.row_no = i.row_no
""",
            job_id=job_id,
            codes=list(without_codes),
        )
    return int(
        tx.execute(
            """
SELECT count(*) FROM staged_parcel
WHERE import_job_id = :job_id AND verdict IN ('new', 'changed') AND NOT held
""",
            job_id=job_id,
        ).scalar_one()
    )


def hold_waiting(tx: Tx, job_id: UUID, *, held: bool) -> None:
    """Hold back, or let go, every row that would be applied: rows beside applied ones wait for an approval of their own."""
    tx.execute(
        "UPDATE staged_parcel SET held = :held WHERE import_job_id = :job_id AND verdict <> 'quarantined' AND held <> :held",
        job_id=job_id,
        held=held,
    )


def purge_applied(tx: Tx, job_id: UUID) -> dict[str, int]:
    """Forget the staged rows that are done (applied or unchanged), names and all; how many there were of each verdict.

    What is set aside or was left out stays, to be mended or approved later. The few that stay are moved and the table is
    dropped: deleting a million rows one by one would take longer than writing them did.
    """
    done = {
        row.verdict: row.rows
        for row in tx.execute(
            """
SELECT verdict, count(*) AS rows FROM staged_parcel
WHERE import_job_id = :job_id AND verdict <> 'quarantined' AND NOT held GROUP BY verdict
""",
            job_id=job_id,
        )
    }
    name = partition_of(job_id)
    tx.execute(
        f"CREATE TEMP TABLE {name}_rest ON COMMIT DROP AS SELECT * FROM {name} WHERE verdict = 'quarantined' OR held"  # noqa: S608
    )
    close_staging(tx, job_id)
    tx.execute(f"CREATE TABLE {name} (LIKE staged_parcel INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    tx.execute(f"INSERT INTO {name} SELECT * FROM {name}_rest")  # noqa: S608
    index_staging(tx, job_id)
    attach_staging(tx, job_id)
    tx.execute(f"DROP TABLE {name}_rest")
    return done

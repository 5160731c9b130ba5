"""Administrative units, code lists, coordinate zones, tolerances, holidays, and the pinned VN-2000 zones of PostGIS.

The rows come from ``landdb/reference/data``. Once this has run in an office those files are history: a later change of a
code list is ``landdb reference load`` or a migration of its own, and reaches databases old and new alike.

``spatial_ref_sys`` rows of VN-2000 are written under our own authority: PostGIS ignores ``proj4text`` where the authority is
EPSG and then lets PROJ choose EPSG:5194, 0.8 m away at Sóc Trăng. The shift is EPSG:6960,
QĐ 05/2007/QĐ-BTNMT.

Revision ID: 0001
Revises: –
"""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import sqlalchemy as sa
from alembic import op

import landdb

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DATA = Path(landdb.__file__).parent / "reference" / "data"

TABLES = """
CREATE TABLE admin_unit (
    admin_unit_id integer NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    full_name text NOT NULL,
    other_names text,
    parent_id integer,
    valid daterange NOT NULL,
    name_folded text NOT NULL,
    search_folded text NOT NULL,
    source text NOT NULL,
    CONSTRAINT admin_unit_pkey PRIMARY KEY (admin_unit_id),
    CONSTRAINT admin_unit_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES admin_unit (admin_unit_id),
    CONSTRAINT admin_unit_kind_check CHECK (kind IN ('province', 'district', 'commune')),
    CONSTRAINT admin_unit_parent_check CHECK ((kind = 'province') = (parent_id IS NULL)),
    CONSTRAINT admin_unit_code_check CHECK (
        code ~ CASE kind WHEN 'province' THEN '^[0-9]{2}$' WHEN 'district' THEN '^[0-9]{3}$' ELSE '^[0-9]{5}$' END),
    CONSTRAINT admin_unit_valid_check CHECK (NOT isempty(valid)),
    CONSTRAINT admin_unit_kind_code_valid_excl
        EXCLUDE USING gist (kind WITH =, code WITH =, valid WITH &&) DEFERRABLE INITIALLY IMMEDIATE
);
CREATE INDEX admin_unit_code_idx ON admin_unit (code);
CREATE INDEX admin_unit_parent_id_idx ON admin_unit (parent_id);

CREATE TABLE admin_unit_boundary (
    admin_unit_id integer NOT NULL,
    geom geometry(MultiPolygon, 4326) NOT NULL,
    accuracy_m double precision,
    source text NOT NULL,
    CONSTRAINT admin_unit_boundary_pkey PRIMARY KEY (admin_unit_id),
    CONSTRAINT admin_unit_boundary_admin_unit_id_fkey FOREIGN KEY (admin_unit_id) REFERENCES admin_unit (admin_unit_id)
);
CREATE INDEX admin_unit_boundary_geom_idx ON admin_unit_boundary USING gist (geom);

CREATE TABLE admin_unit_succession (
    old_unit_id integer NOT NULL,
    new_unit_id integer NOT NULL,
    partial boolean NOT NULL,
    same_territory boolean NOT NULL,
    effective_on date NOT NULL,
    decree text,
    decree_confirmed boolean NOT NULL,
    source text NOT NULL,
    CONSTRAINT admin_unit_succession_pkey PRIMARY KEY (old_unit_id, new_unit_id),
    CONSTRAINT admin_unit_succession_old_unit_id_fkey FOREIGN KEY (old_unit_id) REFERENCES admin_unit (admin_unit_id),
    CONSTRAINT admin_unit_succession_new_unit_id_fkey FOREIGN KEY (new_unit_id) REFERENCES admin_unit (admin_unit_id),
    CONSTRAINT admin_unit_succession_territory_check CHECK (NOT (partial AND same_territory)),
    CONSTRAINT admin_unit_succession_moves_check CHECK (old_unit_id <> new_unit_id)
);
CREATE INDEX admin_unit_succession_new_unit_id_idx ON admin_unit_succession (new_unit_id);

CREATE TABLE code_list (
    code_list text NOT NULL,
    name_vi text NOT NULL,
    name_en text NOT NULL,
    legal_source text,
    valid daterange NOT NULL,
    note text,
    source text NOT NULL,
    CONSTRAINT code_list_pkey PRIMARY KEY (code_list)
);

CREATE TABLE code_value (
    code_list text NOT NULL,
    code text NOT NULL,
    name_vi text NOT NULL,
    name_en text,
    parent_code text,
    valid daterange NOT NULL,
    attributes jsonb NOT NULL DEFAULT '{}',
    confirmed boolean NOT NULL,
    source text NOT NULL,
    CONSTRAINT code_value_code_list_fkey FOREIGN KEY (code_list) REFERENCES code_list (code_list),
    CONSTRAINT code_value_valid_check CHECK (NOT isempty(valid)),
    CONSTRAINT code_value_code_list_code_valid_excl
        EXCLUDE USING gist (code_list WITH =, code WITH =, valid WITH &&) DEFERRABLE INITIALLY IMMEDIATE
);
CREATE UNIQUE INDEX code_value_start_key ON code_value (code_list, code, coalesce(lower(valid), '-infinity'::date));

CREATE TABLE code_mapping (
    from_list text NOT NULL,
    from_code text NOT NULL,
    to_list text NOT NULL,
    to_code text NOT NULL,
    kind text NOT NULL,
    confirmed boolean NOT NULL,
    note text,
    source text NOT NULL,
    CONSTRAINT code_mapping_pkey PRIMARY KEY (from_list, from_code, to_list, to_code),
    CONSTRAINT code_mapping_from_list_fkey FOREIGN KEY (from_list) REFERENCES code_list (code_list),
    CONSTRAINT code_mapping_to_list_fkey FOREIGN KEY (to_list) REFERENCES code_list (code_list),
    CONSTRAINT code_mapping_kind_check CHECK (kind IN ('same', 'replaced', 'one_of', 'split'))
);

CREATE TABLE coordinate_zone (
    srid integer NOT NULL,
    name text NOT NULL,
    projection text NOT NULL,
    central_meridian_deg double precision NOT NULL,
    scale_factor double precision NOT NULL,
    false_easting_m double precision NOT NULL,
    false_northing_m double precision NOT NULL,
    area_of_use text NOT NULL,
    west_deg double precision NOT NULL,
    south_deg double precision NOT NULL,
    east_deg double precision NOT NULL,
    north_deg double precision NOT NULL,
    datum_operation text NOT NULL,
    source text NOT NULL,
    CONSTRAINT coordinate_zone_pkey PRIMARY KEY (srid),
    CONSTRAINT coordinate_zone_projection_check CHECK (projection = 'Transverse Mercator'),
    CONSTRAINT coordinate_zone_datum_operation_check CHECK (datum_operation = 'EPSG:6960'),
    CONSTRAINT coordinate_zone_bounds_check CHECK (west_deg < east_deg AND south_deg < north_deg)
);

CREATE TABLE province_meridian (
    province_name text NOT NULL,
    purpose text NOT NULL,
    valid daterange NOT NULL,
    central_meridian_deg double precision NOT NULL,
    srid integer NOT NULL,
    confirmed boolean NOT NULL,
    source text NOT NULL,
    CONSTRAINT province_meridian_srid_fkey FOREIGN KEY (srid) REFERENCES coordinate_zone (srid),
    CONSTRAINT province_meridian_purpose_check CHECK (purpose IN ('cadastral_map', 'administrative_map')),
    CONSTRAINT province_meridian_valid_excl
        EXCLUDE USING gist (province_name WITH =, purpose WITH =, valid WITH &&) DEFERRABLE INITIALLY IMMEDIATE
);
CREATE UNIQUE INDEX province_meridian_start_key
    ON province_meridian (province_name, purpose, coalesce(lower(valid), '-infinity'::date));

CREATE TABLE tolerance (
    kind text NOT NULL,
    scale integer NOT NULL,
    value double precision NOT NULL,
    valid daterange NOT NULL,
    confirmed boolean NOT NULL,
    source text NOT NULL,
    CONSTRAINT tolerance_kind_check CHECK (kind IN (
        'boundary_point_m', 'boundary_point_agricultural_m', 'overlap_width_m', 'overlap_area_m2', 'area_difference_m')),
    CONSTRAINT tolerance_positive_check CHECK (scale > 0 AND value >= 0),
    CONSTRAINT tolerance_kind_scale_valid_excl
        EXCLUDE USING gist (kind WITH =, scale WITH =, valid WITH &&) DEFERRABLE INITIALLY IMMEDIATE
);
CREATE UNIQUE INDEX tolerance_start_key ON tolerance (kind, scale, coalesce(lower(valid), '-infinity'::date));

CREATE TABLE working_day_exception (
    on_date date NOT NULL,
    kind text NOT NULL,
    name_vi text NOT NULL,
    name_en text NOT NULL,
    confirmed boolean NOT NULL,
    source text NOT NULL,
    CONSTRAINT working_day_exception_pkey PRIMARY KEY (on_date),
    CONSTRAINT working_day_exception_kind_check CHECK (kind IN ('holiday', 'in_lieu', 'working_day'))
);

CREATE TABLE reference_load (
    reference_load_id integer GENERATED ALWAYS AS IDENTITY,
    table_name text NOT NULL,
    file_name text NOT NULL,
    sha256 text NOT NULL,
    row_count integer NOT NULL,
    loaded_at timestamptz NOT NULL,
    loaded_by text NOT NULL,
    CONSTRAINT reference_load_pkey PRIMARY KEY (reference_load_id),
    CONSTRAINT reference_load_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
CREATE INDEX reference_load_table_name_idx ON reference_load (table_name, reference_load_id);
"""

VALID = "daterange(CAST(:valid_from AS date), CAST(:valid_to AS date))"
FILL = {
    "admin_unit": f"""
        INSERT INTO admin_unit (admin_unit_id, kind, code, name, full_name, other_names, parent_id, valid, name_folded, search_folded, source)
        VALUES (CAST(:admin_unit_id AS integer), :kind, :code, :name, :full_name, :other_names, CAST(:parent_id AS integer), {VALID},
                :name_folded, :search_folded, :source)""",
    "admin_unit_succession": """
        INSERT INTO admin_unit_succession (old_unit_id, new_unit_id, partial, same_territory, effective_on, decree, decree_confirmed, source)
        VALUES (CAST(:old_unit_id AS integer), CAST(:new_unit_id AS integer), CAST(:partial AS boolean), CAST(:same_territory AS boolean),
                CAST(:effective_on AS date), :decree, CAST(:decree_confirmed AS boolean), :source)""",
    "code_list": f"""
        INSERT INTO code_list (code_list, name_vi, name_en, legal_source, valid, note, source)
        VALUES (:code_list, :name_vi, :name_en, :legal_source, {VALID}, :note, :source)""",
    "code_value": f"""
        INSERT INTO code_value (code_list, code, name_vi, name_en, parent_code, valid, attributes, confirmed, source)
        VALUES (:code_list, :code, :name_vi, :name_en, :parent_code, {VALID}, coalesce(CAST(:attributes AS jsonb), '{{}}'),
                CAST(:confirmed AS boolean), :source)""",
    "code_mapping": """
        INSERT INTO code_mapping (from_list, from_code, to_list, to_code, kind, confirmed, note, source)
        VALUES (:from_list, :from_code, :to_list, :to_code, :kind, CAST(:confirmed AS boolean), :note, :source)""",
    "coordinate_zone": """
        INSERT INTO coordinate_zone (srid, name, projection, central_meridian_deg, scale_factor, false_easting_m, false_northing_m,
                                     area_of_use, west_deg, south_deg, east_deg, north_deg, datum_operation, source)
        VALUES (CAST(:srid AS integer), :name, :projection, CAST(:central_meridian_deg AS double precision),
                CAST(:scale_factor AS double precision), CAST(:false_easting_m AS double precision),
                CAST(:false_northing_m AS double precision), :area_of_use, CAST(:west_deg AS double precision),
                CAST(:south_deg AS double precision), CAST(:east_deg AS double precision), CAST(:north_deg AS double precision),
                :datum_operation, :source)""",
    "province_meridian": f"""
        INSERT INTO province_meridian (province_name, purpose, valid, central_meridian_deg, srid, confirmed, source)
        VALUES (:province_name, :purpose, {VALID}, CAST(:central_meridian_deg AS double precision), CAST(:srid AS integer),
                CAST(:confirmed AS boolean), :source)""",
    "tolerance": f"""
        INSERT INTO tolerance (kind, scale, value, valid, confirmed, source)
        VALUES (:kind, CAST(:scale AS integer), CAST(:value AS double precision), {VALID}, CAST(:confirmed AS boolean), :source)""",
    "holiday": """
        INSERT INTO working_day_exception (on_date, kind, name_vi, name_en, confirmed, source)
        VALUES (CAST(:on_date AS date), :kind, :name_vi, :name_en, CAST(:confirmed AS boolean), :source)""",
}

# EPSG:6960 as position vector: metres, arc-seconds, ppm. Frozen here; landdb/reference/model.py holds the living copy, a test compares.
TOWGS84 = "-191.90441429,-39.30318279,-111.45032835,0.00928836,-0.01975479,0.00427372,0.252906278"
PIN = """
INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, srtext, proj4text)
SELECT srid, 'LANDDB', srid,
       format('PROJCS["%s",GEOGCS["VN-2000",DATUM["Vietnam_2000",SPHEROID["WGS 84",6378137,298.257223563],TOWGS84[%s]],'
              'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
              'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",%s],PARAMETER["scale_factor",%s],'
              'PARAMETER["false_easting",%s],PARAMETER["false_northing",%s],UNIT["metre",1],'
              'AXIS["Easting",EAST],AXIS["Northing",NORTH]]',
              name, :towgs84, central_meridian_deg, scale_factor, false_easting_m, false_northing_m),
       format('+proj=tmerc +lat_0=0 +lon_0=%s +k=%s +x_0=%s +y_0=%s +ellps=WGS84 +towgs84=%s +units=m +no_defs',
              central_meridian_deg, scale_factor, false_easting_m, false_northing_m, :towgs84)
FROM coordinate_zone
ON CONFLICT (srid) DO UPDATE
SET auth_name = excluded.auth_name, auth_srid = excluded.auth_srid, srtext = excluded.srtext, proj4text = excluded.proj4text
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(TABLES)
    for name, statement in FILL.items():
        _fill(name, statement)
    op.get_bind().execute(sa.text(PIN), {"towgs84": TOWGS84})


def downgrade() -> None:
    """Drop the tables. The zones of ``spatial_ref_sys`` stay pinned: geometry of other tables may stand on them."""
    for name in (
        "reference_load",
        "working_day_exception",
        "tolerance",
        "province_meridian",
        "coordinate_zone",
        "code_mapping",
        "code_value",
        "code_list",
        "admin_unit_succession",
        "admin_unit_boundary",
        "admin_unit",
    ):
        op.execute(f"DROP TABLE {name}")


def _fill(name: str, statement: str) -> None:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = [{column: text or None for column, text in row.items()} for row in csv.DictReader(file)]
    if name == "admin_unit":
        for row in rows:
            row["name_folded"] = _fold(row["name"])
            row["search_folded"] = "|".join(
                map(_fold, [row["full_name"], *filter(None, (row["other_names"] or "").split(";"))])
            )
    op.get_bind().execute(sa.text(statement), rows)


def _fold(name: str | None) -> str:
    """As ``landdb.reference.model.fold`` was when this was written."""
    small = unicodedata.normalize("NFC", name or "").lower().replace("đ", "d")
    bare = "".join(letter for letter in unicodedata.normalize("NFD", small) if not unicodedata.combining(letter))
    return " ".join(bare.split())

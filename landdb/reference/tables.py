"""The reference tables. Provinces share them (schema ``public``); every row that the law may change carries its days."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Time,
    column,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint

from landdb.db.metadata import metadata
from landdb.db.types import DATERANGE, lonlat_geometry

# Identity of a dated row in an upsert: its first day, with "not given" as one value.
START = func.coalesce(func.lower(column("valid")), text("'-infinity'::date"))


def _never_twice(name: str, *keys: str) -> ExcludeConstraint:
    """No two rows of the same key hold on the same day; checked when the statement ends, so one statement may close and open."""
    return ExcludeConstraint(
        *((key, "=") for key in keys), ("valid", "&&"), name=name, using="gist", deferrable=True, initially="IMMEDIATE"
    )


admin_unit = Table(
    "admin_unit",
    metadata,
    Column("admin_unit_id", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("other_names", Text),
    Column("parent_id", Integer, ForeignKey("admin_unit.admin_unit_id", name="admin_unit_parent_id_fkey")),
    Column("valid", DATERANGE, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("search_folded", Text, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("kind IN ('province', 'district', 'commune')", name="kind"),
    CheckConstraint("(kind = 'province') = (parent_id IS NULL)", name="parent"),
    CheckConstraint(
        "code ~ CASE kind WHEN 'province' THEN '^[0-9]{2}$' WHEN 'district' THEN '^[0-9]{3}$' ELSE '^[0-9]{5}$' END",
        name="code",
    ),
    CheckConstraint("NOT isempty(valid)", name="valid"),
    _never_twice("admin_unit_kind_code_valid_excl", "kind", "code"),
    Index("admin_unit_code_idx", "code"),
    Index("admin_unit_parent_id_idx", "parent_id"),
)

admin_unit_boundary = Table(
    "admin_unit_boundary",
    metadata,
    Column(
        "admin_unit_id",
        Integer,
        ForeignKey("admin_unit.admin_unit_id", name="admin_unit_boundary_admin_unit_id_fkey"),
        primary_key=True,
    ),
    Column("geom", lonlat_geometry("MULTIPOLYGON"), nullable=False),
    Column("accuracy_m", Float),
    Column("source", Text, nullable=False),
    Index("admin_unit_boundary_geom_idx", "geom", postgresql_using="gist"),
)

admin_unit_succession = Table(
    "admin_unit_succession",
    metadata,
    Column(
        "old_unit_id", Integer, ForeignKey("admin_unit.admin_unit_id", name="admin_unit_succession_old_unit_id_fkey")
    ),
    Column(
        "new_unit_id", Integer, ForeignKey("admin_unit.admin_unit_id", name="admin_unit_succession_new_unit_id_fkey")
    ),
    Column("partial", Boolean, nullable=False),
    Column("same_territory", Boolean, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("decree", Text),
    Column("decree_confirmed", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("old_unit_id", "new_unit_id", name="admin_unit_succession_pkey"),
    CheckConstraint("NOT (partial AND same_territory)", name="territory"),
    CheckConstraint("old_unit_id <> new_unit_id", name="moves"),
    Index("admin_unit_succession_new_unit_id_idx", "new_unit_id"),
)

code_list = Table(
    "code_list",
    metadata,
    Column("code_list", Text, primary_key=True),
    Column("name_vi", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("legal_source", Text),
    Column("valid", DATERANGE, nullable=False),
    Column("note", Text),
    Column("source", Text, nullable=False),
)

code_value = Table(
    "code_value",
    metadata,
    Column("code_list", Text, ForeignKey("code_list.code_list", name="code_value_code_list_fkey"), nullable=False),
    Column("code", Text, nullable=False),
    Column("name_vi", Text, nullable=False),
    Column("name_en", Text),
    Column("parent_code", Text),
    Column("valid", DATERANGE, nullable=False),
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'")),
    Column("confirmed", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("NOT isempty(valid)", name="valid"),
    _never_twice("code_value_code_list_code_valid_excl", "code_list", "code"),
    Index("code_value_start_key", "code_list", "code", START, unique=True),
)

code_mapping = Table(
    "code_mapping",
    metadata,
    Column("from_list", Text, ForeignKey("code_list.code_list", name="code_mapping_from_list_fkey"), nullable=False),
    Column("from_code", Text, nullable=False),
    Column("to_list", Text, ForeignKey("code_list.code_list", name="code_mapping_to_list_fkey"), nullable=False),
    Column("to_code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("note", Text),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("from_list", "from_code", "to_list", "to_code", name="code_mapping_pkey"),
    CheckConstraint("kind IN ('same', 'replaced', 'one_of', 'split')", name="kind"),
)

coordinate_zone = Table(
    "coordinate_zone",
    metadata,
    Column("srid", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("projection", Text, nullable=False),
    Column("central_meridian_deg", Float, nullable=False),
    Column("scale_factor", Float, nullable=False),
    Column("false_easting_m", Float, nullable=False),
    Column("false_northing_m", Float, nullable=False),
    Column("area_of_use", Text, nullable=False),
    Column("west_deg", Float, nullable=False),
    Column("south_deg", Float, nullable=False),
    Column("east_deg", Float, nullable=False),
    Column("north_deg", Float, nullable=False),
    Column("datum_operation", Text, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("projection = 'Transverse Mercator'", name="projection"),
    CheckConstraint("datum_operation = 'EPSG:6960'", name="datum_operation"),
    CheckConstraint("west_deg < east_deg AND south_deg < north_deg", name="bounds"),
)

province_meridian = Table(
    "province_meridian",
    metadata,
    Column("province_name", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("valid", DATERANGE, nullable=False),
    Column("central_meridian_deg", Float, nullable=False),
    Column("srid", Integer, ForeignKey("coordinate_zone.srid", name="province_meridian_srid_fkey"), nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("purpose IN ('cadastral_map', 'administrative_map')", name="purpose"),
    _never_twice("province_meridian_valid_excl", "province_name", "purpose"),
    Index("province_meridian_start_key", "province_name", "purpose", START, unique=True),
)

tolerance = Table(
    "tolerance",
    metadata,
    Column("kind", Text, nullable=False),
    Column("scale", Integer, nullable=False),
    Column("value", Float, nullable=False),
    Column("valid", DATERANGE, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint(
        "kind IN ('boundary_point_m', 'boundary_point_agricultural_m', 'overlap_width_m', 'overlap_area_m2', 'area_difference_m')",
        name="kind",
    ),
    CheckConstraint("scale > 0 AND value >= 0", name="positive"),
    _never_twice("tolerance_kind_scale_valid_excl", "kind", "scale"),
    Index("tolerance_start_key", "kind", "scale", START, unique=True),
)

working_day_exception = Table(
    "working_day_exception",
    metadata,
    Column("on_date", Date, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name_vi", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("kind IN ('holiday', 'in_lieu', 'working_day')", name="kind"),
)

working_hours = Table(
    "working_hours",
    metadata,
    Column("weekday", SmallInteger, nullable=False, comment="ISO: 1 Monday … 7 Sunday"),
    Column("opens_at", Time, nullable=False, comment="Vietnam time"),
    Column("closes_at", Time, nullable=False),
    Column("valid", DATERANGE, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday"),
    CheckConstraint("opens_at < closes_at", name="order"),
    _never_twice("working_hours_valid_excl", "weekday", "opens_at"),
    Index("working_hours_start_key", "weekday", "opens_at", START, unique=True),
    comment="The hours on which limits are counted; two rows a day leave out the lunch break.",
)

procedure = Table(
    "procedure",
    metadata,
    Column("procedure_id", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False, comment="code of the national list of administrative procedures (TTHC)"),
    Column(
        "province_code",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="empty: wherever the province has none of its own",
    ),
    Column("name_vi", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("limit_working_hours", Integer, comment="null: set by the office"),
    Column("limit_source", Text, comment="null exactly where there is no limit"),
    Column("change_code", Text, comment="code of loai_bien_dong; null: none, or several"),
    Column("needs_registration", Boolean, nullable=False, comment="closing with a result takes a registration"),
    Column("valid", DATERANGE, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("(limit_working_hours IS NULL) = (limit_source IS NULL)", name="limit_sourced"),
    CheckConstraint("limit_working_hours > 0", name="limit"),
    _never_twice("procedure_code_valid_excl", "code", "province_code"),
    Index("procedure_start_key", "code", "province_code", START, unique=True),
    comment="An administrative procedure as one law or province has it; another law is another row.",
)

procedure_stage = Table(
    "procedure_stage",
    metadata,
    Column(
        "procedure_id",
        Integer,
        ForeignKey("procedure.procedure_id", name="procedure_stage_procedure_id_fkey"),
        nullable=False,
    ),
    Column("stage", Text, nullable=False),
    Column("name_vi", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("national_status", SmallInteger, nullable=False, comment="1..10 of the national portal"),
    Column("limit_working_hours", Integer, comment="of the office that has it at this stage; null: set by the office"),
    Column("pause_reason", Text, comment="null: the clock runs; else why it stands still (NĐ 101/2024 Đ22 k10)"),
    Column("is_first", Boolean, nullable=False),
    Column("is_last", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("procedure_id", "stage", name="procedure_stage_pkey"),
    CheckConstraint("national_status BETWEEN 1 AND 10", name="national_status"),
    CheckConstraint("limit_working_hours > 0", name="limit"),
    CheckConstraint(
        "pause_reason IN ('supplement', 'tax', 'payment', 'posting', 'inspection', 'opinion')", name="pause_reason"
    ),
)

procedure_step = Table(
    "procedure_step",
    metadata,
    Column("procedure_id", Integer, nullable=False),
    Column("from_stage", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("to_stage", Text, nullable=False),
    Column("name_vi", Text, nullable=False, comment="the button's words"),
    Column("name_en", Text, nullable=False),
    Column(
        "duty",
        Text,
        nullable=False,
        comment="the permission that it takes: one of the dossier permissions",
    ),
    Column("office_kinds", ARRAY(Text), nullable=False),
    Column("needs_reason", Boolean, nullable=False),
    Column("needs_papers", ARRAY(Text), nullable=False, comment="kinds of paper that must be in the dossier first"),
    Column("needs_signature", Boolean, nullable=False, comment="one of the papers must carry a valid PAdES signature"),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("procedure_id", "from_stage", "action", name="procedure_step_pkey"),
    ForeignKeyConstraint(
        ["procedure_id", "from_stage"],
        ["procedure_stage.procedure_id", "procedure_stage.stage"],
        name="procedure_step_from_fkey",
    ),
    ForeignKeyConstraint(
        ["procedure_id", "to_stage"],
        ["procedure_stage.procedure_id", "procedure_stage.stage"],
        name="procedure_step_to_fkey",
    ),
)

procedure_paper = Table(
    "procedure_paper",
    metadata,
    Column(
        "procedure_id",
        Integer,
        ForeignKey("procedure.procedure_id", name="procedure_paper_procedure_id_fkey"),
        nullable=False,
    ),
    Column("paper_no", SmallInteger, nullable=False),
    Column("doc_type", Text, nullable=False, comment="code list of scanned papers, or RESULT"),
    Column("name_vi", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("required", Boolean, nullable=False),
    Column("copies", SmallInteger, nullable=False, server_default=text("1")),
    Column("confirmed", Boolean, nullable=False, comment="false: office practice, no legal list seen"),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("procedure_id", "paper_no", name="procedure_paper_pkey"),
)

reference_load = Table(
    "reference_load",
    metadata,
    Column("reference_load_id", Integer, Identity(always=True), primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("loaded_at", DateTime(timezone=True), nullable=False),
    Column("loaded_by", Text, nullable=False),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
    Index("reference_load_table_name_idx", "table_name", "reference_load_id"),
)

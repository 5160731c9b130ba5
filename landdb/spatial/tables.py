"""LA_SpatialUnit: map sheets, parcels and their versions on two clocks, and the table that readers use. No behaviour.

Constraints that two processes could break stand here by name; ``store.py`` gives them their meaning. Rows of map sheets, units
and registrations are never deleted, so the histories name them without a foreign key: its check would be paid again for each of
a million rows, and ``landdb verify`` proves the same.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from landdb.db.metadata import metadata
from landdb.db.types import DATERANGE, TSTZRANGE, UUID, lonlat_geometry, mercator_geometry, storage_geometry

POLYGONAL = "geometrytype(geom) IN ('POLYGON', 'MULTIPOLYGON')"

map_sheet = Table(
    "map_sheet",
    metadata,
    Column("map_sheet_id", UUID(as_uuid=True), primary_key=True),
    Column(
        "admin_unit_id",
        Integer,
        ForeignKey("admin_unit.admin_unit_id"),
        nullable=False,
        comment="the dated unit it was drawn for",
    ),
    Column("series", Text, nullable=False, comment="survey series; empty where only one is known"),
    Column("sheet_no", Text, nullable=False, comment="running number in the commune (số tờ)"),
    Column("scale", Integer, comment="denominator; null: unknown"),
    Column("srid", Integer, nullable=False, comment="zone of the survey; legal area is plane area in it"),
    Column("method", Text),
    Column("surveyed_on", Date),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    UniqueConstraint("admin_unit_id", "series", "sheet_no", name="map_sheet_number_key"),
)

parcel = Table(
    "parcel",
    metadata,
    Column("parcel_id", UUID(as_uuid=True), primary_key=True, comment="UUIDv7; never changes meaning, never reused"),
    Column("version_no", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("map_sheet_id", UUID(as_uuid=True), ForeignKey("map_sheet.map_sheet_id"), nullable=False),
    Column("parcel_no", Text, nullable=False),
    Column(
        "admin_unit_id",
        Integer,
        ForeignKey("admin_unit.admin_unit_id"),
        nullable=False,
        comment="the unit in which it lies today",
    ),
    Column("geom", storage_geometry(), nullable=False, comment="survey geometry in the storage zone"),
    Column(
        "measured_area_m2",
        Numeric(14, 1),
        nullable=False,
        comment="plane area in the sheet's own zone, before any transformation",
    ),
    Column("declared_area_m2", Numeric(14, 1), comment="as the file or paper says; null: not given"),
    Column("legal_area_m2", Numeric(14, 1), comment="as the certificate says; null: not given"),
    Column("address", Text),
    Column(
        "geometry_hash",
        BigInteger,
        nullable=False,
        comment="of the shape, whatever its start and direction: equal shapes are told without comparing them",
    ),
    Column(
        "registration_id",
        UUID(as_uuid=True),
        ForeignKey("registration.registration_id"),
        nullable=False,
        comment="the last that touched it",
    ),
    CheckConstraint("status IN ('in_force', 'ended')", name="status"),
    CheckConstraint(POLYGONAL, name="polygonal"),
    Index(
        "parcel_sheet_number_key",
        "map_sheet_id",
        "parcel_no",
        unique=True,
        postgresql_where=text("status = 'in_force'"),
    ),
    Index("parcel_geom_idx", "geom", postgresql_using="gist", postgresql_where=text("status = 'in_force'")),
    Index("parcel_registration_idx", "registration_id"),
    comment="The version in force; an ended parcel keeps its row and its last shape.",
)

parcel_version = Table(
    "parcel_version",
    metadata,
    Column(
        "parcel_id",
        UUID(as_uuid=True),
        ForeignKey("parcel.parcel_id"),
        nullable=False,
    ),
    Column("version_no", Integer, nullable=False),
    Column("map_sheet_id", UUID(as_uuid=True), nullable=False),
    Column("parcel_no", Text, nullable=False),
    Column("admin_unit_id", Integer, nullable=False),
    Column("geom", storage_geometry(), nullable=False),
    Column("survey_geom_srid", Integer, nullable=False, comment="the source zone"),
    Column("measured_area_m2", Numeric(14, 1), nullable=False),
    Column("declared_area_m2", Numeric(14, 1)),
    Column("legal_area_m2", Numeric(14, 1)),
    Column("legal_geom", storage_geometry(), comment="boundary per papers where it differs; null: same or unknown"),
    Column("address", Text),
    Column("geometry_hash", BigInteger, nullable=False),
    Column("valid", DATERANGE, nullable=False, comment="Vietnam dates, when the law says so; unbounded start: unknown"),
    Column("recorded", TSTZRANGE, nullable=False, comment="when the register knew"),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Column(
        "closed_by",
        UUID(as_uuid=True),
        ForeignKey("registration.registration_id"),
        comment="the registration that ended it",
    ),
    PrimaryKeyConstraint("parcel_id", "version_no", name="parcel_version_pkey"),
    CheckConstraint("NOT isempty(valid) AND NOT isempty(recorded)", name="ranges"),
    CheckConstraint(POLYGONAL, name="polygonal"),
    ExcludeConstraint(
        ("parcel_id", "="), ("valid", "&&"), ("recorded", "&&"), name="parcel_version_clocks_excl", using="gist"
    ),
    Index(
        "parcel_version_in_force_key",
        "parcel_id",
        unique=True,
        postgresql_where=text("upper_inf(recorded) AND upper_inf(valid)"),
    ),
    # Versions in force are found through parcel; only past ones need their own spatial index.
    Index(
        "parcel_version_past_geom_idx",
        "geom",
        postgresql_using="gist",
        postgresql_where=text("NOT (upper_inf(recorded) AND upper_inf(valid))"),
    ),
    Index("parcel_version_registration_idx", "registration_id"),
    Index("parcel_version_closed_by_idx", "closed_by", postgresql_where=text("closed_by IS NOT NULL")),
    comment="Every version, on two clocks. Append-only but for the closing of its ranges.",
)

parcel_land_use = Table(
    "parcel_land_use",
    metadata,
    Column("parcel_id", UUID(as_uuid=True), nullable=False),
    Column("version_no", Integer, nullable=False),
    Column("ordinal", SmallInteger, nullable=False),
    Column("land_use_code", Text, nullable=False, comment="as given; its list says which generation"),
    Column("code_list", Text, nullable=False),
    Column("area_m2", Numeric(14, 1), comment="null: not given for a parcel of several uses"),
    Column("origin_code", Text),
    Column("term", Text, comment="text of the paper: Lâu dài, a date, Chưa xác định"),
    PrimaryKeyConstraint("parcel_id", "version_no", "ordinal", name="parcel_land_use_pkey"),
    ForeignKeyConstraint(
        ["parcel_id", "version_no"],
        ["parcel_version.parcel_id", "parcel_version.version_no"],
        name="parcel_land_use_version_fkey",
    ),
)

parcel_face = Table(
    "parcel_face",
    metadata,
    Column(
        "parcel_id",
        UUID(as_uuid=True),
        ForeignKey("parcel.parcel_id"),
        primary_key=True,
    ),
    Column("admin_unit_id", Integer, nullable=False),
    Column("sheet_no", Text, nullable=False),
    Column("parcel_no", Text, nullable=False),
    Column("land_use", Text, nullable=False, comment="first land-use code; empty where none is known"),
    Column("area_m2", Numeric(14, 1), nullable=False, comment="declared, else measured"),
    Column("geom_4326", lonlat_geometry(), nullable=False),
    Column("geom_3857", mercator_geometry(), nullable=False, comment="shells wound clockwise, as vector tiles want"),
    Column("feature", Text, nullable=False, comment="finished GeoJSON Feature, without any person's data"),
    Index("parcel_face_geom_4326_idx", "geom_4326", postgresql_using="gist"),
    Index("parcel_face_geom_3857_idx", "geom_3857", postgresql_using="gist"),
    Index("parcel_face_number_idx", "admin_unit_id", "sheet_no", "parcel_no"),
    comment="What readers need of a parcel in force, ready to send; kept in the same transaction as the parcel.",
)

parcel_reference = Table(
    "parcel_reference",
    metadata,
    Column(
        "parcel_id",
        UUID(as_uuid=True),
        ForeignKey("parcel.parcel_id"),
        nullable=False,
    ),
    Column("admin_unit_id", Integer, nullable=False),
    Column("sheet_no", Text, nullable=False),
    Column("parcel_no", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("valid", DATERANGE, nullable=False),
    Column("recorded", TSTZRANGE, nullable=False),
    Column("registration_id", UUID(as_uuid=True), nullable=False),
    Column("closed_by", UUID(as_uuid=True), comment="the registration that closed its recorded range"),
    PrimaryKeyConstraint(
        "admin_unit_id", "sheet_no", "parcel_no", "kind", "parcel_id", "registration_id", name="parcel_reference_pkey"
    ),
    CheckConstraint("kind IN ('current', 'former', 'temporary', 'on_certificate')", name="kind"),
    Index("parcel_reference_parcel_idx", "parcel_id"),
    comment="What people call a parcel by, at any time. May be ambiguous: then all candidates are answered.",
)

lineage = Table(
    "lineage",
    metadata,
    Column("parent_id", UUID(as_uuid=True), ForeignKey("parcel.parcel_id"), nullable=False),
    Column("child_id", UUID(as_uuid=True), ForeignKey("parcel.parcel_id"), nullable=False),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Column("overlap_m2", Numeric(14, 1), comment="area that child took from parent; null: recorded without geometry"),
    PrimaryKeyConstraint("parent_id", "child_id", "registration_id", name="lineage_pkey"),
    CheckConstraint("parent_id <> child_id", name="not_itself"),
    Index("lineage_child_idx", "child_id"),
)

attached_asset = Table(
    "attached_asset",
    metadata,
    Column("attached_asset_id", UUID(as_uuid=True), primary_key=True),
    Column("parcel_id", UUID(as_uuid=True), ForeignKey("parcel.parcel_id"), nullable=False),
    Column("kind", Text, nullable=False, comment="house, apartment building, works, perennial plants, planted forest"),
    Column("name", Text),
    Column("construction_area_m2", Numeric(14, 1)),
    Column("floor_area_m2", Numeric(14, 1)),
    Column("geom", storage_geometry()),
    Column("valid", DATERANGE, nullable=False),
    Column("recorded", TSTZRANGE, nullable=False),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Index("attached_asset_parcel_idx", "parcel_id"),
)

linear_object = Table(
    "linear_object",
    metadata,
    Column("linear_object_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text),
    Column("admin_unit_id", Integer, ForeignKey("admin_unit.admin_unit_id"), nullable=False),
    Column("geom", storage_geometry(), nullable=False, comment="line or surface, as surveyed"),
    Column("geom_3857", mercator_geometry(), nullable=False),
    Column("valid", DATERANGE, nullable=False),
    Column("recorded", TSTZRANGE, nullable=False),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    CheckConstraint("kind IN ('road', 'canal', 'river', 'dyke', 'railway', 'other')", name="kind"),
    Index("linear_object_geom_3857_idx", "geom_3857", postgresql_using="gist"),
    comment="Roads and canals that are drawn without being parcels (TT 10/2024/TT-BTNMT Đ9).",
)

accepted_overlap = Table(
    "accepted_overlap",
    metadata,
    Column("parcel_a_id", UUID(as_uuid=True), ForeignKey("parcel.parcel_id"), nullable=False),
    Column("parcel_b_id", UUID(as_uuid=True), ForeignKey("parcel.parcel_id"), nullable=False),
    Column("area_m2", Numeric(14, 3), nullable=False),
    Column("reason", Text, nullable=False),
    Column("accepted_by", UUID(as_uuid=True), ForeignKey("staff.staff_id")),
    Column("registration_id", UUID(as_uuid=True), ForeignKey("registration.registration_id"), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("parcel_a_id", "parcel_b_id", name="accepted_overlap_pkey"),
    CheckConstraint("parcel_a_id < parcel_b_id", name="ordered"),
    comment="Overlaps that the old maps really have: counted, shown, never silent.",
)

data_version = Table(
    "data_version",
    metadata,
    Column("layer", Text, primary_key=True),
    Column(
        "version",
        Integer,
        nullable=False,
        comment="grows with every registration that touches the layer; part of each ETag",
    ),
)

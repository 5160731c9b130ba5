-- Every version of one parcel, newest knowledge first, each with its two clocks and the registration that made and ended it.
SELECT
    version.version_no, map_sheet.sheet_no, version.parcel_no, unit.code AS commune_code, unit.full_name AS commune,
    version.measured_area_m2, version.declared_area_m2, version.legal_area_m2, version.survey_geom_srid AS srid,
    coalesce((
        SELECT json_agg(json_build_object('code', land_use_code, 'area_m2', area_m2) ORDER BY ordinal)
        FROM parcel_land_use AS use
        WHERE use.parcel_id = version.parcel_id AND use.version_no = version.version_no
    ), '[]') AS land_use,
    lower(version.valid) AS valid_from, upper(version.valid) AS valid_to,
    lower(version.recorded) AS recorded_from, upper(version.recorded) AS recorded_to,
    made.registration_id, made.kind, made.recorded_at, made.effective_on, made.legal_ground, made_at.name AS office,
    ended.registration_id AS ended_registration_id, ended.kind AS ended_kind, ended.recorded_at AS ended_recorded_at,
    ended_at.name AS ended_office,
    CAST(ST_AsGeoJSON(ST_Transform(
        ST_SimplifyPreserveTopology(version.geom, greatest(0.02, sqrt(ST_Area(version.geom)) / 200)), 4326), 7) AS json
    ) AS geometry
FROM parcel_version AS version
JOIN map_sheet USING (map_sheet_id)
JOIN admin_unit AS unit ON unit.admin_unit_id = version.admin_unit_id
JOIN registration AS made ON made.registration_id = version.registration_id
LEFT JOIN office AS made_at ON made_at.office_id = made.office_id
LEFT JOIN registration AS ended ON ended.registration_id = version.closed_by
LEFT JOIN office AS ended_at ON ended_at.office_id = ended.office_id
WHERE version.parcel_id = :parcel_id
ORDER BY upper_inf(version.recorded) DESC, upper(version.valid) DESC NULLS FIRST, version.version_no DESC

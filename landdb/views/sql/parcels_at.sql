-- Parcels as they were on one day, as the register knew it at one instant; each row a finished Feature.
-- The two conditions in braces are one pair of parcels_at.py: versions in force are found through parcel (its spatial
-- index holds only those), the others through the partial index of past versions.
WITH place AS (
    SELECT CAST(ST_Transform(ST_Segmentize(ST_SetSRID(ST_Envelope(ST_MakeLine(
        ST_MakePoint(:west, :south), ST_MakePoint(:east, :north))), 4326), 0.01), :storage_srid) AS geometry) AS shape
),
unit AS (
    SELECT admin_unit_id FROM admin_unit WHERE code = :commune AND kind = 'commune'
),
sheet AS (
    SELECT map_sheet_id, map_sheet.admin_unit_id IN (SELECT admin_unit_id FROM unit) AS drawn_for
    FROM map_sheet
    WHERE admin_unit_id IN (
            SELECT admin_unit_id FROM unit
            UNION
            SELECT old_unit_id FROM admin_unit_succession JOIN unit ON new_unit_id = admin_unit_id
        )
        AND (CAST(:sheet AS text) IS NULL OR sheet_no = :sheet)
),
candidate AS (
    SELECT parcel.parcel_id, parcel.version_no FROM parcel WHERE status = 'in_force' AND {present}
    UNION
    SELECT version.parcel_id, version.version_no FROM parcel_version AS version
    WHERE NOT (upper_inf(version.recorded) AND upper_inf(version.valid)) AND {past}
),
page AS (
    SELECT version.*, row_number() OVER (ORDER BY version.parcel_id) AS place
    FROM candidate JOIN parcel_version AS version USING (parcel_id, version_no)
    WHERE version.valid @> CAST(:valid_at AS date)
        AND version.recorded @> CAST(:known_at AS timestamptz)
        AND version.parcel_id > :after
    ORDER BY version.parcel_id
    LIMIT CAST(:limit AS integer) + 1
)
SELECT
    page.parcel_id,
    place,
    json_build_object(
        'type', 'Feature',
        'id', page.parcel_id,
        'geometry', CAST(ST_AsGeoJSON(ST_ForcePolygonCCW(ST_Transform(page.geom, :srid)), :digits) AS json),
        'properties', json_build_object(
            'parcel_id', page.parcel_id,
            'commune_code', unit.code,
            'commune', unit.full_name,
            'sheet_no', map_sheet.sheet_no,
            'parcel_no', page.parcel_no,
            'land_use', coalesce((
                SELECT json_agg(json_build_object('code', land_use_code, 'area_m2', area_m2) ORDER BY ordinal)
                FROM parcel_land_use AS use
                WHERE use.parcel_id = page.parcel_id AND use.version_no = page.version_no
            ), '[]'),
            'declared_area_m2', declared_area_m2,
            'measured_area_m2', measured_area_m2,
            'legal_area_m2', legal_area_m2,
            'version_no', page.version_no,
            'srid', page.survey_geom_srid,
            'valid_from', lower(page.valid),
            'valid_to', upper(page.valid),
            'recorded_from', lower(page.recorded),
            'recorded_to', upper(page.recorded)
        )
    ) AS feature
FROM page
JOIN map_sheet USING (map_sheet_id)
JOIN admin_unit AS unit ON unit.admin_unit_id = page.admin_unit_id
ORDER BY page.parcel_id

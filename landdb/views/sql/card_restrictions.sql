-- Restrictions that hold today, newest first; a null geometry means the whole parcel.
SELECT
    restriction_id, kind, content, source_text, area_m2, lower(valid) AS valid_from, upper(valid) AS valid_to,
    registration_id, geom IS NOT NULL AS in_part,
    CAST(ST_AsGeoJSON(ST_Transform(geom, 4326), 7) AS json) AS geometry
FROM restriction
WHERE parcel_id = :parcel_id AND valid @> CAST(:today AS date) AND recorded @> CAST(:now AS timestamptz)
ORDER BY lower(valid) DESC NULLS LAST, restriction_id

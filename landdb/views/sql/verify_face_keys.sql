-- Faces with a key that is not on the fixed list: only by such a key could a person's data reach readers.
SELECT f.parcel_id::text AS subject, string_agg(DISTINCT k.key, ', ') AS detail
FROM parcel_face f
CROSS JOIN LATERAL (
    SELECT 'top.' || key AS key FROM json_object_keys(f.feature::json) AS key
    UNION ALL
    SELECT 'properties.' || key FROM json_object_keys(f.feature::json -> 'properties') AS key
    UNION ALL
    SELECT 'land_use.' || key
    FROM json_array_elements(coalesce(f.feature::json -> 'properties' -> 'land_use', '[]')) AS use, json_object_keys(use) AS key
) k
WHERE k.key <> ALL (CAST(:allowed AS text[]))
GROUP BY f.parcel_id

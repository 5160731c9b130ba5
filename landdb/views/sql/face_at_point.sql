-- Parcels in force at a point; several on a shared boundary.
WITH page AS (
    SELECT parcel_id, feature
    FROM parcel_face
    WHERE ST_Intersects(geom_4326, ST_SetSRID(ST_MakePoint(:lon, :lat), 4326))
        AND parcel_id > :after
    ORDER BY parcel_id
    LIMIT :limit
)
SELECT
    ({version}),
    convert_to(string_agg(feature, ',' ORDER BY parcel_id), 'UTF8'),
    count(*),
    CAST(NULL AS uuid)
FROM page

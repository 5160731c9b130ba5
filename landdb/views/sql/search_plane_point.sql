-- A point in metres read in every zone: where it lies in WGS 84, which commune and which parcel it meets there.
-- The likeliest zone first: one in which it meets a parcel, then a loaded commune, then the zone's own area of use.
WITH candidate AS MATERIALIZED (
    SELECT srid, name, central_meridian_deg, west_deg, east_deg, south_deg, north_deg,
        ST_Transform(ST_SetSRID(ST_MakePoint(:east_m, :north_m), srid), 4326) AS point
    FROM coordinate_zone
),
placed AS MATERIALIZED (
    SELECT
        candidate.*,
        (SELECT parcel_id FROM parcel_face WHERE ST_Intersects(geom_4326, point) ORDER BY parcel_id LIMIT 1) AS parcel_id,
        (
            SELECT admin_unit_id FROM admin_unit_boundary AS boundary JOIN admin_unit AS unit USING (admin_unit_id)
            WHERE ST_Intersects(boundary.geom, point) AND unit.kind = 'commune' AND upper_inf(unit.valid) LIMIT 1
        ) AS admin_unit_id
    FROM candidate
)
SELECT
    placed.srid, placed.name AS zone, ST_X(point) AS lon, ST_Y(point) AS lat, parcel_id, face.sheet_no, face.parcel_no,
    unit.full_name AS commune,
    CASE
        WHEN parcel_id IS NOT NULL THEN 0
        WHEN placed.admin_unit_id IS NOT NULL THEN 1
        ELSE 2
    END AS rank
FROM placed
LEFT JOIN LATERAL (
    SELECT sheet_no, parcel_no, admin_unit_id FROM parcel_face WHERE parcel_face.parcel_id = placed.parcel_id LIMIT 1
) AS face ON true
LEFT JOIN admin_unit AS unit ON unit.admin_unit_id = coalesce(face.admin_unit_id, placed.admin_unit_id)
WHERE parcel_id IS NOT NULL OR placed.admin_unit_id IS NOT NULL
    OR ST_X(point) BETWEEN west_deg AND east_deg AND ST_Y(point) BETWEEN south_deg AND north_deg
ORDER BY rank, placed.srid <> :storage_srid, abs(ST_X(point) - central_meridian_deg), placed.srid

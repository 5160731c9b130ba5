-- Parcels in force that touch one parcel, with the length of the boundary they share, in metres of the storage zone.
-- Maps of different surveys meet only within a tolerance: where the exact common line is shorter than the stretch of the
-- neighbour's boundary that runs within the tolerance, that stretch is answered, less the two ends by which it is too long.
WITH own AS (
    SELECT parcel_id, geom, ST_Boundary(geom) AS line, ST_Buffer(ST_Boundary(geom), :tolerance_m, 4) AS band
    FROM parcel WHERE parcel_id = :parcel_id
),
touching AS (
    SELECT
        other.parcel_id, other.map_sheet_id, other.parcel_no, other.admin_unit_id,
        ST_Length(ST_Intersection(ST_Boundary(other.geom), own.line)) AS exact_m,
        ST_Length(ST_Intersection(ST_Boundary(other.geom), own.band)) AS near_m,
        degrees(ST_Azimuth(ST_Centroid(own.geom), ST_Centroid(other.geom))) AS azimuth_deg
    FROM own
    JOIN parcel AS other ON other.geom && ST_Expand(own.geom, :tolerance_m) AND ST_DWithin(other.geom, own.geom, :tolerance_m)
    WHERE other.status = 'in_force' AND other.parcel_id <> own.parcel_id
)
SELECT
    touching.parcel_id, map_sheet.sheet_no, touching.parcel_no, unit.code AS commune_code, unit.full_name AS commune,
    face.land_use, face.area_m2,
    CASE
        WHEN exact_m + 4 * :tolerance_m >= near_m THEN exact_m
        ELSE near_m - 2 * :tolerance_m
    END AS shared_m,
    azimuth_deg
FROM touching
JOIN map_sheet USING (map_sheet_id)
JOIN admin_unit AS unit ON unit.admin_unit_id = touching.admin_unit_id
LEFT JOIN parcel_face AS face ON face.parcel_id = touching.parcel_id
ORDER BY shared_m DESC, touching.parcel_id

-- Where some units lie: their boundary, else the sheets' parcels that are in force there (a unit of long ago has neither).
SELECT
    unit.admin_unit_id,
    ST_X(ST_PointOnSurface(boundary.geom)) AS lon, ST_Y(ST_PointOnSurface(boundary.geom)) AS lat,
    ST_XMin(seen) AS west, ST_YMin(seen) AS south, ST_XMax(seen) AS east, ST_YMax(seen) AS north
FROM admin_unit AS unit
LEFT JOIN admin_unit_boundary AS boundary USING (admin_unit_id)
LEFT JOIN LATERAL (
    SELECT ST_Extent(geom_4326) AS of_parcels
    FROM (
        SELECT geom_4326 FROM parcel_face WHERE parcel_face.admin_unit_id = unit.admin_unit_id AND boundary.geom IS NULL
        ORDER BY admin_unit_id, sheet_no, parcel_no -- by the index: a unit without parcels must not read the whole table
        LIMIT 20000
    ) AS sample
) AS parcels ON true
LEFT JOIN LATERAL (SELECT coalesce(box2d(boundary.geom), of_parcels) AS seen) AS shape ON true
WHERE unit.admin_unit_id = ANY(:unit_ids)

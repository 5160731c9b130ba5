-- Outlines of the communes in force today, simplified to half a pixel of the zoom.
WITH tile AS (
    SELECT ST_TileEnvelope(:z, :x, :y) AS box, ST_TileEnvelope(:z, :x, :y, margin => 0.0625) AS reach
)
SELECT
    ({version}),
    (
        SELECT ST_AsMVT(row, 'communes', 4096, 'geom')
        FROM (
            SELECT
                ST_AsMVTGeom(
                    ST_SimplifyPreserveTopology(
                        ST_Transform(boundary.geom, 3857), (ST_XMax(box) - ST_XMin(box)) / 1024), box, 4096, 64, true
                ) AS geom,
                unit.code, unit.name, unit.full_name
            FROM admin_unit_boundary AS boundary
            JOIN admin_unit AS unit USING (admin_unit_id), tile
            WHERE unit.kind = 'commune'
                AND unit.valid @> CAST(CURRENT_TIMESTAMP AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date)
                AND boundary.geom && ST_Transform(reach, 4326)
        ) AS row
        WHERE geom IS NOT NULL
    )

-- Roads and canals known today; drawn from z 11, below that nothing could be told apart.
WITH tile AS (
    SELECT ST_TileEnvelope(:z, :x, :y) AS box, ST_TileEnvelope(:z, :x, :y, margin => 0.0625) AS reach
)
SELECT
    ({version}),
    (
        SELECT ST_AsMVT(row, 'linear', 4096, 'geom')
        FROM (
            SELECT ST_AsMVTGeom(geom_3857, box, 4096, 64, true) AS geom, kind, name
            FROM linear_object, tile
            WHERE :z >= 11
                AND geom_3857 && reach
                AND upper_inf(recorded)
                AND valid @> CAST(CURRENT_TIMESTAMP AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date)
        ) AS row
        WHERE geom IS NOT NULL
    )

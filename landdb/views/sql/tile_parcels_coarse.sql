-- z 13: parcel shapes on a grid of four units, without numbers; what is smaller than a pixel falls away.
WITH tile AS (
    SELECT
        ST_TileEnvelope(:z, :x, :y) AS box,
        ST_TileEnvelope(:z, :x, :y, margin => 0.015625) AS reach,
        ST_TileEnvelope(:z, :x, :y, margin => 0.5) AS whole
),
scale AS (
    SELECT *, ST_XMin(box) AS west, ST_YMax(box) AS north, 4096 / (ST_XMax(box) - ST_XMin(box)) AS per_m FROM tile
)
SELECT
    ({version}),
    (
        SELECT ST_AsMVT(row, 'parcels', 4096, 'geom')
        FROM (
            SELECT
                CASE
                    WHEN geom_3857 @ whole
                        THEN ST_SnapToGrid(ST_TransScale(geom_3857, -west, -north, per_m, -per_m), 4)
                    ELSE ST_AsMVTGeom(geom_3857, box, 4096, 64, true)
                END AS geom,
                land_use AS u
            FROM parcel_face, scale
            WHERE geom_3857 && reach
        ) AS row
        WHERE geom IS NOT NULL
    )

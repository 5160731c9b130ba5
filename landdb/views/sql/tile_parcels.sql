-- Parcels of one tile, z >= 14: u land use, id; p parcel number from z 15; a area in m² from z 17.
-- One affine step to the tile's grid instead of ST_AsMVTGeom (twice as fast). A parcel that reaches more than half a tile
-- beyond the edge is clipped the slow way: map clients cut coordinates off there, which would bend its boundary.
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
                        THEN ST_SnapToGrid(ST_TransScale(geom_3857, -west, -north, per_m, -per_m), 1)
                    ELSE ST_AsMVTGeom(geom_3857, box, 4096, 64, true)
                END AS geom,
                land_use AS u,
                CASE WHEN :z >= 15 THEN parcel_no END AS p,
                CASE WHEN :z >= 17 THEN CAST(area_m2 AS double precision) END AS a,
                CAST(parcel_id AS text) AS id
            FROM parcel_face, scale
            WHERE geom_3857 && reach
        ) AS row
        WHERE geom IS NOT NULL
    )

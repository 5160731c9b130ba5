-- z < 13: no parcel can be told apart; one point per commune with the number of its parcels (n), its name and code.
-- Units are found by skipping through the index, and only those in the tile are counted. A commune without a loaded boundary
-- stands at one of its parcels.
WITH RECURSIVE tile AS (
    SELECT ST_TileEnvelope(:z, :x, :y) AS box, ST_TileEnvelope(:z, :x, :y, margin => 0.0625) AS reach
),
present AS (
    SELECT min(admin_unit_id) AS admin_unit_id FROM parcel_face
    UNION ALL
    SELECT (SELECT min(admin_unit_id) FROM parcel_face WHERE admin_unit_id > present.admin_unit_id)
    FROM present WHERE present.admin_unit_id IS NOT NULL
),
commune AS (
    SELECT
        unit.admin_unit_id, unit.code, unit.name,
        coalesce(
            (SELECT ST_Transform(ST_PointOnSurface(geom), 3857) FROM admin_unit_boundary AS boundary
             WHERE boundary.admin_unit_id = unit.admin_unit_id),
            (SELECT ST_PointOnSurface(geom_3857) FROM parcel_face AS face
             WHERE face.admin_unit_id = unit.admin_unit_id LIMIT 1)
        ) AS middle
    FROM present JOIN admin_unit AS unit USING (admin_unit_id)
)
SELECT
    ({version}),
    (
        SELECT ST_AsMVT(row, 'parcels', 4096, 'geom')
        FROM (
            SELECT
                ST_AsMVTGeom(middle, box, 4096, 256, true) AS geom,
                (SELECT CAST(count(*) AS integer) FROM parcel_face AS face
                 WHERE face.admin_unit_id = commune.admin_unit_id) AS n,
                code, name
            FROM commune, tile
            WHERE middle && reach
        ) AS row
        WHERE geom IS NOT NULL
    )

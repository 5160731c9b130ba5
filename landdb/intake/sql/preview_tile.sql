-- Staged rows of one web-mercator tile. The box is transformed, not the index, so the staging index is used.
WITH box AS (
    SELECT ST_TileEnvelope(:z, :x, :y) AS tile,
           ST_Transform(ST_TileEnvelope(:z, :x, :y, margin => 0.0625), (SELECT srid FROM geometry_columns
               WHERE f_table_name = 'parcel' AND f_geometry_column = 'geom' LIMIT 1)) AS native
)
SELECT coalesce(ST_AsMVT(t, 'staged', 4096, 'g'), ''::bytea)
FROM (
    SELECT s.row_id::text AS id, s.file_no, s.layer, s.row_no AS row, s.verdict, s.sheet_no, s.parcel_no,
           ST_AsMVTGeom(ST_Transform(s.geom, 3857), box.tile, 4096, 64, true) AS g
    FROM staged_parcel s, box
    WHERE s.import_job_id = :job_id AND s.geom && box.native
) t;

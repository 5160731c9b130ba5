-- Faces whose shapes are not those of their parcel, transformed afresh, to 1e-7 of a degree and to a centimetre.
SELECT t.parcel_id::text AS subject,
       CASE WHEN NOT t.lonlat_equal THEN 'geom_4326' ELSE 'geom_3857' END AS detail
FROM (
    SELECT p.parcel_id, f.geom_4326 = fresh.geom AS lonlat_equal, f.geom_4326, f.geom_3857, fresh.geom AS lonlat,
           f.geom_3857 = ST_Transform(ST_ForcePolygonCW(fresh.geom), 3857) AS mercator_equal
    FROM parcel p
    JOIN parcel_face f USING (parcel_id)
    CROSS JOIN LATERAL (SELECT ST_ForcePolygonCCW(ST_Transform(p.geom, 4326)) AS geom OFFSET 0) fresh
    WHERE p.status = 'in_force'
) t
WHERE (NOT t.lonlat_equal AND (ST_NPoints(t.geom_4326) <> ST_NPoints(t.lonlat) OR EXISTS (
        SELECT 1 FROM ST_DumpPoints(t.geom_4326) a JOIN ST_DumpPoints(t.lonlat) b ON b.path = a.path
        WHERE abs(ST_X(a.geom) - ST_X(b.geom)) > 1e-7 OR abs(ST_Y(a.geom) - ST_Y(b.geom)) > 1e-7)))
   OR (NOT t.mercator_equal AND (ST_NPoints(t.geom_3857) <> ST_NPoints(t.lonlat) OR EXISTS (
        SELECT 1 FROM ST_DumpPoints(t.geom_3857) a
        JOIN ST_DumpPoints(ST_Transform(ST_ForcePolygonCW(t.lonlat), 3857)) b ON b.path = a.path
        WHERE abs(ST_X(a.geom) - ST_X(b.geom)) > 0.01 OR abs(ST_Y(a.geom) - ST_Y(b.geom)) > 0.01)))

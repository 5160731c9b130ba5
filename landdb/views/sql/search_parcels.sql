-- Parcels that a pair of numbers may mean, the likeliest first:
-- 0 the place is the sheet's unit or today's unit · 1 the place is a unit before or after that one · 2 a former number.
-- :units null asks in the whole register. Sheets are few, so a number is probed in each (parcel_sheet_number_key).
WITH RECURSIVE named AS (
    SELECT unnest(CAST(:units AS integer[])) AS admin_unit_id
),
kin AS (
    SELECT admin_unit_id FROM named
    UNION
    SELECT old_unit_id FROM admin_unit_succession JOIN named ON new_unit_id = admin_unit_id
    UNION
    SELECT new_unit_id FROM admin_unit_succession JOIN named ON old_unit_id = admin_unit_id
),
sheet AS (
    SELECT map_sheet_id, sheet_no, series, admin_unit_id AS drawn_unit_id
    FROM map_sheet
    WHERE (CAST(:units AS integer[]) IS NULL OR admin_unit_id IN (SELECT admin_unit_id FROM kin))
        AND (CAST(:sheet AS text) IS NULL OR sheet_no = :sheet)
),
present AS (
    SELECT
        parcel.parcel_id, parcel.status, sheet_no, series, parcel_no, drawn_unit_id, parcel.admin_unit_id,
        CASE
            WHEN CAST(:units AS integer[]) IS NULL
                OR drawn_unit_id IN (SELECT admin_unit_id FROM named)
                OR parcel.admin_unit_id IN (SELECT admin_unit_id FROM named) THEN 0
            ELSE 1
        END AS rank,
        CAST(NULL AS text) AS called
    FROM sheet JOIN parcel USING (map_sheet_id)
    WHERE status = 'in_force' AND (CAST(:parcel AS text) IS NULL OR parcel_no = :parcel)
    ORDER BY rank, parcel_id
    LIMIT :limit
),
former AS (
    SELECT
        parcel.parcel_id, parcel.status, sheet.sheet_no, sheet.series, parcel.parcel_no, sheet.admin_unit_id,
        parcel.admin_unit_id, 2, concat_ws('/', reference.parcel_no, reference.sheet_no)
    FROM parcel_reference AS reference
    JOIN parcel USING (parcel_id)
    JOIN map_sheet AS sheet USING (map_sheet_id)
    WHERE (CAST(:units AS integer[]) IS NULL AND reference.admin_unit_id IN (SELECT admin_unit_id FROM map_sheet)
            OR reference.admin_unit_id IN (SELECT admin_unit_id FROM kin))
        AND reference.sheet_no = :sheet
        AND reference.parcel_no = :parcel
        AND upper_inf(reference.recorded)
        AND (reference.kind <> 'current' OR parcel.status = 'ended' OR NOT upper_inf(reference.valid))
    LIMIT :limit
),
found AS (
    SELECT DISTINCT ON (parcel_id) * FROM (SELECT * FROM present UNION ALL SELECT * FROM former) AS every
    ORDER BY parcel_id, rank
)
SELECT
    found.*, drawn.full_name AS drawn_commune, unit.full_name AS commune, face.land_use, face.area_m2,
    ST_X(middle) AS lon, ST_Y(middle) AS lat,
    ST_XMin(seen) AS west, ST_YMin(seen) AS south, ST_XMax(seen) AS east, ST_YMax(seen) AS north
FROM found
JOIN admin_unit AS drawn ON drawn.admin_unit_id = found.drawn_unit_id
JOIN admin_unit AS unit ON unit.admin_unit_id = found.admin_unit_id
LEFT JOIN parcel_face AS face ON face.parcel_id = found.parcel_id
LEFT JOIN LATERAL (
    SELECT coalesce(face.geom_4326, (SELECT ST_Transform(geom, 4326) FROM parcel WHERE parcel_id = found.parcel_id)) AS seen
) AS shape ON true
LEFT JOIN LATERAL (SELECT ST_PointOnSurface(seen) AS middle) AS point ON true
ORDER BY rank, found.status DESC, drawn.full_name, found.sheet_no, found.parcel_no, found.parcel_id
LIMIT :limit

-- Parcels in force of a commune, sheet, number; a null asks for any. A code may stand for several dated units: all of them.
-- People say the unit for which the sheet was drawn, or the one in which the parcel lies today: both find it.
WITH unit AS (
    SELECT admin_unit_id FROM admin_unit WHERE code = :commune AND kind = 'commune'
),
sheet AS (
    SELECT map_sheet_id, map_sheet.admin_unit_id IN (SELECT admin_unit_id FROM unit) AS drawn_for
    FROM map_sheet
    WHERE admin_unit_id IN (
            SELECT admin_unit_id FROM unit
            UNION
            SELECT old_unit_id FROM admin_unit_succession JOIN unit ON new_unit_id = admin_unit_id
        )
        AND (CAST(:sheet AS text) IS NULL OR sheet_no = :sheet)
),
named AS (
    SELECT parcel_id, feature
    FROM sheet
    JOIN parcel USING (map_sheet_id)
    JOIN parcel_face USING (parcel_id)
    WHERE parcel.status = 'in_force'
        AND (CAST(:parcel AS text) IS NULL OR parcel.parcel_no = :parcel)
        AND (drawn_for OR parcel.admin_unit_id IN (SELECT admin_unit_id FROM unit))
        AND parcel_id > :after
    ORDER BY parcel_id
    LIMIT CAST(:limit AS integer) + 1
),
page AS (
    SELECT parcel_id, feature, row_number() OVER (ORDER BY parcel_id) AS place FROM named
)
SELECT
    ({version}),
    convert_to(string_agg(feature, ',' ORDER BY parcel_id) FILTER (WHERE place <= :limit), 'UTF8'),
    count(*) FILTER (WHERE place <= :limit),
    CASE WHEN count(*) > :limit THEN (array_agg(parcel_id) FILTER (WHERE place = :limit))[1] END
FROM page

-- Numbers that two parcels in force bear on one sheet.
SELECT m.sheet_no || '/' || p.parcel_no AS subject, string_agg(p.parcel_id::text, ', ') AS detail
FROM parcel p
JOIN map_sheet m USING (map_sheet_id)
WHERE p.status = 'in_force'
GROUP BY p.map_sheet_id, m.sheet_no, p.parcel_no
HAVING count(*) > 1

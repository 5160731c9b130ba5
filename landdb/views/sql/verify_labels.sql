-- What people call these parcels.
SELECT p.parcel_id::text AS parcel_id, n.full_name || ', ' || m.sheet_no || '/' || p.parcel_no AS label
FROM parcel p
JOIN map_sheet m USING (map_sheet_id)
JOIN admin_unit n ON n.admin_unit_id = p.admin_unit_id
WHERE p.parcel_id = ANY (CAST(:parcels AS uuid[]))

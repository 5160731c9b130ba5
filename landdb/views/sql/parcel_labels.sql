-- What to call each of some parcels, in force or ended.
SELECT
    parcel.parcel_id, parcel.status, sheet_no, parcel.parcel_no, unit.code AS commune_code, unit.full_name AS commune,
    parcel.measured_area_m2
FROM parcel
JOIN map_sheet USING (map_sheet_id)
JOIN admin_unit AS unit ON unit.admin_unit_id = parcel.admin_unit_id
WHERE parcel.parcel_id = ANY(:parcel_ids)
ORDER BY parcel.parcel_id

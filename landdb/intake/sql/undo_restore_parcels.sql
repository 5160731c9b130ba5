-- Parcels that were changed or retired stand again as they were before.
UPDATE parcel p
SET status = 'in_force', version_no = v.version_no, map_sheet_id = v.map_sheet_id, parcel_no = v.parcel_no,
    admin_unit_id = v.admin_unit_id, geom = v.geom, measured_area_m2 = v.measured_area_m2,
    declared_area_m2 = v.declared_area_m2, legal_area_m2 = v.legal_area_m2, address = v.address,
    geometry_hash = v.geometry_hash, registration_id = :registration_id
FROM parcel_version v
WHERE v.registration_id = :registration_id AND upper_inf(v.recorded) AND v.parcel_id = p.parcel_id;

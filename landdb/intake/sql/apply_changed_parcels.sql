-- The parcels that changed take what the file gives and keep what it does not.
UPDATE parcel p
SET version_no = (SELECT max(v.version_no) + 1 FROM parcel_version v WHERE v.parcel_id = p.parcel_id),
    map_sheet_id = m.map_sheet_id, parcel_no = s.parcel_no, geom = s.geom, measured_area_m2 = s.measured_area_m2,
    declared_area_m2 = coalesce(s.declared_area_m2, p.declared_area_m2),
    legal_area_m2 = coalesce(s.legal_area_m2, p.legal_area_m2),
    address = coalesce(s.address, p.address), geometry_hash = s.geometry_hash, registration_id = :registration_id
FROM staged_parcel s
JOIN map_sheet m ON m.admin_unit_id = :admin_unit_id AND m.series = :series AND m.sheet_no = s.sheet_no
WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held AND p.parcel_id = s.parcel_id;

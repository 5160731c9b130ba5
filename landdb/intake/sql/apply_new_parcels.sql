-- New rows become parcels in force. The row's id becomes the parcel's.
INSERT INTO parcel (parcel_id, version_no, status, map_sheet_id, parcel_no, admin_unit_id, geom, measured_area_m2,
                    declared_area_m2, legal_area_m2, address, geometry_hash, registration_id)
SELECT s.row_id, 1, 'in_force', m.map_sheet_id, s.parcel_no, :present_unit_id, s.geom, s.measured_area_m2,
       s.declared_area_m2, s.legal_area_m2, s.address, s.geometry_hash, :registration_id
FROM staged_parcel s
JOIN map_sheet m ON m.admin_unit_id = :admin_unit_id AND m.series = :series AND m.sheet_no = s.sheet_no
WHERE s.import_job_id = :job_id AND s.verdict = 'new' AND NOT s.held
ORDER BY s.row_id;

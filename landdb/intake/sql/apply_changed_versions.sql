-- The new version of each changed parcel: from the given day, or, without one, in place of what the register believed before.
INSERT INTO parcel_version (parcel_id, version_no, map_sheet_id, parcel_no, admin_unit_id, geom, survey_geom_srid,
                            measured_area_m2, declared_area_m2, legal_area_m2, address, geometry_hash, valid, recorded,
                            registration_id)
SELECT p.parcel_id, p.version_no, p.map_sheet_id, p.parcel_no, p.admin_unit_id, p.geom, :srid, p.measured_area_m2,
       p.declared_area_m2, p.legal_area_m2, p.address, p.geometry_hash,
       CASE WHEN CAST(:valid_from AS date) IS NULL THEN v.valid ELSE daterange(:valid_from, NULL) END,
       tstzrange(:recorded_at, NULL), :registration_id
FROM staged_parcel s
JOIN parcel p ON p.parcel_id = s.parcel_id
JOIN parcel_version v ON v.parcel_id = p.parcel_id AND v.closed_by = :registration_id
WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held;

-- The first version of each new parcel. Without a date from the source its validity has no known start.
INSERT INTO parcel_version (parcel_id, version_no, map_sheet_id, parcel_no, admin_unit_id, geom, survey_geom_srid,
                            measured_area_m2, declared_area_m2, legal_area_m2, address, geometry_hash, valid, recorded,
                            registration_id)
SELECT p.parcel_id, p.version_no, p.map_sheet_id, p.parcel_no, p.admin_unit_id, p.geom, :srid, p.measured_area_m2,
       p.declared_area_m2, p.legal_area_m2, p.address, p.geometry_hash, daterange(:valid_from, NULL),
       tstzrange(:recorded_at, NULL), :registration_id
FROM parcel p
JOIN staged_parcel s ON s.import_job_id = :job_id AND s.row_id = p.parcel_id
WHERE p.registration_id = :registration_id AND s.verdict = 'new' AND NOT s.held
ORDER BY p.parcel_id;

-- Changed rows that say nothing of land use keep the uses of the version before.
INSERT INTO parcel_land_use (parcel_id, version_no, ordinal, land_use_code, code_list, area_m2, origin_code, term)
SELECT p.parcel_id, p.version_no, l.ordinal, l.land_use_code, l.code_list, l.area_m2, l.origin_code, l.term
FROM staged_parcel s
JOIN parcel p ON p.parcel_id = s.parcel_id AND p.registration_id = :registration_id
JOIN parcel_version v ON v.parcel_id = p.parcel_id AND v.closed_by = :registration_id
JOIN parcel_land_use l ON l.parcel_id = v.parcel_id AND l.version_no = v.version_no
WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held AND s.land_uses IS NULL;

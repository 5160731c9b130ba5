-- The land uses of changed parcels where the file gives them.
INSERT INTO parcel_land_use (parcel_id, version_no, ordinal, land_use_code, code_list, area_m2)
SELECT p.parcel_id, p.version_no, u.ordinal, u.value ->> 'code', u.value ->> 'list', (u.value ->> 'area_m2')::numeric
FROM staged_parcel s
JOIN parcel p ON p.parcel_id = s.parcel_id AND p.registration_id = :registration_id
CROSS JOIN LATERAL jsonb_array_elements(s.land_uses) WITH ORDINALITY AS u (value, ordinal)
WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held AND s.land_uses IS NOT NULL;

-- The land uses of new parcels, each with its own area, in the order of the file.
INSERT INTO parcel_land_use (parcel_id, version_no, ordinal, land_use_code, code_list, area_m2)
SELECT s.row_id, 1, u.ordinal, u.value ->> 'code', u.value ->> 'list', (u.value ->> 'area_m2')::numeric
FROM staged_parcel s
CROSS JOIN LATERAL jsonb_array_elements(s.land_uses) WITH ORDINALITY AS u (value, ordinal)
WHERE s.import_job_id = :job_id AND s.verdict = 'new' AND NOT s.held AND s.land_uses IS NOT NULL;

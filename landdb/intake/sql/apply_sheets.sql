-- The sheets that the rows to apply stand on, where the register does not know them yet.
INSERT INTO map_sheet (map_sheet_id, admin_unit_id, series, sheet_no, scale, srid, registration_id)
SELECT gen_random_uuid(), :admin_unit_id, :series, sheet_no, mode() WITHIN GROUP (ORDER BY scale), :srid, :registration_id
FROM staged_parcel
WHERE import_job_id = :job_id AND verdict IN ('new', 'changed') AND NOT held
GROUP BY sheet_no
ON CONFLICT ON CONSTRAINT map_sheet_number_key DO NOTHING;

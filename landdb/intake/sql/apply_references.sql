-- What people call the new parcels by: the present number, and the former and temporary ones that the file knows.
INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded, registration_id)
SELECT s.row_id, :admin_unit_id, r.sheet_no, r.parcel_no, r.kind,
       CASE r.kind WHEN 'current' THEN daterange(:valid_from, NULL) ELSE daterange(NULL, NULL) END,
       tstzrange(:recorded_at, NULL), :registration_id
FROM staged_parcel s
CROSS JOIN LATERAL (VALUES
    (s.sheet_no, s.parcel_no, 'current'),
    (s.former_sheet_no, s.former_parcel_no, 'former'),
    (s.sheet_no, s.temporary_no, 'temporary')) AS r (sheet_no, parcel_no, kind)
WHERE s.import_job_id = :job_id AND s.verdict = 'new' AND NOT s.held
  AND r.sheet_no IS NOT NULL AND r.parcel_no IS NOT NULL;

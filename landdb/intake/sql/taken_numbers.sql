-- Staged rows whose sheet and number another parcel in force bears, unless this import gives that one another number or ends it.
SELECT s.file_no, s.layer, s.row_no, s.sheet_no, s.parcel_no, p.parcel_id AS other_id
FROM staged_parcel s
JOIN map_sheet m ON m.admin_unit_id = :admin_unit_id AND m.series = :series AND m.sheet_no = s.sheet_no
JOIN parcel p ON p.map_sheet_id = m.map_sheet_id AND p.parcel_no = s.parcel_no AND p.status = 'in_force'
WHERE s.import_job_id = :job_id AND s.verdict IN ('new', 'changed')
  AND p.parcel_id IS DISTINCT FROM s.parcel_id
  AND p.parcel_id <> ALL (CAST(:retiring AS uuid[]))
  AND NOT EXISTS (SELECT 1 FROM staged_parcel o
                  WHERE o.import_job_id = :job_id AND o.parcel_id = p.parcel_id AND o.verdict = 'changed'
                    AND (o.sheet_no, o.parcel_no) IS DISTINCT FROM (s.sheet_no, s.parcel_no))
ORDER BY s.file_no, s.layer, s.row_no;

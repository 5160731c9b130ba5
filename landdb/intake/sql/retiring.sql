-- Parcels in force on the sheets of a resurvey that no row of the file speaks of, faulty rows included.
SELECT p.parcel_id, m.sheet_no, p.parcel_no
FROM map_sheet m
JOIN parcel p ON p.map_sheet_id = m.map_sheet_id AND p.status = 'in_force'
WHERE m.admin_unit_id = :admin_unit_id AND m.series = :series
  AND m.sheet_no IN (SELECT DISTINCT sheet_no FROM staged_parcel WHERE import_job_id = :job_id)
  AND NOT EXISTS (SELECT 1 FROM staged_parcel s WHERE s.import_job_id = :job_id AND s.parcel_id = p.parcel_id)
ORDER BY m.sheet_no, p.parcel_no;

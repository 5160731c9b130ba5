-- Sheets of a first load that already have parcels in force, apart from those that an earlier round of this import brought.
SELECT m.sheet_no, count(*) AS parcels
FROM map_sheet m
JOIN parcel p ON p.map_sheet_id = m.map_sheet_id AND p.status = 'in_force'
WHERE m.admin_unit_id = :admin_unit_id AND m.series = :series
  AND m.sheet_no IN (SELECT DISTINCT sheet_no FROM staged_parcel WHERE import_job_id = :job_id)
  AND NOT EXISTS (SELECT 1 FROM parcel_version v JOIN registration g USING (registration_id)
                  WHERE v.parcel_id = p.parcel_id AND g.import_job_id = :job_id)
GROUP BY m.sheet_no
ORDER BY m.sheet_no;

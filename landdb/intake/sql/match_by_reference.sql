-- Which parcel in force each staged row speaks of, by its sheet and parcel number in the unit that the sheets were drawn for.
-- Quarantined rows are matched too: a faulty row still says that its parcel exists, so a resurvey must not retire it.
UPDATE staged_parcel s
SET parcel_id = p.parcel_id
FROM map_sheet m
JOIN parcel p ON p.map_sheet_id = m.map_sheet_id AND p.status = 'in_force'
WHERE s.import_job_id = :job_id
  AND m.admin_unit_id = :admin_unit_id AND m.series = :series
  AND m.sheet_no = s.sheet_no AND p.parcel_no = s.parcel_no;

-- What was said of rows set aside. Issues of the file as a whole, and of rows in order, stay.
DELETE FROM import_issue i
USING staged_parcel s
WHERE i.import_job_id = :job_id AND s.import_job_id = :job_id AND s.verdict = 'quarantined'
  AND i.file_no = s.file_no AND i.layer = s.layer AND i.row_no = s.row_no;

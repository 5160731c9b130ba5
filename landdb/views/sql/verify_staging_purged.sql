-- Staged rows, and the names in them, that are in the register already and were to be forgotten.
SELECT s.import_job_id || ' ' || s.layer || ' ' || s.row_no AS subject, coalesce(s.verdict, 'not compared') AS detail
FROM staged_parcel s
JOIN import_job j USING (import_job_id)
WHERE j.state = 'applied' AND s.verdict IS DISTINCT FROM 'quarantined' AND NOT s.held

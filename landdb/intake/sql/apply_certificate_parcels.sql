-- Which parcels each of these certificates covers.
INSERT INTO certificate_parcel (certificate_id, parcel_id)
SELECT c.certificate_id, coalesce(s.parcel_id, s.row_id)
FROM certificate c
JOIN staged_parcel s ON s.import_job_id = :job_id AND s.certificate_serial = c.serial_no
WHERE c.registration_id = :registration_id AND NOT s.held AND s.verdict IN ('new', 'changed')
ON CONFLICT DO NOTHING;

-- Certificates as the file names them; one serial on several rows is one certificate over several parcels.
INSERT INTO certificate (certificate_id, serial_no, serial_folded, register_no, issued_on, state, recorded, registration_id)
SELECT min(s.row_id::text)::uuid, s.certificate_serial, upper(regexp_replace(s.certificate_serial, '\s', '', 'g')),
       min(s.certificate_register_no), min(s.certificate_issued_on), 'as_read', tstzrange(:recorded_at, NULL), :registration_id
FROM staged_parcel s
WHERE s.import_job_id = :job_id AND NOT s.held AND s.certificate_serial IS NOT NULL
  AND (s.verdict = 'new' OR s.verdict = 'changed' AND NOT EXISTS (
        SELECT 1 FROM certificate_parcel cp JOIN certificate c USING (certificate_id)
        WHERE cp.parcel_id = s.parcel_id AND upper_inf(c.recorded) AND c.serial_no = s.certificate_serial))
GROUP BY s.certificate_serial;

-- Certificates as the file names them, and the parcels that each covers: one serial on several rows is one certificate over several
-- parcels. A parcel that already has the certificate in force gets no second one.
WITH chosen AS MATERIALIZED (
    SELECT s.row_id, coalesce(s.parcel_id, s.row_id) AS parcel_id, s.certificate_serial, s.certificate_register_no,
           s.certificate_issued_on
    FROM staged_parcel s
    WHERE s.import_job_id = :job_id AND NOT s.held AND s.certificate_serial IS NOT NULL
      AND (s.verdict = 'new' OR s.verdict = 'changed' AND NOT EXISTS (
            SELECT 1 FROM certificate_parcel cp JOIN certificate c USING (certificate_id)
            WHERE cp.parcel_id = s.parcel_id AND upper_inf(c.recorded) AND c.serial_no = s.certificate_serial))
), made AS (
    INSERT INTO certificate (certificate_id, serial_no, serial_folded, register_no, issued_on, state, recorded, registration_id)
    SELECT min(row_id::text)::uuid, certificate_serial, upper(regexp_replace(certificate_serial, '\s', '', 'g')),
           min(certificate_register_no), min(certificate_issued_on), 'as_read', tstzrange(:recorded_at, NULL), :registration_id
    FROM chosen
    GROUP BY certificate_serial
    RETURNING certificate_id, serial_no
)
INSERT INTO certificate_parcel (certificate_id, parcel_id)
SELECT DISTINCT made.certificate_id, chosen.parcel_id
FROM chosen
JOIN made ON made.serial_no = chosen.certificate_serial;

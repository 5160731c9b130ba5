-- Certificates that name the parcel, those still good first.
SELECT certificate.certificate_id, serial_no, register_no, issued_on, kind, state, upper(recorded) AS recorded_to
FROM certificate_parcel JOIN certificate USING (certificate_id)
WHERE parcel_id = :parcel_id
ORDER BY upper_inf(recorded) DESC, issued_on DESC NULLS LAST, certificate.certificate_id

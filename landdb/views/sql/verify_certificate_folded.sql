-- Certificates that a search by their serial would miss.
SELECT certificate_id::text AS subject, serial_no || ' is found as ' || coalesce(serial_folded, '–') AS detail
FROM certificate
WHERE serial_folded IS DISTINCT FROM upper(regexp_replace(serial_no, '\s', '', 'g'))

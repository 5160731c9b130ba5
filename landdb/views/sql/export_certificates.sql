-- The certificates of the parcels of a page; one over several parcels has a row for each.
SELECT cp.parcel_id::text AS parcel_id, e.serial_no AS certificate_serial, e.register_no AS certificate_register_no,
       e.issued_on AS certificate_issued_on, e.kind, e.state
FROM certificate_parcel cp
JOIN certificate e USING (certificate_id)
WHERE cp.parcel_id = ANY (CAST(:parcels AS uuid[])) AND e.recorded @> CAST(:known_at AS timestamptz)
ORDER BY cp.parcel_id, e.serial_no, e.register_no

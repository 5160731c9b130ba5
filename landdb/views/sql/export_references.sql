-- Everything the parcels of a page are and were called by.
SELECT r.parcel_id::text AS parcel_id, n.code AS commune_code, r.sheet_no, r.parcel_no, r.kind,
       lower(r.valid) AS valid_from, upper(r.valid) AS valid_to
FROM parcel_reference r
JOIN admin_unit n USING (admin_unit_id)
WHERE r.parcel_id = ANY (CAST(:parcels AS uuid[])) AND r.recorded @> CAST(:known_at AS timestamptz)
ORDER BY r.parcel_id, r.kind, r.sheet_no, r.parcel_no

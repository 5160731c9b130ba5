-- Parcels that ended and still have a version in force.
SELECT p.parcel_id::text AS subject, 'version ' || v.version_no AS detail
FROM parcel p
JOIN parcel_version v ON v.parcel_id = p.parcel_id AND upper_inf(v.recorded) AND upper_inf(v.valid)
WHERE p.status = 'ended'

-- Parcels in force that have no version in force, or more than one.
SELECT p.parcel_id::text AS subject, 'versions in force: ' || count(v.parcel_id) AS detail
FROM parcel p
LEFT JOIN parcel_version v ON v.parcel_id = p.parcel_id AND upper_inf(v.recorded) AND upper_inf(v.valid)
WHERE p.status = 'in_force'
GROUP BY p.parcel_id
HAVING count(v.parcel_id) <> 1

-- Two versions of one parcel that hold for the same day as known at the same moment.
SELECT a.parcel_id::text AS subject, 'versions ' || a.version_no || ', ' || b.version_no AS detail
FROM parcel_version a
JOIN parcel_version b ON b.parcel_id = a.parcel_id AND b.version_no > a.version_no
WHERE a.valid && b.valid AND a.recorded && b.recorded

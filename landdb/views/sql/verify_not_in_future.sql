-- Versions and rights that begin after today, and acts recorded later than now.
SELECT 'parcel_version ' || parcel_id || ' ' || version_no AS subject, 'valid ' || valid AS detail
FROM parcel_version WHERE lower(valid) > CAST(:today AS date)
UNION ALL
SELECT 'right_held ' || right_id, 'valid ' || valid FROM right_held WHERE lower(valid) > CAST(:today AS date)
UNION ALL
SELECT 'registration ' || registration_id, 'recorded_at ' || recorded_at FROM registration WHERE recorded_at > clock_timestamp()

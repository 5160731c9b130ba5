-- Rights that hold and name nobody.
SELECT r.right_id::text AS subject, 'parcel ' || r.parcel_id AS detail
FROM right_held r
WHERE upper_inf(r.recorded) AND NOT EXISTS (SELECT 1 FROM right_holder h WHERE h.right_id = r.right_id)

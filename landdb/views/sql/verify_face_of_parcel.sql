-- Parcels in force without a face for readers, and faces of parcels that are not in force.
SELECT coalesce(p.parcel_id, f.parcel_id)::text AS subject,
       CASE WHEN f.parcel_id IS NULL THEN 'no face' ELSE 'face without a parcel in force' END AS detail
FROM (SELECT parcel_id FROM parcel WHERE status = 'in_force') p
FULL JOIN (SELECT parcel_id FROM parcel_face) f ON f.parcel_id = p.parcel_id
WHERE p.parcel_id IS NULL OR f.parcel_id IS NULL

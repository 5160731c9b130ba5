-- Readers forget parcels that this registration changed or retired; those still in force are written anew.
DELETE FROM parcel_face f USING parcel p
WHERE p.registration_id = :registration_id AND f.parcel_id = p.parcel_id AND (p.status = 'ended' OR p.version_no > 1);

-- Readers forget the parcels that this registration touched; ``write_faces`` shows them those still in force.
DELETE FROM parcel_face f USING parcel p WHERE p.registration_id = :registration_id AND f.parcel_id = p.parcel_id;

-- Parcels that the undone registration brought in are no longer in force.
UPDATE parcel p
SET status = 'ended', registration_id = :registration_id
WHERE p.registration_id = :undone_id AND p.status = 'in_force';

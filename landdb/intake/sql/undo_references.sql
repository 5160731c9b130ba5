-- The numbers it gave are closed.
UPDATE parcel_reference
SET recorded = tstzrange(lower(recorded), :recorded_at), closed_by = :registration_id
WHERE registration_id = :undone_id AND upper_inf(recorded);

-- The register stops believing what the undone registration wrote.
UPDATE parcel_version
SET recorded = tstzrange(lower(recorded), :recorded_at), closed_by = :registration_id
WHERE registration_id = :undone_id AND upper_inf(recorded);

-- The rights it read are closed, unless something later already closed them.
UPDATE right_held
SET recorded = tstzrange(lower(recorded), :recorded_at), closed_by = :registration_id
WHERE registration_id = :undone_id AND upper_inf(recorded);

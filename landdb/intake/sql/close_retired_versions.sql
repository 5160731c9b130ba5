-- Parcels that a resurvey no longer finds: their versions in force are closed.
UPDATE parcel_version v
SET recorded = tstzrange(lower(v.recorded), :recorded_at), closed_by = :registration_id
WHERE v.parcel_id = ANY (CAST(:retired AS uuid[])) AND upper_inf(v.recorded) AND upper_inf(v.valid);

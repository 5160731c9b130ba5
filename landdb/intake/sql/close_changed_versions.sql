-- The register stops believing the versions in force of the parcels that changed.
UPDATE parcel_version v
SET recorded = tstzrange(lower(v.recorded), :recorded_at), closed_by = :registration_id
FROM staged_parcel s
WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held
  AND v.parcel_id = s.parcel_id AND upper_inf(v.recorded) AND upper_inf(v.valid);

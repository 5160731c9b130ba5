-- Holders as an earlier import read them give way to what this file says; rights that a person registered are left alone.
UPDATE right_held r
SET recorded = tstzrange(lower(r.recorded), :recorded_at), closed_by = :registration_id
FROM staged_parcel s, registration g
WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held AND s.holder_name IS NOT NULL
  AND r.parcel_id = s.parcel_id AND r.kind = 'land_use' AND upper_inf(r.recorded) AND upper_inf(r.valid)
  AND g.registration_id = r.registration_id AND g.kind IN ('import', 'undo')
  AND NOT EXISTS (SELECT 1 FROM right_holder h JOIN party_claim c USING (party_claim_id)
                  WHERE h.right_id = r.right_id AND c.raw_name = s.holder_name);

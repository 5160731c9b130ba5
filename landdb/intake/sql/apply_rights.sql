-- A land-use right for each claim. How it is held is unknown until somebody reads the paper.
INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
SELECT s.row_id, 'land_use', coalesce(s.parcel_id, s.row_id), 'unknown', daterange(:valid_from, NULL),
       tstzrange(:recorded_at, NULL), :registration_id
FROM staged_parcel s
JOIN party_claim c ON c.party_claim_id = s.row_id
WHERE s.import_job_id = :job_id AND NOT s.held AND s.verdict IN ('new', 'changed') AND s.holder_name IS NOT NULL;

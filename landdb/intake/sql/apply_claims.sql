-- What the file says of holders, word for word, one claim a row. The row's id serves as the id of claim and right: they are
-- keys of different tables, born together. A changed row makes a claim only where none in force says the same.
INSERT INTO party_claim (party_claim_id, raw_name, raw_class, raw_address, number_encrypted, number_index,
                         registration_id)
SELECT s.row_id, s.holder_name, s.holder_class, NULL, s.holder_identity, s.holder_identity_index,
       :registration_id
FROM staged_parcel s
WHERE s.import_job_id = :job_id AND NOT s.held AND s.holder_name IS NOT NULL
  AND (s.verdict = 'new' OR s.verdict = 'changed' AND NOT EXISTS (
        SELECT 1 FROM right_held r WHERE r.parcel_id = s.parcel_id AND r.kind = 'land_use' AND upper_inf(r.recorded)));

-- What the file says of holders, word for word: a claim, the land-use right that it holds, and the link between them, for each row.
-- The row's id serves for claim and right: they are keys of different tables, born together. How the right is held is unknown until
-- somebody reads the paper. A changed row makes a claim only where no right in force stands (``close_changed_rights`` went before).
WITH chosen AS MATERIALIZED (
    SELECT s.row_id, coalesce(s.parcel_id, s.row_id) AS parcel_id, s.holder_name, s.holder_class, s.holder_identity,
           s.holder_identity_index
    FROM staged_parcel s
    WHERE s.import_job_id = :job_id AND NOT s.held AND s.holder_name IS NOT NULL
      AND (s.verdict = 'new' OR s.verdict = 'changed' AND NOT EXISTS (
            SELECT 1 FROM right_held r WHERE r.parcel_id = s.parcel_id AND r.kind = 'land_use' AND upper_inf(r.recorded)
              AND upper_inf(r.valid)))
), claims AS (
    INSERT INTO party_claim (party_claim_id, raw_name, raw_class, number_encrypted, number_index, registration_id)
    SELECT row_id, holder_name, holder_class, holder_identity, holder_identity_index, :registration_id FROM chosen
), rights AS (
    INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
    SELECT row_id, 'land_use', parcel_id, 'unknown', daterange(:valid_from, NULL), tstzrange(:recorded_at, NULL), :registration_id
    FROM chosen
)
INSERT INTO right_holder (right_id, ordinal, party_claim_id)
SELECT row_id, 1, row_id FROM chosen;

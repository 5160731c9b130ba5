-- With a date, who held before it held until it: the closed right again, valid until that day, with the same holders.
WITH past AS (
    SELECT r.*, gen_random_uuid() AS new_id
    FROM right_held r
    WHERE r.closed_by = :registration_id AND CAST(:valid_from AS date) IS NOT NULL
      AND (lower_inf(r.valid) OR lower(r.valid) < :until)
), rights AS (
    INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
    SELECT new_id, kind, parcel_id, shared, daterange(lower(valid), :until), tstzrange(:recorded_at, NULL), :registration_id
    FROM past
)
INSERT INTO right_holder (right_id, ordinal, party_id, party_claim_id, share_numerator, share_denominator)
SELECT p.new_id, h.ordinal, h.party_id, h.party_claim_id, h.share_numerator, h.share_denominator
FROM past p
JOIN right_holder h ON h.right_id = p.right_id;

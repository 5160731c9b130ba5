-- The rights it closed hold again, as new rows with the same holders.
WITH back AS (
    SELECT r.*, gen_random_uuid() AS new_id FROM right_held r WHERE r.closed_by = :undone_id
), rights AS (
    INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
    SELECT new_id, kind, parcel_id, shared, valid, tstzrange(:recorded_at, NULL), :registration_id FROM back
)
INSERT INTO right_holder (right_id, ordinal, party_id, party_claim_id, share_numerator, share_denominator)
SELECT b.new_id, h.ordinal, h.party_id, h.party_claim_id, h.share_numerator, h.share_denominator
FROM back b
JOIN right_holder h ON h.right_id = b.right_id;

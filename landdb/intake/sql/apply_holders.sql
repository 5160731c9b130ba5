-- The claim holds the right that was made for it.
INSERT INTO right_holder (right_id, ordinal, party_claim_id)
SELECT r.right_id, 1, r.right_id
FROM right_held r
WHERE r.registration_id = :registration_id AND r.kind = 'land_use';

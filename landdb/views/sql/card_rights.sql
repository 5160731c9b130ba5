-- Rights that hold today with their holders: a party, or what a file said about somebody before anyone decided who that is.
SELECT
    held.right_id, held.kind, held.shared, lower(held.valid) AS valid_from, upper(held.valid) AS valid_to,
    holder.ordinal, holder.share_numerator, holder.share_denominator,
    coalesce(party.party_id, decided.party_id) AS party_id,
    coalesce(party.name, decided.name, claim.raw_name) AS name,
    coalesce(party.kind, decided.kind) AS party_kind,
    claim.raw_class AS claimed_class,
    coalesce(party.address, decided.address, claim.raw_address) AS address,
    claim.party_claim_id IS NOT NULL AND claim.party_id IS NULL AS undecided
FROM right_held AS held
LEFT JOIN right_holder AS holder USING (right_id)
LEFT JOIN party ON party.party_id = holder.party_id
LEFT JOIN party_claim AS claim ON claim.party_claim_id = holder.party_claim_id
LEFT JOIN party AS decided ON decided.party_id = claim.party_id
WHERE held.parcel_id = :parcel_id AND held.valid @> CAST(:today AS date) AND held.recorded @> CAST(:now AS timestamptz)
ORDER BY held.kind, held.right_id, holder.ordinal

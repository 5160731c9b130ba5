-- Everyone who holds a right over the parcels of a page. Personal data: only for those who may see the card.
SELECT r.parcel_id::text AS parcel_id, dense_rank() OVER (PARTITION BY r.parcel_id ORDER BY r.right_id)::integer AS right_no,
       r.kind AS right_kind, r.shared, rh.ordinal::integer AS ordinal, coalesce(y.name, q.raw_name) AS holder_name,
       coalesce(q.raw_class, y.kind) AS holder_class, coalesce(q.raw_address, y.address) AS holder_address,
       q.number_encrypted AS holder_identity, rh.share_numerator, rh.share_denominator,
       lower(r.valid) AS valid_from, upper(r.valid) AS valid_to
FROM right_held r
JOIN right_holder rh USING (right_id)
LEFT JOIN party_claim q USING (party_claim_id)
LEFT JOIN party y ON y.party_id = rh.party_id
WHERE r.parcel_id = ANY (CAST(:parcels AS uuid[]))
  AND r.recorded @> CAST(:known_at AS timestamptz) AND r.valid @> CAST(:valid_at AS date)
ORDER BY r.parcel_id, r.right_id, rh.ordinal

-- Rights and groups whose shares do not make one whole, or where only some of the holders have a share.
SELECT t.kind || ' ' || t.id AS subject, 'sum ' || coalesce(round(t.total, 6)::text, '–') AS detail
FROM (
    SELECT 'right_held' AS kind, right_id::text AS id, sum(share_numerator::numeric / share_denominator) AS total,
           count(share_numerator) AS given, count(*) AS holders
    FROM right_holder GROUP BY right_id
    UNION ALL
    SELECT 'party', group_id::text, sum(share_numerator::numeric / share_denominator), count(share_numerator), count(*)
    FROM party_member GROUP BY group_id
) t
WHERE t.given > 0 AND (t.given <> t.holders OR abs(t.total - 1) > 1e-9)

-- I6. Hand-overs that do not have exactly the receipts of what became of them, one of each kind and party, naming that very end
-- (the table is landdb.dossier.model.RECEIPTS). Nothing returns to the sender of an offer that force has ended.
WITH rule (state, kind, side) AS (
    VALUES ('offered', 'stored', 'from'), ('offered', 'delivered', 'to'),
           ('accepted', 'released', 'from'), ('accepted', 'granted', 'to'),
           ('refused', 'returned', 'from'), ('refused', 'refused', 'to'),
           ('recalled', 'returned', 'from'), ('recalled', 'closed', 'to'),
           ('forced', 'released', 'from'), ('forced', 'granted', 'to')
), due AS (
    SELECT h.handover_id, r.kind, CASE r.side WHEN 'from' THEN h.from_office_id ELSE h.to_office_id END AS party, r.state
    FROM handover h
    JOIN rule r ON r.state = h.state OR (r.state = 'offered' AND h.state <> 'forced')
    WHERE NOT (r.kind = 'returned' AND h.state = 'recalled' AND h.reason_code IS NOT DISTINCT FROM 'forced')
), issued AS (
    SELECT handover_id, kind, party_office_id AS party, convert_from(body, 'UTF8')::json ->> 'state' AS state, count(*) AS copies
    FROM receipt
    GROUP BY handover_id, kind, party_office_id, 4
)
SELECT coalesce(d.code, handover_id::text) AS subject,
       kind || ' for office ' || party || ': ' || CASE
           WHEN i.copies IS NULL THEN 'missing' WHEN u.handover_id IS NULL THEN 'not due' ELSE i.copies || ' copies' END AS detail
FROM due u
FULL JOIN issued i USING (handover_id, kind, party, state)
LEFT JOIN handover h USING (handover_id)
LEFT JOIN dossier d USING (dossier_id)
WHERE u.handover_id IS NULL OR coalesce(i.copies, 0) <> 1

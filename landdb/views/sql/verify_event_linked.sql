-- I9. Events that are not linked to the one before, and dossiers whose chain ends elsewhere. (What each hash is made of is
-- recomputed by landdb verify --chain.)
SELECT coalesce(d.code, e.dossier_id::text) AS subject, 'event ' || e.event_no || ': ' || e.fault AS detail
FROM (
    SELECT c.dossier_id, c.event_no,
           CASE WHEN c.prev_hash <> coalesce(lag(c.hash) OVER past, decode(repeat('00', 32), 'hex')) THEN 'not linked to the one before'
                WHEN lead(c.event_no) OVER past IS NULL AND c.hash IS DISTINCT FROM d.event_hash THEN 'the dossier ends elsewhere'
           END AS fault
    FROM dossier_event c LEFT JOIN dossier d USING (dossier_id)
    WINDOW past AS (PARTITION BY c.dossier_id ORDER BY c.event_no)
) e
LEFT JOIN dossier d USING (dossier_id)
WHERE e.fault IS NOT NULL

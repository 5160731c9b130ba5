-- I3. Custody whose epochs are not 1..n, or whose intervals do not follow one another: each begins when the one before ends.
SELECT coalesce(d.code, c.dossier_id::text) AS subject, 'epoch ' || c.epoch || ': ' || c.fault AS detail
FROM (
    SELECT dossier_id, epoch,
           CASE WHEN epoch <> row_number() OVER past THEN 'an epoch is missing before it'
                WHEN ended_at < started_at THEN 'ends before it begins'
                WHEN epoch > 1 AND started_at IS DISTINCT FROM lag(ended_at) OVER past THEN 'begins when the one before does not end'
           END AS fault
    FROM custody
    WINDOW past AS (PARTITION BY dossier_id ORDER BY epoch)
) c
LEFT JOIN dossier d USING (dossier_id)
WHERE c.fault IS NOT NULL

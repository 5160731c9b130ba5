-- I8. Dossiers whose events are not 1..n, n being the number on their row.
SELECT coalesce(d.code, e.dossier_id::text) AS subject,
       coalesce(e.events, 0) || ' events up to ' || coalesce(e.newest, 0) || ', row ' || coalesce(d.event_no, 0) AS detail
FROM dossier d
FULL JOIN (
    SELECT dossier_id, count(*) AS events, min(event_no) AS oldest, max(event_no) AS newest FROM dossier_event GROUP BY dossier_id
) e USING (dossier_id)
WHERE (coalesce(e.events, 0), coalesce(e.newest, 0)) IS DISTINCT FROM (d.event_no::bigint, d.event_no) OR coalesce(e.oldest, 1) <> 1

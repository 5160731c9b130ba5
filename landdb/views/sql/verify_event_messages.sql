-- I8. Events that did not send as many messages as they say, and messages about an event that never was.
SELECT coalesce(d.code, dossier_id::text) AS subject,
       'event ' || coalesce(e.event_no, m.event_no) || ': ' || coalesce(m.sent, 0) || ' of ' || coalesce(e.messages::text, 'no event') AS detail
FROM dossier_event e
FULL JOIN (
    SELECT dossier_id, event_no, count(*) AS sent FROM outbox WHERE dossier_id IS NOT NULL GROUP BY dossier_id, event_no
) m USING (dossier_id, event_no)
LEFT JOIN dossier d USING (dossier_id)
WHERE e.messages IS DISTINCT FROM coalesce(m.sent, 0)

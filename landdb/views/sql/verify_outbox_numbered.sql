-- I7. Links whose messages are not 1..n, and whose counters are not in order: acknowledged ≤ sent < next = n + 1. A gap is named by the
-- dossier of the message after it; what the lost message told of is named by event_messages.
SELECT coalesce(d.code, o.name) AS subject, o.name || ': ' || o.fault AS detail
FROM (
    SELECT l.name, m.dossier_id,
           CASE WHEN m.seq <> row_number() OVER sent THEN m.seq || ' after ' || coalesce(lag(m.seq) OVER sent, 0) END AS fault
    FROM outbox m JOIN link l USING (link_id)
    WINDOW sent AS (PARTITION BY m.link_id ORDER BY m.seq)
    UNION ALL
    SELECT l.name, t.dossier_id, 'next ' || l.next_seq || ', sent ' || l.sent_seq || ', acknowledged ' || l.acked_seq || ', newest '
                                 || coalesce(t.seq, 0)
    FROM link l
    LEFT JOIN LATERAL (SELECT seq, dossier_id FROM outbox m WHERE m.link_id = l.link_id ORDER BY seq DESC LIMIT 1) t ON true
    WHERE l.next_seq <> coalesce(t.seq, 0) + 1 OR l.acked_seq > l.sent_seq OR l.sent_seq >= l.next_seq
) o
LEFT JOIN dossier d USING (dossier_id)
WHERE o.fault IS NOT NULL

-- I7. Messages whose hash is not that of their body, or that are not linked to the one before; and links that end elsewhere.
SELECT coalesce(d.code, o.name) AS subject, o.name || ' ' || o.seq || ': ' || o.fault AS detail
FROM (
    SELECT l.name, m.seq, m.dossier_id,
           CASE WHEN sha256(m.body) <> m.body_sha256 THEN 'body'
                WHEN m.prev_hash <> coalesce(lag(sha256(m.prev_hash || m.body_sha256)) OVER sent, decode(repeat('00', 32), 'hex'))
                    THEN 'not linked to the one before'
                WHEN lead(m.seq) OVER sent IS NULL AND l.head_hash <> sha256(m.prev_hash || m.body_sha256) THEN 'the link ends elsewhere'
           END AS fault
    FROM outbox m JOIN link l USING (link_id)
    WINDOW sent AS (PARTITION BY m.link_id ORDER BY m.seq)
) o
LEFT JOIN dossier d USING (dossier_id)
WHERE o.fault IS NOT NULL

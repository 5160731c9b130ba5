-- I7. Links whose received messages are not 1..n, or that expect another than the next.
SELECT l.name AS subject, 'expects ' || l.expected_seq || ', has ' || coalesce(i.messages, 0) || ' up to ' || coalesce(i.newest, 0) AS detail
FROM link l
LEFT JOIN (SELECT link_id, count(*) AS messages, min(seq) AS oldest, max(seq) AS newest FROM inbox GROUP BY link_id) i USING (link_id)
WHERE l.expected_seq <> coalesce(i.newest, 0) + 1 OR coalesce(i.messages, 0) <> coalesce(i.newest, 0) OR i.oldest <> 1

-- I1. Dossiers that do not have exactly one open custody.
SELECT coalesce(d.code, c.dossier_id::text) AS subject, coalesce(c.open, 0) || ' open' AS detail
FROM dossier d
FULL JOIN (SELECT dossier_id, count(*) AS open FROM custody WHERE ended_at IS NULL GROUP BY dossier_id) c USING (dossier_id)
WHERE d.dossier_id IS NULL OR coalesce(c.open, 0) <> 1

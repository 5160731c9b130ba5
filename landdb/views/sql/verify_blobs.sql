-- Blobs whose files must be there, with the codes of the dossiers that have them.
SELECT b.sha256, b.size_bytes,
       coalesce((SELECT string_agg(DISTINCT d.code, ', ' ORDER BY d.code) FROM document o JOIN dossier d USING (dossier_id)
                 WHERE o.sha256 = b.sha256), b.sha256) AS dossiers
FROM blob b
WHERE b.state = 'verified' AND b.sha256 > :after
ORDER BY b.sha256
LIMIT :rows

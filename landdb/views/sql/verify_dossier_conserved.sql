-- I12. Dossiers that something still tells of, their history, custody, hand-overs or messages, and that are not there any more.
SELECT coalesce(max(t.code), t.dossier_id::text) AS subject, 'told of by ' || string_agg(DISTINCT t.source, ', ') AS detail
FROM (
    SELECT dossier_id, 'history' AS source, NULL AS code FROM dossier_event
    UNION ALL SELECT dossier_id, 'custody', NULL FROM custody
    UNION ALL SELECT dossier_id, 'hand-overs', convert_from(manifest, 'UTF8')::json ->> 'dossier_code' FROM handover
    UNION ALL SELECT dossier_id, 'messages', convert_from(body, 'UTF8')::json ->> 'dossier_code' FROM outbox WHERE dossier_id IS NOT NULL
    UNION ALL SELECT dossier_id, 'people', NULL FROM dossier_person
    UNION ALL SELECT dossier_id, 'papers', NULL FROM document
) t
WHERE NOT EXISTS (SELECT FROM dossier d WHERE d.dossier_id = t.dossier_id)
GROUP BY t.dossier_id

-- I6. Hand-overs whose row or papers say something else than the manifest that was sealed, and closed ones whose end is no moment
-- after their offer.
SELECT coalesce(d.code, h.dossier_id::text) AS subject, h.handover_id || ': ' || f.fault AS detail
FROM handover h
LEFT JOIN dossier d USING (dossier_id)
CROSS JOIN LATERAL (SELECT convert_from(h.manifest, 'UTF8')::jsonb AS said) m
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN sha256(h.manifest) <> h.manifest_sha256 THEN 'manifest hash'
        WHEN (m.said ->> 'handover_id', m.said ->> 'dossier_id', m.said ->> 'epoch', m.said ->> 'from_office', m.said ->> 'to_office')
             IS DISTINCT FROM
             (h.handover_id::text, h.dossier_id::text, h.epoch::text, h.from_office_id::text, h.to_office_id::text)
            THEN 'offices, dossier or epoch'
        WHEN (m.said ->> 'dossier_code') IS DISTINCT FROM d.code THEN 'code'
        WHEN h.closed_at < h.offered_at OR (h.state = 'offered') <> (h.closed_at IS NULL) THEN 'its end'
        WHEN (SELECT coalesce(jsonb_agg(jsonb_build_array(i.item_no, i.sha256, i.doc_type, i.size_bytes::text) ORDER BY i.item_no), '[]')
              FROM handover_item i WHERE i.handover_id = h.handover_id)
             IS DISTINCT FROM
             (SELECT coalesce(jsonb_agg(jsonb_build_array(n -> 'n', n -> 'sha256', n -> 'doc_type', n -> 'bytes') ORDER BY (n ->> 'n')::int),
                              '[]')
              FROM jsonb_array_elements(m.said -> 'items') AS n)
            THEN 'papers'
    END AS fault
) f
WHERE f.fault IS NOT NULL

-- I10. Papers of hand-overs, offered or done, whose bytes are not known with that size; those under offer must not be in quarantine.
-- (Whether the files hold these bytes is read by landdb verify --files.)
SELECT coalesce(d.code, h.dossier_id::text) AS subject,
       i.name || ': ' || CASE WHEN b.sha256 IS NULL THEN 'gone' WHEN b.size_bytes <> i.size_bytes THEN 'another size'
                              ELSE b.state END AS detail
FROM handover_item i
JOIN handover h USING (handover_id)
LEFT JOIN dossier d USING (dossier_id)
LEFT JOIN blob b USING (sha256)
WHERE h.state IN ('offered', 'accepted', 'forced')
  AND (b.sha256 IS NULL OR b.size_bytes <> i.size_bytes OR (h.state = 'offered' AND b.state <> 'verified'))
UNION ALL
SELECT coalesce(d.code, o.dossier_id::text), o.name || ': no bytes'
FROM document o
LEFT JOIN dossier d USING (dossier_id)
WHERE NOT EXISTS (SELECT FROM blob b WHERE b.sha256 = o.sha256)

-- I5. Dossiers in transit without exactly one open hand-over of their epoch by their holder, and held ones with one.
SELECT coalesce(d.code, h.dossier_id::text) AS subject, coalesce(d.custody_state, 'gone') || ', ' || coalesce(h.open, 0) || ' open' AS detail
FROM dossier d
FULL JOIN (
    SELECT dossier_id, count(*) AS open, min(epoch) AS epoch, min(from_office_id) AS office_id
    FROM handover WHERE state = 'offered' GROUP BY dossier_id
) h USING (dossier_id)
WHERE CASE d.custody_state
          WHEN 'held' THEN h.open IS NOT NULL
          WHEN 'in_transit' THEN coalesce(h.open, 0) <> 1 OR (h.epoch, h.office_id) IS DISTINCT FROM (d.epoch, d.holder_office_id)
          ELSE true
      END

-- I4. Epochs after the first without exactly one accepted or forced hand-over of the epoch before to that office, and such hand-overs
-- that led to no custody.
WITH done AS (
    SELECT dossier_id, epoch + 1 AS epoch, count(*) AS handovers, min(to_office_id) AS office_id, min(handover_id::text) AS handover_id
    FROM handover WHERE state IN ('accepted', 'forced')
    GROUP BY dossier_id, epoch
), later AS (
    SELECT dossier_id, epoch, office_id, via_handover_id::text AS handover_id FROM custody WHERE epoch > 1
)
SELECT coalesce(d.code, dossier_id::text) AS subject,
       'epoch ' || coalesce(h.epoch, l.epoch) || ': ' || CASE
           WHEN l.office_id IS NULL THEN 'a hand-over and no custody'
           WHEN h.office_id IS NULL THEN 'custody and no hand-over'
           WHEN h.handovers > 1 THEN h.handovers || ' hand-overs'
           ELSE 'another hand-over or office'
       END AS detail
FROM done h
FULL JOIN later l USING (dossier_id, epoch)
LEFT JOIN dossier d USING (dossier_id)
WHERE coalesce(h.handovers, 0) <> 1 OR (h.office_id, h.handover_id) IS DISTINCT FROM (l.office_id, l.handover_id)

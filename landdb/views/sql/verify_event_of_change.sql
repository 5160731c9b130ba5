-- I8. Changes of a dossier that its history does not tell: hand-overs and their ends by kind, papers, fees and notes, and stages from
-- the first to the one on its row. An offer that force ended is told by the forced move; a note may come with a step.
WITH told AS (
    SELECT dossier_id,
           count(*) FILTER (WHERE kind = 'received') AS received,
           count(*) FILTER (WHERE kind = 'offered') AS offered,
           count(*) FILTER (WHERE kind = 'accepted') AS accepted,
           count(*) FILTER (WHERE kind = 'refused' AND to_stage IS NULL) AS refused,
           count(*) FILTER (WHERE kind = 'recalled') AS recalled,
           count(*) FILTER (WHERE kind = 'forced') AS forced,
           count(*) FILTER (WHERE kind = 'document_added') AS added,
           count(*) FILTER (WHERE kind = 'document_withdrawn') AS withdrawn,
           count(*) FILTER (WHERE kind = 'fee_noted') AS fees,
           count(*) FILTER (WHERE kind = 'fee_paid') AS paid,
           count(*) FILTER (WHERE kind = 'noted') AS noted,
           count(*) FILTER (WHERE kind = 'stepped') AS stepped
    FROM dossier_event GROUP BY dossier_id
), done AS (
    SELECT dossier_id,
           count(*) FILTER (WHERE state <> 'forced') AS offered,
           count(*) FILTER (WHERE state = 'accepted') AS accepted,
           count(*) FILTER (WHERE state = 'refused') AS refused,
           count(*) FILTER (WHERE state = 'recalled' AND reason_code IS DISTINCT FROM 'forced') AS recalled,
           count(*) FILTER (WHERE state = 'forced') AS forced
    FROM handover GROUP BY dossier_id
), papers AS (
    SELECT dossier_id, count(*) AS added, count(withdrawn_at) AS withdrawn FROM document GROUP BY dossier_id
), fees AS (
    SELECT dossier_id, count(*) AS fees, count(paid_at) AS paid FROM dossier_fee GROUP BY dossier_id
), notes AS (
    SELECT dossier_id, count(*) AS notes FROM dossier_note GROUP BY dossier_id
), staged AS (
    SELECT dossier_id, event_no, from_stage, to_stage,
           lag(to_stage) OVER past AS before, lead(to_stage) OVER past AS after
    FROM dossier_event WHERE to_stage IS NOT NULL
    WINDOW past AS (PARTITION BY dossier_id ORDER BY event_no)
)
SELECT d.code AS subject, 'hand-overs' AS detail
FROM dossier d
LEFT JOIN told t USING (dossier_id)
LEFT JOIN done h USING (dossier_id)
WHERE (coalesce(t.offered, 0), coalesce(t.accepted, 0), coalesce(t.refused, 0), coalesce(t.recalled, 0), coalesce(t.forced, 0))
      IS DISTINCT FROM
      (coalesce(h.offered, 0), coalesce(h.accepted, 0), coalesce(h.refused, 0), coalesce(h.recalled, 0), coalesce(h.forced, 0))
UNION ALL
SELECT d.code, CASE WHEN (coalesce(t.added, 0), coalesce(t.withdrawn, 0)) IS DISTINCT FROM (coalesce(p.added, 0), coalesce(p.withdrawn, 0))
                    THEN 'papers'
                    WHEN (coalesce(t.fees, 0), coalesce(t.paid, 0)) IS DISTINCT FROM (coalesce(f.fees, 0), coalesce(f.paid, 0)) THEN 'fees'
                    ELSE 'notes' END
FROM dossier d
LEFT JOIN told t USING (dossier_id)
LEFT JOIN papers p USING (dossier_id)
LEFT JOIN fees f USING (dossier_id)
LEFT JOIN notes n USING (dossier_id)
WHERE (coalesce(t.added, 0), coalesce(t.withdrawn, 0), coalesce(t.fees, 0), coalesce(t.paid, 0))
      IS DISTINCT FROM (coalesce(p.added, 0), coalesce(p.withdrawn, 0), coalesce(f.fees, 0), coalesce(f.paid, 0))
   OR coalesce(n.notes, 0) NOT BETWEEN coalesce(t.noted, 0) AND coalesce(t.noted, 0) + coalesce(t.stepped, 0)
UNION ALL
SELECT d.code, 'received ' || coalesce(t.received, 0) || ' times'
FROM dossier d LEFT JOIN told t USING (dossier_id)
WHERE coalesce(t.received, 0) <> 1
UNION ALL
SELECT d.code, 'stage ' || d.stage || ', told ' || coalesce(s.to_stage, 'nothing')
FROM dossier d LEFT JOIN staged s ON s.dossier_id = d.dossier_id AND s.after IS NULL
WHERE s.to_stage IS DISTINCT FROM d.stage
UNION ALL
SELECT d.code, 'event ' || s.event_no || ' from ' || coalesce(s.from_stage, '–') || ' after ' || coalesce(s.before, '–')
FROM staged s JOIN dossier d USING (dossier_id)
WHERE s.from_stage IS DISTINCT FROM s.before

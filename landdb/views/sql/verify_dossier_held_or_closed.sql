-- I12. Dossiers that are closed at a stage that is not a last one, or the reverse, or while on their way to another office.
SELECT d.code AS subject, d.stage || ', ' || d.custody_state || CASE WHEN d.closed_at IS NULL THEN ', open' ELSE ', closed' END AS detail
FROM dossier d
LEFT JOIN procedure_stage s ON s.procedure_id = d.procedure_id AND s.stage = d.stage
WHERE s.stage IS NULL OR s.is_last <> (d.closed_at IS NOT NULL) OR (d.closed_at IS NOT NULL AND d.custody_state <> 'held')

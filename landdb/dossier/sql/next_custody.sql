-- Custody of the next epoch by force: the holder's ends, and that of the office that the order names begins.
WITH released AS (
    UPDATE custody SET ended_at = greatest(CAST(:closed_at AS timestamptz), started_at)
    WHERE dossier_id = :dossier_id AND epoch = :epoch AND ended_at IS NULL
    RETURNING dossier_id, epoch, ended_at
)
INSERT INTO custody (dossier_id, epoch, office_id, started_at, via_handover_id)
SELECT dossier_id, epoch + 1, :to_office_id, ended_at, :handover_id FROM released

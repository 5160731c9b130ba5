-- An open hand-over is accepted: the sender's custody ends and the receiver's begins, of the next epoch. The epoch is compared in
-- each table: whoever moves a dossier that has moved since moves nothing.
WITH ended AS (
    UPDATE handover SET state = :state, closed_at = :closed_at, closed_by = :closed_by
    WHERE handover_id = :handover_id AND state = 'offered' AND epoch = :epoch
    RETURNING handover_id, dossier_id, to_office_id, closed_at
), released AS (
    UPDATE custody c SET ended_at = greatest(e.closed_at, c.started_at)
    FROM ended e
    WHERE c.dossier_id = e.dossier_id AND c.epoch = :epoch AND c.ended_at IS NULL
    RETURNING c.dossier_id, c.ended_at
), granted AS (
    INSERT INTO custody (dossier_id, epoch, office_id, started_at, via_handover_id)
    SELECT e.dossier_id, CAST(:epoch AS integer) + 1, e.to_office_id, r.ended_at, e.handover_id
    FROM ended e JOIN released r USING (dossier_id)
    RETURNING dossier_id
), receipts AS (
    INSERT INTO receipt (receipt_id, handover_id, kind, party_office_id, body, jws, kid, issued_at)
    SELECT r.receipt_id, e.handover_id, r.kind, r.party, r.body, r.jws, r.kid, :issued_at
    FROM ended e, unnest(CAST(:receipt_ids AS uuid[]), CAST(:receipt_kinds AS text[]), CAST(:receipt_parties AS integer[]),
                         CAST(:receipt_bodies AS bytea[]), CAST(:receipt_seals AS text[]), CAST(:receipt_kids AS text[]))
         AS r (receipt_id, kind, party, body, jws, kid)
)
SELECT dossier_id FROM granted

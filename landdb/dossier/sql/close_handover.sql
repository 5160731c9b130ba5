-- An open hand-over ends, and the dossier stays where it is. The state is compared once more: what is closed stays closed.
WITH ended AS (
    UPDATE handover SET state = :state, closed_at = :closed_at, closed_by = :closed_by, reason_code = :reason_code,
                        reason_note = :reason_note
    WHERE handover_id = :handover_id AND state = 'offered'
    RETURNING handover_id
), receipts AS (
    INSERT INTO receipt (receipt_id, handover_id, kind, party_office_id, body, jws, kid, issued_at)
    SELECT r.receipt_id, e.handover_id, r.kind, r.party, r.body, r.jws, r.kid, :issued_at
    FROM ended e, unnest(CAST(:receipt_ids AS uuid[]), CAST(:receipt_kinds AS text[]), CAST(:receipt_parties AS integer[]),
                         CAST(:receipt_bodies AS bytea[]), CAST(:receipt_seals AS text[]), CAST(:receipt_kids AS text[]))
         AS r (receipt_id, kind, party, body, jws, kid)
)
SELECT handover_id FROM ended

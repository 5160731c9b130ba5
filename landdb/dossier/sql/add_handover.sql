-- A hand-over with the papers that go with it and the receipts that it brings.
WITH made AS (
    INSERT INTO handover (handover_id, batch_id, dossier_id, epoch, from_office_id, to_office_id, state, manifest, manifest_sha256,
                          seal_jws, seal_kid, note, offered_at, offered_by, due_at, closed_at, closed_by, reason_code, reason_note)
    VALUES (:handover_id, :batch_id, :dossier_id, :epoch, :from_office_id, :to_office_id, :state, :manifest, :manifest_sha256,
            :seal_jws, :seal_kid, :note, :offered_at, :offered_by, :due_at, :closed_at, :closed_by, :reason_code, :reason_note)
    RETURNING handover_id
), items AS (
    INSERT INTO handover_item (handover_id, item_no, sha256, doc_type, name, size_bytes)
    SELECT m.handover_id, p.item_no, p.sha256, p.doc_type, p.name, p.size_bytes
    FROM made m, unnest(CAST(:paper_sha256 AS text[]), CAST(:paper_type AS text[]), CAST(:paper_name AS text[]),
                        CAST(:paper_bytes AS bigint[]))
         WITH ORDINALITY AS p (sha256, doc_type, name, size_bytes, item_no)
)
INSERT INTO receipt (receipt_id, handover_id, kind, party_office_id, body, jws, kid, issued_at)
SELECT r.receipt_id, m.handover_id, r.kind, r.party, r.body, r.jws, r.kid, :issued_at
FROM made m, unnest(CAST(:receipt_ids AS uuid[]), CAST(:receipt_kinds AS text[]), CAST(:receipt_parties AS integer[]),
                    CAST(:receipt_bodies AS bytea[]), CAST(:receipt_seals AS text[]), CAST(:receipt_kids AS text[]))
     AS r (receipt_id, kind, party, body, jws, kid)

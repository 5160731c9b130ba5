-- Messages into the outbox, at most one for each link, with the next number of their link and its hash carried on.
-- The counters are locked in ascending link id, so that two transactions never wait for one another in a circle. Where a link
-- does not exist yet, nothing is locked and nothing written: it is opened first, before any lock.
WITH wanted AS (
    SELECT * FROM unnest(CAST(:links AS text[]), CAST(:message_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:bodies AS bytea[]),
                         CAST(:dossiers AS uuid[]), CAST(:event_nos AS integer[]), CAST(:epochs AS integer[]),
                         CAST(:handovers AS uuid[]))
        AS w (name, message_id, kind, body, dossier_id, event_no, epoch, handover_id)
), counter AS (
    SELECT link_id, name, next_seq, head_hash FROM link
    WHERE name = ANY (CAST(:links AS text[]))
      AND (SELECT count(*) FROM link WHERE name = ANY (CAST(:links AS text[]))) = cardinality(CAST(:links AS text[]))
    ORDER BY link_id FOR UPDATE
), counted AS (
    UPDATE link l SET next_seq = c.next_seq + 1, head_hash = sha256(c.head_hash || sha256(w.body))
    FROM counter c JOIN wanted w USING (name)
    WHERE l.link_id = c.link_id
), written AS (
    INSERT INTO outbox (link_id, seq, message_id, kind, dossier_id, event_no, epoch, handover_id, body, body_sha256, prev_hash,
                        created_at)
    SELECT c.link_id, c.next_seq, w.message_id, w.kind, w.dossier_id, w.event_no, w.epoch, w.handover_id, w.body, sha256(w.body),
           c.head_hash, :now
    FROM counter c JOIN wanted w USING (name)
    RETURNING seq
)
SELECT seq FROM written

-- A changed parcel that bears another number than before: the old number is closed and kept as a former one.
WITH closed AS (
    UPDATE parcel_reference r
    SET recorded = tstzrange(lower(r.recorded), :recorded_at), closed_by = :registration_id
    FROM staged_parcel s
    WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held
      AND r.parcel_id = s.parcel_id AND r.kind = 'current' AND upper_inf(r.recorded)
      AND (r.sheet_no, r.parcel_no) IS DISTINCT FROM (s.sheet_no, s.parcel_no)
    RETURNING r.parcel_id, r.admin_unit_id, r.sheet_no AS old_sheet, r.parcel_no AS old_parcel, r.valid, s.sheet_no, s.parcel_no
)
INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded, registration_id)
SELECT c.parcel_id, n.admin_unit_id, n.sheet_no, n.parcel_no, n.kind, n.valid, tstzrange(:recorded_at, NULL), :registration_id
FROM closed c
CROSS JOIN LATERAL (VALUES
    (c.admin_unit_id, c.old_sheet, c.old_parcel, 'former',
     CASE WHEN lower_inf(c.valid) OR lower(c.valid) < :until THEN daterange(lower(c.valid), :until) ELSE c.valid END),
    (:admin_unit_id, c.sheet_no, c.parcel_no, 'current', daterange(:valid_from, NULL)))
    AS n (admin_unit_id, sheet_no, parcel_no, kind, valid);

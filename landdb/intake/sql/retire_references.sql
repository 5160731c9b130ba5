-- Their numbers become former ones on the day they end.
WITH closed AS (
    UPDATE parcel_reference r
    SET recorded = tstzrange(lower(r.recorded), :recorded_at), closed_by = :registration_id
    WHERE r.parcel_id = ANY (CAST(:retired AS uuid[])) AND r.kind = 'current' AND upper_inf(r.recorded)
    RETURNING r.parcel_id, r.admin_unit_id, r.sheet_no, r.parcel_no, r.valid
)
INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded, registration_id)
SELECT c.parcel_id, c.admin_unit_id, c.sheet_no, c.parcel_no, 'former',
       CASE WHEN lower_inf(c.valid) OR lower(c.valid) < :until THEN daterange(lower(c.valid), :until) ELSE c.valid END,
       tstzrange(:recorded_at, NULL), :registration_id
FROM closed c;

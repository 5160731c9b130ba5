-- Parcels in force that are not called, once and now, by their sheet and number; ended ones that still are called by any.
SELECT p.parcel_id::text AS subject,
       p.status || ' ' || m.sheet_no || '/' || p.parcel_no || ', called ' || coalesce(r.called, '–') AS detail
FROM parcel p
JOIN map_sheet m USING (map_sheet_id)
LEFT JOIN (
    SELECT parcel_id, count(*) AS names, min(admin_unit_id) AS admin_unit_id, min(sheet_no) AS sheet_no,
           min(parcel_no) AS parcel_no, string_agg(sheet_no || '/' || parcel_no, ', ') AS called
    FROM parcel_reference
    WHERE kind = 'current' AND upper_inf(recorded)
    GROUP BY parcel_id
) r USING (parcel_id)
WHERE (p.status = 'in_force'
       AND (r.names, r.admin_unit_id, r.sheet_no, r.parcel_no) IS DISTINCT FROM (1::bigint, m.admin_unit_id, m.sheet_no, p.parcel_no))
   OR (p.status = 'ended' AND r.names IS NOT NULL)

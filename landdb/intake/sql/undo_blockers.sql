-- Parcels of these registrations that something later touched: another act on the parcel, or on a right or certificate of it.
WITH touched AS (
    SELECT DISTINCT parcel_id FROM parcel_version
    WHERE registration_id = ANY (:registrations) OR closed_by = ANY (:registrations)
)
SELECT p.parcel_id, m.sheet_no, p.parcel_no, g.kind, g.recorded_at
FROM touched t
JOIN parcel p USING (parcel_id)
JOIN map_sheet m USING (map_sheet_id)
JOIN registration g ON g.registration_id = p.registration_id AND g.registration_id <> ALL (:registrations)
UNION
SELECT p.parcel_id, m.sheet_no, p.parcel_no, g.kind, g.recorded_at
FROM touched t
JOIN parcel p USING (parcel_id)
JOIN map_sheet m USING (map_sheet_id)
JOIN right_held r ON r.parcel_id = p.parcel_id
JOIN registration g ON g.registration_id IN (r.registration_id, r.closed_by) AND g.registration_id <> ALL (:registrations)
WHERE g.recorded_at > :applied_at
ORDER BY sheet_no, parcel_no
LIMIT 1001;

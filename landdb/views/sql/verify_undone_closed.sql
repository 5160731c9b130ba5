-- What an undone registration wrote and the register still believes, and undone registrations that no undo names.
SELECT t.kind || ' ' || t.id AS subject, 'registration ' || t.registration_id AS detail
FROM (
    SELECT 'parcel_version' AS kind, parcel_id || ' ' || version_no AS id, registration_id FROM parcel_version WHERE upper_inf(recorded)
    UNION ALL
    SELECT 'parcel_reference', parcel_id || ' ' || sheet_no || '/' || parcel_no, registration_id
    FROM parcel_reference WHERE upper_inf(recorded)
    UNION ALL
    SELECT 'right_held', right_id::text, registration_id FROM right_held WHERE upper_inf(recorded)
    UNION ALL
    SELECT 'restriction', restriction_id::text, registration_id FROM restriction WHERE upper_inf(recorded)
    UNION ALL
    SELECT 'certificate', certificate_id::text, registration_id FROM certificate WHERE upper_inf(recorded)
    UNION ALL
    SELECT 'parcel', parcel_id::text, registration_id FROM parcel WHERE status = 'in_force'
) t
JOIN registration g ON g.registration_id = t.registration_id AND g.undone_by IS NOT NULL
UNION ALL
SELECT 'registration ' || g.registration_id, 'undone by a registration of kind ' || u.kind
FROM registration g
JOIN registration u ON u.registration_id = g.undone_by
WHERE u.kind <> 'undo'

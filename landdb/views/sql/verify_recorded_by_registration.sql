-- Rows whose recorded range does not begin with the registration that wrote them and end with the one that closed them.
SELECT t.kind || ' ' || t.id AS subject,
       'recorded ' || t.recorded || ', registered ' || coalesce(g.recorded_at::text, '?')
       || ', closed ' || coalesce(c.recorded_at::text, '–') AS detail
FROM (
    SELECT 'parcel_version' AS kind, parcel_id || ' ' || version_no AS id, recorded, registration_id, closed_by FROM parcel_version
    UNION ALL
    SELECT 'parcel_reference', parcel_id || ' ' || sheet_no || '/' || parcel_no, recorded, registration_id, closed_by
    FROM parcel_reference
    UNION ALL
    SELECT 'right_held', right_id::text, recorded, registration_id, closed_by FROM right_held
    UNION ALL
    SELECT 'restriction', restriction_id::text, recorded, registration_id, closed_by FROM restriction
    UNION ALL
    SELECT 'certificate', certificate_id::text, recorded, registration_id, closed_by FROM certificate
) t
JOIN registration g ON g.registration_id = t.registration_id
LEFT JOIN registration c ON c.registration_id = t.closed_by
WHERE lower(t.recorded) IS DISTINCT FROM g.recorded_at OR upper(t.recorded) IS DISTINCT FROM c.recorded_at

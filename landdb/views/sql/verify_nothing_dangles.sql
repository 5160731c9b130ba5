-- Rows that name a sheet, unit, registration, import or parcel which the register does not have. Most of these links have no
-- foreign key, so that a million rows load without a million look-ups.
SELECT t.kind || ' ' || t.id AS subject, t.missing AS detail
FROM (
    SELECT 'parcel_version' AS kind, v.parcel_id || ' ' || v.version_no AS id,
           CASE WHEN s.map_sheet_id IS NULL THEN 'map_sheet' WHEN u.admin_unit_id IS NULL THEN 'admin_unit'
                WHEN g.registration_id IS NULL THEN 'registration' WHEN p.parcel_id IS NULL THEN 'parcel'
                WHEN v.closed_by IS NOT NULL AND c.registration_id IS NULL THEN 'closed_by' END AS missing
    FROM parcel_version v
    LEFT JOIN map_sheet s USING (map_sheet_id)
    LEFT JOIN admin_unit u ON u.admin_unit_id = v.admin_unit_id
    LEFT JOIN registration g ON g.registration_id = v.registration_id
    LEFT JOIN registration c ON c.registration_id = v.closed_by
    LEFT JOIN parcel p ON p.parcel_id = v.parcel_id
    UNION ALL
    SELECT 'parcel', p.parcel_id::text,
           CASE WHEN s.map_sheet_id IS NULL THEN 'map_sheet' WHEN u.admin_unit_id IS NULL THEN 'admin_unit'
                WHEN g.registration_id IS NULL THEN 'registration' END
    FROM parcel p
    LEFT JOIN map_sheet s USING (map_sheet_id)
    LEFT JOIN admin_unit u ON u.admin_unit_id = p.admin_unit_id
    LEFT JOIN registration g ON g.registration_id = p.registration_id
    UNION ALL
    SELECT 'parcel_reference', r.parcel_id || ' ' || r.sheet_no || '/' || r.parcel_no,
           CASE WHEN u.admin_unit_id IS NULL THEN 'admin_unit' WHEN g.registration_id IS NULL THEN 'registration'
                WHEN r.closed_by IS NOT NULL AND c.registration_id IS NULL THEN 'closed_by'
                WHEN p.parcel_id IS NULL THEN 'parcel' END
    FROM parcel_reference r
    LEFT JOIN admin_unit u USING (admin_unit_id)
    LEFT JOIN registration g ON g.registration_id = r.registration_id
    LEFT JOIN registration c ON c.registration_id = r.closed_by
    LEFT JOIN parcel p ON p.parcel_id = r.parcel_id
    UNION ALL
    SELECT 'right_held', r.right_id::text,
           CASE WHEN g.registration_id IS NULL THEN 'registration' WHEN p.parcel_id IS NULL THEN 'parcel'
                WHEN r.closed_by IS NOT NULL AND c.registration_id IS NULL THEN 'closed_by' END
    FROM right_held r
    LEFT JOIN registration g ON g.registration_id = r.registration_id
    LEFT JOIN registration c ON c.registration_id = r.closed_by
    LEFT JOIN parcel p ON p.parcel_id = r.parcel_id
    UNION ALL
    SELECT 'certificate', e.certificate_id::text,
           CASE WHEN g.registration_id IS NULL THEN 'registration'
                WHEN e.closed_by IS NOT NULL AND c.registration_id IS NULL THEN 'closed_by' END
    FROM certificate e
    LEFT JOIN registration g ON g.registration_id = e.registration_id
    LEFT JOIN registration c ON c.registration_id = e.closed_by
    UNION ALL
    SELECT 'certificate_parcel', cp.certificate_id || ' ' || cp.parcel_id,
           CASE WHEN e.certificate_id IS NULL THEN 'certificate' WHEN p.parcel_id IS NULL THEN 'parcel' END
    FROM certificate_parcel cp
    LEFT JOIN certificate e USING (certificate_id)
    LEFT JOIN parcel p ON p.parcel_id = cp.parcel_id
    UNION ALL
    SELECT 'party_claim', k.party_claim_id::text, CASE WHEN g.registration_id IS NULL THEN 'registration' END
    FROM party_claim k
    LEFT JOIN registration g USING (registration_id)
    UNION ALL
    SELECT 'right_holder', h.right_id || ' ' || h.ordinal,
           CASE WHEN r.right_id IS NULL THEN 'right_held'
                WHEN h.party_claim_id IS NOT NULL AND k.party_claim_id IS NULL THEN 'party_claim'
                WHEN h.party_id IS NOT NULL AND y.party_id IS NULL THEN 'party' END
    FROM right_holder h
    LEFT JOIN right_held r USING (right_id)
    LEFT JOIN party_claim k ON k.party_claim_id = h.party_claim_id
    LEFT JOIN party y ON y.party_id = h.party_id
    UNION ALL
    SELECT 'parcel_land_use', l.parcel_id || ' ' || l.version_no || ' ' || l.ordinal,
           CASE WHEN v.parcel_id IS NULL THEN 'parcel_version' END
    FROM parcel_land_use l
    LEFT JOIN parcel_version v USING (parcel_id, version_no)
    UNION ALL
    SELECT 'registration', g.registration_id::text,
           CASE WHEN g.import_job_id IS NOT NULL AND j.import_job_id IS NULL THEN 'import_job' END
    FROM registration g
    LEFT JOIN import_job j USING (import_job_id)
) t
WHERE t.missing IS NOT NULL

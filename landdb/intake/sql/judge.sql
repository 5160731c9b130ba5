-- New, changed or unchanged, for every staged row that is not set aside. What the file does not give (null) changes nothing.
UPDATE staged_parcel s
SET verdict = CASE
    WHEN s.parcel_id IS NULL THEN 'new'
    WHEN s.geometry_hash IS DISTINCT FROM p.geometry_hash
      OR s.parcel_no IS DISTINCT FROM p.parcel_no
      OR s.sheet_no IS DISTINCT FROM m.sheet_no
      OR coalesce(s.declared_area_m2, p.declared_area_m2) IS DISTINCT FROM p.declared_area_m2
      OR coalesce(s.legal_area_m2, p.legal_area_m2) IS DISTINCT FROM p.legal_area_m2
      OR coalesce(s.address, p.address) IS DISTINCT FROM p.address
      OR (s.land_uses IS NOT NULL AND s.land_uses IS DISTINCT FROM u.land_uses)
      OR (s.holder_name IS NOT NULL AND s.holder_name IS DISTINCT FROM h.raw_name)
      OR (s.certificate_serial IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM certificate_parcel cp JOIN certificate c USING (certificate_id)
            WHERE cp.parcel_id = s.parcel_id AND upper_inf(c.recorded) AND c.serial_no = s.certificate_serial))
    THEN 'changed'
    ELSE 'unchanged'
END
FROM staged_parcel o
LEFT JOIN parcel p ON p.parcel_id = o.parcel_id
LEFT JOIN map_sheet m ON m.map_sheet_id = p.map_sheet_id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('code', l.land_use_code, 'list', l.code_list, 'area_m2', l.area_m2)
                     ORDER BY l.ordinal) AS land_uses
    FROM parcel_land_use l WHERE l.parcel_id = p.parcel_id AND l.version_no = p.version_no
) u ON o.parcel_id IS NOT NULL
LEFT JOIN LATERAL (
    SELECT c.raw_name
    FROM right_held r
    JOIN right_holder rh USING (right_id)
    JOIN party_claim c USING (party_claim_id)
    WHERE r.parcel_id = p.parcel_id AND r.kind = 'land_use' AND upper_inf(r.recorded) AND upper_inf(r.valid)
    ORDER BY rh.ordinal
    LIMIT 1
) h ON o.parcel_id IS NOT NULL
WHERE s.import_job_id = :job_id AND o.import_job_id = :job_id AND o.row_id = s.row_id
  AND s.verdict IS DISTINCT FROM 'quarantined';

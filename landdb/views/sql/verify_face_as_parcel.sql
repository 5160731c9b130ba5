-- Faces that tell something else than their parcel: number, unit, land use, areas, version.
SELECT p.parcel_id::text AS subject, 'face ' || f.sheet_no || '/' || f.parcel_no || ' ' || coalesce(f.land_use, '')
       || ', parcel ' || m.sheet_no || '/' || p.parcel_no || ' version ' || p.version_no AS detail
FROM parcel p
JOIN parcel_face f USING (parcel_id)
JOIN map_sheet m USING (map_sheet_id)
LEFT JOIN parcel_land_use l ON l.parcel_id = p.parcel_id AND l.version_no = p.version_no AND l.ordinal = 1
CROSS JOIN LATERAL (SELECT (f.feature::json) -> 'properties' AS said, (f.feature::json) ->> 'id' AS id) t
WHERE p.status = 'in_force'
  AND ((f.sheet_no, f.parcel_no, f.admin_unit_id, f.land_use, f.area_m2)
       IS DISTINCT FROM (m.sheet_no, p.parcel_no, p.admin_unit_id, coalesce(l.land_use_code, ''),
                         coalesce(p.declared_area_m2, p.measured_area_m2))
    OR (t.id, t.said ->> 'parcel_id', t.said ->> 'sheet_no', t.said ->> 'parcel_no', (t.said ->> 'version_no')::integer)
       IS DISTINCT FROM (p.parcel_id::text, p.parcel_id::text, m.sheet_no, p.parcel_no, p.version_no)
    OR ((t.said ->> 'declared_area_m2')::numeric, (t.said ->> 'measured_area_m2')::numeric, (t.said ->> 'legal_area_m2')::numeric)
       IS DISTINCT FROM (p.declared_area_m2, p.measured_area_m2, p.legal_area_m2))

-- Parcels in force whose row tells something else than their version in force.
SELECT p.parcel_id::text AS subject,
       concat_ws(', ', CASE WHEN p.version_no <> v.version_no THEN 'version_no' END,
                 CASE WHEN p.map_sheet_id <> v.map_sheet_id THEN 'map_sheet_id' END,
                 CASE WHEN p.parcel_no <> v.parcel_no THEN 'parcel_no' END,
                 CASE WHEN p.admin_unit_id <> v.admin_unit_id THEN 'admin_unit_id' END,
                 CASE WHEN NOT p.geom = v.geom THEN 'geom' END,
                 CASE WHEN p.geometry_hash <> v.geometry_hash THEN 'geometry_hash' END,
                 CASE WHEN p.measured_area_m2 <> v.measured_area_m2 THEN 'measured_area_m2' END,
                 CASE WHEN p.declared_area_m2 IS DISTINCT FROM v.declared_area_m2 THEN 'declared_area_m2' END,
                 CASE WHEN p.legal_area_m2 IS DISTINCT FROM v.legal_area_m2 THEN 'legal_area_m2' END,
                 CASE WHEN p.address IS DISTINCT FROM v.address THEN 'address' END) AS detail
FROM parcel p
JOIN parcel_version v ON v.parcel_id = p.parcel_id AND upper_inf(v.recorded) AND upper_inf(v.valid)
WHERE p.status = 'in_force'
  AND ((p.version_no, p.map_sheet_id, p.parcel_no, p.admin_unit_id, p.geometry_hash, p.measured_area_m2)
       <> (v.version_no, v.map_sheet_id, v.parcel_no, v.admin_unit_id, v.geometry_hash, v.measured_area_m2)
    OR (p.declared_area_m2, p.legal_area_m2, p.address) IS DISTINCT FROM (v.declared_area_m2, v.legal_area_m2, v.address)
    OR NOT p.geom = v.geom)

-- What readers see of every parcel in force that this registration touched and that has no face yet: shapes in the two systems
-- of the web and the finished GeoJSON Feature. No person's data may ever stand here.
INSERT INTO parcel_face (parcel_id, admin_unit_id, sheet_no, parcel_no, land_use, area_m2, geom_4326, geom_3857, feature)
SELECT t.parcel_id, t.admin_unit_id, t.sheet_no, t.parcel_no, coalesce(t.first_use, ''),
       coalesce(t.declared_area_m2, t.measured_area_m2), t.geom_4326, ST_Transform(ST_ForcePolygonCW(t.geom_4326), 3857),
       '{"type":"Feature","id":"' || t.parcel_id || '","geometry":' || ST_AsGeoJSON(t.geom_4326, 7)
       || ',"properties":{"parcel_id":"' || t.parcel_id || '","commune_code":"' || t.commune_code
       || '","commune":' || to_json(t.commune) || ',"sheet_no":' || to_json(t.sheet_no)
       || ',"parcel_no":' || to_json(t.parcel_no) || ',"land_use":' || coalesce(t.land_uses, '[]')
       || ',"declared_area_m2":' || coalesce(t.declared_area_m2::text, 'null')
       || ',"measured_area_m2":' || t.measured_area_m2
       || ',"legal_area_m2":' || coalesce(t.legal_area_m2::text, 'null')
       || ',"version_no":' || t.version_no || ',"srid":' || t.srid || '}}'
FROM (
    SELECT p.parcel_id, p.admin_unit_id, p.version_no, p.parcel_no, p.declared_area_m2, p.measured_area_m2, p.legal_area_m2,
           m.sheet_no, m.srid, n.code AS commune_code, n.full_name AS commune, u.first_use, u.land_uses,
           ST_ForcePolygonCCW(ST_Transform(p.geom, 4326)) AS geom_4326
    FROM parcel p
    JOIN map_sheet m USING (map_sheet_id)
    JOIN admin_unit n ON n.admin_unit_id = p.admin_unit_id
    LEFT JOIN LATERAL (
        SELECT (array_agg(l.land_use_code ORDER BY l.ordinal))[1] AS first_use,
               jsonb_agg(jsonb_build_object('code', l.land_use_code, 'list', l.code_list, 'area_m2', l.area_m2)
                         ORDER BY l.ordinal)::text AS land_uses
        FROM parcel_land_use l WHERE l.parcel_id = p.parcel_id AND l.version_no = p.version_no
    ) u ON true
    WHERE p.registration_id = :registration_id AND p.status = 'in_force'
      AND NOT EXISTS (SELECT 1 FROM parcel_face f WHERE f.parcel_id = p.parcel_id)
    OFFSET 0
) t
ORDER BY t.parcel_id;

-- What readers see of new parcels, straight from the staged rows: the same as ``write_faces`` makes of any parcel, without reading back
-- what was just written. No person's data may ever stand here.
INSERT INTO parcel_face (parcel_id, admin_unit_id, sheet_no, parcel_no, land_use, area_m2, geom_4326, geom_3857, feature)
SELECT t.row_id, :present_unit_id, t.sheet_no, t.parcel_no, coalesce(t.land_uses -> 0 ->> 'code', ''),
       coalesce(t.declared_area_m2, t.measured_area_m2), t.geom_4326, ST_Transform(ST_ForcePolygonCW(t.geom_4326), 3857),
       '{"type":"Feature","id":"' || t.row_id || '","geometry":' || ST_AsGeoJSON(t.geom_4326, 7)
       || ',"properties":{"parcel_id":"' || t.row_id || '","commune_code":"' || t.commune_code
       || '","commune":' || t.commune || ',"sheet_no":' || to_json(t.sheet_no)
       || ',"parcel_no":' || to_json(t.parcel_no) || ',"land_use":' || coalesce(t.land_uses::text, '[]')
       || ',"declared_area_m2":' || coalesce(t.declared_area_m2::text, 'null')
       || ',"measured_area_m2":' || t.measured_area_m2
       || ',"legal_area_m2":' || coalesce(t.legal_area_m2::text, 'null')
       || ',"version_no":' || 1 || ',"srid":' || :srid || '}}'
FROM (
    SELECT s.row_id, s.sheet_no, s.parcel_no, s.land_uses, s.declared_area_m2, s.measured_area_m2, s.legal_area_m2,
           n.code AS commune_code, to_json(n.full_name)::text AS commune,
           ST_ForcePolygonCCW(ST_Transform(s.geom, 4326)) AS geom_4326
    FROM staged_parcel s, admin_unit n
    WHERE s.import_job_id = :job_id AND s.verdict = 'new' AND NOT s.held AND n.admin_unit_id = :present_unit_id
    OFFSET 0
) t;


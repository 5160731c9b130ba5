-- What a careful hand would write in plain SQL to fill the register from the table that ogr2ogr made: the same tables, the same
-- indexes and constraints, one transaction. Nothing is validated.
INSERT INTO registration (registration_id, kind, recorded_at) VALUES ('00000000-0000-7000-8000-000000000001', 'import', now());
ALTER TABLE peer_parcel ADD COLUMN parcel_id uuid;
UPDATE peer_parcel SET parcel_id = gen_random_uuid();
ANALYZE peer_parcel;
INSERT INTO map_sheet (map_sheet_id, admin_unit_id, series, sheet_no, scale, srid, registration_id)
SELECT gen_random_uuid(), 990001, '', maxa || '-' || sohieutobando, min(tyle::int), 9209, '00000000-0000-7000-8000-000000000001'
FROM peer_parcel GROUP BY maxa, sohieutobando;
INSERT INTO parcel (parcel_id, version_no, status, map_sheet_id, parcel_no, admin_unit_id, geom, measured_area_m2, declared_area_m2,
                    legal_area_m2, address, geometry_hash, registration_id)
SELECT b.parcel_id, 1, 'in_force', m.map_sheet_id, b.sothututhua::text, 990001, ST_SetSRID(b.geom, 9209), ST_Area(b.geom), b.dientich::numeric,
       b.dientichphaply::numeric, b.diachi, hashtextextended(ST_AsBinary(b.geom)::text, 0), '00000000-0000-7000-8000-000000000001'
FROM peer_parcel b JOIN map_sheet m ON m.sheet_no = b.maxa || '-' || b.sohieutobando;
ANALYZE parcel, map_sheet;
INSERT INTO parcel_version (parcel_id, version_no, map_sheet_id, parcel_no, admin_unit_id, geom, survey_geom_srid, measured_area_m2,
                            declared_area_m2, legal_area_m2, address, geometry_hash, valid, recorded, registration_id)
SELECT parcel_id, 1, map_sheet_id, parcel_no, admin_unit_id, geom, 9209, measured_area_m2, declared_area_m2, legal_area_m2, address,
       geometry_hash, daterange(NULL, NULL), tstzrange(now(), NULL), registration_id
FROM parcel;
INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded, registration_id)
SELECT b.parcel_id, 990001, r.sheet_no, r.parcel_no, r.kind, daterange(NULL, NULL), tstzrange(now(), NULL),
       '00000000-0000-7000-8000-000000000001'
FROM peer_parcel b, LATERAL (VALUES (b.maxa || '-' || b.sohieutobando, b.sothututhua::text, 'current'),
                                    (b.sohieutobandocu::text, b.sothututhuacu::text, 'former')) r (sheet_no, parcel_no, kind)
WHERE r.sheet_no IS NOT NULL AND r.parcel_no IS NOT NULL;
INSERT INTO parcel_land_use (parcel_id, version_no, ordinal, land_use_code, code_list, area_m2)
SELECT b.parcel_id, 1, u.ordinal, split_part(trim(u.item), ' ', 1), 'land_use_2024',
       nullif(replace(split_part(trim(u.item), ' ', 2), ',', '.'), '')::numeric
FROM peer_parcel b, LATERAL unnest(string_to_array(b.mucdichsudung, ';')) WITH ORDINALITY u (item, ordinal);
INSERT INTO party_claim (party_claim_id, raw_name, raw_class, registration_id)
SELECT parcel_id, tenchu, loaidoituong, '00000000-0000-7000-8000-000000000001' FROM peer_parcel WHERE tenchu IS NOT NULL;
INSERT INTO right_held (right_id, kind, parcel_id, shared, valid, recorded, registration_id)
SELECT parcel_id, 'land_use', parcel_id, 'unknown', daterange(NULL, NULL), tstzrange(now(), NULL),
       '00000000-0000-7000-8000-000000000001'
FROM peer_parcel WHERE tenchu IS NOT NULL;
INSERT INTO right_holder (right_id, ordinal, party_claim_id) SELECT parcel_id, 1, parcel_id FROM peer_parcel WHERE tenchu IS NOT NULL;
INSERT INTO certificate (certificate_id, serial_no, serial_folded, register_no, state, recorded, registration_id)
SELECT min(parcel_id::text)::uuid, sophathanh, upper(replace(sophathanh, ' ', '')), min(sovaoso), 'as_read', tstzrange(now(), NULL),
       '00000000-0000-7000-8000-000000000001'
FROM peer_parcel WHERE sophathanh IS NOT NULL GROUP BY sophathanh;
ANALYZE certificate, parcel_land_use;
INSERT INTO certificate_parcel (certificate_id, parcel_id)
SELECT c.certificate_id, b.parcel_id FROM peer_parcel b JOIN certificate c ON c.serial_no = b.sophathanh;
INSERT INTO parcel_face (parcel_id, admin_unit_id, sheet_no, parcel_no, land_use, area_m2, geom_4326, geom_3857, feature)
SELECT p.parcel_id, p.admin_unit_id, m.sheet_no, p.parcel_no, u.first_use, coalesce(p.declared_area_m2, p.measured_area_m2),
       ST_ForcePolygonCCW(ST_Transform(p.geom, 4326)), ST_ForcePolygonCW(ST_Transform(p.geom, 3857)),
       json_build_object('type', 'Feature', 'id', p.parcel_id, 'geometry', ST_AsGeoJSON(ST_Transform(p.geom, 4326), 7)::json,
           'properties', json_build_object('parcel_id', p.parcel_id, 'sheet_no', m.sheet_no, 'parcel_no', p.parcel_no,
               'land_use', u.land_uses, 'declared_area_m2', p.declared_area_m2, 'measured_area_m2', p.measured_area_m2))::text
FROM parcel p JOIN map_sheet m USING (map_sheet_id)
JOIN LATERAL (SELECT (array_agg(l.land_use_code ORDER BY l.ordinal))[1] AS first_use,
                     json_agg(json_build_object('code', l.land_use_code, 'area_m2', l.area_m2) ORDER BY l.ordinal) AS land_uses
              FROM parcel_land_use l WHERE l.parcel_id = p.parcel_id) u ON true;

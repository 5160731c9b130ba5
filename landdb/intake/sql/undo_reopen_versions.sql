-- And believes again, as a new row, what that registration had closed.
INSERT INTO parcel_version (parcel_id, version_no, map_sheet_id, parcel_no, admin_unit_id, geom, survey_geom_srid,
                            measured_area_m2, declared_area_m2, legal_area_m2, legal_geom, address, geometry_hash, valid,
                            recorded, registration_id)
SELECT v.parcel_id, (SELECT max(o.version_no) + 1 FROM parcel_version o WHERE o.parcel_id = v.parcel_id), v.map_sheet_id,
       v.parcel_no, v.admin_unit_id, v.geom, v.survey_geom_srid, v.measured_area_m2, v.declared_area_m2, v.legal_area_m2,
       v.legal_geom, v.address, v.geometry_hash, v.valid, tstzrange(:recorded_at, NULL), :registration_id
FROM parcel_version v
WHERE v.closed_by = :undone_id;

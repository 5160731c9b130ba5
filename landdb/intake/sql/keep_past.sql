-- With a date, what was true before it stays true: the closed version again, valid until that day. Retired parcels always end on
-- a day; a change without a date is a correction of what the register believed, and keeps nothing.
INSERT INTO parcel_version (parcel_id, version_no, map_sheet_id, parcel_no, admin_unit_id, geom, survey_geom_srid,
                            measured_area_m2, declared_area_m2, legal_area_m2, legal_geom, address, geometry_hash, valid,
                            recorded, registration_id)
SELECT v.parcel_id, v.version_no + 1, v.map_sheet_id, v.parcel_no, v.admin_unit_id, v.geom, v.survey_geom_srid,
       v.measured_area_m2, v.declared_area_m2, v.legal_area_m2, v.legal_geom, v.address, v.geometry_hash,
       daterange(lower(v.valid), :until), tstzrange(:recorded_at, NULL), :registration_id
FROM parcel_version v
WHERE v.closed_by = :registration_id
  AND (CAST(:valid_from AS date) IS NOT NULL OR v.parcel_id = ANY (CAST(:retired AS uuid[])))
  AND (lower_inf(v.valid) OR lower(v.valid) < :until);

-- The land uses of the versions that ``keep_past`` wrote.
INSERT INTO parcel_land_use (parcel_id, version_no, ordinal, land_use_code, code_list, area_m2, origin_code, term)
SELECT k.parcel_id, k.version_no, l.ordinal, l.land_use_code, l.code_list, l.area_m2, l.origin_code, l.term
FROM parcel_version v
JOIN parcel_version k ON k.parcel_id = v.parcel_id AND k.version_no = v.version_no + 1
                     AND k.registration_id = :registration_id AND NOT upper_inf(k.valid)
JOIN parcel_land_use l ON l.parcel_id = v.parcel_id AND l.version_no = v.version_no
WHERE v.closed_by = :registration_id;

-- With the land uses they had.
INSERT INTO parcel_land_use (parcel_id, version_no, ordinal, land_use_code, code_list, area_m2, origin_code, term)
SELECT n.parcel_id, n.version_no, l.ordinal, l.land_use_code, l.code_list, l.area_m2, l.origin_code, l.term
FROM parcel_version n
JOIN parcel_version v ON v.parcel_id = n.parcel_id AND v.closed_by = :undone_id
JOIN parcel_land_use l ON l.parcel_id = v.parcel_id AND l.version_no = v.version_no
WHERE n.registration_id = :registration_id AND upper_inf(n.recorded);

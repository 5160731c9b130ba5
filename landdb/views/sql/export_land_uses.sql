-- Each land use of the versions of a page with its own area.
SELECT l.parcel_id::text AS parcel_id, l.ordinal::integer AS ordinal, l.land_use_code, l.code_list,
       l.area_m2::float8 AS area_m2, l.origin_code, l.term
FROM unnest(CAST(:parcels AS uuid[]), CAST(:versions AS integer[])) AS k (parcel_id, version_no)
JOIN parcel_land_use l USING (parcel_id, version_no)
ORDER BY l.parcel_id, l.ordinal

-- The parcel itself, in force or ended, with the names of its unit today and of the unit for which its sheet was drawn.
SELECT
    parcel.parcel_id, parcel.version_no, parcel.status, parcel.parcel_no, parcel.address,
    parcel.measured_area_m2, parcel.declared_area_m2, parcel.legal_area_m2,
    sheet.sheet_no, sheet.series, sheet.scale, sheet.srid, sheet.method, sheet.surveyed_on,
    unit.admin_unit_id, unit.code AS commune_code, unit.full_name AS commune,
    drawn.admin_unit_id AS drawn_unit_id, drawn.code AS drawn_code, drawn.full_name AS drawn_commune,
    CAST(ST_AsGeoJSON(ST_Transform(parcel.geom, 4326), 7) AS json) AS geometry,
    ST_X(ST_PointOnSurface(parcel.geom)) AS east_m, ST_Y(ST_PointOnSurface(parcel.geom)) AS north_m,
    ST_SRID(parcel.geom) AS storage_srid,
    (
        SELECT json_build_array(ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box))
        FROM (SELECT ST_Transform(parcel.geom, 4326) AS box) AS seen
    ) AS bbox
FROM parcel
JOIN map_sheet AS sheet USING (map_sheet_id)
JOIN admin_unit AS unit ON unit.admin_unit_id = parcel.admin_unit_id
JOIN admin_unit AS drawn ON drawn.admin_unit_id = sheet.admin_unit_id
WHERE parcel.parcel_id = :parcel_id

-- Versions surveyed in the storage zone whose measured area is not the plane area of their shape, to a decimal.
SELECT parcel_id || ' ' || version_no AS subject,
       'measured ' || measured_area_m2 || ', plane ' || round(ST_Area(geom)::numeric, 2) AS detail
FROM parcel_version
WHERE survey_geom_srid = ST_SRID(geom) AND abs(ST_Area(geom) - measured_area_m2::float8) > 0.06

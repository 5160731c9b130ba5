-- Certificates by serial or register number, with the parcels that they name. A serial may stand twice in old files: all.
SELECT
    certificate.certificate_id, certificate.serial_no, certificate.register_no, certificate.issued_on, certificate.state,
    parcel.parcel_id, sheet.sheet_no, parcel.parcel_no, drawn.full_name AS drawn_commune, unit.full_name AS commune,
    ST_X(middle) AS lon, ST_Y(middle) AS lat,
    ST_XMin(geom_4326) AS west, ST_YMin(geom_4326) AS south, ST_XMax(geom_4326) AS east, ST_YMax(geom_4326) AS north
FROM certificate
LEFT JOIN certificate_parcel USING (certificate_id)
LEFT JOIN parcel USING (parcel_id)
LEFT JOIN map_sheet AS sheet USING (map_sheet_id)
LEFT JOIN admin_unit AS drawn ON drawn.admin_unit_id = sheet.admin_unit_id
LEFT JOIN admin_unit AS unit ON unit.admin_unit_id = parcel.admin_unit_id
LEFT JOIN parcel_face AS face ON face.parcel_id = parcel.parcel_id
LEFT JOIN LATERAL (SELECT ST_PointOnSurface(geom_4326) AS middle) AS point ON true
WHERE (certificate.serial_folded = :serial OR certificate.register_no = ANY(CAST(:register_nos AS text[])))
    AND upper_inf(certificate.recorded)
ORDER BY certificate.issued_on DESC NULLS LAST, certificate.certificate_id, sheet.sheet_no, parcel.parcel_no
LIMIT :limit

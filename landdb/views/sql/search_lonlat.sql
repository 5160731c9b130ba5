-- What lies at a point, degrees: every parcel in force there, and the commune of today where its boundary is loaded.
SELECT
    face.parcel_id, face.sheet_no, face.parcel_no,
    coalesce(of_parcel.full_name, (
        SELECT full_name FROM admin_unit_boundary AS boundary JOIN admin_unit AS unit USING (admin_unit_id)
        WHERE ST_Intersects(boundary.geom, point) AND unit.kind = 'commune' AND upper_inf(unit.valid) LIMIT 1
    )) AS commune
FROM (SELECT ST_SetSRID(ST_MakePoint(:lon, :lat), 4326) AS point) AS asked
LEFT JOIN parcel_face AS face ON ST_Intersects(face.geom_4326, point)
LEFT JOIN admin_unit AS of_parcel ON of_parcel.admin_unit_id = face.admin_unit_id
ORDER BY face.parcel_id

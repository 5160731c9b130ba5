-- Parcels in force and their area by commune and land use; the area is the declared one, else the measured one.
SELECT
    unit.code AS commune_code, unit.full_name AS commune, face.land_use,
    count(*) AS parcels, sum(face.area_m2) AS area_m2
FROM parcel_face AS face
JOIN admin_unit AS unit USING (admin_unit_id)
WHERE CAST(:commune AS text) IS NULL OR unit.code = :commune
GROUP BY unit.admin_unit_id, unit.code, unit.full_name, face.land_use
ORDER BY unit.code, unit.admin_unit_id, face.land_use

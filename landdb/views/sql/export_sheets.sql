-- The sheets whose parcels are asked for, with how many parcels each has now or then. Null unit: every sheet.
SELECT m.map_sheet_id, m.admin_unit_id, n.code AS commune_code, n.full_name AS commune, m.series, m.sheet_no, m.scale, m.srid,
       m.method, m.surveyed_on, count(*) AS parcels
FROM {source}
JOIN map_sheet m ON m.map_sheet_id = v.map_sheet_id
JOIN admin_unit n ON n.admin_unit_id = m.admin_unit_id
WHERE v.valid @> CAST(:valid_at AS date) AND v.recorded @> CAST(:known_at AS timestamptz)
  AND (CAST(:unit AS integer) IS NULL OR :unit IN (m.admin_unit_id, v.admin_unit_id))
GROUP BY m.map_sheet_id, n.admin_unit_id
ORDER BY n.code, m.admin_unit_id, m.series, length(m.sheet_no), m.sheet_no

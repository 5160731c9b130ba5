-- A page of versions by key: the parcels of these sheets as they are, or as they were.
SELECT v.parcel_id, v.version_no
FROM {source}
WHERE v.map_sheet_id = ANY (CAST(:sheets AS uuid[]))
  AND v.valid @> CAST(:valid_at AS date) AND v.recorded @> CAST(:known_at AS timestamptz)
  AND (CAST(:unit AS integer) IS NULL
       OR :unit IN (v.admin_unit_id, (SELECT m.admin_unit_id FROM map_sheet m WHERE m.map_sheet_id = v.map_sheet_id)))
  AND v.parcel_id > :after
ORDER BY v.parcel_id
LIMIT :rows

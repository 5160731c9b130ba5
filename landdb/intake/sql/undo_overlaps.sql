-- Parcels that later acts brought and over which the undo would put the old ones back. The guard of an apply holds here too.
SELECT DISTINCT q.parcel_id, m.sheet_no, q.parcel_no, g.kind, g.recorded_at
FROM parcel p
JOIN parcel q ON q.geom && p.geom AND q.status = 'in_force' AND q.registration_id <> :registration_id
JOIN map_sheet m ON m.map_sheet_id = q.map_sheet_id
JOIN registration g ON g.registration_id = q.registration_id AND g.recorded_at > :applied_at
WHERE p.registration_id = :registration_id AND p.status = 'in_force'
  AND NOT EXISTS (SELECT 1 FROM accepted_overlap a
                  WHERE (a.parcel_a_id, a.parcel_b_id) IN ((q.parcel_id, p.parcel_id), (p.parcel_id, q.parcel_id)))
  AND ST_Relate(p.geom, q.geom, 'T********')
  AND ST_Area(ST_Intersection(p.geom, q.geom)) > :overlap_m2
ORDER BY m.sheet_no, q.parcel_no
LIMIT 1001;

-- Staged rows that lie over a parcel which this import does not replace, with the shared area (plane, storage zone).
-- A parcel is replaced if a row matches it, or if a resurvey covers its sheet. Accepted overlaps are no news.
SELECT s.file_no, s.layer, s.row_no, s.sheet_no, s.parcel_no,
       p.parcel_id AS other_id, m.sheet_no AS other_sheet, p.parcel_no AS other_parcel,
       round(ST_Area(x.geom)::numeric, 2) AS area_m2,
       ST_AsBinary(ST_Transform(x.geom, 4326)) AS place
FROM staged_parcel s
JOIN parcel p ON p.geom && s.geom AND p.status = 'in_force'
JOIN map_sheet m ON m.map_sheet_id = p.map_sheet_id
CROSS JOIN LATERAL (SELECT ST_Intersection(s.geom, p.geom) AS geom) x
WHERE s.import_job_id = :job_id AND s.verdict IN ('new', 'changed') AND NOT s.held
  AND p.parcel_id IS DISTINCT FROM s.parcel_id
  AND NOT EXISTS (SELECT 1 FROM staged_parcel o
                  WHERE o.import_job_id = :job_id AND o.parcel_id = p.parcel_id
                    AND o.verdict IN ('new', 'changed') AND NOT o.held)
  AND NOT (:resurvey AND m.admin_unit_id = :admin_unit_id AND m.series = :series
           AND m.sheet_no IN (SELECT DISTINCT sheet_no FROM staged_parcel WHERE import_job_id = :job_id)
           AND NOT EXISTS (SELECT 1 FROM staged_parcel o WHERE o.import_job_id = :job_id AND o.parcel_id = p.parcel_id))
  AND NOT EXISTS (SELECT 1 FROM accepted_overlap a
                  WHERE (a.parcel_a_id, a.parcel_b_id) IN ((s.parcel_id, p.parcel_id), (p.parcel_id, s.parcel_id)))
  AND ST_Relate(s.geom, p.geom, 'T********')
  AND ST_Area(x.geom) > :overlap_m2
ORDER BY s.row_no;

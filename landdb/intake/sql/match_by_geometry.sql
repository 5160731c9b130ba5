-- A row whose number is unknown may be a parcel that was renumbered: the very same shape, in the same commune, that no other
-- row claims. Two parcels or two rows of one shape are nobody's business to guess about and stay unmatched.
WITH candidate AS (
    SELECT s.row_id, min(p.parcel_id::text)::uuid AS parcel_id
    FROM staged_parcel s
    JOIN parcel p ON p.geometry_hash = s.geometry_hash AND p.status = 'in_force' AND p.geom && s.geom
    WHERE s.import_job_id = :job_id AND s.parcel_id IS NULL AND s.verdict IS NULL
      AND NOT EXISTS (SELECT 1 FROM staged_parcel o WHERE o.import_job_id = :job_id AND o.parcel_id = p.parcel_id)
    GROUP BY s.row_id
    HAVING count(*) = 1
), single AS (
    SELECT min(row_id::text)::uuid AS row_id, parcel_id FROM candidate GROUP BY parcel_id HAVING count(*) = 1
)
UPDATE staged_parcel s
SET parcel_id = single.parcel_id
FROM single
WHERE s.import_job_id = :job_id AND s.row_id = single.row_id;

-- Renumbered parcels: a row whose shape is exactly that of one parcel in force speaks of that parcel, whatever its number says
-- now; so numbers may move on or be exchanged. Two parcels or two rows of one shape are nobody's business to guess about and stay
-- as they are. Quarantined rows are matched too: a faulty row still says that its parcel exists.
WITH candidate AS (
    SELECT s.row_id, min(p.parcel_id::text)::uuid AS parcel_id
    FROM staged_parcel s
    JOIN parcel p ON p.geometry_hash = s.geometry_hash AND p.status = 'in_force' AND p.geom && s.geom
    WHERE s.import_job_id = :job_id
      AND NOT EXISTS (SELECT 1 FROM parcel own WHERE own.parcel_id = s.parcel_id AND own.geometry_hash = s.geometry_hash)
    GROUP BY s.row_id
    HAVING count(*) = 1
), single AS (
    SELECT min(row_id::text)::uuid AS row_id, parcel_id FROM candidate GROUP BY parcel_id HAVING count(*) = 1
), free AS (
    SELECT row_id, parcel_id FROM single
    WHERE NOT EXISTS (SELECT 1 FROM staged_parcel o
                      WHERE o.import_job_id = :job_id AND o.parcel_id = single.parcel_id
                        AND o.geometry_hash = (SELECT p.geometry_hash FROM parcel p WHERE p.parcel_id = single.parcel_id))
), given_up AS (
    -- The row that bears the number of a parcel which another row has by its shape speaks of something else.
    UPDATE staged_parcel s SET parcel_id = NULL
    FROM free
    WHERE s.import_job_id = :job_id AND s.parcel_id = free.parcel_id AND s.row_id <> free.row_id
      AND NOT EXISTS (SELECT 1 FROM free other WHERE other.row_id = s.row_id)
)
UPDATE staged_parcel s
SET parcel_id = free.parcel_id
FROM free
WHERE s.import_job_id = :job_id AND s.row_id = free.row_id;

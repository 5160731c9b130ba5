-- All that a parcel came from and all that came of it. Splits and merges may meet again: UNION stops at what is known.
WITH RECURSIVE ancestor AS (
    SELECT parent_id, child_id, registration_id, overlap_m2 FROM lineage WHERE child_id = :parcel_id
    UNION
    SELECT step.parent_id, step.child_id, step.registration_id, step.overlap_m2
    FROM lineage AS step JOIN ancestor ON step.child_id = ancestor.parent_id
),
descendant AS (
    SELECT parent_id, child_id, registration_id, overlap_m2 FROM lineage WHERE parent_id = :parcel_id
    UNION
    SELECT step.parent_id, step.child_id, step.registration_id, step.overlap_m2
    FROM lineage AS step JOIN descendant ON step.parent_id = descendant.child_id
)
SELECT edge.parent_id, edge.child_id, edge.registration_id, edge.overlap_m2, registration.kind, registration.recorded_at
FROM (SELECT * FROM ancestor UNION SELECT * FROM descendant) AS edge
JOIN registration USING (registration_id)
ORDER BY registration.recorded_at, edge.parent_id, edge.child_id

-- Which retired parcels the new ones of a resurvey were made from, by the ground they share (more than 1 m² and 1 % of the child).
INSERT INTO lineage (parent_id, child_id, registration_id, overlap_m2)
SELECT old.parcel_id, new.parcel_id, :registration_id, round(ST_Area(x.geom)::numeric, 1)
FROM parcel old
JOIN parcel new ON new.geom && old.geom AND new.registration_id = :registration_id AND new.status = 'in_force'
CROSS JOIN LATERAL (SELECT ST_Intersection(new.geom, old.geom) AS geom) x
WHERE old.parcel_id = ANY (CAST(:retired AS uuid[])) AND ST_Area(x.geom) > greatest(1, 0.01 * ST_Area(new.geom))
ON CONFLICT DO NOTHING;

-- Parcels in force that touch a box, by key, as one glued text. A box without width is a line or a point, and works.
-- :inner_* is the box less two metres on each side: what lies in it by its index box needs no exact test (the boxes of an
-- index are single precision, 0.8 m at these longitudes). CASE, not OR: the planner then takes the index's estimate, and
-- walks a wide box by key instead of sorting half the register.
WITH touching AS (
    SELECT parcel_id, feature
    FROM parcel_face
    WHERE geom_4326 && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
        AND CASE
            WHEN geom_4326 @ ST_MakeEnvelope(:inner_west, :inner_south, :inner_east, :inner_north, 4326) THEN true
            ELSE ST_Intersects(geom_4326, ST_Envelope(ST_SetSRID(ST_MakeLine(
                ST_MakePoint(:west, :south), ST_MakePoint(:east, :north)), 4326)))
        END
        AND parcel_id > :after
    ORDER BY parcel_id
    LIMIT CAST(:limit AS integer) + 1
),
page AS (
    SELECT parcel_id, feature, row_number() OVER (ORDER BY parcel_id) AS place FROM touching
)
SELECT
    ({version}),
    convert_to(string_agg(feature, ',' ORDER BY parcel_id) FILTER (WHERE place <= :limit), 'UTF8'),
    count(*) FILTER (WHERE place <= :limit),
    CASE WHEN count(*) > :limit THEN (array_agg(parcel_id) FILTER (WHERE place = :limit))[1] END
FROM page

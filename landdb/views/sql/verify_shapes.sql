-- A page of shapes in force by key: ids, lengths and WKB (little-endian, storage zone), each strung together, so that a page
-- crosses the wire as three values. Null where nothing is left.
SELECT string_agg(id, ''::bytea) AS ids, array_agg(octet_length(shape)) AS lengths, string_agg(shape, ''::bytea) AS shapes
FROM (
    SELECT uuid_send(parcel_id) AS id, ST_AsBinary(geom, 'NDR') AS shape
    FROM parcel
    WHERE status = 'in_force' AND parcel_id > :after
    ORDER BY parcel_id
    LIMIT :rows
) page

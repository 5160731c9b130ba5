-- An office as a receiver. Where it is closed: the open offices that took its place, that is, those with its code, and those of
-- its kind that serve now what it served last.
SELECT o.office_id, o.name, o.kind, lower(o.valid) AS valid_from, upper(o.valid) AS valid_to,
       CASE WHEN upper(o.valid) <= :today THEN coalesce((
           SELECT array_agg(DISTINCT n.name ORDER BY n.name) FROM office n
           WHERE n.office_id <> o.office_id AND n.valid @> CAST(:today AS date)
             AND (n.code = o.code OR (n.kind = o.kind AND EXISTS (
                 SELECT FROM office_commune was
                 JOIN office_commune now USING (admin_unit_id)
                 WHERE was.office_id = o.office_id AND upper(was.valid) = upper(o.valid)
                   AND now.office_id = n.office_id AND now.valid @> CAST(:today AS date))))
       ), '{}') ELSE '{}' END AS heirs
FROM office o
WHERE o.office_id = :office_id

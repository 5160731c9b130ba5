-- Imports whose rows are not all accounted for: read = new + changed + unchanged + quarantined.
SELECT import_job_id::text AS subject, counts::text AS detail
FROM import_job
WHERE (counts ->> 'read')::bigint <> coalesce((counts ->> 'new')::bigint, 0) + coalesce((counts ->> 'changed')::bigint, 0)
                                   + coalesce((counts ->> 'unchanged')::bigint, 0) + coalesce((counts ->> 'quarantined')::bigint, 0)

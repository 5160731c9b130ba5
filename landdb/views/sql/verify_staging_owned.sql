-- Staging tables that belong to no import, or to one that is over: failed, rejected or undone.
SELECT c.relname AS subject, coalesce('import ' || j.state, 'no import') AS detail
FROM pg_class c
LEFT JOIN import_job j ON 'staged_parcel_' || replace(j.import_job_id::text, '-', '') = c.relname
WHERE c.relkind = 'r' AND c.relname ~ '^staged_parcel_[0-9a-f]{32}$' AND pg_table_is_visible(c.oid)
  AND (j.import_job_id IS NULL OR j.state IN ('failed', 'rejected', 'undone'))

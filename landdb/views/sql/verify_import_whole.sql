-- Imports of which the register holds more or less than their row says was applied; applied ones without a registration that
-- stands, and others, undone ones above all, of which one still stands.
WITH act AS (
    SELECT import_job_id, registration_id, undone_by FROM registration WHERE kind = 'import' AND import_job_id IS NOT NULL
), made AS (
    SELECT a.import_job_id, count(*) AS parcels
    FROM act a JOIN parcel_version v ON v.registration_id = a.registration_id AND v.version_no = 1
    GROUP BY a.import_job_id
), closed AS (
    SELECT a.import_job_id, count(*) AS versions
    FROM act a JOIN parcel_version v ON v.closed_by = a.registration_id
    GROUP BY a.import_job_id
), stand AS (
    SELECT import_job_id, count(*) AS acts FROM act WHERE undone_by IS NULL GROUP BY import_job_id
), job AS (
    SELECT import_job_id, state, registration_id, coalesce((counts ->> 'applied_new')::bigint, 0) AS new,
           coalesce((counts ->> 'applied_changed')::bigint, 0) + coalesce((counts ->> 'applied_retired')::bigint, 0) AS closing
    FROM import_job
)
SELECT j.import_job_id::text AS subject,
       j.state || ': new ' || coalesce(m.parcels, 0) || ' of ' || j.new || ', closed ' || coalesce(c.versions, 0) || ' of '
       || j.closing || ', standing ' || coalesce(s.acts, 0) AS detail
FROM job j
LEFT JOIN made m USING (import_job_id)
LEFT JOIN closed c USING (import_job_id)
LEFT JOIN stand s USING (import_job_id)
WHERE coalesce(m.parcels, 0) <> j.new
   OR coalesce(c.versions, 0) <> j.closing
   OR (j.state = 'applied' AND coalesce(s.acts, 0) = 0)
   OR (j.state IN ('undone', 'rejected') AND j.registration_id IS NOT NULL AND coalesce(s.acts, 0) > 0)

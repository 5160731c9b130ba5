-- A first load meets empty sheets: nothing is compared.
UPDATE staged_parcel SET verdict = 'new' WHERE import_job_id = :job_id AND verdict IS DISTINCT FROM 'quarantined';

-- An earlier comparison may have named parcels that are gone since.
UPDATE staged_parcel SET parcel_id = NULL WHERE import_job_id = :job_id AND parcel_id IS NOT NULL;

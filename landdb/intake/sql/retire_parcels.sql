-- They keep their row and their last shape, and are no longer in force.
UPDATE parcel p
SET status = 'ended', registration_id = :registration_id,
    version_no = (SELECT max(v.version_no) FROM parcel_version v WHERE v.parcel_id = p.parcel_id)
WHERE p.parcel_id = ANY (CAST(:retired AS uuid[]));

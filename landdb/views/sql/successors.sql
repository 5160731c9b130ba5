-- What a parcel became.
SELECT child_id FROM lineage WHERE parent_id = :parcel_id ORDER BY child_id

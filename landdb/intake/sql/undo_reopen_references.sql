-- The numbers it took are given back.
INSERT INTO parcel_reference (parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, recorded, registration_id)
SELECT parcel_id, admin_unit_id, sheet_no, parcel_no, kind, valid, tstzrange(:recorded_at, NULL), :registration_id
FROM parcel_reference
WHERE closed_by = :undone_id;

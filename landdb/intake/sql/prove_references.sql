-- Every foreign key of the rows that this registration wrote, proved set by set in place of row by row (see store.bulk_writing).
-- One row per violated key; none: all hold.
SELECT 'parcel.map_sheet_id' AS key FROM parcel p
WHERE p.registration_id = :registration_id AND NOT EXISTS (SELECT 1 FROM map_sheet m WHERE m.map_sheet_id = p.map_sheet_id)
UNION ALL
SELECT 'parcel.admin_unit_id' FROM parcel p
WHERE p.registration_id = :registration_id AND NOT EXISTS (SELECT 1 FROM admin_unit u WHERE u.admin_unit_id = p.admin_unit_id)
UNION ALL
SELECT 'registration_id' WHERE NOT EXISTS (SELECT 1 FROM registration r WHERE r.registration_id = :registration_id)
UNION ALL
SELECT 'parcel_version.parcel_id' FROM parcel_version v
WHERE v.registration_id = :registration_id AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.parcel_id = v.parcel_id)
UNION ALL
SELECT 'parcel_reference.parcel_id' FROM parcel_reference r
WHERE r.registration_id = :registration_id AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.parcel_id = r.parcel_id)
UNION ALL
SELECT 'parcel_land_use.version' FROM parcel_land_use l
WHERE NOT EXISTS (SELECT 1 FROM parcel_version v WHERE v.parcel_id = l.parcel_id AND v.version_no = l.version_no)
UNION ALL
SELECT 'parcel_face.parcel_id' FROM parcel_face f WHERE NOT EXISTS (SELECT 1 FROM parcel p WHERE p.parcel_id = f.parcel_id)
UNION ALL
SELECT 'right_held.parcel_id' FROM right_held r
WHERE r.registration_id = :registration_id AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.parcel_id = r.parcel_id)
UNION ALL
SELECT 'right_holder.right_id' FROM right_holder h
WHERE NOT EXISTS (SELECT 1 FROM right_held r WHERE r.right_id = h.right_id)
UNION ALL
SELECT 'right_holder.party_claim_id' FROM right_holder h
WHERE h.party_claim_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM party_claim c WHERE c.party_claim_id = h.party_claim_id)
UNION ALL
SELECT 'certificate_parcel' FROM certificate_parcel cp
WHERE NOT EXISTS (SELECT 1 FROM certificate c WHERE c.certificate_id = cp.certificate_id)
   OR NOT EXISTS (SELECT 1 FROM parcel p WHERE p.parcel_id = cp.parcel_id)
LIMIT 20;

-- What the parcel is and was called, present names first.
SELECT
    reference.kind, reference.sheet_no, reference.parcel_no, unit.admin_unit_id, unit.code AS commune_code,
    unit.full_name AS commune, lower(reference.valid) AS valid_from, upper(reference.valid) AS valid_to,
    upper(reference.recorded) AS recorded_to
FROM parcel_reference AS reference
LEFT JOIN admin_unit AS unit USING (admin_unit_id)
WHERE reference.parcel_id = :parcel_id AND upper_inf(reference.recorded)
ORDER BY upper_inf(reference.valid) AND reference.kind = 'current' DESC, lower(reference.valid) DESC NULLS LAST,
    reference.kind, reference.sheet_no, reference.parcel_no

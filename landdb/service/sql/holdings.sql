-- Every right in force that stands under one identity number, with the certificates of its parcel: of parties with the number, of
-- groups that such a party belongs to, and of claims of old files. One row for each right and certificate, one without a certificate.
WITH persons AS (
    SELECT i.party_id, NULL::uuid AS party_claim_id, i.party_id AS holder_id
    FROM party_identity i
    WHERE i.number_index = :number_index AND i.valid @> CAST(:today AS date)
    UNION
    SELECT i.party_id, NULL, m.group_id
    FROM party_identity i JOIN party_member m ON m.member_id = i.party_id
    WHERE i.number_index = :number_index AND i.valid @> CAST(:today AS date)
    UNION
    SELECT c.party_id, c.party_claim_id, NULL
    FROM party_claim c
    WHERE c.number_index = :number_index
), theirs AS (
    SELECT DISTINCT ON (right_id) right_id, party_id, party_claim_id
    FROM (
        SELECT h.right_id, p.party_id, p.party_claim_id FROM persons p JOIN right_holder h ON h.party_id = p.holder_id
        UNION ALL
        SELECT h.right_id, p.party_id, p.party_claim_id
        FROM persons p JOIN right_holder h ON h.party_claim_id = p.party_claim_id
    ) AS held_by
    ORDER BY right_id, party_claim_id
)
SELECT
    coalesce(person.name, claim.raw_name) AS name, person.born_on, coalesce(person.address, claim.raw_address) AS address,
    'registration' AS person_source, told.registration_id AS person_id, told.recorded_at AS person_as_of,
    held.right_id, act.recorded_at AS right_as_of,
    NOT EXISTS (
        SELECT FROM right_held other
        LEFT JOIN right_holder beside ON beside.right_id = other.right_id
        WHERE other.parcel_id = held.parcel_id AND other.kind IN ('land_use', 'management', 'asset_ownership')
          AND other.recorded @> CAST(:now AS timestamptz) AND other.valid @> CAST(:today AS date)
          AND (other.right_id NOT IN (SELECT right_id FROM theirs)
               OR (SELECT count(*) FROM right_holder counted WHERE counted.right_id = other.right_id) > 1)
    ) AS alone,
    parcel.parcel_id, drawn.recorded_at AS parcel_as_of, unit.code AS commune_code, unit.full_name AS commune, sheet.sheet_no,
    parcel.parcel_no, parcel.address AS parcel_address,
    paper.certificate_id, paper.serial_no, paper.register_no, paper.issued_on, filed.recorded_at AS certificate_as_of
FROM theirs
JOIN right_held held USING (right_id)
JOIN registration act ON act.registration_id = held.registration_id
JOIN parcel ON parcel.parcel_id = held.parcel_id AND parcel.status = 'in_force'
JOIN registration drawn ON drawn.registration_id = parcel.registration_id
JOIN map_sheet sheet USING (map_sheet_id)
JOIN admin_unit unit ON unit.admin_unit_id = parcel.admin_unit_id
LEFT JOIN party person ON person.party_id = theirs.party_id
LEFT JOIN party_claim claim ON claim.party_claim_id = theirs.party_claim_id
LEFT JOIN registration told ON told.registration_id = coalesce(person.registration_id, claim.registration_id)
LEFT JOIN certificate_parcel link ON link.parcel_id = parcel.parcel_id
LEFT JOIN certificate paper ON paper.certificate_id = link.certificate_id
    AND paper.recorded @> CAST(:now AS timestamptz) AND paper.state IN ('as_read', 'in_force')
LEFT JOIN registration filed ON filed.registration_id = paper.registration_id
WHERE held.recorded @> CAST(:now AS timestamptz) AND held.valid @> CAST(:today AS date)
  AND held.kind IN ('land_use', 'management', 'asset_ownership')
ORDER BY held.right_id DESC, paper.issued_on DESC NULLS LAST, paper.certificate_id
LIMIT :limit

-- Land uses of the version in force (of the last one where the parcel has ended), with the words of their code list.
SELECT use.land_use_code AS code, use.code_list, use.area_m2, use.origin_code, use.term, value.name_vi, value.name_en
FROM parcel_land_use AS use
LEFT JOIN LATERAL (
    SELECT name_vi, name_en FROM code_value
    WHERE code_value.code_list = use.code_list AND code_value.code = use.land_use_code
    ORDER BY upper_inf(valid) DESC, lower(valid) DESC NULLS LAST LIMIT 1
) AS value ON true
WHERE use.parcel_id = :parcel_id AND use.version_no = :version_no
ORDER BY use.ordinal

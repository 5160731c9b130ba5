-- Land uses that are numbered with gaps, have a negative area, or a code that their list does not know.
SELECT t.parcel_id || ' ' || t.version_no AS subject, t.fault AS detail
FROM (
    SELECT parcel_id, version_no,
           CASE WHEN max(ordinal) <> count(*) OR min(ordinal) <> 1 THEN 'ordinals'
                WHEN min(area_m2) < 0 THEN 'area ' || min(area_m2) END AS fault
    FROM parcel_land_use
    GROUP BY parcel_id, version_no
    UNION ALL
    SELECT l.parcel_id, l.version_no, 'code ' || l.land_use_code || ' of ' || l.code_list
    FROM parcel_land_use l
    WHERE (l.code_list, l.land_use_code) NOT IN (SELECT code_list, code FROM code_value)
) t
WHERE t.fault IS NOT NULL

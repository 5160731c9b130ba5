-- Versions in force whose land-use areas, all given, do not make the declared area: the import warned of them and let them in.
SELECT count(*)
FROM (
    SELECT p.parcel_id
    FROM parcel p
    JOIN parcel_land_use l ON l.parcel_id = p.parcel_id AND l.version_no = p.version_no
    WHERE p.status = 'in_force' AND p.declared_area_m2 IS NOT NULL
    GROUP BY p.parcel_id, p.declared_area_m2
    HAVING count(l.area_m2) = count(*) AND abs(sum(l.area_m2) - p.declared_area_m2) > 0.5
) t

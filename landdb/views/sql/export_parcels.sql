-- The parcels of a page in the columns that our own import reads back. Of several holders, former numbers or certificates the
-- first stands here; all of them stand in tables of their own. Geometry is WKB in the zone asked for.
SELECT v.parcel_id::text AS parcel_id, n.code AS commune_code, m.series, m.sheet_no, v.parcel_no,
       (SELECT string_agg(l.land_use_code || coalesce(' ' || l.area_m2, ''), '; ' ORDER BY l.ordinal)
        FROM parcel_land_use l WHERE l.parcel_id = v.parcel_id AND l.version_no = v.version_no) AS land_use,
       v.declared_area_m2::float8 AS declared_area_m2, v.legal_area_m2::float8 AS legal_area_m2,
       v.measured_area_m2::float8 AS measured_area_m2, v.address, h.holder_name, h.holder_class, h.holder_identity,
       f.sheet_no AS former_sheet_no, f.parcel_no AS former_parcel_no, t.parcel_no AS temporary_no,
       c.serial_no AS certificate_serial, c.register_no AS certificate_register_no, c.issued_on AS certificate_issued_on,
       m.scale, v.survey_geom_srid AS survey_srid, lower(v.valid) AS valid_from, v.version_no,
       ST_AsBinary(ST_Transform(v.geom, :srid), 'NDR') AS geometry
FROM unnest(CAST(:parcels AS uuid[]), CAST(:versions AS integer[])) AS k (parcel_id, version_no)
JOIN parcel_version v USING (parcel_id, version_no)
JOIN map_sheet m USING (map_sheet_id)
JOIN admin_unit n ON n.admin_unit_id = m.admin_unit_id
LEFT JOIN LATERAL (
    SELECT coalesce(y.name, q.raw_name) AS holder_name, coalesce(q.raw_class, y.kind) AS holder_class,
           q.number_encrypted AS holder_identity
    FROM right_held r
    JOIN right_holder rh USING (right_id)
    LEFT JOIN party_claim q USING (party_claim_id)
    LEFT JOIN party y ON y.party_id = rh.party_id
    WHERE :holders AND r.parcel_id = v.parcel_id AND r.kind = 'land_use'
      AND r.recorded @> CAST(:known_at AS timestamptz) AND r.valid @> CAST(:valid_at AS date)
    ORDER BY r.right_id, rh.ordinal
    LIMIT 1
) h ON true
LEFT JOIN LATERAL (
    SELECT o.sheet_no, o.parcel_no FROM parcel_reference o
    WHERE o.parcel_id = v.parcel_id AND o.kind = 'former' AND o.recorded @> CAST(:known_at AS timestamptz)
    ORDER BY upper(o.valid) DESC NULLS LAST, o.registration_id DESC, o.sheet_no, o.parcel_no
    LIMIT 1
) f ON true
LEFT JOIN LATERAL (
    SELECT o.parcel_no FROM parcel_reference o
    WHERE o.parcel_id = v.parcel_id AND o.kind = 'temporary' AND o.recorded @> CAST(:known_at AS timestamptz)
    ORDER BY o.registration_id DESC, o.parcel_no
    LIMIT 1
) t ON true
LEFT JOIN LATERAL (
    SELECT e.serial_no, e.register_no, e.issued_on
    FROM certificate_parcel cp JOIN certificate e USING (certificate_id)
    WHERE cp.parcel_id = v.parcel_id AND e.recorded @> CAST(:known_at AS timestamptz)
    ORDER BY e.serial_no IS NULL, e.issued_on DESC NULLS LAST, e.serial_no
    LIMIT 1
) c ON true
ORDER BY k.parcel_id

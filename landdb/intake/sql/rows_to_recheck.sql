-- Rows set aside, as they stand and as a person mended them.
SELECT s.file_no, f.name AS file, s.layer, s.row_no, s.sheet_no, s.parcel_no, s.land_uses, s.declared_area_m2, s.legal_area_m2,
       s.holder_name, s.holder_identity, s.holder_identity_index, s.holder_class, s.address, s.former_sheet_no,
       s.former_parcel_no, s.temporary_no, s.certificate_serial, s.certificate_register_no, s.certificate_issued_on, s.scale,
       s.raw, m.fields AS mended, ST_AsBinary(s.geom) AS shape,
       CASE WHEN s.geom IS NULL THEN coalesce((
           SELECT i.code FROM import_issue i
           WHERE i.import_job_id = :job_id AND i.file_no = s.file_no AND i.layer = s.layer AND i.row_no = s.row_no
             AND i.code LIKE 'geometry.%' AND i.severity = 'blocking'
           ORDER BY i.import_issue_id LIMIT 1), 'geometry.missing') END AS geometry_fault
FROM staged_parcel s
JOIN import_file f ON f.import_job_id = s.import_job_id AND f.ordinal = s.file_no
LEFT JOIN mended_row m ON m.import_job_id = s.import_job_id AND m.file_no = s.file_no AND m.layer = s.layer AND m.row_no = s.row_no
WHERE s.import_job_id = :job_id AND s.verdict = 'quarantined'
ORDER BY s.file_no, s.layer, s.row_no;

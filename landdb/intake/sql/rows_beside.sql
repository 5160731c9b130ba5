-- Rows that were found in order and may clash with those judged again: within a metre of them, or of the same certificate. Duplicate
-- numbers are looked for among all rows, since a mended row may take any number.
SELECT s.file_no, f.name AS file, s.layer, s.row_no, s.sheet_no, s.parcel_no, s.certificate_serial, s.holder_name,
       ST_AsBinary(s.geom) AS shape
FROM staged_parcel s
JOIN import_file f ON f.import_job_id = s.import_job_id AND f.ordinal = s.file_no
WHERE s.import_job_id = :job_id AND s.verdict <> 'quarantined'
  AND (s.certificate_serial = ANY (CAST(:serials AS text[]))
       OR (s.sheet_no, s.parcel_no) IN (
            SELECT coalesce(m.fields ->> 'sheet_no', q.sheet_no), coalesce(m.fields ->> 'parcel_no', q.parcel_no)
            FROM staged_parcel q
            LEFT JOIN mended_row m ON m.import_job_id = q.import_job_id AND m.file_no = q.file_no AND m.layer = q.layer
                                  AND m.row_no = q.row_no
            WHERE q.import_job_id = :job_id AND q.verdict = 'quarantined')
       OR EXISTS (SELECT 1 FROM unnest(CAST(:shapes AS bytea[])) AS w (shape)
                  WHERE s.geom && ST_Expand(ST_GeomFromWKB(w.shape, ST_SRID(s.geom)), 1)));

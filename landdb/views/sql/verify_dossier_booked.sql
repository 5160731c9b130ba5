-- I12. Numbers that a desk gave on a day and that no dossier bears, and dossiers whose code is not in the book.
SELECT coalesce(d.code, b.code) AS subject, CASE WHEN b.code IS NULL THEN 'not in the book' ELSE 'no dossier' END AS detail
FROM (
    SELECT o.code || '-' || to_char(n.day, 'YYMMDD') || '-' || lpad(no::text, greatest(4, length(no::text)), '0') AS code
    FROM dossier_number n JOIN office o USING (office_id)
    CROSS JOIN generate_series(1, n.last_no) AS no
) b
FULL JOIN dossier d USING (code)
WHERE d.code IS NULL OR b.code IS NULL

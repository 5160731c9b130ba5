-- I2. Dossiers whose row names another holder or epoch than their open custody.
SELECT d.code AS subject, 'row ' || d.holder_office_id || ' epoch ' || d.epoch || ', custody ' || c.office_id || ' epoch ' || c.epoch
       AS detail
FROM dossier d
JOIN custody c ON c.dossier_id = d.dossier_id AND c.ended_at IS NULL
WHERE (d.holder_office_id, d.epoch) IS DISTINCT FROM (c.office_id, c.epoch)

-- Parcels that will bear another number let go of the present one first, so that numbers may be exchanged within one import.
UPDATE parcel p
SET parcel_no = p.parcel_id::text
FROM staged_parcel s
JOIN map_sheet m ON m.map_sheet_id = (SELECT map_sheet_id FROM parcel WHERE parcel_id = s.parcel_id)
WHERE s.import_job_id = :job_id AND s.verdict = 'changed' AND NOT s.held AND p.parcel_id = s.parcel_id
  AND (p.parcel_no IS DISTINCT FROM s.parcel_no OR m.sheet_no IS DISTINCT FROM s.sheet_no);

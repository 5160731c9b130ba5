-- Layers that readers know by a version, and that have none although the register holds parcels.
SELECT 'parcels' AS subject, 'no row' AS detail
WHERE EXISTS (SELECT 1 FROM parcel) AND NOT EXISTS (SELECT 1 FROM data_version WHERE layer = 'parcels')

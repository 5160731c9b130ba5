-- Assets attached to the land, as registered today.
SELECT attached_asset_id, kind, name, construction_area_m2, floor_area_m2
FROM attached_asset
WHERE parcel_id = :parcel_id AND valid @> CAST(:today AS date) AND recorded @> CAST(:now AS timestamptz)
ORDER BY kind, attached_asset_id

-- Grows with every registration that touches parcels: with the question it makes a strong ETag.
SELECT CAST(coalesce((SELECT version FROM data_version WHERE layer = 'parcels'), 0) AS text)

-- One parcel in force as finished bytes; no row where it is unknown or ended.
SELECT
    ({version}),
    convert_to(feature, 'UTF8')
FROM parcel_face
WHERE parcel_id = :parcel_id

-- Which register this is (the cluster's own number and the database's, so that two registers never share an ETag), and whether
-- the role that sees no person's data has its rights here; where it lacks one, the connecting role reads.
SELECT
    (SELECT system_identifier FROM pg_control_system()) || '.'
        || (SELECT oid FROM pg_database WHERE datname = current_database()),
    EXISTS (
        SELECT FROM pg_roles
        WHERE rolname = 'land_read'
            AND pg_has_role(current_user, pg_roles.oid, 'MEMBER')
            AND (
                SELECT bool_and(has_table_privilege(pg_roles.oid, name, 'SELECT'))
                FROM unnest(ARRAY['parcel_face', 'parcel', 'map_sheet', 'data_version', 'admin_unit', 'linear_object',
                    'admin_unit_boundary', 'admin_unit_succession', 'reference_load']) AS name
            )
    )

-- What else the small scales show: any layer, loaded boundaries, and the day, since units and objects hold from day to day.
SELECT concat_ws('.',
    coalesce((SELECT sum(version) FROM data_version), 0),
    coalesce((SELECT max(reference_load_id) FROM reference_load), 0),
    to_char(CURRENT_TIMESTAMP AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYYYMMDD'))

"""Who may come in and do what: offices, staff, service keys, and the one permission map."""

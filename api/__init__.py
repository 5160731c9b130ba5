"""The HTTP face: routes, pages and the reading lane. No SQL and no rules of land live here."""

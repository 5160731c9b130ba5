"""How data arrive: an import is submitted, checked, approved, applied, and can be undone."""

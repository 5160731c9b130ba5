"""LA_RRR and LA_AdministrativeSource: registrations, rights, restrictions, certificates."""

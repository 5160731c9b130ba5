"""LA_SpatialUnit: parcels, their versions and lineage, and the map sheets that they were drawn on."""

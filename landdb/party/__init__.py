"""LA_Party: persons, couples, households, organisations, and the claims of old files about them."""

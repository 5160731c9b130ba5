"""The domain of a land-registration office and its database: what the register holds and the acts that change it."""

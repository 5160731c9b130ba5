"""Routes for services and scripts; each module with a ``router`` is found by ``api.app``."""

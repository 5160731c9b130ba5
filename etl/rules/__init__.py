"""The checks of a client's rows, one file per family; each reads a batch and notes what is wrong, repairing nothing."""

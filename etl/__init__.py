"""The file face: reads survey files, finds their faults, hands columns to the register. No SQL lives here."""

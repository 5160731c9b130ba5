"""The words of the register, each with its dates: administrative units, code lists, coordinate zones, tolerances, holidays."""

"""Read-only joins over the whole register, made for one page or one answer each."""

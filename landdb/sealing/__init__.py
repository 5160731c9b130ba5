"""Keys, and what is sealed with them: identity numbers encrypted with a keyed blind index, short signed tokens."""

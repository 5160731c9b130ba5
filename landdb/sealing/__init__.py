"""Keys, and what is sealed with them: identity numbers, short tokens, seals, hash chains, checkpoints, signatures of papers."""

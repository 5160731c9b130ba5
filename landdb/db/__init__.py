"""The machinery under every store: transactions, column types, and the translation of database refusals."""

"""The operator's face: the command line, the private database, the made-up province, verification."""

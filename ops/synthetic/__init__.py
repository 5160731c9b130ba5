"""A made-up province for demonstrations, tests and measurements; see `command.write_province`."""

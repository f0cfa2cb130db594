"""Settings of a table, changed by two people."""
